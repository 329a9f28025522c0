//! Enums as the small integers that the index holds. The order is part of the schema: only append.

use crate::model::{Accelerator, Blame, CellOutcome, Class, ExitCode, Phase, Role, SpecOutcome};

pub const OUTCOMES: [SpecOutcome; 9] = [
    SpecOutcome::Passed,
    SpecOutcome::Failed,
    SpecOutcome::TimedOut,
    SpecOutcome::Panicked,
    SpecOutcome::Interrupted,
    SpecOutcome::Skipped,
    SpecOutcome::NotRun,
    SpecOutcome::ExpectedFailure,
    SpecOutcome::UnexpectedPass,
];

/// Stands beside [`OUTCOMES`] for a cell that stopped in a phase.
pub const STOPPED: i64 = 15;

pub const CELLS: [&str; 6] = [
    "passed", "failed", "reduced", "no-tests", "not-run", "stopped",
];

pub const PHASES: [Phase; 10] = [
    Phase::Resolve,
    Phase::Build,
    Phase::Image,
    Phase::Boot,
    Phase::Provision,
    Phase::RuntimeReady,
    Phase::SuiteStart,
    Phase::Spec,
    Phase::Collect,
    Phase::Teardown,
];

pub const CLASSES: [Class; 10] = [
    Class::Infra,
    Class::Build,
    Class::Provision,
    Class::RuntimeDown,
    Class::ImagePull,
    Class::SuiteTimeout,
    Class::Environment,
    Class::Assertion,
    Class::NoEvidence,
    Class::Unknown,
];

pub const BLAMES: [Blame; 8] = [
    Blame::Kubernetes,
    Blame::Test,
    Blame::Runtime,
    Blame::Sandboxer,
    Blame::NodeImage,
    Blame::Environment,
    Blame::Bellwether,
    Blame::Unknown,
];

pub const ACCELERATORS: [Accelerator; 2] = [Accelerator::Kvm, Accelerator::Tcg];
pub const ROLES: [Role; 2] = [Role::Blocking, Role::Informing];
pub const EXITS: [ExitCode; 7] = [
    ExitCode::Passed,
    ExitCode::Failed,
    ExitCode::Usage,
    ExitCode::Infra,
    ExitCode::Build,
    ExitCode::Incomplete,
    ExitCode::Interrupted,
];

/// The integer of a value.
pub fn code<T: PartialEq>(all: &[T], value: &T) -> i64 {
    let at = all.iter().position(|known| known == value);
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

/// The value of an integer.
pub fn value<T: Copy>(all: &[T], code: i64) -> Option<T> {
    usize::try_from(code)
        .ok()
        .and_then(|at| all.get(at).copied())
}

/// A nullable integer's value.
pub fn maybe<T: Copy>(all: &[T], code: Option<i64>) -> Option<T> {
    code.and_then(|code| value(all, code))
}

/// An outcome of a spec; a code that is unknown reads as not-run, which is never green.
pub fn outcome(code: i64) -> SpecOutcome {
    value(&OUTCOMES, code).unwrap_or(SpecOutcome::NotRun)
}

/// A cell's outcome as it is written everywhere.
pub fn cell_name(code: i64) -> &'static str {
    value(&CELLS, code).unwrap_or("not-run")
}

/// Whether a cell says something about the product: it passed, it failed, or it was stopped by something that is neither
/// this host's nor unexplained.
pub fn conclusive(outcome: &CellOutcome) -> bool {
    match outcome {
        CellOutcome::Passed | CellOutcome::Failed => true,
        CellOutcome::Stopped { cause } => {
            !matches!(
                cause.blame,
                Blame::Environment | Blame::Bellwether | Blame::Unknown
            ) && !matches!(
                cause.class,
                Class::Infra | Class::NoEvidence | Class::Unknown
            )
        }
        CellOutcome::Reduced { .. } | CellOutcome::NoTests | CellOutcome::NotRun { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_part_of_the_schema() {
        for (at, outcome) in OUTCOMES.iter().enumerate() {
            assert_eq!(code(&OUTCOMES, outcome), i64::try_from(at).unwrap());
            assert_eq!(value(&OUTCOMES, at as i64), Some(*outcome));
        }
        assert_eq!(code(&OUTCOMES, &SpecOutcome::UnexpectedPass), 8);
        assert_eq!(code(&PHASES, &Phase::Teardown), 9);
        assert_eq!(code(&CLASSES, &Class::Unknown), 9);
        assert_eq!(code(&BLAMES, &Blame::Unknown), 7);
        assert_eq!(code(&EXITS, &ExitCode::Interrupted), 6);
        assert_eq!(outcome(99), SpecOutcome::NotRun);
    }
}
