//! Attempts that say nothing about what is tested.

use super::CANCELLED;
use crate::model::{Blame, Cause, CellOutcome, CellSummary, Class, Phase};

/// Why an attempt was lost, if it was: the host or its emulator ended it before the suite said anything. Such a lane is
/// worth one more attempt. What a node image, a build or a profile breaks would break again, and what somebody stopped
/// stays stopped.
#[must_use]
pub fn lost(cell: &CellSummary) -> Option<&Cause> {
    let CellOutcome::Stopped { cause } = &cell.outcome else {
        return None;
    };
    let early = matches!(
        cause.phase,
        Phase::Boot | Phase::Provision | Phase::RuntimeReady | Phase::SuiteStart
    );
    let environment = cause.class == Class::Infra && cause.blame == Blame::Environment;
    let asked_for = cause.rule.as_deref() == Some(CANCELLED);
    (early && environment && !asked_for).then_some(cause)
}
