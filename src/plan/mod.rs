//! The plan: a pure function from a profile and its candidates to lanes and steps.
//!
//! Owns: which lanes there are, which steps they need, the digest of each step's inputs, the order.
//! Must not: do anything. What a build's own inputs are is told by the caller, as is what is cached.

mod divide;
mod touched;

pub use divide::{Known, divide};
pub use touched::touched;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    model::{Accelerator, Candidate, Digest, DigestBuilder, Lane, LaneId, StepId},
    profile::{Build, Node, Profile, Recipe, Sandboxer, SuiteKind, parse_size},
};

/// Two things that the profile asks for do not fit each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No candidate was resolved for a pairing.
    #[error("pairing `{0}` has no resolved candidate")]
    NoCandidate(String),
    /// A suite needs a build that the profile lacks.
    #[error(
        "suite `{suite}` needs a build with recipe `kubernetes-node`; add [build.kubernetes] with that recipe to the profile"
    )]
    NoKubernetes {
        /// The suite.
        suite: String,
    },
    /// The filters leave nothing to run.
    #[error("nothing to run: the profile and the filters given select no lane")]
    NoLanes,
}

/// What a run will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Steps, each after those it needs.
    pub steps: Vec<Step>,
    /// Lanes in the profile's order.
    pub lanes: Vec<PlannedLane>,
    /// Lanes that cannot run on this host. Nothing is made for them.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// A lane whose sandboxer needs what its machine cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The lane.
    pub lane: Lane,
    /// What it needs, in words.
    pub reason: String,
}

/// One piece of work whose output is cached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// What it does, for people.
    pub what: String,
    /// Over all its inputs; the cache's key.
    pub digest: Digest,
    /// Steps whose output it reads.
    pub needs: Vec<StepId>,
    /// What it does, for the engine.
    pub work: Work,
    /// Whether its output was in the cache when the plan was made.
    pub cached: bool,
}

/// The kinds of step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Work {
    /// Build a source.
    Build {
        /// The build's name.
        build: String,
        /// The pairing whose revision is taken.
        pairing: String,
    },
    /// Make a node image.
    NodeImage {
        /// The image's name.
        image: String,
        /// The pairing whose resolution is taken.
        pairing: String,
    },
    /// Make the few images that every node has, which takes no compiling of their source.
    BaseImages {
        /// The build whose source has them.
        build: String,
        /// The pairing whose revision is taken.
        pairing: String,
    },
    /// Make the read-only disk that carries a runtime, the sandboxer under test and the base images.
    RuntimeDisk {
        /// The builds on it.
        builds: Vec<StepId>,
    },
    /// Make the read-only disk that carries Kubernetes and the test images.
    KubernetesDisk {
        /// The builds on it.
        builds: Vec<StepId>,
    },
}

impl Work {
    /// Whether it keeps the host's cores busy. Making an image mostly waits for disks and the archive,
    /// so it runs beside a build.
    #[must_use]
    pub const fn needs_cores(&self) -> bool {
        matches!(self, Self::Build { .. })
    }

    /// Whether it takes minutes when its output is not in the cache: putting a disk together takes seconds.
    #[must_use]
    pub const fn takes_long(&self) -> bool {
        matches!(self, Self::Build { .. } | Self::NodeImage { .. })
    }
}

/// A lane with the steps that make its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLane {
    /// The lane.
    pub lane: Lane,
    /// The node image's step.
    pub image: StepId,
    /// The runtime disk's step.
    pub runtime_disk: StepId,
    /// The base images' step; empty in a plan that was made before there were any.
    #[serde(default = "no_step")]
    pub images: StepId,
    /// The Kubernetes disk's step, if its suite is Kubernetes' own.
    #[serde(default)]
    pub kubernetes_disk: Option<StepId>,
    /// The Kubernetes build's step: its binaries tell which specs will run.
    #[serde(default)]
    pub kubernetes_build: Option<StepId>,
}

const fn no_step() -> StepId {
    StepId(String::new())
}

