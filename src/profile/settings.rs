//! The validated profile: what the rest of bellwether reads. Nothing here can hold a state that
//! validation refuses.

use std::{collections::BTreeMap, time::Duration};

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Expectation, Lane, Role, SpecName};

/// One project's conformance run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// One line on what it is for.
    pub description: String,
    /// By name.
    pub sources: BTreeMap<String, Source>,
    /// In the profile's order; at least one.
    pub pairings: Vec<Pairing>,
    /// By name.
    pub builds: BTreeMap<String, Build>,
    /// The runtime under test.
    pub runtime: Runtime,
    /// Node images by name.
    pub images: BTreeMap<String, Image>,
    /// Node variants; `extends` is already applied.
    pub nodes: Vec<Node>,
    /// Sandboxers, in the profile's order.
    pub sandboxers: Vec<Sandboxer>,
    /// Suites, in the profile's order.
    pub suites: Vec<Suite>,
    /// Failures that are expected, the profile's own before inherited ones; the first that covers a failure counts.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Whether the command line left specs out, so that an expectation which names none of the planned specs is not
    /// stale.
    #[serde(default)]
    pub narrowed: bool,
    /// Files of classification rules (keys of [`Profile::files`]), in the profile's order.
    #[serde(default)]
    pub rules: Vec<Utf8PathBuf>,
    /// By metric name, such as `pass-rate`.
    pub gates: BTreeMap<String, Gate>,
    /// When the daemon runs it.
    pub schedule: Option<Schedule>,
    /// Every text file the profile names (Ignition fragments, config fragments), by the path it gives, so that
    /// nothing later reads the profile's folder again.
    pub files: BTreeMap<Utf8PathBuf, String>,
}

impl Profile {
    /// Name and text of each of its files of rules.
    pub fn rule_packs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules
            .iter()
            .filter_map(|path| Some((path.as_str(), self.files.get(path)?.as_str())))
    }

    /// The packages that its sandboxers need in every node image, in the profile's order, each once.
    #[must_use]
    pub fn sandboxer_packages(&self) -> Vec<String> {
        let mut packages: Vec<String> = Vec::new();
        for package in self.sandboxers.iter().flat_map(Sandboxer::packages) {
            if !packages.iter().any(|known| known == package) {
                packages.push(package.to_owned());
            }
        }
        packages
    }

    /// The suite of this name.
    #[must_use]
    pub fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|suite| suite.name == name)
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The sandboxer of this name.
    #[must_use]
    pub fn sandboxer(&self, name: &str) -> Option<&Sandboxer> {
        self.sandboxers
            .iter()
            .find(|sandboxer| sandboxer.name == name)
    }
}

/// Where code comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its kind and place.
    pub kind: SourceKind,
    /// What `stable` means for it: `latest-tag`, or an exact revision.
    pub stable: Option<String>,
}

/// The kinds of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SourceKind {
    /// A git repository; the only kind that tracks a main branch.
    Git {
        /// Its URL.
        url: String,
        /// Branch, tag, commit, or `refs/pull/N/head`.
        reference: String,
    },
    /// A published Go module.
    GoModule {
        /// Its path, such as `k8s.io/kubernetes`.
        module: String,
        /// `latest` or an exact version.
        version: String,
    },
    /// A published Rust crate.
    Crate {
        /// Its name, such as `youki`.
        name: String,
        /// `latest` or an exact version.
        version: String,
    },
    /// A local folder.
    Path {
        /// The folder; absolute.
        path: Utf8PathBuf,
    },
}

/// A named set of sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// Its name.
    pub name: String,
    /// By source name; a source not named here takes its own reference.
    pub selects: BTreeMap<String, Selection>,
}

/// What a pairing takes of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The source's `stable`.
    Stable,
    /// An exact revision.
    Revision(String),
}

/// How a source becomes binaries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The source's name.
    pub source: String,
    /// The recipe.
    pub recipe: Recipe,
    /// Go build tags beside the recipe's own.
    pub tags: Vec<String>,
    /// With recipe `commands`: the shell commands, run in the source's tree.
    pub run: Vec<String>,
    /// With recipe `commands`: where a file is in the runtime's folder of the guest, such as `bin/runsc`, and where the
    /// commands leave it in the tree.
    pub outputs: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// The built-in recipes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// kubelet, ginkgo, e2e_node.test and the test images.
    KubernetesNode,
    /// containerd, its runc shim and ctr.
    Containerd,
    /// CRI-O and pinns.
    Crio,
    /// The CNI plugins bridge, host-local, loopback, portmap, firewall.
    CniPlugins,
    /// runc.
    Runc,
    /// The profile's own commands.
    Commands,
}

/// The runtime under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Its kind.
    pub kind: RuntimeKind,
    /// A configuration fragment merged over the generated one (a key of [`Profile::files`]).
    pub config: Option<Utf8PathBuf>,
}

/// The runtimes bellwether can configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeKind {
    /// containerd, configuration version 3.
    Containerd,
    /// CRI-O.
    Crio,
}

