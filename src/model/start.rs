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
        /// Until it was ready, the import of the base images included.
        seconds: f64,
        /// What was wrong with the snapshot that was there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<String>,
        /// How long it took then until Kubernetes was plugged in and its images imported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugged: Option<f64>,
    },
    /// It was restored from the snapshot of an earlier boot.
    Restored {
        /// Until its runtime answered.
        seconds: f64,
        /// What was wrong with a better snapshot that was there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<String>,
        /// As of a booted one; absent when the snapshot had it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugged: Option<f64>,
    },
}

impl NodeStart {
    /// How long it took, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Booted {
                seconds, plugged, ..
            }
            | Self::Restored {
                seconds, plugged, ..
            } => seconds + plugged.unwrap_or_default(),
        }
    }

    /// Why a snapshot that was there was of no use.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match self {
            Self::Booted { broken, .. } | Self::Restored { broken, .. } => broken.as_deref(),
        }
    }
}

impl fmt::Display for NodeStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Booted {
            broken, plugged, ..
        }
        | Self::Restored {
            broken, plugged, ..
        }) = self;
        match self {
            Self::Restored { seconds, .. } => {
                write!(f, "restored from snapshot in {seconds:.1} s")?;
            }
            Self::Booted { seconds, .. } => write!(f, "booted in {seconds:.0} s")?,
        }
        if let Some(plugged) = plugged {
            write!(
                f,
                ", Kubernetes plugged in and its images imported in {plugged:.0} s"
            )?;
        }
        match broken {
            Some(why) => write!(f, ", snapshot was broken because {why}"),
            None => Ok(()),
        }
    }
}
