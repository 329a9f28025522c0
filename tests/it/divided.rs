//! Lanes that are divided: among machines, in rounds, and by what should come first.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bellwether::{
    model::{CellOutcome, EventKind, ExitCode, RunSummary, SpecOutcome},
    profile::Profile,
};

use crate::world::{Ran, World, one_lane, sources};

const LANE: &str = "main.plain.runc.conformance";

/// The world with a suite of `shards`.
fn sharded(world: &World, behaviour: &str, shards: u32) -> Profile {
    let mut profile = world.profile(&one_lane(behaviour));
    profile.suites[0].shards = shards;
    profile
}

/// Kills the machine on which one of these specs runs, once for each spec.
fn kill_at(world: &World, specs: &'static [&'static str]) {
    let machines = world.machines.clone();
    let killed = Arc::new(Mutex::new(BTreeSet::new()));
    world.watch(move |_, event| {
        let EventKind::SpecStarted { spec } = &event.kind else {
            return;
        };
        let Some(which) = specs.iter().find(|text| spec.0.contains(**text)) else {
            return;
        };
        if !killed.lock().unwrap().insert(*which) {
            return;
        }
        for machine in machines.controls() {
            let log = machine.root.join("var/lib/bellwether/suite/out/suite.log");
            if std::fs::read_to_string(log).is_ok_and(|text| text.contains(which)) {
                machine.power_off();
            }
        }
    });
}

