//! Failed specs that run again.

use bellwether::{
    model::{CellOutcome, Confirmation, EventKind, ExitCode},
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_that_passes_on_a_fresh_node_is_flaky_and_the_lane_stays_red() {
    // The second spec of a suite fails; alone it is the first.
    let (world, ran) = confirmed(&one_lane("one-fail")).await;
    assert_eq!(
        of(&ran),
        [("main.plain.runc.conformance", Confirmation::Flaky)]
    );
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
    assert_eq!((ran.cell().attempts, ran.cell().specs.len()), (1, 3));
    assert_eq!(world.machines.started(), 2);
    for file in ["cell.json", "suite.log", "events.jsonl", "causes.json"] {
        let path = format!("main.plain.runc.conformance/2/{file}");
        assert!(ran.folder.file(&path).exists(), "{path}");
    }
    let events = ran.folder.events().unwrap();
    let again = events.iter().find_map(|event| match &event.kind {
        EventKind::ConfirmFinished { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(again, Some(CellOutcome::Passed));
    assert!(ran.text("verdict.json").contains("\"outcome\": \"flaky\""));
    let said = "flaky: passed on a fresh node (attempt 2)";
    assert!(ran.text("report.html").contains(said));
    assert!(ran.text("prow/build-log.txt").contains(said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_again_is_deterministic_or_a_regression_from_the_control_pairing() {
    let (_world, ran) = confirmed(&one_lane("always-fails")).await;
    let lane = "main.plain.runc.conformance";
    assert_eq!(of(&ran), [(lane, Confirmation::Deterministic)]);
    let with_control = Overrides {
        pairings: Vec::new(),
        ..one_lane("always-fails")
    };
    let (world, ran) = confirmed(&with_control).await;
    assert_eq!(of(&ran), [(lane, Confirmation::Regression)]);
    assert_eq!(world.machines.started(), 3, "the control lane ran already");
    assert!(
        ran.text("report.html")
            .contains("passed on the control pairing")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_passes_has_nothing_to_confirm() {
    let (world, ran) = confirmed(&one_lane("main")).await;
    assert_eq!((of(&ran).len(), world.machines.started()), (0, 1));
    assert!(!ran.folder.file("confirm.json").exists());
}
