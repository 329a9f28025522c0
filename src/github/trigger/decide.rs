//! The decision: the first row that holds wins.

use jiff::SignedDuration;

use super::{Active, ActorKind, Config, Grant, Hint, Ledger, Role, Snapshot, Wish};

/// A doubtful snapshot is asked for again after these pauses; then nothing runs.
const PAUSES: [SignedDuration; 4] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(15),
    SignedDuration::from_secs(45),
    SignedDuration::from_secs(120),
];

/// What exactly is run. Nothing of it can change after the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The commit that was granted.
    pub head: String,
    /// The commit it is merged onto.
    pub base: String,
    /// That commit's branch.
    pub base_branch: String,
    /// Digest over the lanes.
    pub lanes: String,
    /// The grant.
    pub grant: u64,
    /// Who granted it.
    pub actor: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Run this.
    Run(Pin),
    /// End the active run, and run this.
    Supersede(Pin),
    /// End the active run.
    Cancel(Why),
    /// Nothing, and nobody needs to know.
    Ignore(Why),
    /// Nothing, and the pull request says why.
    Reject(Why),
    /// Look again after this time.
    Defer(SignedDuration),
}

/// Why nothing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The delivery was decided before.
    Replay,
    /// Not a repository or installation of ours.
    UnknownRepository,
    /// GitHub gave no state that can be trusted.
    NoState,
    /// The pull request is closed.
    Closed,
    /// The label is not there.
    NotOptedIn,
    /// The label was removed.
    LabelRemoved,
    /// A label of that name is there, and it is another one.
    LabelIdentity,
    /// The timeline does not say who labelled it.
    NoProvenance,
    /// A bot, an app or a deleted account labelled it.
    BotGrant,
    /// Somebody who may not push labelled it.
    Role,
    /// No signed delivery says which commit was granted.
    UnboundGrant,
    /// The head is not the commit that was granted.
    NewPush,
    /// The fork's head came too shortly before the grant for anybody to have read it.
    TooFresh,
    /// The branch is not one that is run.
    Base,
    /// It runs already.
    AlreadyRunning,
    /// It ran already.
    Done,
    /// Too many runs within a day, or too many that wait.
    Quota,
}

impl Why {
    /// One sentence for the pull request, with what to do next.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Replay => "This delivery was handled before.",
            Self::UnknownRepository => "This repository is not set up.",
            Self::NoState => {
                "GitHub's answers did not agree; add the label again in a few minutes."
            }
            Self::Closed => {
                "The pull request is closed; after it is opened again it needs the label again."
            }
            Self::NotOptedIn => "The label is not there.",
            Self::LabelRemoved => "The label was removed, so the run was ended.",
            Self::LabelIdentity => {
                "The label was deleted and made again; an operator has to confirm it."
            }
            Self::NoProvenance => "GitHub does not say who added the label; add it again.",
            Self::BotGrant => "The label was not added by a person.",
            Self::Role => "Whoever adds the label needs write permission.",
            Self::UnboundGrant => "It is not known which commit was meant; add the label again.",
            Self::NewPush => {
                "A commit was pushed after the label was added; somebody with write permission has to add it again."
            }
            Self::TooFresh => {
                "The commit was pushed right before the label was added; look at it once more and add the label again."
            }
            Self::Base => "Pull requests for this branch are not run.",
            Self::AlreadyRunning => "This commit is being run.",
            Self::Done => "This commit was run; remove and add the label to run it again.",
            Self::Quota => "Too many runs within a day; try again tomorrow.",
        }
    }
}