/// A node image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Image {
    /// Made from Debian packages.
    Debian {
        /// The suite's code name, such as `trixie`.
        suite: String,
        /// Packages beside the recipe's own.
        packages: Vec<String>,
    },
    /// A disk image at hand.
    File {
        /// The image; absolute.
        path: Utf8PathBuf,
        /// Its SHA-256.
        sha256: String,
        /// Its format as QEMU names it: `qcow2` or `raw`.
        format: String,
    },
    /// Fedora CoreOS or Flatcar, by stream metadata.
    CoreosStream {
        /// The metadata's URL.
        url: String,
        /// The stream, such as `stable`.
        stream: String,
    },
}

/// A node variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// A name in [`Profile::images`].
    pub image: String,
    /// Guest cores.
    pub cpus: u32,
    /// Guest memory, in bytes.
    pub memory: u64,
    /// Root disk, in bytes; sparse on the host.
    pub disk: u64,
    /// Empty disks beside the root disk.
    #[serde(default)]
    pub disks: Vec<NodeDisk>,
    /// Ignition fragments in merge order (keys of [`Profile::files`]).
    pub ignition: Vec<Utf8PathBuf>,
    /// Kernel arguments beside the generated ones.
    pub kernel_arguments: Vec<String>,
}

/// An empty disk of a node, with an ext4 file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDisk {
    /// Its name, which is its serial.
    pub name: String,
    /// Its size in bytes; sparse on the host.
    pub size: u64,
    /// Where the guest mounts it, before the runtime starts.
    pub mount: String,
}

/// One runtime handler under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandboxer {
    /// Its name.
    pub name: String,
    /// Its CRI runtime handler; the name unless the profile says otherwise.
    pub handler: String,
    /// Whether its lanes can decide.
    pub role: Role,
    /// The runtime's own word for its type: containerd's, such as `io.containerd.runc.v2`; CRI-O's `oci`, `vm` or `pod`.
    pub runtime_type: String,
    /// Where the binary is that serves its pods.
    pub binary: SandboxerBinary,
    /// Builds whose outputs it needs beside that binary.
    pub with_builds: Vec<String>,
    /// Packages of the node image that it needs beside that binary.
    pub with_packages: Vec<String>,
    /// Keys of its entry beside the generated ones, as TOML text: containerd's shim options, or of CRI-O's runtime table.
    pub options: Option<String>,
    /// A configuration fragment merged over the generated one on its nodes (a key of [`Profile::files`]).
    pub config: Option<Utf8PathBuf>,
    /// Files that its nodes have: the path in the guest, and the key of [`Profile::files`].
    pub files: BTreeMap<String, Utf8PathBuf>,
    /// A systemd unit that its nodes start (a key of [`Profile::files`]); the file's name is the unit's.
    pub unit: Option<Utf8PathBuf>,
    /// A sandbox controller's socket in the guest.
    pub socket: Option<String>,
    /// A shell command that succeeds in the guest when it is ready.
    pub ready: Option<String>,
    /// What a node must have: `kvm`, `nested-kvm`, `memory>=8GiB`; unmet means not-run.
    pub requires: Vec<String>,
}

impl Sandboxer {
    /// How the runtime reaches it.
    #[must_use]
    pub fn shape(&self) -> Shape {
        if self.socket.is_some() {
            Shape::Controller
        } else if self.runtime_type.starts_with("io.containerd.runc.")
            || ["oci", "pod"].contains(&self.runtime_type.as_str())
        {
            Shape::OciRuntime
        } else {
            Shape::Shim
        }
    }

    /// The builds it needs, the one with its binary first.
    pub fn builds(&self) -> impl Iterator<Item = &str> {
        let own = match &self.binary {
            SandboxerBinary::Build { build, .. } => Some(build.as_str()),
            SandboxerBinary::Package { .. } => None,
        };
        own.into_iter()
            .chain(self.with_builds.iter().map(String::as_str))
    }

    /// The packages it needs in the node image, the one with its binary first.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        let own = match &self.binary {
            SandboxerBinary::Package { package, .. } => Some(package.as_str()),
            SandboxerBinary::Build { .. } => None,
        };
        own.into_iter()
            .chain(self.with_packages.iter().map(String::as_str))
    }

    /// Its unit's name.
    #[must_use]
    pub fn unit_name(&self) -> Option<&str> {
        self.unit.as_ref()?.file_name()
    }
}

/// The three ways in which a runtime reaches a sandboxer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// containerd's runc shim, or CRI-O's monitor, calls its binary: runc, crun, youki.
    OciRuntime,
    /// It has a shim of its own: gVisor, Kata.
    Shim,
    /// A resident service is asked for sandboxes over its socket, containerd's sandbox controller: Kuasar.
    Controller,
}

/// Where a sandboxer's binary comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum SandboxerBinary {
    /// The node image has it, from this package, at this path.
    Package {
        /// The package.
        package: String,
        /// The path in the guest.
        path: String,
    },
    /// One of the profile's builds makes it.
    Build {
        /// The build's name.
        build: String,
        /// The binary's file name.
        binary: String,
    },
}

