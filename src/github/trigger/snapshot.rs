//! What a decision rests on.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Why somebody looks at a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The repository's number.
    pub repository: u64,
    /// The installation that sent it, if it came by a webhook.
    pub installation: Option<u64>,
    /// What the delivery says of the pull request's last change; the snapshot must not be older.
    pub updated_at: Option<Timestamp>,
    /// Whether this delivery was decided before.
    pub decided: bool,
    /// What is wished.
    pub wish: Wish,
    /// How often the decision was put off already.
    pub deferred: u32,
}

/// What a hint wishes beyond a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: the label decides.
    Look,
    /// The run again (the button of a check).
    Again {
        /// Who pressed it.
        by: Actor,
    },
}

/// Somebody on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The number, which a renamed account keeps.
    pub id: u64,
    /// Of which kind.
    pub kind: ActorKind,
    /// What it may do now.
    pub role: Role,
}

/// Kinds of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person's.
    Person,
    /// A bot or an app.
    Bot,
    /// It is gone.
    Ghost,
}

/// Roles of a repository, the least first. A custom role counts as the one it is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// None.
    None,
    /// May read.
    Read,
    /// May label, and may not push: not enough on purpose.
    Triage,
    /// May push.
    Write,
    /// May manage.
    Maintain,
    /// May do all.
    Admin,
}

/// The newest `labeled` event of the label in the timeline that no `unlabeled` follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The event's number.
    pub event: u64,
    /// Who did it.
    pub by: Actor,
    /// When, by GitHub's clock.
    pub at: Timestamp,
}

/// The pull request as GitHub has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether it is open.
    pub open: bool,
    /// Its head.
    pub head: String,
    /// Whether the head lies in another repository.
    pub fork: bool,
    /// The branch it is for.
    pub base_branch: String,
    /// That branch's newest commit.
    pub base: String,
    /// Numbers of its labels. A renamed label keeps its number, one that was made again has another.
    pub labels: BTreeSet<u64>,
    /// Whether a label of the configured name is there.
    pub named_label: bool,
    /// The grant, if the timeline has one.
    pub grant: Option<Grant>,
    /// Its last change.
    pub updated_at: Timestamp,
}

/// What the ledger knows of this pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The head that the signed delivery of the grant named.
    pub granted_head: Option<String>,
    /// Every head that was seen, with the time of our first receipt.
    pub heads: Vec<(String, Timestamp)>,
    /// The run that waits or runs.
    pub active: Option<Active>,
    /// Runs that ended.
    pub done: Vec<Done>,
    /// Counts of the last day.
    pub counts: Counts,
}

/// A run of this pull request that waits or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// The head under test.
    pub head: String,
    /// The branch it is merged onto.
    pub base_branch: String,
    /// Digest over the lanes.
    pub lanes: String,
}

/// A run of this pull request that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The head under test.
    pub head: String,
    /// The branch it was merged onto.
    pub base_branch: String,
    /// Digest over the lanes.
    pub lanes: String,
    /// The grant it ran by.
    pub grant: u64,
}

/// Runs in the last 24 hours, and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of this pull request.
    pub pull_request: u32,
    /// Granted by this person.
    pub actor: u32,
    /// Of the repository.
    pub repository: u32,
    /// Of this head.
    pub head: u32,
    /// Waiting in the queue.
    pub queued: u32,
}

/// Limits within 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Runs of one pull request.
    pub pull_request: u32,
    /// Runs that one person grants.
    pub actor: u32,
    /// Runs of a repository.
    pub repository: u32,
    /// Runs of one head.
    pub head: u32,
    /// Requests that wait.
    pub queued: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pull_request: 3,
            actor: 10,
            repository: 20,
            head: 3,
            queued: 8,
        }
    }
}

/// What an operator set, read from the base branch alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The repository.
    pub repository: u64,
    /// The app's installation on it, if there is an app.
    pub installation: Option<u64>,
    /// The label's number.
    pub label: u64,
    /// Branches whose pull requests are run.
    pub bases: BTreeSet<String>,
    /// Digest over the lanes that are run.
    pub lanes: String,
    /// People who may not grant.
    pub denied: BTreeSet<u64>,
    /// Apps that may grant.
    pub apps: BTreeSet<u64>,
    /// A fork's head must have been there this long before the grant.
    pub fresh: SignedDuration,
    /// Limits.
    pub limits: Limits,
}
