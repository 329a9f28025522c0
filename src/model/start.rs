//! How a machine came to be a ready node.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a machine came to be a ready node, and how long that took from power-on, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum NodeStart {
    /// It was booted and provisioned.
    Booted {
        /// Until it was ready, image import included.
        seconds: f64,
        /// What was wrong with the snapshot that was there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<String>,
    },
    /// It was restored from the snapshot of an earlier boot.
    Restored {
        /// Until its runtime answered.
        seconds: f64,
    },
}

impl NodeStart {
    /// How long it took, in seconds.
    #[must_use]
    pub const fn seconds(&self) -> f64 {
        match self {
            Self::Booted { seconds, .. } | Self::Restored { seconds } => *seconds,
        }
    }

    /// Why a snapshot that was there was of no use.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match self {
            Self::Booted { broken, .. } => broken.as_deref(),
            Self::Restored { .. } => None,
        }
    }
}

impl fmt::Display for NodeStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored { seconds } => write!(f, "restored from snapshot in {seconds:.1} s"),
            Self::Booted {
                seconds,
                broken: None,
            } => write!(f, "booted in {seconds:.0} s"),
            Self::Booted {
                seconds,
                broken: Some(why),
            } => write!(
                f,
                "booted in {seconds:.0} s, snapshot was broken because {why}"
            ),
        }
    }
}
