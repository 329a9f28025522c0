//! How a spec or a cell ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;

/// How one spec ended. Skipped and not-run are not green, and neither is a plan: see `SuitePlan`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SpecOutcome {
    /// It ran and passed.
    Passed,
    /// An assertion failed.
    Failed,
    /// It ran out of its own time.
    TimedOut,
    /// It panicked.
    Panicked,
    /// Somebody stopped it while it ran.
    Interrupted,
    /// It skipped itself at run time.
    Skipped,
    /// It was planned and never started.
    NotRun,
    /// It failed, and an expectation of the profile covers that.
    ExpectedFailure,
    /// It passed although the profile expects it to fail.
    UnexpectedPass,
}

impl SpecOutcome {
    /// The outcome's name as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::NotRun => "not-run",
            Self::ExpectedFailure => "expected-failure",
            Self::UnexpectedPass => "unexpected-pass",
        }
    }

    /// Whether this spec counts against its lane.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::TimedOut | Self::Panicked | Self::Interrupted
        )
    }
}

impl fmt::Display for SpecOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How one lane of one run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum CellOutcome {
    /// Every planned spec ran, and none counts against the lane.
    Passed,
    /// At least one spec counts against the lane.
    Failed,
    /// No spec failed, but fewer ran than were planned.
    Reduced {
        /// Why the rest did not run.
        reason: String,
    },
    /// The suite selected nothing.
    NoTests,
    /// The cell never started.
    NotRun {
        /// Why.
        reason: String,
    },
    /// The attempt ended in a phase, for a cause.
    Stopped {
        /// What stopped it, whose it is, and the line that says so.
        cause: Box<Cause>,
    },
}

impl CellOutcome {
    /// The outcome's name as it is written everywhere.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Reduced { .. } => "reduced",
            Self::NoTests => "no-tests",
            Self::NotRun { .. } => "not-run",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Whether the lane is green. Only [`CellOutcome::Passed`] is.
    #[must_use]
    pub const fn is_green(&self) -> bool {
        matches!(self, Self::Passed)
    }
}