/// Decides what a hint about a pull request leads to. `snapshot` was read after the hint; it is absent when GitHub's
/// answer could not be read or was odd.
#[must_use]
pub fn decide(
    hint: &Hint,
    snapshot: Option<&Snapshot>,
    ledger: &Ledger,
    config: &Config,
) -> Decision {
    if hint.decided {
        return Decision::Ignore(Why::Replay);
    }
    let foreign = hint
        .installation
        .is_some_and(|installation| config.installation != Some(installation));
    if hint.repository != config.repository || foreign {
        return Decision::Ignore(Why::UnknownRepository);
    }
    let Some(snapshot) =
        snapshot.filter(|now| hint.updated_at.is_none_or(|at| now.updated_at >= at))
    else {
        return later(hint, Why::NoState);
    };
    let active = ledger.active.as_ref();
    if !snapshot.open {
        return end(active, Why::Closed, Why::Closed);
    }
    if !snapshot.labels.contains(&config.label) {
        if snapshot.named_label {
            return Decision::Reject(Why::LabelIdentity);
        }
        return end(active, Why::LabelRemoved, Why::NotOptedIn);
    }
    let Some(grant) = &snapshot.grant else {
        return later(hint, Why::NoProvenance);
    };
    if let Some(why) = untrusted(grant, hint, config) {
        return Decision::Reject(why);
    }
    let Some(granted) = &ledger.granted_head else {
        return Decision::Reject(Why::UnboundGrant);
    };
    let pushed = ledger
        .heads
        .iter()
        .any(|(head, at)| head != granted && *at > grant.at);
    if *granted != snapshot.head || pushed {
        return end(active, Why::NewPush, Why::NewPush);
    }
    let fresh = |(head, at): &(String, _)| *head == snapshot.head && *at > grant.at - config.fresh;
    if snapshot.fork && ledger.heads.iter().any(fresh) {
        return Decision::Reject(Why::TooFresh);
    }
    if !config.bases.contains(&snapshot.base_branch) {
        return end(active, Why::Base, Why::Base);
    }
    let pin = Pin {
        head: snapshot.head.clone(),
        base: snapshot.base.clone(),
        base_branch: snapshot.base_branch.clone(),
        lanes: config.lanes.clone(),
        grant: grant.event,
        actor: grant.by.id,
    };
    match active {
        Some(active) if same(active, &pin) => Decision::Ignore(Why::AlreadyRunning),
        // Its base was changed while it runs: the same code, so the grant stays.
        Some(_) => Decision::Supersede(pin),
        None => unless_done(hint, ledger, config, pin),
    }
}

fn unless_done(hint: &Hint, ledger: &Ledger, config: &Config, pin: Pin) -> Decision {
    let done = ledger.done.iter().any(|done| {
        done.head == pin.head
            && done.base_branch == pin.base_branch
            && done.lanes == pin.lanes
            && done.grant >= pin.grant
    });
    if done && hint.wish == Wish::Look {
        return Decision::Ignore(Why::Done);
    }
    let (counts, limits) = (ledger.counts, config.limits);
    let full = counts.pull_request >= limits.pull_request
        || counts.actor >= limits.actor
        || counts.repository >= limits.repository
        || counts.head >= limits.head
        || counts.queued >= limits.queued;
    if full {
        Decision::Reject(Why::Quota)
    } else {
        Decision::Run(pin)
    }
}

/// Why the grant, or the wish to run again, is not by somebody who may.
fn untrusted(grant: &Grant, hint: &Hint, config: &Config) -> Option<Why> {
    let presser = match &hint.wish {
        Wish::Look => None,
        Wish::Again { by } => Some(by),
    };
    [Some(&grant.by), presser]
        .into_iter()
        .flatten()
        .find_map(|actor| {
            let person = match actor.kind {
                ActorKind::Person => !config.denied.contains(&actor.id),
                ActorKind::Bot => config.apps.contains(&actor.id),
                ActorKind::Ghost => false,
            };
            if !person {
                Some(Why::BotGrant)
            } else if actor.role < Role::Write {
                Some(Why::Role)
            } else {
                None
            }
        })
}

fn same(active: &Active, pin: &Pin) -> bool {
    active.head == pin.head && active.base_branch == pin.base_branch && active.lanes == pin.lanes
}

fn end(active: Option<&Active>, running: Why, idle: Why) -> Decision {
    match active {
        Some(_) => Decision::Cancel(running),
        None => Decision::Ignore(idle),
    }
}

fn later(hint: &Hint, at_last: Why) -> Decision {
    let pause = usize::try_from(hint.deferred)
        .ok()
        .and_then(|deferred| PAUSES.get(deferred));
    match pause {
        Some(pause) => Decision::Defer(*pause),
        None => Decision::Reject(at_last),
    }
}
