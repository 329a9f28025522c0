//! What waits in the queue, and what runs.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Demand;

/// A request's number: it grows, and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

/// Why a request exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Trigger {
    /// A label on a pull request.
    PullRequest {
        /// `owner/name`.
        repository: String,
        /// Its number.
        number: u64,
        /// The commit under test.
        head: String,
        /// Who wrote it.
        author: String,
    },
    /// Somebody asked.
    Manual {
        /// Who.
        by: String,
    },
    /// A fire of a schedule.
    Nightly {
        /// Which schedule.
        schedule: String,
    },
    /// A source moved.
    Source {
        /// Which.
        source: String,
    },
    /// A search for the first bad commit.
    Bisect,
    /// A hole of the past.
    Backfill,
}

/// How urgent a request is, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Pull requests: a person waits.
    PullRequest,
    /// Asked by hand.
    Manual,
    /// Schedules and moved sources.
    Nightly,
    /// Bisects.
    Bisect,
    /// Backfills.
    Backfill,
}

impl Class {
    /// Every one of them, most urgent first.
    pub const ALL: [Self; 5] = [
        Self::PullRequest,
        Self::Manual,
        Self::Nightly,
        Self::Bisect,
        Self::Backfill,
    ];
}

impl Trigger {
    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::PullRequest { .. } => Class::PullRequest,
            Self::Manual { .. } => Class::Manual,
            Self::Nightly { .. } | Self::Source { .. } => Class::Nightly,
            Self::Bisect => Class::Bisect,
            Self::Backfill => Class::Backfill,
        }
    }
}

/// A run that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// The profile.
    pub profile: String,
    /// Two requests with one key would do the same; the second joins the first.
    pub key: String,
    /// Why it exists.
    pub trigger: Trigger,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Not before this (a retry's pause); `asked` if at once.
    pub not_before: Timestamp,
    /// What it takes.
    pub demand: Demand,
    /// How long such a run takes as a rule.
    pub typical: SignedDuration,
    /// How long nine of ten such runs take at most.
    pub slow: SignedDuration,
    /// How often it was tried already and ended by the infrastructure's fault.
    pub tries: u32,
}

impl Request {
    /// Who shares slots with others in its class: a pull request's author, else the profile.
    #[must_use]
    pub fn owner(&self) -> &str {
        match &self.trigger {
            Trigger::PullRequest { author, .. } => author,
            _ => &self.profile,
        }
    }
}

/// A request whose run was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What was asked.
    pub request: Request,
    /// When it was started.
    pub started: Timestamp,
}
