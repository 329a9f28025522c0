//! How an attempt ended early, as seen by the station that saw it. A stop is an observation;
//! the verdict turns it, with the logs, into a [`super::Cause`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EvidenceLine, Phase};

/// What ended an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StopKind {
    /// A wait ran into its deadline.
    Deadline,
    /// The machine ended: powered off, reset, or its process died.
    MachineGone,
    /// A log showed that going on is useless (panic, emergency shell, failed Ignition).
    Alarm,
    /// A command or call failed.
    Failed,
    /// The suite's process was killed from outside.
    Killed,
    /// A person or a parent process asked to stop.
    Cancelled,
}

/// An attempt that ended before its suite did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// The phase it ended in.
    pub phase: Phase,
    /// What ended it.
    pub kind: StopKind,
    /// What was waited for and what was last seen, in words.
    pub said: String,
    /// The log line that showed it, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<EvidenceLine>,
}
