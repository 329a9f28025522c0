use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::{
    Admission, Capacity, Class, Demand, Policy, Queue, Refusal, Request, RequestId, Running, Short,
    Trigger, Why, admit, forecast, place,
};

pub(super) fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

pub(super) fn host(slots: u32) -> Capacity {
    Capacity {
        slots,
        cores: slots * 2,
        memory: u64::from(slots) * 4096,
        disk: u64::from(slots) * 20_000,
        taken: std::collections::BTreeSet::new(),
    }
}

pub(super) fn no_policy() -> Policy {
    Policy {
        draining: false,
        held: BTreeMap::new(),
        paused: BTreeMap::new(),
    }
}

pub(super) fn request(
    id: i64,
    profile: &str,
    trigger: Trigger,
    slots: u32,
    minutes: i64,
) -> Request {
    Request {
        id: RequestId(id),
        profile: profile.to_owned(),
        key: format!("{profile}-{id}"),
        trigger,
        asked: now(),
        not_before: now(),
        demand: Demand {
            slots,
            cores: slots * 2,
            memory: u64::from(slots) * 4096,
            ..Demand::default()
        },
        typical: SignedDuration::from_mins(minutes),
        slow: SignedDuration::from_mins(minutes),
        tries: 0,
    }
}

pub(super) fn nightly(name: &str) -> Trigger {
    Trigger::Nightly {
        schedule: name.to_owned(),
    }
}

pub(super) fn pull_request(number: u64, head: &str, author: &str) -> Trigger {
    Trigger::PullRequest {
        repository: "example/runtime".to_owned(),
        number,
        head: head.to_owned(),
        author: author.to_owned(),
    }
}

fn manual() -> Trigger {
    Trigger::Manual {
        by: "a person".to_owned(),
    }
}

fn why(
    waiting: &[Request],
    running: &[Running],
    slots: u32,
    policy: &Policy,
    at: Timestamp,
) -> Vec<(i64, Option<Why>)> {
    let served = BTreeMap::new();
    let queue = Queue {
        waiting,
        running,
        served: &served,
        host: &host(slots),
    };
    place(&queue, policy, at)
        .into_iter()
        .map(|placement| (placement.id.0, placement.waits))
        .collect()
}

#[test]
fn people_come_before_nights_and_nights_before_backfills() {
    let waiting = [
        request(1, "a", Trigger::Backfill, 1, 10),
        request(2, "b", nightly("b"), 1, 10),
        request(3, "c", manual(), 1, 10),
        request(4, "d", pull_request(1, "h", "x"), 1, 10),
        request(5, "e", Trigger::Bisect, 1, 10),
    ];
    let order: Vec<i64> = why(&waiting, &[], 8, &no_policy(), now())
        .iter()
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(order, [4, 3, 2, 5, 1]);
}

#[test]
fn waiting_lifts_and_an_overdue_night_comes_first() {
    let mut old = request(1, "a", Trigger::Backfill, 1, 10);
    old.asked = now() - SignedDuration::from_hours(16);
    let mut late = request(2, "b", nightly("b"), 1, 10);
    late.asked = now() - SignedDuration::from_hours(4);
    let waiting = [old, request(3, "c", pull_request(1, "h", "x"), 1, 10), late];
    let order: Vec<i64> = why(&waiting, &[], 8, &no_policy(), now())
        .iter()
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(order[0], 2);
    // Four steps up, a backfill is as urgent as a pull request.
    assert!(order[1..].contains(&1));
    assert_eq!(order.len(), 3);
}

