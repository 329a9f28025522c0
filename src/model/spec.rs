//! Specs: planned, and finished. The two are different types on purpose: Ginkgo's dry run marks every
//! selected spec `passed`, and a plan that could be read as results would be a false green.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpecOutcome;

/// A spec's full text: container texts and leaf text joined by one space, without Ginkgo's `[It] `
/// prefix and without the label list that Ginkgo appends in JUnit files and on stdout.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SpecName(pub String);

impl fmt::Display for SpecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A spec that the suite will run. It has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedSpec {
    /// Its name.
    pub name: SpecName,
    /// Its Ginkgo labels, in Ginkgo's order.
    pub labels: Vec<String>,
    /// `file:line` of its code.
    pub location: String,
    /// What it must stay together with, on one machine and in one call: its outermost container, if it is in an ordered
    /// one or serial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What a suite will run, known beforehand. Has no outcomes and cannot become results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuitePlan {
    /// The selected specs, in the suite's own order.
    pub selected: Vec<PlannedSpec>,
    /// How many specs the suite holds in all.
    pub total: usize,
}

/// What a failed spec said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The innermost message, on one line, for people.
    pub message: String,
    /// The whole text as the suite gave it.
    pub text: String,
    /// `file:line` of the failing assertion, if known.
    pub location: Option<String>,
}

/// One spec that ended, or that was planned and did not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpecResult {
    /// Its name.
    pub name: SpecName,
    /// How it ended.
    pub outcome: SpecOutcome,
    /// When it started, if known.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When it ended, if known.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Its run time in seconds, as the suite measured it; 0 when it did not run.
    pub seconds: f64,
    /// Ginkgo's parallel process, from 1, if known.
    pub process: Option<u32>,
    /// What it said, when it counts against the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why it was skipped or did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
