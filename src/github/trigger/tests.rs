//! Each refused case beside its legitimate twin, which differs in one thing and runs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const LABEL: u64 = 77;
const HEAD: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";
const BASE: &str = "3333333333333333333333333333333333333333";

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn person(role: Role) -> Actor {
    Actor {
        id: 9,
        kind: ActorKind::Person,
        role,
    }
}

/// A pull request of a fork that somebody with write permission labelled a minute ago, after it lay there for an hour.
#[derive(Clone)]
struct Case {
    hint: Hint,
    snapshot: Option<Snapshot>,
    ledger: Ledger,
    config: Config,
}

impl Case {
    fn good() -> Self {
        Self {
            hint: Hint {
                repository: 5,
                installation: Some(6),
                updated_at: Some(ago(60)),
                decided: false,
                wish: Wish::Look,
                deferred: 0,
            },
            snapshot: Some(Snapshot {
                open: true,
                head: HEAD.to_owned(),
                fork: true,
                base_branch: "main".to_owned(),
                base: BASE.to_owned(),
                labels: BTreeSet::from([LABEL, 1]),
                named_label: true,
                grant: Some(Grant {
                    event: 100,
                    by: person(Role::Write),
                    at: ago(60),
                }),
                updated_at: ago(60),
            }),
            ledger: Ledger {
                granted_head: Some(HEAD.to_owned()),
                heads: vec![(HEAD.to_owned(), ago(3600))],
                ..Ledger::default()
            },
            config: Config {
                repository: 5,
                installation: Some(6),
                label: LABEL,
                bases: BTreeSet::from(["main".to_owned()]),
                lanes: "lanes".to_owned(),
                denied: BTreeSet::new(),
                apps: BTreeSet::new(),
                fresh: SignedDuration::from_secs(120),
                limits: Limits::default(),
            },
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::good();
        change(&mut case);
        case
    }

    fn snapshot(&mut self) -> &mut Snapshot {
        self.snapshot.as_mut().unwrap()
    }

    fn grant(&mut self) -> &mut Grant {
        self.snapshot().grant.as_mut().unwrap()
    }

    fn decide(&self) -> Decision {
        decide(
            &self.hint,
            self.snapshot.as_ref(),
            &self.ledger,
            &self.config,
        )
    }

    fn runs(&self) -> bool {
        matches!(self.decide(), Decision::Run(_))
    }
}

fn active(head: &str, base_branch: &str) -> Active {
    Active {
        head: head.to_owned(),
        base_branch: base_branch.to_owned(),
        lanes: "lanes".to_owned(),
    }
}

#[test]
fn a_label_by_somebody_who_may_push_runs_exactly_what_was_granted() {
    let Decision::Run(pin) = Case::good().decide() else {
        panic!("{:?}", Case::good().decide())
    };
    assert_eq!(
        (pin.head.as_str(), pin.base.as_str(), pin.grant, pin.actor),
        (HEAD, BASE, 100, 9)
    );
}

#[test]
fn a_delivery_is_decided_once() {
    let replay = Case::with(|case| case.hint.decided = true);
    assert_eq!(replay.decide(), Decision::Ignore(Why::Replay));
}

#[test]
fn other_repositories_and_installations_are_no_business_of_ours() {
    for stranger in [
        Case::with(|case| case.hint.repository = 4),
        Case::with(|case| case.hint.installation = Some(4)),
    ] {
        assert_eq!(stranger.decide(), Decision::Ignore(Why::UnknownRepository));
    }
    // A sweep comes by no installation.
    assert!(Case::with(|case| case.hint.installation = None).runs());
}

#[test]
fn without_a_state_that_is_new_enough_nothing_runs() {
    let stale = |deferred| {
        Case::with(|case| {
            case.snapshot().updated_at = ago(600);
            case.hint.deferred = deferred;
        })
    };
    let pauses: Vec<Decision> = (0..5).map(|deferred| stale(deferred).decide()).collect();
    let after = |seconds| Decision::Defer(SignedDuration::from_secs(seconds));
    assert_eq!(
        pauses,
        [
            after(5),
            after(15),
            after(45),
            after(120),
            Decision::Reject(Why::NoState)
        ]
    );
    let unread = Case::with(|case| case.snapshot = None);
    assert_eq!(unread.decide(), after(5));
    assert!(Case::with(|case| case.hint.updated_at = None).runs());
}

#[test]
fn a_closed_one_ends_what_runs() {
    let closed = Case::with(|case| case.snapshot().open = false);
    assert_eq!(closed.decide(), Decision::Ignore(Why::Closed));
    let mut running = closed;
    running.ledger.active = Some(active(HEAD, "main"));
    assert_eq!(running.decide(), Decision::Cancel(Why::Closed));
}

#[test]
fn without_the_label_nothing_runs_and_what_runs_ends() {
    let bare = |case: &mut Case| {
        case.snapshot().labels.remove(&LABEL);
        case.snapshot().named_label = false;
    };
    assert_eq!(Case::with(bare).decide(), Decision::Ignore(Why::NotOptedIn));
    let mut running = Case::with(bare);
    running.ledger.active = Some(active(HEAD, "main"));
    assert_eq!(running.decide(), Decision::Cancel(Why::LabelRemoved));
}

#[test]
fn a_label_of_the_same_name_is_not_the_label_and_a_renamed_one_is() {
    let made_again = Case::with(|case| {
        case.snapshot().labels = BTreeSet::from([78]);
    });
    assert_eq!(made_again.decide(), Decision::Reject(Why::LabelIdentity));
    assert!(Case::with(|case| case.snapshot().named_label = false).runs());
}

#[test]
fn a_label_that_nobody_added_is_asked_for_again() {
    let by_url = |deferred| {
        Case::with(|case| {
            case.snapshot().grant = None;
            case.hint.deferred = deferred;
        })
    };
    assert!(matches!(by_url(0).decide(), Decision::Defer(_)));
    assert_eq!(by_url(4).decide(), Decision::Reject(Why::NoProvenance));
}

#[test]
fn bots_ghosts_and_those_on_the_list_grant_nothing() {
    for kind in [ActorKind::Bot, ActorKind::Ghost] {
        let by = Case::with(|case| case.grant().by.kind = kind);
        assert_eq!(by.decide(), Decision::Reject(Why::BotGrant), "{kind:?}");
    }
    let denied = Case::with(|case| case.config.denied = BTreeSet::from([9]));
    assert_eq!(denied.decide(), Decision::Reject(Why::BotGrant));
    let known = Case::with(|case| {
        case.grant().by.kind = ActorKind::Bot;
        case.config.apps = BTreeSet::from([9]);
    });
    assert!(known.runs());
}

#[test]
fn only_who_may_push_grants() {
    for role in [Role::None, Role::Read, Role::Triage] {
        let by = Case::with(|case| case.grant().by.role = role);
        assert_eq!(by.decide(), Decision::Reject(Why::Role), "{role:?}");
    }
    for role in [Role::Write, Role::Maintain, Role::Admin] {
        assert!(
            Case::with(|case| case.grant().by.role = role).runs(),
            "{role:?}"
        );
    }
}

#[test]
fn a_grant_whose_delivery_was_lost_is_bound_to_nothing() {
    let lost = Case::with(|case| case.ledger.granted_head = None);
    assert_eq!(lost.decide(), Decision::Reject(Why::UnboundGrant));
}

#[test]
fn a_push_after_the_grant_needs_another() {
    let pushed = Case::with(|case| {
        case.snapshot().head = OTHER.to_owned();
        case.ledger.heads.push((OTHER.to_owned(), ago(10)));
    });
    assert_eq!(pushed.decide(), Decision::Ignore(Why::NewPush));
    let mut running = pushed;
    running.ledger.active = Some(active(HEAD, "main"));
    assert_eq!(running.decide(), Decision::Cancel(Why::NewPush));
    // There and back again: nobody knows what was looked at.
    let back = Case::with(|case| case.ledger.heads.push((OTHER.to_owned(), ago(10))));
    assert_eq!(back.decide(), Decision::Ignore(Why::NewPush));
    // What came before the grant was seen by who granted.
    assert!(Case::with(|case| case.ledger.heads.push((OTHER.to_owned(), ago(7200)))).runs());
}

#[test]
fn a_push_right_before_the_click_was_read_by_nobody() {
    let sly = |fork| {
        Case::with(|case| {
            case.ledger.heads = vec![(HEAD.to_owned(), ago(63))];
            case.snapshot().fork = fork;
        })
    };
    assert_eq!(sly(true).decide(), Decision::Reject(Why::TooFresh));
    // Who pushes to the repository itself may push anyway.
    assert!(sly(false).runs());
    assert!(Case::with(|case| case.ledger.heads = vec![(HEAD.to_owned(), ago(181))]).runs());
}

#[test]
fn branches_that_are_not_run_and_a_base_that_was_changed() {
    let release = |case: &mut Case| case.snapshot().base_branch = "release".to_owned();
    assert_eq!(Case::with(release).decide(), Decision::Ignore(Why::Base));
    let mut moved = Case::with(|case| {
        case.config.bases.insert("release".to_owned());
        case.ledger.active = Some(active(HEAD, "release"));
    });
    assert!(matches!(moved.decide(), Decision::Supersede(pin) if pin.base_branch == "main"));
    moved.ledger.active = Some(active(HEAD, "main"));
    assert_eq!(moved.decide(), Decision::Ignore(Why::AlreadyRunning));
}

#[test]
fn the_same_is_not_run_twice_but_by_another_grant_or_the_button() {
    let done = |grant| Done {
        head: HEAD.to_owned(),
        base_branch: "main".to_owned(),
        lanes: "lanes".to_owned(),
        grant,
    };
    let again = Case::with(|case| case.ledger.done = vec![done(100)]);
    assert_eq!(again.decide(), Decision::Ignore(Why::Done));
    assert!(Case::with(|case| case.ledger.done = vec![done(99)]).runs());
    let pressed = |role| {
        Case::with(|case| {
            case.ledger.done = vec![done(100)];
            case.hint.wish = Wish::Again { by: person(role) };
        })
    };
    assert!(pressed(Role::Write).runs());
    assert_eq!(pressed(Role::Read).decide(), Decision::Reject(Why::Role));
}

#[test]
fn limits_hold_one_by_one() {
    let at = |change: fn(&mut Counts)| Case::with(|case| change(&mut case.ledger.counts)).decide();
    let full: [fn(&mut Counts); 5] = [
        |counts| counts.pull_request = 3,
        |counts| counts.actor = 10,
        |counts| counts.repository = 20,
        |counts| counts.head = 3,
        |counts| counts.queued = 8,
    ];
    for change in full {
        assert_eq!(at(change), Decision::Reject(Why::Quota));
    }
    let nearly = at(|counts| {
        *counts = Counts {
            pull_request: 2,
            actor: 9,
            repository: 19,
            head: 2,
            queued: 7,
        }
    });
    assert!(matches!(nearly, Decision::Run(_)));
}

#[test]
fn every_reason_has_a_sentence_of_its_own() {
    let all = [
        Why::Replay,
        Why::UnknownRepository,
        Why::NoState,
        Why::Closed,
        Why::NotOptedIn,
        Why::LabelRemoved,
        Why::LabelIdentity,
        Why::NoProvenance,
        Why::BotGrant,
        Why::Role,
        Why::UnboundGrant,
        Why::NewPush,
        Why::TooFresh,
        Why::Base,
        Why::AlreadyRunning,
        Why::Done,
        Why::Quota,
    ];
    let words: BTreeSet<&str> = all.iter().map(|why| why.words()).collect();
    assert_eq!(words.len(), all.len());
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![
        Role::None,
        Role::Read,
        Role::Triage,
        Role::Write,
        Role::Admin,
    ])
}

