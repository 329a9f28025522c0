//! Failed specs that ran again, and what that says of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LaneId, RunId, SpecName, SpecOutcome};

/// Where a failed spec runs again, in this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// On the machine on which it failed.
    SameNode,
    /// On a new machine of the same node configuration and candidate.
    FreshNode,
    /// On a new machine with the last candidate on which it passed.
    LastGood,
    /// On a new machine with the control pairing's candidate.
    Control,
}

/// One more try at a failed spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rerun {
    /// Where.
    pub place: Again,
    /// The lane whose attempt holds its evidence: its own, or the control pairing's.
    pub lane: LaneId,
    /// The attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: SpecOutcome,
    /// Its run time, in seconds.
    pub seconds: f64,
    /// With the last good candidate: the run whose candidate that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<RunId>,
}

/// What a failure turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Confirmation {
    /// It passed where it had failed: the same candidate gives both.
    Flaky,
    /// It fails on the node on which it failed, and passes on a fresh one: something before it left something behind.
    PollutedNode,
    /// It fails on a fresh node too.
    Deterministic,
    /// It fails on a fresh node, and passes there with the last good candidate or with the control pairing's.
    Regression,
    /// Nobody knows.
    Unconfirmed {
        /// Why.
        reason: String,
    },
}

impl Confirmation {
    /// The name as it is written everywhere.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Flaky => "flaky",
            Self::PollutedNode => "polluted-node",
            Self::Deterministic => "deterministic",
            Self::Regression => "regression",
            Self::Unconfirmed { .. } => "unconfirmed",
        }
    }
}

/// A failed spec with its further tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmedSpec {
    /// Its lane.
    pub lane: LaneId,
    /// Which.
    pub spec: SpecName,
    /// What its failure turned out to be.
    pub confirmation: Confirmation,
    /// Every further try, in order.
    pub reruns: Vec<Rerun>,
    /// Which try was not made, and why, where that leaves the question open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
