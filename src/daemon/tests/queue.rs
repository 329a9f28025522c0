use jiff::SignedDuration;

use super::{
    super::{beat::Notice, schedule::Trigger, state::RequestState},
    world::{World, at, watched},
};

fn pull_request(head: &str) -> Trigger {
    Trigger::PullRequest {
        repository: "example/runtime".to_owned(),
        number: 7,
        head: head.to_owned(),
        author: "someone".to_owned(),
    }
}

#[test]
fn twenty_pushes_in_an_hour_end_in_one_verdict_of_the_last() {
    let mut world = World::new(1, vec![watched("containerd", None)]);
    let mut last = None;
    for push in 0..20 {
        let now = world.now();
        let key = format!("containerd#7@{push}");
        let asked = world
            .daemon()
            .ask("containerd", &key, pull_request(&push.to_string()), now);
        last = Some(asked.unwrap().unwrap());
        for _ in 0..6 {
            world.beat().unwrap();
            world.check();
            world.pass(SignedDuration::from_secs(30));
        }
    }
    for _ in 0..60 {
        world.beat().unwrap();
        world.pass(SignedDuration::from_mins(1));
    }
    let rows = world.daemon().state().ended(100).unwrap();
    let passed: Vec<_> = rows.iter().filter(|row| row.exit == Some(0)).collect();
    assert_eq!(passed.len(), 1, "{rows:?}");
    assert_eq!(Some(passed[0].request.id), last);
    assert!(world.daemon().state().live().unwrap().is_empty());
}

#[test]
fn a_storm_of_the_infrastructure_holds_the_nights_back_with_one_notice() {
    let mut world = World::new(
        8,
        (0..8)
            .map(|n| watched(&format!("p{n}"), Some("0 1 * * *")))
            .collect(),
    );
    world.host.borrow_mut().length = SignedDuration::from_mins(2);
    for n in 0..8 {
        world.host.borrow_mut().infra.insert(format!("p{n}"));
    }
    let mut held = 0;
    for _ in 0..120 {
        world.pass(SignedDuration::from_mins(1));
        let notices = world.beat().unwrap();
        held += notices
            .iter()
            .filter(|notice| matches!(notice, Notice::Held(_)))
            .count();
    }
    // Eight failures at once open it twice at most (three, three, two).
    assert!((1..=2).contains(&held), "{held} notices");
    // After the hold everything ran.
    let rows = world.daemon().state().ended(100).unwrap();
    assert_eq!(rows.iter().filter(|row| row.exit == Some(0)).count(), 8);
}

#[test]
fn a_pause_and_a_drain_start_nothing_and_say_so() {
    let mut world = World::new(1, vec![watched("containerd", Some("0 1 * * *"))]);
    let now = world.now();
    let pause = super::super::state::Pause {
        what: "containerd".to_owned(),
        author: "an operator".to_owned(),
        reason: "the mirror is being moved".to_owned(),
        since: now,
        until: now + SignedDuration::from_hours(3),
    };
    world.daemon().state().pause(&pause).unwrap();
    let by_hand = Trigger::Manual {
        by: "a person".to_owned(),
    };
    world
        .daemon()
        .ask("containerd", "by hand", by_hand, now)
        .unwrap()
        .unwrap();
    for _ in 0..60 {
        world.pass(SignedDuration::from_mins(1));
        world.beat().unwrap();
    }
    assert!(world.host.borrow().runs.is_empty());
    let now = world.now();
    let standing = world.daemon().standing(now).unwrap();
    let why = standing.placements[0].waits.as_ref().unwrap().to_string();
    assert!(
        why.contains("the mirror is being moved until") && why.contains("an operator"),
        "{why}"
    );
    assert_eq!(
        world.daemon().state().fires("containerd", 5).unwrap()[0].1,
        "paused"
    );
    world.daemon().state().resume("containerd").unwrap();
    world.daemon().drain();
    world.pass(SignedDuration::from_mins(1));
    world.beat().unwrap();
    assert!(world.host.borrow().runs.is_empty(), "it drains");
    // The next daemon goes on with the same queue.
    world.beat = None;
    world.beat().unwrap();
    assert_eq!(world.host.borrow().runs.len(), 1);
}

#[test]
fn a_run_whose_directory_is_gone_is_tried_again() {
    let mut world = World::new(1, vec![watched("containerd", Some("0 1 * * *"))]);
    while world.host.borrow().runs.is_empty() {
        world.pass(SignedDuration::from_mins(1));
        world.beat().unwrap();
    }
    world.beat().unwrap();
    assert_eq!(
        world.daemon().state().live().unwrap()[0].state,
        RequestState::Running
    );
    world.host.borrow_mut().runs.clear();
    for _ in 0..10 {
        world.beat().unwrap();
        world.pass(SignedDuration::from_mins(1));
    }
    assert_eq!(world.host.borrow().runs.len(), 1);
    assert_eq!(
        world.daemon().state().ended(5).unwrap()[0]
            .reason
            .as_deref(),
        Some("its run directory is gone")
    );
    assert!(world.now() > at("2026-03-01T01:00:00Z"));
}