fn outcome(ran: &Ran, text: &str) -> SpecOutcome {
    let mut specs = ran.cell().specs.iter();
    specs
        .find(|spec| spec.name.0.contains(text))
        .unwrap()
        .outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_one_lane() {
    let world = World::shared();
    let ran = world.run_profile(sharded(&world, "main", 2)).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
    assert_eq!(ran.outcomes(), ["passed"; 3]);
    assert_eq!(ran.cell().counts.planned, 3);
    assert_eq!(ran.cell().notes, ["divided among 2 machines: 2 + 1 specs"]);
    assert_eq!(
        (world.machines.started(), world.machines.restored()),
        (2, 1)
    );
    for file in [
        "1/shard-1/cell.json",
        "1/shard-2/suite.log",
        "1/junit_lane.xml",
    ] {
        assert!(
            ran.folder.file(&format!("{LANE}/{file}")).exists(),
            "{file}"
        );
    }
    // The lane's own stream has every spec once, for whoever watches.
    let attempt = ran.folder.attempt(&ran.cell().lane.id, 1);
    let events = attempt.events().unwrap();
    let ended = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::SpecFinished { .. }));
    assert_eq!(ended.count(), 3);
    assert!(ran.text("junit.xml").contains("should restart a container"));
    assert!(ran.text("report.html").contains("divided among 2 machines"));
    assert_eq!(ran.again(&world).await.cells[0].specs, ran.cell().specs);
    assert!(ran.cell().identity.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_on_a_shard_is_the_lane_s_and_runs_again_there() {
    let mut world = World::shared();
    world.confirm = true;
    let ran = world.run_profile(sharded(&world, "always-fails", 3)).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(outcome(&ran, "root,0644"), SpecOutcome::Failed);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
    let [known] = &ran.cell().confirmed[..] else {
        panic!("{:?}", ran.cell().confirmed)
    };
    assert_eq!(known.confirmation.name(), "deterministic");
    assert_eq!(known.reruns.len(), 2);
    assert_eq!(world.machines.started(), 4);
    // Its line is found in the shard's own log.
    assert!(ran.text("report.html").contains("shard-2/suite.log"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_shard_loses_nothing() {
    let world = World::shared();
    // Each call's second spec hangs; alone it would be the first.
    kill_at(&world, &["restart a container"]);
    let ran = world.run_profile(sharded(&world, "hang", 2)).await;
    assert_eq!(ran.outcomes(), ["passed"; 3], "{:#?}", ran.cell());
    assert_eq!(ran.cell().outcome, CellOutcome::Passed);
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    assert_eq!(world.machines.started(), 3);
    let said = &ran.cell().notes[1];
    assert!(
        said.contains("shard 1's machine ended in spec") && said.contains("the 1 specs it left"),
        "{said}"
    );
    // What had ended did not run again.
    let again = ran.text(&format!("{LANE}/1/shard-1-again/suite.log"));
    assert!(!again.contains("start and end") && again.contains("restart a container"));
    assert!(ran.text("report.html").contains("machine ended in spec"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_gets_one_fresh_machine_and_not_a_third() {
    let world = World::shared();
    kill_at(
        &world,
        &["restart a container", "be used [Serial]", "take its time"],
    );
    let mut profile = sharded(&world, "hang", 2);
    let (focus, skip) = profile.suites[0].kind.selection();
    focus.clear();
    skip.clear();
    let ran = world.run_profile(profile).await;
    // Shard 1 had the first, third and fifth; the fifth hung on its second machine.
    assert_eq!(
        ran.outcomes(),
        ["passed", "passed", "passed", "passed", "not-run"]
    );
    let CellOutcome::Stopped { cause } = &ran.cell().outcome else {
        panic!("{:?}", ran.cell().outcome)
    };
    assert!(
        cause
            .evidence
            .iter()
            .all(|line| line.file.starts_with("shard-1-again")),
        "{cause:?}"
    );
    assert_eq!(world.machines.started(), 4);
    assert_ne!(ran.summary.exit, ExitCode::Passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_is_repeated_on_one_machine_and_one_failure_is_enough() {
    let world = World::shared();
    let mut profile = world.profile(&one_lane("third-time"));
    profile.suites[0].repeat = 4;
    let ran = world.run_profile(profile.clone()).await;
    assert_eq!(ran.outcomes(), ["failed", "passed", "passed"]);
    assert_eq!(ran.cell().counts.planned, 3);
    assert_eq!(
        ran.cell().specs[0].reason.as_deref(),
        Some("it failed in 1 of 4 rounds")
    );
    assert_eq!(ran.cell().notes, ["4 rounds"]);
    assert_eq!(world.machines.started(), 1);

    let mut world = World::shared();
    world.until_failure = true;
    profile.suites[0].repeat = 1;
    let ran = world.run_profile(profile).await;
    assert_eq!(ran.cell().notes, ["3 rounds"], "it stops there");
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_last_runs_first() {
    let world = World::shared();
    let ran = world.run(&one_lane("always-fails")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    // As if its specs took long: for quick ones a call of their own is not worth it.
    let mut summary: RunSummary = ran.folder.read_json("summary.json").unwrap();
    for spec in &mut summary.cells[0].specs {
        spec.seconds = 400.0;
    }
    ran.folder.write_json("summary.json", &summary).unwrap();
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
    let first = ran.text(&format!("{LANE}/1/shard-1/suite.log"));
    assert!(first.contains("root,0644") && !first.contains("start and end"));
    let rest = ran.text(&format!("{LANE}/1/shard-1.2/suite.log"));
    assert!(!rest.contains("root,0644") && rest.contains("start and end"));
    assert_eq!(world.machines.started(), 2);
    // It passed there, so nothing is first any more.
    let ran = world.run(&one_lane("main")).await;
    assert!(ran.cell().notes.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_change_touches_runs_first() {
    let mut world = World::fresh();
    let ran = world.run(&one_lane("main")).await;
    let mut summary: RunSummary = ran.folder.read_json("summary.json").unwrap();
    for spec in &mut summary.cells[0].specs {
        spec.seconds = 400.0;
    }
    ran.folder.write_json("summary.json", &summary).unwrap();
    let tree = world.sources.join("kubernetes");
    std::fs::create_dir_all(tree.join("pkg/kubelet/probes")).unwrap();
    sources::change(&tree, "pkg/kubelet/probes/worker.go", "package probes\n");
    world.start_over();
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
    let first = ran.text(&format!("{LANE}/1/shard-1/suite.log"));
    assert!(first.contains("restart a container") && !first.contains("start and end"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_candidate_is_taken_as_it_is() {
    let mut world = World::shared();
    let before = world.run(&one_lane("always-fails")).await;
    world.candidates = Some(before.summary.candidates.clone());
    // The profile means main, which passes.
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.summary.candidates, before.summary.candidates);
    assert_eq!(outcome(&ran, "root,0644"), SpecOutcome::Failed);
    // What nobody has built is not built for it: the profile is resolved.
    let mut unknown = before.summary.candidates.clone();
    unknown[0].node_images.get_mut("dummy").unwrap().digest.0 = "0".repeat(64);
    world.candidates = Some(unknown);
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.summary.exit, ExitCode::Passed);
}
