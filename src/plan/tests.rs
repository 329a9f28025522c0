use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{
    model::{NodeImageRevision, Origin, Revision, Role},
    profile::{
        Ginkgo, Image, Node, Pairing, Preset, Runtime, RuntimeKind, Sandboxer, SandboxerBinary,
        Suite, SuiteKind,
    },
};

fn build(source: &str, recipe: Recipe) -> Build {
    Build {
        source: source.to_owned(),
        recipe,
        tags: Vec::new(),
        run: Vec::new(),
        outputs: BTreeMap::new(),
        timeout: Duration::from_secs(3600),
    }
}

fn sandboxer(name: &str) -> Sandboxer {
    Sandboxer {
        name: name.to_owned(),
        handler: name.to_owned(),
        role: Role::Blocking,
        runtime_type: "io.containerd.runc.v2".to_owned(),
        binary: SandboxerBinary::Package {
            package: name.to_owned(),
            path: format!("/usr/bin/{name}"),
        },
        with_builds: Vec::new(),
        with_packages: Vec::new(),
        options: None,
        config: None,
        files: BTreeMap::new(),
        unit: None,
        socket: None,
        ready: None,
        requires: Vec::new(),
    }
}

fn profile() -> Profile {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    Profile {
        name: "test".to_owned(),
        description: String::new(),
        sources: BTreeMap::new(),
        pairings: ["main", "control"]
            .map(|name| Pairing {
                name: name.to_owned(),
                selects: BTreeMap::new(),
            })
            .to_vec(),
        builds: [
            (
                "kubernetes".to_owned(),
                build("kubernetes", Recipe::KubernetesNode),
            ),
            (
                "containerd".to_owned(),
                build("containerd", Recipe::Containerd),
            ),
            ("cni".to_owned(), build("cni", Recipe::CniPlugins)),
        ]
        .into(),
        runtime: Runtime {
            kind: RuntimeKind::Containerd,
            config: None,
        },
        images: [(
            "debian-13".to_owned(),
            Image::Debian {
                suite: "trixie".to_owned(),
                packages: Vec::new(),
            },
        )]
        .into(),
        nodes: vec![Node {
            name: "plain".to_owned(),
            image: "debian-13".to_owned(),
            cpus: 2,
            memory: 4 << 30,
            disk: 20 << 30,
            disks: Vec::new(),
            ignition: Vec::new(),
            kernel_arguments: Vec::new(),
        }],
        sandboxers: vec![sandboxer("runc"), sandboxer("crun")],
        suites: vec![Suite {
            name: "conformance".to_owned(),
            kind: SuiteKind::Ginkgo(Ginkgo {
                preset: Preset::E2eNode,
                focus: Vec::new(),
                skip: Vec::new(),
                label_filter: None,
                processes: 1,
                kubelet_config: toml::Table::new(),
                feature_gates: BTreeMap::new(),
                arguments: Vec::new(),
            }),
            timeout: Duration::from_secs(3600),
            role: Role::Blocking,
            nodes: names(&["plain"]),
            sandboxers: names(&["runc", "crun"]),
            pairings: names(&["main", "control"]),
            shards: 1,
            repeat: 1,
        }],
        expect: Vec::new(),
        rules: Vec::new(),
        narrowed: false,
        gates: BTreeMap::new(),
        schedule: None,
        files: BTreeMap::new(),
    }
}

fn candidate(pairing: &str, kubernetes: &str) -> Candidate {
    let revision = |source: &str, version: &str| Revision {
        source: source.to_owned(),
        origin: Origin::GoModule {
            module: source.to_owned(),
            version: version.to_owned(),
            sum: format!("h1:{source}{version}"),
        },
        version: version.to_owned(),
        date: Some(Timestamp::UNIX_EPOCH),
        link: None,
    };
    Candidate {
        pairing: pairing.to_owned(),
        revisions: [
            ("kubernetes", kubernetes),
            ("containerd", "v2.4.2"),
            ("cni", "v1.9.1"),
        ]
        .into_iter()
        .map(|(source, version)| (source.to_owned(), revision(source, version)))
        .collect(),
        node_images: [(
            "debian-13".to_owned(),
            NodeImageRevision {
                name: "debian-13".to_owned(),
                version: "13.2".to_owned(),
                packages: vec!["runc=1.1.15".to_owned()],
                kernel: None,
                link: None,
                digest: Digest::of(b"image"),
            },
        )]
        .into(),
        sandboxers: BTreeMap::new(),
        toolchains: BTreeMap::new(),
        arch: "amd64".to_owned(),
    }
}

