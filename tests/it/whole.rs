//! Runs in which all goes well.

use bellwether::model::{CellOutcome, ExitCode, StepOutcome};
use bellwether::run::state::RunState;

use crate::world::{World, main_pairing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pass_and_a_second_run_builds_nothing() {
    let world = World::fresh();
    let ran = world.run(&main_pairing()).await;
    for cell in &ran.summary.cells {
        assert_eq!(cell.outcome, CellOutcome::Passed, "{cell:#?}");
    }
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    let state = RunState::load(ran.folder.path()).unwrap();
    assert!(
        state
            .steps
            .iter()
            .all(|step| step.outcome == Some(StepOutcome::Built)),
        "{state:#?}"
    );
}
