//! The suite that runs on this host, against a runtime that behaves and against some that do not.

use std::time::Duration;

use bellwether::{
    model::{CellOutcome, EventKind, ExitCode, SpecOutcome},
    profile::{CriLifecycle, Overrides, Profile, SuiteKind},
};

use crate::world::{Ran, World, left, one_lane};

/// What the test's runtime has not: streams, images to change, stats, events, namespaces, users.
const LACKING: [&str; 10] = [
    "stream",
    "attach",
    "port-forward",
    "images are",
    "logs hold",
    "stats of",
    "container events",
    "share its network",
    "gets its command",
    // Its containers' sessions are not ended by a limit.
    "exec sync ends a command",
];

fn profile(world: &World, runtime: &str, focus: &[&str]) -> Profile {
    let mut overrides: Overrides = one_lane("main");
    overrides
        .sources
        .push(("containerd".to_owned(), runtime.to_owned()));
    let mut profile = world.profile(&overrides);
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    profile.suites[0].timeout = Duration::from_secs(120);
    profile.suites[0].kind = SuiteKind::CriLifecycle(CriLifecycle {
        focus: owned(focus),
        skip: owned(&LACKING),
    });
    profile
}

fn failures(ran: &Ran) -> Vec<(&str, &str)> {
    (ran.cell().specs.iter())
        .filter(|spec| spec.outcome != SpecOutcome::Passed)
        .map(|spec| {
            let failure = spec.failure.as_ref();
            let said = failure.map_or("", |failure| failure.message.as_str());
            (spec.name.0.as_str(), said)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_behaves_passes_every_spec() {
    let world = World::shared();
    let ran = world.run_profile(profile(&world, "main", &[])).await;
    assert_eq!(failures(&ran), []);
    assert_eq!(ran.cell().outcome, CellOutcome::Passed);
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    let cell = ran.cell();
    assert!(cell.disagreements.is_empty(), "{:?}", cell.disagreements);
    assert!(cell.counts.planned >= 15, "{:?}", cell.counts);
    let timed = |spec: &bellwether::model::SpecResult| {
        spec.started_at.is_some() && spec.ended_at > spec.started_at
    };
    assert!(cell.specs.iter().all(timed));
    let attempt = ran.folder.attempt(&cell.lane.id, 1);
    let transcripts = std::fs::read_dir(attempt.file("specs")).unwrap();
    assert_eq!(transcripts.count(), cell.specs.len());
    assert!(attempt.file("junit_cri_01.xml").exists());
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misbehaviour_fails_its_spec_with_what_was_seen() {
    for (runtime, focus, words) in [
        (
            "never-says-oom",
            "OOMKilled",
            "the reason is `Error`, not `OOMKilled`",
        ),
        (
            "leaks-namespaces",
            "100 execs",
            "network-namespaces grew from 9 to 109",
        ),
        (
            "leaves-state",
            "a pod sandbox is ready",
            "left behind of pod",
        ),
    ] {
        let world = World::shared();
        let ran = world.run_profile(profile(&world, runtime, &[focus])).await;
        let failures = failures(&ran);
        let [(_, said)] = failures.as_slice() else {
            panic!("{runtime}: {failures:?}")
        };
        assert!(said.contains(words), "{runtime}: {said}");
        assert_eq!(ran.cell().outcome, CellOutcome::Failed);
        assert_eq!(ran.summary.exit, ExitCode::Failed);
        assert!(ran.cell().disagreements.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_powers_off_keeps_the_finished_specs() {
    let world = World::shared();
    let machines = world.machines.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::SpecFinished { .. }) {
            machines.controls()[0].power_off();
        }
    });
    let focus = ["says who", "a pod sandbox is ready"];
    let ran = world.run_profile(profile(&world, "main", &focus)).await;
    assert!(matches!(ran.cell().outcome, CellOutcome::Stopped { .. }));
    assert_eq!(ran.outcomes(), ["passed", "not-run"]);
    let reason = ran.cell().specs[1].reason.as_deref().unwrap();
    assert!(reason.contains("powered itself off"), "{reason}");
}