fn plan_of(profile: &Profile, candidates: &[Candidate]) -> Result<Plan, PlanError> {
    plan_on(profile, candidates, Accelerator::Kvm)
}

fn plan_on(
    profile: &Profile,
    candidates: &[Candidate],
    accelerator: Accelerator,
) -> Result<Plan, PlanError> {
    plan(&Inputs {
        profile,
        candidates,
        build_digest: &|build, candidate| {
            let identity = candidate.revisions[&build.source].identity().to_owned();
            DigestBuilder::new("build")
                .field("source", identity)
                .finish()
        },
        cached: &|_| false,
        unmet: &|sandboxer, node| unmet(&sandboxer.requires, accelerator, false, node.memory),
    })
}

#[test]
fn pairings_share_the_steps_whose_inputs_are_equal() {
    let candidates = [
        candidate("main", "v1.36.3"),
        candidate("control", "v1.35.4"),
    ];
    let plan = plan_of(&profile(), &candidates).unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    insta::assert_snapshot!(steps.join("\n"), @r"
    build.cni.main
    build.containerd.main
    images.base.main
    disk.runtime.main
    image.debian-13
    build.kubernetes.main
    disk.kubernetes.main
    images.base.control
    disk.runtime.control
    build.kubernetes.control
    disk.kubernetes.control
    ");
    let lanes: Vec<_> = plan
        .lanes
        .iter()
        .map(|lane| lane.lane.id.as_str())
        .collect();
    insta::assert_snapshot!(lanes.join("\n"), @r"
    main.plain.runc.conformance
    main.plain.crun.conformance
    control.plain.runc.conformance
    control.plain.crun.conformance
    ");
}

#[test]
fn every_step_comes_after_those_it_needs() {
    let plan = plan_of(
        &profile(),
        &[candidate("main", "v1"), candidate("control", "v2")],
    )
    .unwrap();
    for (index, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            assert!(
                plan.steps[..index]
                    .iter()
                    .any(|earlier| earlier.id == *need),
                "{need}"
            );
        }
    }
    for lane in &plan.lanes {
        assert!(lane.needs().iter().all(|need| plan.step(need).is_some()));
    }
}

#[test]
fn a_moved_source_changes_the_digests_of_what_is_made_from_it_only() {
    let mut profile = profile();
    profile.pairings.truncate(1);
    profile.suites[0].pairings.truncate(1);
    let before = plan_of(&profile, &[candidate("main", "v1")]).unwrap();
    let after = plan_of(&profile, &[candidate("main", "v2")]).unwrap();
    let moved: Vec<_> = before
        .steps
        .iter()
        .zip(&after.steps)
        .filter(|(a, b)| a.digest != b.digest)
        .map(|(a, _)| a.id.as_str())
        .collect();
    assert_eq!(
        moved,
        [
            "images.base.main",
            "disk.runtime.main",
            "build.kubernetes.main",
            "disk.kubernetes.main"
        ]
    );
}

#[test]
fn a_suite_over_cri_waits_for_no_kubernetes() {
    let mut profile = profile();
    profile.pairings.truncate(1);
    profile.suites[0].pairings.truncate(1);
    let mut lifecycle = profile.suites[0].clone();
    lifecycle.name = "lifecycle".to_owned();
    lifecycle.kind = SuiteKind::CriLifecycle(crate::profile::CriLifecycle::default());
    profile.suites.insert(0, lifecycle);
    let both = plan_of(&profile, &[candidate("main", "v1")]).unwrap();
    let [early, .., late] = both.lanes.as_slice() else {
        panic!("{:?}", both.lanes)
    };
    let needs = |lane: &PlannedLane| -> Vec<String> {
        let needs = lane.needs().into_iter();
        needs.map(|step| step.to_string()).collect()
    };
    let base = ["image.debian-13", "disk.runtime.main", "images.base.main"];
    assert_eq!(needs(early), base);
    assert_eq!(
        needs(late),
        [
            &base[..],
            &["disk.kubernetes.main", "build.kubernetes.main"]
        ]
        .concat()
    );
    // Whatever the early ones need is begun before Kubernetes.
    let place = |id: &str| both.steps.iter().position(|step| step.id.as_str() == id);
    assert!(
        base.iter()
            .all(|id| place(id) < place("build.kubernetes.main"))
    );
    profile.suites.pop();
    let alone = plan_of(&profile, &[candidate("main", "v1")]).unwrap();
    assert_eq!(
        alone.step(&StepId("build.kubernetes.main".to_owned())),
        None
    );
}

/// Gives a sandboxer a build of its own.
fn built(profile: &mut Profile, name: &str) {
    let mut own = build(name, Recipe::Commands);
    own.run = vec!["make".to_owned()];
    profile.builds.insert(name.to_owned(), own);
    let mut sandboxer = sandboxer(name);
    sandboxer.binary = SandboxerBinary::Build {
        build: name.to_owned(),
        binary: name.to_owned(),
    };
    profile.sandboxers.push(sandboxer);
    profile.suites[0].sandboxers.push(name.to_owned());
}

#[test]
fn a_sandboxer_s_build_is_needed_by_its_own_lanes_only() {
    let mut profile = profile();
    profile.pairings.truncate(1);
    profile.suites[0].pairings.truncate(1);
    built(&mut profile, "youki");
    let mut candidate = candidate("main", "v1");
    let mut revision = candidate.revisions["cni"].clone();
    revision.origin = Origin::Crate {
        name: "youki".to_owned(),
        version: "0.7.0".to_owned(),
        checksum: "ab".to_owned(),
    };
    candidate.revisions.insert("youki".to_owned(), revision);
    let plan = plan_of(&profile, &[candidate.clone()]).unwrap();
    let disks: Vec<_> = plan
        .lanes
        .iter()
        .map(|lane| (lane.lane.sandboxer.as_str(), lane.runtime_disk.as_str()))
        .collect();
    assert_eq!(
        disks,
        [
            ("runc", "disk.runtime.main"),
            ("crun", "disk.runtime.main"),
            ("youki", "disk.runtime.youki.main"),
        ]
    );
    let needs = |id: &str| &plan.step(&StepId(id.to_owned())).unwrap().needs;
    let youki = StepId("build.youki.main".to_owned());
    assert!(needs("disk.runtime.youki.main").contains(&youki));
    assert!(!needs("disk.runtime.main").contains(&youki));
    // A run that leaves it out does not build it.
    profile.suites[0].sandboxers.pop();
    let without = plan_of(&profile, &[candidate]).unwrap();
    assert_eq!(without.step(&youki), None);
}

#[test]
fn a_lane_decides_only_if_suite_and_sandboxer_do() {
    let mut profile = profile();
    profile.sandboxers[1].role = Role::Informing;
    let roles = |profile: &Profile| -> Vec<Role> {
        let lanes = lanes_of(profile).into_iter().take(2);
        lanes.map(|lane| lane.role).collect()
    };
    assert_eq!(roles(&profile), [Role::Blocking, Role::Informing]);
    profile.suites[0].role = Role::Informing;
    assert_eq!(roles(&profile), [Role::Informing, Role::Informing]);
}

#[test]
fn every_shipped_profile_plans_each_of_its_lanes() {
    for (name, _) in crate::profile::shipped() {
        let profile = crate::profile::load(&name, &crate::profile::Overrides::default()).unwrap();
        let candidates: Vec<Candidate> = profile
            .pairings
            .iter()
            .map(|pairing| {
                let mut one = candidate(&pairing.name, "v1");
                let revision = one.revisions["cni"].clone();
                for source in profile.sources.keys() {
                    let mut revision = revision.clone();
                    revision.source = source.clone();
                    revision.origin = Origin::Path {
                        path: format!("/{source}"),
                        digest: source.clone(),
                    };
                    one.revisions.insert(source.clone(), revision);
                }
                one
            })
            .collect();
        let plan = plan(&Inputs {
            profile: &profile,
            candidates: &candidates,
            build_digest: &|build, candidate| {
                DigestBuilder::new("build")
                    .field("source", candidate.revisions[&build.source].identity())
                    .field("build", format!("{build:?}"))
                    .finish()
            },
            cached: &|_| false,
            unmet: &|_, _| None,
        })
        .unwrap();
        assert_eq!(plan.lanes.len(), lanes_of(&profile).len(), "{name}");
        for planned in &plan.lanes {
            let disk = plan.step(&planned.runtime_disk).unwrap();
            let sandboxer = profile
                .sandboxers
                .iter()
                .find(|sandboxer| sandboxer.name == planned.lane.sandboxer)
                .unwrap();
            for build in sandboxer.builds() {
                let on_disk = |step: &StepId| step.as_str().starts_with(&format!("build.{build}."));
                assert!(
                    disk.needs.iter().any(on_disk),
                    "{name}: {build} on {}",
                    disk.id
                );
            }
        }
    }
}

#[test]
fn a_profile_without_kubernetes_is_refused() {
    let mut profile = profile();
    profile.builds.remove("kubernetes");
    let error = plan_of(
        &profile,
        &[candidate("main", "v1"), candidate("control", "v1")],
    )
    .unwrap_err();
    assert_eq!(
        error,
        PlanError::NoKubernetes {
            suite: "conformance".to_owned()
        }
    );
}

#[test]
fn unmet_requirements_are_said_in_words() {
    let requires = |text: &str| vec![text.to_owned()];
    assert_eq!(unmet(&requires("kvm"), Accelerator::Kvm, false, 0), None);
    assert!(
        unmet(&requires("kvm"), Accelerator::Tcg, false, 0)
            .unwrap()
            .contains("KVM")
    );
    assert_eq!(
        unmet(&requires("memory>=8GiB"), Accelerator::Tcg, false, 8 << 30),
        None
    );
    assert_eq!(
        unmet(&requires("memory>=8GiB"), Accelerator::Tcg, false, 4 << 30).unwrap(),
        "needs memory>=8GiB"
    );
    let nested = |accelerator, nested| unmet(&requires("nested-kvm"), accelerator, nested, 0);
    assert_eq!(nested(Accelerator::Kvm, true), None);
    assert!(
        nested(Accelerator::Kvm, false)
            .unwrap()
            .contains("start machines")
    );
    // A host may allow nesting and still boot no kernel.
    assert!(
        nested(Accelerator::Tcg, true)
            .unwrap()
            .contains("no kernel boots")
    );
    assert!(
        unmet(&requires("quantum"), Accelerator::Kvm, true, 0).is_some(),
        "unknown is unmet"
    );
}

#[test]
fn nothing_is_made_for_a_lane_that_cannot_run() {
    let mut profile = profile();
    let mut kata = sandboxer("kata");
    kata.binary = SandboxerBinary::Build {
        build: "kata".to_owned(),
        binary: "kata".to_owned(),
    };
    kata.requires = vec!["kvm".to_owned()];
    profile
        .builds
        .insert("kata".to_owned(), build("kata", Recipe::Commands));
    profile.sandboxers.push(kata);
    profile.suites[0].sandboxers.push("kata".to_owned());
    let mut candidates = [
        candidate("main", "v1.36.3"),
        candidate("control", "v1.35.4"),
    ];
    for candidate in &mut candidates {
        let mut revision = candidate.revisions["cni"].clone();
        revision.origin = Origin::Path {
            path: "/kata".to_owned(),
            digest: "kata".to_owned(),
        };
        candidate.revisions.insert("kata".to_owned(), revision);
    }
    let shown = |accelerator| {
        let plan = plan_on(&profile, &candidates, accelerator).unwrap();
        let kata = |id: &str| id.contains("kata");
        let steps = plan.steps.iter().filter(|step| kata(step.id.as_str()));
        let lanes = plan.lanes.iter().filter(|lane| kata(&lane.lane.sandboxer));
        (steps.count(), lanes.count(), plan.left_out)
    };
    // Its build, and a runtime disk for each pairing: their base images differ.
    assert_eq!(shown(Accelerator::Kvm), (3, 2, Vec::new()));
    let (steps, lanes, left_out) = shown(Accelerator::Tcg);
    assert_eq!((steps, lanes), (0, 0));
    let reasons: Vec<_> = left_out
        .iter()
        .map(|out| format!("{}: {}", out.lane.id, out.reason))
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @r"
    main.plain.kata.conformance: needs kvm, and no kernel boots under KVM on this host
    control.plain.kata.conformance: needs kvm, and no kernel boots under KVM on this host
    ");
    profile.suites[0].sandboxers = vec!["kata".to_owned()];
    let plan = plan_on(&profile, &candidates, Accelerator::Tcg).unwrap();
    assert_eq!(
        (plan.steps.len(), plan.lanes.len(), plan.left_out.len()),
        (0, 0, 2)
    );
}
