//! Failures that a profile expects, and what became of each on a lane.

use std::fmt;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SpecName, SpecOutcome};

/// A failure that is known: which, why, who follows it up, and until when that is good enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// A regular expression (Go's) over the spec's full name.
    pub spec: String,
    /// A regular expression (Go's) over what the failed spec says; without one, any failure is the known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The outcomes that are expected: `failed`, `timed-out`, `panicked`.
    pub outcomes: Vec<SpecOutcome>,
    /// Why it fails.
    pub reason: String,
    /// Who follows it up.
    pub tracker: Tracker,
    /// The last day on which it is expected.
    #[schemars(with = "String")]
    pub expires: Date,
}

/// Where a known failure is followed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tracker {
    /// At this address.
    Link(String),
    /// Nowhere, for this reason.
    None(String),
}

impl fmt::Display for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => f.write_str(link),
            Self::None(why) => write!(f, "no tracker: {why}"),
        }
    }
}

/// Whether an expectation still holds on the day of the run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// It holds.
    Current,
    /// It holds, and not for long.
    Expiring {
        /// Days until its last day; 0 on it.
        days: u32,
    },
    /// Its last day is over: failures count again.
    Expired {
        /// Days since its last day.
        days: u32,
    },
}

/// What became of an expectation on one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectationUse {
    /// Which.
    pub expectation: Expectation,
    /// Whether it held on the day the lane ran.
    pub standing: Standing,
    /// How many planned specs it names.
    pub planned: u32,
    /// Specs that failed as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<SpecName>,
    /// Specs that passed although a failure was expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<SpecName>,
    /// Specs that it names and that count against the lane: it expired, or they failed in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<SpecName>,
    /// Whether specs were left out on purpose, so that naming none of the planned ones says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrowed: bool,
}
