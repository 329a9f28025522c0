//! The exit code of a run. Blocking lanes decide, and nothing is green by absence.

use super::{GateResult, GateState};
use crate::model::{Blame, CellOutcome, CellSummary, Class, ExitCode, Role};

/// The run's exit code: the gravest of its blocking lanes and gates, in the order failed (1), build (4), infra (3),
/// incomplete (5), passed (0). Nothing that blocks is incomplete, never passed.
#[must_use]
pub fn exit_code(cells: &[CellSummary], gates: &[GateResult]) -> ExitCode {
    let lanes = cells
        .iter()
        .filter(|cell| cell.lane.role == Role::Blocking)
        .map(exit_of);
    let missed = gates
        .iter()
        .filter(|gate| gate.state == GateState::Missed)
        .map(|_| ExitCode::Failed);
    lanes
        .chain(missed)
        .max_by_key(|exit| gravity(*exit))
        .filter(|_| cells.iter().any(|cell| cell.lane.role == Role::Blocking))
        .unwrap_or(ExitCode::Incomplete)
}

/// What one lane would make of the run.
#[must_use]
pub fn exit_of(cell: &CellSummary) -> ExitCode {
    match &cell.outcome {
        CellOutcome::Passed if cell.counts.passed == 0 => ExitCode::Incomplete,
        CellOutcome::Passed => ExitCode::Passed,
        CellOutcome::Failed => ExitCode::Failed,
        CellOutcome::Reduced { .. } | CellOutcome::NoTests | CellOutcome::NotRun { .. } => {
            ExitCode::Incomplete
        }
        CellOutcome::Stopped { cause } if cause.rule.as_deref() == Some(super::CANCELLED) => {
            ExitCode::Incomplete
        }
        CellOutcome::Stopped { cause } if cause.class == Class::Build => ExitCode::Build,
        CellOutcome::Stopped { cause } => match cause.blame {
            Blame::Kubernetes | Blame::Test | Blame::Runtime | Blame::Sandboxer => ExitCode::Failed,
            Blame::NodeImage | Blame::Environment | Blame::Bellwether | Blame::Unknown => {
                ExitCode::Infra
            }
        },
    }
}

const fn gravity(exit: ExitCode) -> u8 {
    match exit {
        ExitCode::Passed => 0,
        ExitCode::Incomplete => 1,
        ExitCode::Infra => 2,
        ExitCode::Build => 3,
        ExitCode::Failed => 4,
        ExitCode::Usage => 5,
        ExitCode::Interrupted => 6,
    }
}