impl PlannedLane {
    /// The steps it waits for.
    #[must_use]
    pub fn needs(&self) -> Vec<StepId> {
        [&self.image, &self.runtime_disk, &self.images]
            .into_iter()
            .chain(&self.kubernetes_disk)
            .chain(&self.kubernetes_build)
            .cloned()
            .collect()
    }
}

/// What the plan is made from.
pub struct Inputs<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// One per pairing.
    pub candidates: &'a [Candidate],
    /// The digest of a build's inputs.
    pub build_digest: &'a dyn Fn(&Build, &Candidate) -> Digest,
    /// Whether the cache holds a digest.
    pub cached: &'a dyn Fn(&Digest) -> bool,
    /// What a sandboxer needs and the node's machine will not have, in words, where that is known.
    pub unmet: &'a dyn Fn(&Sandboxer, &Node) -> Option<String>,
}

/// Makes the plan.
///
/// # Errors
/// When the profile's parts do not make at least one lane.
pub fn plan(inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    let profile = inputs.profile;
    let mut steps = Steps {
        inputs,
        steps: Vec::new(),
    };
    let (left_out, all_lanes) = parted(inputs);
    let mut lanes = Vec::new();
    for pairing in &profile.pairings {
        if !all_lanes.iter().any(|lane| lane.pairing == pairing.name) {
            continue;
        }
        let candidate = inputs
            .candidates
            .iter()
            .find(|candidate| candidate.pairing == pairing.name)
            .ok_or_else(|| PlanError::NoCandidate(pairing.name.clone()))?;
        let of_pairing = |lane: &&Lane| lane.pairing == pairing.name;
        let base = steps.base(candidate);
        let first = lanes.len();
        for lane in all_lanes.iter().filter(of_pairing) {
            let Some(images) = base.images.clone() else {
                return Err(PlanError::NoKubernetes {
                    suite: lane.suite.clone(),
                });
            };
            let sandboxer = profile.sandboxers.iter().find(|s| s.name == lane.sandboxer);
            let node = profile.nodes.iter().find(|node| node.name == lane.node);
            let image = node.map_or_else(String::new, |node| node.image.clone());
            let runtime_disk = steps.runtime_disk(candidate, sandboxer, &base.runtime);
            lanes.push(PlannedLane {
                lane: lane.clone(),
                image: steps.image(candidate, &image),
                runtime_disk,
                images,
                kubernetes_disk: None,
                kubernetes_build: None,
            });
        }
        // Last, because it takes longest: what does without it starts meanwhile.
        for planned in &mut lanes[first..] {
            let mut suites = profile.suites.iter();
            let suite = suites.find(|suite| suite.name == planned.lane.suite);
            if suite.is_some_and(|suite| matches!(suite.kind, SuiteKind::Ginkgo(_))) {
                let (build, disk) = steps.kubernetes(candidate);
                planned.kubernetes_build = build;
                planned.kubernetes_disk = disk;
            }
        }
    }
    if lanes.is_empty() && left_out.is_empty() {
        return Err(PlanError::NoLanes);
    }
    Ok(Plan {
        steps: steps.steps,
        lanes,
        left_out,
    })
}

/// The lanes that cannot run, and the others.
fn parted(inputs: &Inputs<'_>) -> (Vec<LeftOut>, Vec<Lane>) {
    let profile = inputs.profile;
    let (mut out, mut lanes) = (Vec::new(), Vec::new());
    for lane in lanes_of(profile) {
        let node = profile.nodes.iter().find(|node| node.name == lane.node);
        let sandboxer = profile.sandboxers.iter().find(|s| s.name == lane.sandboxer);
        match sandboxer
            .zip(node)
            .and_then(|(sandboxer, node)| (inputs.unmet)(sandboxer, node))
        {
            Some(reason) => out.push(LeftOut { lane, reason }),
            None => lanes.push(lane),
        }
    }
    (out, lanes)
}