fn commit() -> impl Strategy<Value = String> {
    prop::sample::select(vec![HEAD.to_owned(), OTHER.to_owned(), BASE.to_owned()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn whatever_happens_only_the_granted_commit_of_a_person_who_may_push_runs(
        head in commit(),
        granted in prop::option::of(commit()),
        heads in prop::collection::vec((commit(), 0_i64..8000), 0..5),
        role in role(),
        kind in prop::sample::select(vec![ActorKind::Person, ActorKind::Bot, ActorKind::Ghost]),
        open in any::<bool>(),
        fork in any::<bool>(),
        labelled in any::<bool>(),
        deferred in 0_u32..6,
        running in prop::option::of(commit()),
    ) {
        let mut case = Case::good();
        case.hint.deferred = deferred;
        let snapshot = case.snapshot();
        snapshot.head.clone_from(&head);
        snapshot.open = open;
        snapshot.fork = fork;
        if !labelled {
            snapshot.labels.clear();
        }
        let grant = case.grant();
        grant.by.role = role;
        grant.by.kind = kind;
        let at = grant.at;
        case.ledger.granted_head.clone_from(&granted);
        case.ledger.heads = heads.into_iter().map(|(head, seconds)| (head, ago(seconds))).collect();
        case.ledger.active = running.map(|head| active(&head, "main"));
        if let Decision::Run(pin) | Decision::Supersede(pin) = case.decide() {
            prop_assert_eq!(Some(&pin.head), granted.as_ref());
            prop_assert_eq!(&pin.head, &head);
            prop_assert!(open && labelled && role >= Role::Write && kind == ActorKind::Person);
            prop_assert!(case.ledger.heads.iter().all(|(seen, when)| *seen == head || *when <= at));
        }
    }
}
