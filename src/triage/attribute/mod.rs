//! Attribution: who a failure belongs to, by where it is seen and where it is not.
//!
//! Owns: the matrix of trials, Fisher's exact test with false-discovery control, the choice between explanations. Pure.
//! Must not: read logs or messages (that is the rules' work), or name anybody when the data does not.

mod fisher;
mod hypotheses;
mod judge;
mod matrix;
pub mod simulate;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Blame, Confidence};

pub use fisher::{adjusted, fisher};
pub use judge::{attribute, attribute_all};
pub use matrix::{Sources, matrix};

/// A cell with fewer trials than this is no ground to name anybody on.
pub const TRIALS: u32 = 5;
/// The share of false names that is accepted.
pub const NAME_Q: f64 = 0.01;
/// The share of false suspicions that is accepted.
pub const SUSPECT_Q: f64 = 0.05;

/// Something that differs between cells.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "axis", content = "name", rename_all = "kebab-case")]
pub enum Axis {
    /// The revision of Kubernetes, which brings the suite too.
    Kubernetes,
    /// The revision of the runtime under test.
    Runtime,
    /// The revision of another source.
    Source(String),
    /// The sandboxer.
    Sandboxer,
    /// The node variant.
    Node,
    /// Host, accelerator, or a time span: what is no part of a candidate.
    Environment,
}

impl Axis {
    /// Who acts when this axis makes the difference.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Kubernetes => Blame::Kubernetes,
            Self::Runtime => Blame::Runtime,
            Self::Source(_) | Self::Sandboxer => Blame::Sandboxer,
            Self::Node => Blame::NodeImage,
            Self::Environment => Blame::Environment,
        }
    }

    /// Whether it is something that moves from candidate to candidate.
    const fn moves(&self) -> bool {
        matches!(self, Self::Kubernetes | Self::Runtime | Self::Source(_))
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "kubernetes",
            Self::Runtime => "runtime",
            Self::Source(name) => name,
            Self::Sandboxer => "sandboxer",
            Self::Node => "node",
            Self::Environment => "environment",
        })
    }
}

/// One cell of the matrix: where it is, and how often the failure was seen there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The level of each axis: `kubernetes` to `master`, `sandboxer` to `runsc`.
    #[serde(with = "levels")]
    #[schemars(with = "Vec<(Axis, String)>")]
    pub levels: BTreeMap<Axis, String>,
    /// Trials that failed this way.
    pub failed: u32,
    /// Trials that passed. One that failed another way is neither.
    pub passed: u32,
}

impl Cell {
    /// All trials.
    #[must_use]
    pub const fn trials(&self) -> u32 {
        self.failed + self.passed
    }
}

/// JSON has no maps with such keys.
mod levels {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Axis;

    pub fn serialize<S: Serializer>(
        levels: &BTreeMap<Axis, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        levels.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Axis, String>, D::Error> {
        let pairs = Vec::<(Axis, String)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

/// An explanation: the failure comes where these axes have these levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// One axis and level, or two that fail only together.
    pub when: Vec<(Axis, String)>,
    /// Who acts.
    pub blame: Blame,
    /// Failed and all trials where it holds.
    pub inside: (u32, u32),
    /// Failed and all trials elsewhere.
    pub outside: (u32, u32),
    /// One-sided, by Fisher's exact test.
    pub p: f64,
    /// The same, adjusted for everything that was tried.
    pub q: f64,
}

impl Explanation {
    /// In words: `sandboxer runsc: 21 of 40 failed, elsewhere 1 of 80`.
    #[must_use]
    pub fn words(&self) -> String {
        let when: Vec<String> = self
            .when
            .iter()
            .map(|(axis, level)| format!("{axis} {level}"))
            .collect();
        format!(
            "{}: {} of {} failed, elsewhere {} of {}",
            when.join(" with "),
            self.inside.0,
            self.inside.1,
            self.outside.0,
            self.outside.1
        )
    }
}

/// Who a failure belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "attribution", rename_all = "kebab-case")]
pub enum Attribution {
    /// One explanation stands out, at most [`NAME_Q`] of such names are false.
    Named {
        /// Which.
        explanation: Explanation,
    },
    /// One explanation stands out, at most [`SUSPECT_Q`] of such suspicions are false.
    Suspect {
        /// Which.
        explanation: Explanation,
    },
    /// It fails in every cell, the control pairing's too: nothing that is under test makes the difference.
    Everywhere {
        /// Failed trials.
        failed: u32,
        /// All trials.
        trials: u32,
    },
    /// There is enough data, and no axis makes a difference.
    NoDifference {
        /// Failed trials.
        failed: u32,
        /// All trials.
        trials: u32,
    },
    /// There is not enough data to say.
    NotEnough {
        /// What is missing.
        reason: String,
    },
}

impl Attribution {
    /// Who acts, and how sure that is.
    #[must_use]
    pub const fn blame(&self) -> (Blame, Confidence) {
        match self {
            Self::Named { explanation } => (explanation.blame, Confidence::Likely),
            Self::Suspect { explanation } => (explanation.blame, Confidence::Suspected),
            Self::Everywhere { .. } | Self::NoDifference { .. } | Self::NotEnough { .. } => {
                (Blame::Unknown, Confidence::Suspected)
            }
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Named { explanation } => explanation.words(),
            Self::Suspect { explanation } => format!("suspected: {}", explanation.words()),
            Self::Everywhere { failed, trials } => {
                format!("it fails everywhere, the control pairing included: {failed} of {trials}")
            }
            Self::NoDifference { failed, trials } => {
                format!("no difference between the cells: {failed} of {trials} failed")
            }
            Self::NotEnough { reason } => format!("not enough data: {reason}"),
        }
    }
}