/// The lanes of a profile, in its order; known before anything is resolved.
#[must_use]
pub fn lanes_of(profile: &Profile) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for pairing in &profile.pairings {
        for suite in profile
            .suites
            .iter()
            .filter(|suite| suite.pairings.contains(&pairing.name))
        {
            for node in profile
                .nodes
                .iter()
                .filter(|node| suite.nodes.contains(&node.name))
            {
                for sandboxer in profile
                    .sandboxers
                    .iter()
                    .filter(|s| suite.sandboxers.contains(&s.name))
                {
                    lanes.push(Lane {
                        id: Lane::id_of(&pairing.name, &node.name, &sandboxer.name, &suite.name),
                        pairing: pairing.name.clone(),
                        node: node.name.clone(),
                        sandboxer: sandboxer.name.clone(),
                        handler: sandboxer.handler.clone(),
                        suite: suite.name.clone(),
                        // Informing wins: a lane decides only if both its suite and its sandboxer do.
                        role: suite.role.max(sandboxer.role),
                    });
                }
            }
        }
    }
    lanes
}

/// What every lane of a pairing has.
struct Base {
    /// On its runtime disk.
    runtime: Vec<StepId>,
    images: Option<StepId>,
}

struct Steps<'a> {
    inputs: &'a Inputs<'a>,
    steps: Vec<Step>,
}