/// What is run on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its kind and the kind's own settings.
    pub kind: SuiteKind,
    /// The longest the suite may run, on a machine with KVM; scaled under emulation.
    pub timeout: Duration,
    /// Whether its lanes decide.
    pub role: Role,
    /// The nodes it runs on, by name.
    pub nodes: Vec<String>,
    /// The sandboxers it runs against, by name.
    pub sandboxers: Vec<String>,
    /// The pairings it runs for, by name.
    pub pairings: Vec<String>,
    /// On so many machines each lane is divided.
    #[serde(default = "one")]
    pub shards: u32,
    /// So often it runs.
    #[serde(default = "one")]
    pub repeat: u32,
}

const fn one() -> u32 {
    1
}

impl Suite {
    /// The suite with these specs alone. What else it selects by stays.
    #[must_use]
    pub fn with_specs(&self, specs: &[SpecName]) -> Self {
        let mut suite = self.clone();
        // Anchored at the end: names begin with the suite's own, and some are the beginning of others.
        let exactly = |spec: &SpecName| format!("{}$", regex::escape(&spec.0));
        let (focus, _) = suite.kind.selection();
        *focus = specs.iter().map(exactly).collect();
        suite
    }
}

/// The kinds of suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SuiteKind {
    /// A Ginkgo binary.
    Ginkgo(Ginkgo),
    /// Bellwether's own specs of a runtime's life cycle, over CRI.
    CriLifecycle(CriLifecycle),
}

impl SuiteKind {
    /// The regular expressions of specs to run; none of them: all.
    #[must_use]
    pub fn focus(&self) -> &[String] {
        match self {
            Self::Ginkgo(settings) => &settings.focus,
            Self::CriLifecycle(settings) => &settings.focus,
        }
    }

    /// The regular expressions of specs to run and of specs to leave out.
    pub const fn selection(&mut self) -> (&mut Vec<String>, &mut Vec<String>) {
        match self {
            Self::Ginkgo(settings) => (&mut settings.focus, &mut settings.skip),
            Self::CriLifecycle(settings) => (&mut settings.focus, &mut settings.skip),
        }
    }
}

/// Settings of the suite `cri-lifecycle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriLifecycle {
    /// Regular expressions of specs to run; empty means all.
    pub focus: Vec<String>,
    /// Regular expressions of specs to leave out.
    pub skip: Vec<String>,
}

/// Settings of a Ginkgo suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ginkgo {
    /// Which binary and how it is called.
    pub preset: Preset,
    /// Regular expressions of specs to run; empty means all.
    pub focus: Vec<String>,
    /// Regular expressions of specs to leave out.
    pub skip: Vec<String>,
    /// A Ginkgo label filter.
    pub label_filter: Option<String>,
    /// Parallel processes.
    pub processes: u32,
    /// Keys merged over the generated kubelet configuration, as a TOML table.
    pub kubelet_config: toml::Table,
    /// Feature gates for kubelet, API server and suite.
    pub feature_gates: BTreeMap<String, bool>,
    /// More flags for the test binary, after `--`.
    pub arguments: Vec<String>,
}

/// Ginkgo binaries that bellwether knows how to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Kubernetes' node suite.
    E2eNode,
}

/// A failure that is expected, and where. An empty list of names means all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// Which failure, why, and until when.
    #[serde(flatten)]
    pub expectation: Expectation,
    /// On these nodes.
    pub nodes: Vec<String>,
    /// With these sandboxers.
    pub sandboxers: Vec<String>,
    /// In these suites.
    pub suites: Vec<String>,
    /// For these pairings.
    pub pairings: Vec<String>,
}

impl Expect {
    /// Whether the failure is expected on this lane.
    #[must_use]
    pub fn covers(&self, lane: &Lane) -> bool {
        let among = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        among(&self.nodes, &lane.node)
            && among(&self.sandboxers, &lane.sandboxer)
            && among(&self.suites, &lane.suite)
            && among(&self.pairings, &lane.pairing)
    }

    /// Whether any lane of this suite is covered.
    pub(super) fn reaches(&self, suite: &Suite) -> bool {
        let meet = |names: &[String], of: &[String]| {
            names.is_empty() || of.iter().any(|name| names.contains(name))
        };
        meet(&self.suites, std::slice::from_ref(&suite.name))
            && meet(&self.nodes, &suite.nodes)
            && meet(&self.sandboxers, &suite.sandboxers)
            && meet(&self.pairings, &suite.pairings)
    }
}

/// A bound on a number over a window of runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The least it may be.
    pub min: Option<f64>,
    /// The most it may be.
    pub max: Option<f64>,
    /// How many runs it is taken over.
    pub window: u32,
    /// With fewer values than this it says `insufficient-data`.
    pub n: u32,
}

/// When the daemon starts a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five cron fields.
    pub cron: String,
    /// An IANA time zone.
    pub timezone: String,
}
