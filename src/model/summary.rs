//! What is kept of a run for ever: a few kB.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Candidate, CellOutcome, ConfirmedSpec, ExpectationUse, Lane, NodeStart, RunId, SpecResult,
};

/// The version of every JSON document that bellwether writes; it grows when a field changes meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Documented exit codes of `bellwether run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCode {
    /// 0: every blocking lane passed.
    Passed,
    /// 1: a blocking lane failed, by a spec or by a stop that is the product's.
    Failed,
    /// 2: wrong usage, or a wrong profile.
    Usage,
    /// 3: the host, the network or the node image failed.
    Infra,
    /// 4: a build failed.
    Build,
    /// 5: a blocking lane did not run, ran reduced, or was interrupted.
    Incomplete,
    /// 130: stopped by Ctrl-C.
    Interrupted,
}

impl ExitCode {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Failed,
        Self::Usage,
        Self::Infra,
        Self::Build,
        Self::Incomplete,
        Self::Interrupted,
    ];

    /// The process's exit status.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Infra => 3,
            Self::Build => 4,
            Self::Incomplete => 5,
            Self::Interrupted => 130,
        }
    }
}

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU's emulation: ten to thirty times slower, deadlines are scaled.
    Tcg,
}

impl Accelerator {
    /// The name as QEMU writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a run ran. Not part of the candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// `qemu-system-x86_64 --version`'s version.
    pub qemu: String,
    /// What ran the guests.
    pub accelerator: Accelerator,
    /// Why, in words: `a kernel booted under KVM in 0.8 s`, `KVM opened but no kernel booted in 10 s`.
    pub accelerator_reason: String,
    /// Host cores.
    pub cores: u32,
    /// Host memory, in bytes.
    pub memory: u64,
    /// Bellwether's own version.
    pub bellwether: String,
}

/// Specs of one cell by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneCounts {
    /// How many the suite said it would run.
    pub planned: u32,
    /// Ran and passed.
    pub passed: u32,
    /// Count against the lane.
    pub failed: u32,
    /// Skipped themselves.
    pub skipped: u32,
    /// Planned, never started.
    pub not_run: u32,
    /// Failed as the profile expects; in no other count but `planned`.
    #[serde(default)]
    pub expected: u32,
    /// Of those that passed, the ones that the profile expects to fail.
    #[serde(default)]
    pub unexpected: u32,
}

/// One cell of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSummary {
    /// Its lane.
    pub lane: Lane,
    /// How it ended.
    pub outcome: CellOutcome,
    /// Specs by outcome.
    pub counts: LaneCounts,
    /// Wall time of its last attempt, in seconds.
    pub seconds: f64,
    /// Of that, the suite's own wall time, in seconds; 0 when it did not start.
    pub suite_seconds: f64,
    /// Attempts made.
    pub attempts: u32,
    /// How its node came up; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NodeStart>,
    /// What does not agree between the evidence's parts, in words. Empty on an honest run.
    pub disagreements: Vec<String>,
    /// Every spec of the last attempt.
    pub specs: Vec<SpecResult>,
    /// What became of the failures that the profile expects here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ExpectationUse>,
    /// What its failed specs did when they ran again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<ConfirmedSpec>,
    /// Who served the lane's pods, proven from outside, in words. Absent where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// How it ran, where that is not one call of its suite on one machine: shards, rounds, a machine that was replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl CellSummary {
    /// A cell of which nothing is known but how it ended.
    #[must_use]
    pub const fn new(lane: Lane, outcome: CellOutcome) -> Self {
        Self {
            lane,
            outcome,
            counts: LaneCounts {
                planned: 0,
                passed: 0,
                failed: 0,
                skipped: 0,
                not_run: 0,
                expected: 0,
                unexpected: 0,
            },
            seconds: 0.0,
            suite_seconds: 0.0,
            attempts: 0,
            start: None,
            disagreements: Vec::new(),
            specs: Vec::new(),
            expectations: Vec::new(),
            confirmed: Vec::new(),
            identity: None,
            notes: Vec::new(),
        }
    }
}

/// A whole run, small enough to keep for ever (failure texts are shortened in `summary.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Its id.
    pub run: RunId,
    /// Its profile's name.
    pub profile: String,
    /// When it started.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// By pairing, in the profile's order.
    pub candidates: Vec<Candidate>,
    /// Where it ran; absent when it ended before a machine was looked for.
    pub environment: Option<Environment>,
    /// Its cells, in the plan's order.
    pub cells: Vec<CellSummary>,
    /// Its exit code.
    pub exit: ExitCode,
}