impl Steps<'_> {
    /// Adds a step unless one with the same digest is there: pairings share what is equal.
    fn add(
        &mut self,
        id: String,
        what: String,
        digest: Digest,
        needs: Vec<StepId>,
        work: Work,
    ) -> StepId {
        if let Some(step) = self.steps.iter().find(|step| step.digest == digest) {
            return step.id.clone();
        }
        let id = StepId(id);
        let cached = (self.inputs.cached)(&digest);
        self.steps.push(Step {
            id: id.clone(),
            what,
            digest,
            needs,
            work,
            cached,
        });
        id
    }

    fn base(&mut self, candidate: &Candidate) -> Base {
        let (mut runtime, mut images) = (Vec::new(), None);
        for (name, build) in &self.inputs.profile.builds {
            let mut users = self.inputs.profile.sandboxers.iter();
            if users.any(|user| user.builds().any(|of| of == name)) {
                continue;
            }
            match build.recipe {
                Recipe::KubernetesNode => {
                    images.get_or_insert(self.images(candidate, name, build));
                }
                Recipe::Containerd
                | Recipe::Crio
                | Recipe::CniPlugins
                | Recipe::Runc
                | Recipe::Commands => {
                    runtime.push(self.build(candidate, name, build));
                }
            }
        }
        runtime.extend(images.clone());
        Base { runtime, images }
    }

    /// The images that every node has, from the source of the build `name`.
    fn images(&mut self, candidate: &Candidate, name: &str, build: &Build) -> StepId {
        let digest = DigestBuilder::new("base-images")
            .field("form", "1")
            .field(
                "build",
                (self.inputs.build_digest)(build, candidate).as_str(),
            )
            .finish();
        let pairing = candidate.pairing.clone();
        let work = Work::BaseImages {
            build: name.to_owned(),
            pairing: pairing.clone(),
        };
        self.add(
            format!("images.base.{pairing}"),
            "base images: pause and busybox".to_owned(),
            digest,
            Vec::new(),
            work,
        )
    }

    /// Kubernetes' build and its disk.
    fn kubernetes(&mut self, candidate: &Candidate) -> (Option<StepId>, Option<StepId>) {
        let mut builds = self.inputs.profile.builds.iter();
        let found = builds.find(|(_, build)| build.recipe == Recipe::KubernetesNode);
        let Some((name, build)) = found else {
            return (None, None);
        };
        let build = self.build(candidate, name, build);
        let builds = vec![build.clone()];
        let work = Work::KubernetesDisk {
            builds: builds.clone(),
        };
        let id = format!("disk.kubernetes.{}", candidate.pairing);
        let disk = self.disk(id, "Kubernetes and test images", builds, work);
        (Some(build), Some(disk))
    }

    /// The runtime disk of a sandboxer's lanes. Each sandboxer's builds are on a disk of its own, so that one that does
    /// not build stops only its own lanes. Those that need no build share one.
    fn runtime_disk(
        &mut self,
        candidate: &Candidate,
        sandboxer: Option<&Sandboxer>,
        base: &[StepId],
    ) -> StepId {
        let profile = self.inputs.profile;
        let mut builds = base.to_vec();
        for name in sandboxer.into_iter().flat_map(Sandboxer::builds) {
            if let Some(build) = profile.builds.get(name) {
                let step = self.build(candidate, name, build);
                if !builds.contains(&step) {
                    builds.push(step);
                }
            }
        }
        let pairing = &candidate.pairing;
        let id = match sandboxer.filter(|_| builds.len() > base.len()) {
            Some(sandboxer) => format!("disk.runtime.{}.{pairing}", sandboxer.name),
            None => format!("disk.runtime.{pairing}"),
        };
        let work = Work::RuntimeDisk {
            builds: builds.clone(),
        };
        self.disk(id, "runtime, CNI, sandboxers and base images", builds, work)
    }

    fn build(&mut self, candidate: &Candidate, name: &str, build: &Build) -> StepId {
        let version = candidate.revisions.get(&build.source).map_or_else(
            || "unresolved".to_owned(),
            |revision| revision.version.clone(),
        );
        let digest = (self.inputs.build_digest)(build, candidate);
        let pairing = candidate.pairing.clone();
        let work = Work::Build {
            build: name.to_owned(),
            pairing: pairing.clone(),
        };
        let what = format!("build {name} {version}");
        self.add(
            format!("build.{name}.{pairing}"),
            what,
            digest,
            Vec::new(),
            work,
        )
    }

    fn disk(&mut self, id: String, what: &str, builds: Vec<StepId>, work: Work) -> StepId {
        let digests: BTreeMap<&StepId, &Digest> = self
            .steps
            .iter()
            .filter(|step| builds.contains(&step.id))
            .map(|step| (&step.id, &step.digest))
            .collect();
        let mut digest = DigestBuilder::new("disk")
            .field("what", what)
            .field("layout", "1");
        for part in digests.into_values() {
            digest = digest.field("build", part.as_str());
        }
        self.add(
            id,
            format!("disk with {what}"),
            digest.finish(),
            builds,
            work,
        )
    }

    fn image(&mut self, candidate: &Candidate, name: &str) -> StepId {
        let (digest, version) = candidate.node_images.get(name).map_or_else(
            || (Digest::of(name.as_bytes()), String::new()),
            |image| (image.digest.clone(), format!(" of {}", image.version)),
        );
        let pairing = candidate.pairing.clone();
        let work = Work::NodeImage {
            image: name.to_owned(),
            pairing,
        };
        self.add(
            format!("image.{name}"),
            format!("node image {name}{version}"),
            digest,
            Vec::new(),
            work,
        )
    }
}

impl Plan {
    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// The lane with this id.
    #[must_use]
    pub fn lane(&self, id: &LaneId) -> Option<&PlannedLane> {
        self.lanes.iter().find(|lane| lane.lane.id == *id)
    }
}

/// The first of a sandboxer's requirements that a machine does not meet, in words.
#[must_use]
pub fn unmet(
    requires: &[String],
    accelerator: Accelerator,
    nested: bool,
    memory: u64,
) -> Option<String> {
    let kvm = accelerator == Accelerator::Kvm;
    requires.iter().find_map(|requirement| {
        let met = match requirement.split_once(">=") {
            Some(("memory", least)) => parse_size(least).is_ok_and(|least| memory >= least),
            _ => match requirement.as_str() {
                "kvm" => kvm,
                "nested-kvm" => kvm && nested,
                _ => false,
            },
        };
        (!met).then(|| match requirement.as_str() {
            "kvm" | "nested-kvm" if !kvm => {
                format!("needs {requirement}, and no kernel boots under KVM on this host")
            }
            "nested-kvm" => {
                "needs nested-kvm, and this host's KVM does not let machines start machines"
                    .to_owned()
            }
            _ => format!("needs {requirement}"),
        })
    })
}

#[cfg(test)]
mod tests;