#[test]
fn every_reason_names_the_first_thing_in_the_way() {
    let mut policy = no_policy();
    let running = [Running {
        request: request(1, "a", manual(), 3, 60),
        started: now(),
    }];
    let mut locked = request(5, "e", manual(), 1, 10);
    locked.demand.locks.insert("runc-plain".to_owned());
    let mut holder = running[0].clone();
    holder.request.demand.locks.insert("runc-plain".to_owned());
    let mut later = request(6, "f", manual(), 1, 10);
    later.not_before = now() + SignedDuration::from_mins(5);
    let large = request(7, "g", manual(), 9, 10);
    let wide = request(8, "h", manual(), 4, 10);
    let behind = request(9, "i", manual(), 1, 600);
    let short = request(10, "j", manual(), 1, 30);
    let found: BTreeMap<i64, Option<Why>> = why(
        &[locked, later, large, wide, behind.clone(), short],
        &[holder],
        4,
        &policy,
        now(),
    )
    .into_iter()
    .collect();
    assert_eq!(
        found[&5],
        Some(Why::Short(Short::Lock("runc-plain".to_owned())))
    );
    assert_eq!(
        found[&6],
        Some(Why::NotBefore(now() + SignedDuration::from_mins(5)))
    );
    assert_eq!(found[&7], Some(Why::TooLarge(Short::Slots(5))));
    assert_eq!(found[&8], Some(Why::Short(Short::Slots(3))));
    assert_eq!(found[&9], Some(Why::Behind(RequestId(8))));
    assert_eq!(found[&10], None, "it ends before the head can start");

    policy
        .paused
        .insert("i".to_owned(), "the branch is broken".to_owned());
    let waiting = [behind];
    assert!(matches!(
        why(&waiting, &[], 4, &policy, now())[0].1,
        Some(Why::Paused(_))
    ));
    policy
        .held
        .insert(Class::Manual, "the disk is nearly full".to_owned());
    policy.paused.clear();
    assert!(matches!(
        why(&waiting, &[], 4, &policy, now())[0].1,
        Some(Why::Held(_))
    ));
    policy.draining = true;
    assert_eq!(
        why(&waiting, &[], 4, &policy, now())[0].1,
        Some(Why::Draining)
    );
}

#[test]
fn one_lane_never_runs_twice_at_once() {
    let mut first = request(1, "a", manual(), 1, 10);
    first.demand.locks.insert("a/runc".to_owned());
    let mut second = request(2, "a", nightly("a"), 1, 10);
    second.demand.locks.insert("a/runc".to_owned());
    let found = why(&[first, second], &[], 8, &no_policy(), now());
    assert_eq!(found[0], (1, None));
    assert_eq!(
        found[1],
        (2, Some(Why::Short(Short::Lock("a/runc".to_owned()))))
    );
}

#[test]
fn a_new_head_takes_the_place_of_the_old_one() {
    let old = request(1, "a", pull_request(7, "old", "x"), 1, 10);
    let running = [Running {
        request: request(2, "a", pull_request(7, "older", "x"), 1, 10),
        started: now(),
    }];
    let new = request(3, "a", pull_request(7, "new", "x"), 1, 10);
    assert_eq!(
        admit(&new, std::slice::from_ref(&old), &running),
        Admission::Waits {
            drops: vec![RequestId(1)],
            ends: vec![RequestId(2)]
        }
    );
    let other = request(4, "a", pull_request(8, "new", "x"), 1, 10);
    assert_eq!(
        admit(&other, std::slice::from_ref(&old), &running),
        Admission::Waits {
            drops: vec![],
            ends: vec![]
        }
    );
    let mut again = new.clone();
    again.id = RequestId(5);
    assert_eq!(
        admit(&again, &[new], &running),
        Admission::Joins(RequestId(3))
    );
}

#[test]
fn a_full_queue_refuses_and_says_why() {
    let waiting: Vec<Request> = (0..500)
        .map(|id| request(id, "a", manual(), 1, 10))
        .collect();
    let refused = admit(&request(1000, "b", manual(), 1, 10), &waiting, &[]);
    let Admission::Refused(refusal @ Refusal::Full { waiting: 500 }) = refused else {
        panic!("{refused:?}");
    };
    assert!(refusal.to_string().contains("500 requests wait"));
}

#[test]
fn the_forecast_follows_the_queue() {
    let mut slow = request(2, "b", manual(), 1, 30);
    slow.slow = SignedDuration::from_mins(60);
    let waiting = [
        request(1, "a", manual(), 1, 10),
        slow,
        request(3, "c", manual(), 1, 10),
    ];
    let served = BTreeMap::new();
    let queue = Queue {
        waiting: &waiting,
        running: &[],
        served: &served,
        host: &host(1),
    };
    let found = forecast(&queue, &no_policy(), now());
    let last = found.iter().max_by_key(|one| one.end).unwrap();
    assert_eq!(last.end, now() + SignedDuration::from_mins(50));
    assert_eq!(last.end_slow, now() + SignedDuration::from_mins(80));
}
