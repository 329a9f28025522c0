//! What a new request does to those that are there already.

use super::{Request, RequestId, Running, Trigger};

/// So many requests may wait.
const LONGEST: usize = 500;

/// What becomes of a new request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits. Those in `drops` leave the queue, those in `ends` are ended: an older head of the same pull request.
    Waits {
        /// Waiting requests that it replaces.
        drops: Vec<RequestId>,
        /// Running requests that it replaces.
        ends: Vec<RequestId>,
    },
    /// The same thing waits already.
    Joins(RequestId),
    /// It does not get in.
    Refused(Refusal),
}

/// Why a request does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many wait.
    Full {
        /// How many.
        waiting: usize,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { waiting } => write!(
                f,
                "{waiting} requests wait already; try again when some have started"
            ),
        }
    }
}

/// Decides about a new request.
#[must_use]
pub fn admit(new: &Request, waiting: &[Request], running: &[Running]) -> Admission {
    if let Some(same) = waiting.iter().find(|request| request.key == new.key) {
        return Admission::Joins(same.id);
    }
    let drops: Vec<RequestId> = waiting
        .iter()
        .filter(|old| supersedes(new, old))
        .map(|old| old.id)
        .collect();
    let ends = running
        .iter()
        .filter(|old| supersedes(new, &old.request))
        .map(|old| old.request.id)
        .collect();
    if waiting.len() - drops.len() >= LONGEST {
        return Admission::Refused(Refusal::Full {
            waiting: waiting.len(),
        });
    }
    Admission::Waits { drops, ends }
}

/// Another head of the same pull request, for the same profile. Nightlies never supersede each other while they run.
fn supersedes(new: &Request, old: &Request) -> bool {
    match (&new.trigger, &old.trigger) {
        (
            Trigger::PullRequest {
                repository,
                number,
                head,
                ..
            },
            Trigger::PullRequest {
                repository: old_repository,
                number: old_number,
                head: old_head,
                ..
            },
        ) => {
            new.profile == old.profile
                && repository == old_repository
                && number == old_number
                && head != old_head
        }
        _ => false,
    }
}
