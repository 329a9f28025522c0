//! Failed specs that run again.

use bellwether::{
    model::{Again, CellOutcome, Confirmation, EventKind, ExitCode, SpecOutcome},
    profile::Overrides,
};

use crate::world::{Ran, World, one_lane};

async fn confirmed(overrides: &Overrides) -> (World, Ran) {
    let mut world = World::shared();
    world.confirm = true;
    let ran = world.run(overrides).await;
    (world, ran)
}

fn of(ran: &Ran) -> Vec<(&str, Confirmation)> {
    let known = ran.summary.cells.iter().flat_map(|cell| &cell.confirmed);
    known
        .map(|known| (known.lane.as_str(), known.confirmation.clone()))
        .collect()
}

const LANE: &str = "main.plain.runc.conformance";

/// The tries of the only failed spec: place, outcome, attempt.
fn tries(ran: &Ran) -> Vec<(Again, SpecOutcome, u32)> {
    let known = ran.summary.cells.iter().flat_map(|cell| &cell.confirmed);
    known
        .flat_map(|known| &known.reruns)
        .map(|rerun| (rerun.place, rerun.outcome, rerun.attempt))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_that_passes_on_its_own_node_is_flaky_and_the_lane_stays_red() {
    // The second spec of a suite fails; alone it is the first.
    let (world, ran) = confirmed(&one_lane("one-fail")).await;
    assert_eq!(of(&ran), [(LANE, Confirmation::Flaky)]);
    assert_eq!(
        tries(&ran),
        [(Again::SameNode, SpecOutcome::Passed, 2)],
        "no other node is asked"
    );
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
    assert_eq!((ran.cell().attempts, ran.cell().specs.len()), (1, 3));
    assert!(ran.cell().disagreements.is_empty());
    assert_eq!(world.machines.started(), 1);
    for file in [
        "cell.json",
        "suite.log",
        "events.jsonl",
        "causes.json",
        "console.log",
        "junit_bw_01.xml",
        "exit.json",
    ] {
        let path = format!("{LANE}/2/{file}");
        assert!(ran.folder.file(&path).exists(), "{path}");
    }
    // The first attempt's evidence is its own: the rerun's output is not in it.
    let log = ran.text(&format!("{LANE}/1/suite.log"));
    assert_eq!(log.matches("Running Suite").count(), 1);
    let events = ran.folder.events().unwrap();
    let again = events.iter().find_map(|event| match &event.kind {
        EventKind::ConfirmFinished { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(again, Some(CellOutcome::Passed));
    assert!(ran.text("verdict.json").contains("\"outcome\": \"flaky\""));
    let said = "flaky: passed on its own node (attempt 2)";
    assert!(ran.text("report.html").contains(said));
    assert!(ran.text("prow/build-log.txt").contains(said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_spec_left_behind_is_the_node_s_fault() {
    let (world, ran) = confirmed(&one_lane("pollutes")).await;
    assert_eq!(of(&ran), [(LANE, Confirmation::PollutedNode)]);
    assert_eq!(
        tries(&ran),
        [
            (Again::SameNode, SpecOutcome::Failed, 2),
            (Again::FreshNode, SpecOutcome::Passed, 3)
        ]
    );
    assert_eq!(world.machines.started(), 2);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_again_is_deterministic_or_a_regression_from_the_control_pairing() {
    let (_world, ran) = confirmed(&one_lane("always-fails")).await;
    assert_eq!(of(&ran), [(LANE, Confirmation::Deterministic)]);
    assert!(
        ran.text("report.html")
            .contains("no earlier run has it passing")
    );
    let with_control = Overrides {
        pairings: Vec::new(),
        ..one_lane("always-fails")
    };
    let (world, ran) = confirmed(&with_control).await;
    assert_eq!(of(&ran), [(LANE, Confirmation::Regression)]);
    assert_eq!(
        tries(&ran),
        [
            (Again::SameNode, SpecOutcome::Failed, 2),
            (Again::FreshNode, SpecOutcome::Failed, 3),
            (Again::Control, SpecOutcome::Passed, 1)
        ]
    );
    assert_eq!(world.machines.started(), 3, "the control lane ran already");
    assert!(
        ran.text("report.html")
            .contains("passed on the control pairing")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_with_the_last_good_candidate_is_a_regression() {
    let mut world = World::shared();
    world.confirm = true;
    let good = world.run(&one_lane("main")).await;
    assert_eq!(good.summary.exit, ExitCode::Passed);
    let ran = world.run(&one_lane("always-fails")).await;
    assert_eq!(of(&ran), [(LANE, Confirmation::Regression)]);
    assert_eq!(
        tries(&ran),
        [
            (Again::SameNode, SpecOutcome::Failed, 2),
            (Again::FreshNode, SpecOutcome::Failed, 3),
            (Again::LastGood, SpecOutcome::Passed, 4)
        ]
    );
    let known = &ran.cell().confirmed[0];
    assert_eq!(known.reruns[2].good, Some(good.summary.run));
    assert_eq!(world.machines.started(), 1 + 3);
    assert!(
        ran.text("report.html")
            .contains("passed with the last good candidate of run")
    );
    assert_eq!(ran.summary.exit, ExitCode::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_while_specs_run_again_has_its_lane_s_result() {
    let mut world = World::shared();
    world.confirm = true;
    let cancel = world.cancel.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::ConfirmStarted { .. }) {
            cancel.cancel();
        }
    });
    let ran = world.run(&one_lane("always-fails")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(ran.outcomes(), ["passed", "failed", "passed"]);
    let [(_, Confirmation::Unconfirmed { reason })] = &of(&ran)[..] else {
        panic!("{:?}", of(&ran))
    };
    assert!(reason.contains("the run ended before"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_passes_has_nothing_to_confirm() {
    let (world, ran) = confirmed(&one_lane("main")).await;
    assert_eq!((of(&ran).len(), world.machines.started()), (0, 1));
    assert!(!ran.folder.file("confirm.json").exists());
}
