//! Lanes: the rows of the grid.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LaneId;

/// Whether a lane decides the headline.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It decides headline and exit code.
    #[default]
    Blocking,
    /// It is always listed and never decides.
    Informing,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blocking => "blocking",
            Self::Informing => "informing",
        })
    }
}

/// Node configuration × suite: one row of the grid, comparable from night to night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// `<pairing>.<node>.<sandboxer>.<suite>`.
    pub id: LaneId,
    /// The pairing's name.
    pub pairing: String,
    /// The node variant's name.
    pub node: String,
    /// The sandboxer's name.
    pub sandboxer: String,
    /// The CRI runtime handler it is served by.
    pub handler: String,
    /// The suite's name.
    pub suite: String,
    /// Whether it decides.
    pub role: Role,
}

impl Lane {
    /// The id of the lane made of these four names.
    #[must_use]
    pub fn id_of(pairing: &str, node: &str, sandboxer: &str, suite: &str) -> LaneId {
        LaneId(format!("{pairing}.{node}.{sandboxer}.{suite}"))
    }
}
