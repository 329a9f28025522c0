//! The daemon is killed after every single change of the database and every effect.

use jiff::SignedDuration;

use super::{
    super::{schedule::Trigger, state::RequestState},
    world::{World, watched},
};

/// Which of its acts the daemon does not survive.
#[derive(Clone, Copy, Debug)]
enum Dies {
    BeforeChange(u32),
    AtEffect(u32),
}

/// A good six hours, a look each five minutes, of three profiles, one of them failing once by the infrastructure's fault, with a request by hand and one
/// that is cancelled. Returns what came of it, and whether the daemon died.
fn six_hours(dies: Option<Dies>) -> (Vec<String>, bool) {
    let mut world = World::new(
        2,
        vec![
            watched("quickstart", Some("0 * * * *")),
            watched("containerd", Some("0 2 * * *")),
            watched("cri-o", Some("30 */2 * * *")),
        ],
    );
    world
        .host
        .borrow_mut()
        .infra
        .insert("containerd".to_owned());
    match dies {
        Some(Dies::BeforeChange(count)) => world.daemon().state().changes_left = Some(count),
        Some(Dies::AtEffect(count)) => world.host.borrow_mut().effects_left = Some(count),
        None => {}
    }
    let mut died = false;
    let (mut asked, mut cancelled) = (false, false);
    for _ in 0..75 {
        world.pass(SignedDuration::from_mins(5));
        let now = world.now();
        if world.beat().is_none() {
            died = true;
            world.host.borrow_mut().effects_left = None;
            // Whoever watches it starts it again, a little later.
            world.pass(SignedDuration::from_secs(20));
            world.beat().unwrap();
        }
        world.check();
        if !asked && now >= super::world::at("2026-03-01T03:10:00Z") {
            let by_hand = Trigger::Manual {
                by: "a person".to_owned(),
            };
            asked = world
                .daemon()
                .ask("cri-o", "by hand", by_hand, now)
                .is_ok_and(|admitted| admitted.is_ok());
            if !asked {
                world.beat = None;
            }
        }
        if !cancelled && now >= super::world::at("2026-03-01T04:05:00Z") {
            let live = world.daemon().state().live().unwrap();
            let one = live.iter().find(|row| row.request.profile == "quickstart");
            if let Some(id) = one.map(|row| row.request.id) {
                cancelled = world.daemon().cancel(id, "not now", now).unwrap_or(false);
                if !cancelled {
                    world.beat = None;
                }
            }
        }
    }
    world.host.borrow_mut().effects_left = None;
    let state = world.daemon().state();
    state.changes_left = None;
    assert!(
        state
            .live()
            .unwrap()
            .iter()
            .all(|row| row.state != RequestState::Starting)
    );
    let mut ended: Vec<String> = state
        .ended(1000)
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {:?} try {} {} exit {:?}",
                row.request.profile,
                row.request.trigger.class(),
                row.request.tries,
                row.state.name(),
                row.exit,
            )
        })
        .collect();
    ended.sort();
    // Every run that exists belongs to a request, and every request that began has its run.
    let host = world.host.borrow();
    let requests = world.beat.as_mut().unwrap().state();
    let rows: Vec<_> = requests
        .ended(1000)
        .unwrap()
        .into_iter()
        .chain(requests.live().unwrap())
        .collect();
    let known: std::collections::BTreeSet<_> = rows.iter().filter_map(|row| row.run).collect();
    let exist: std::collections::BTreeSet<_> = host.runs.keys().copied().collect();
    assert_eq!(
        known, exist,
        "runs without a request, or requests without a run"
    );
    (ended, died)
}

#[test]
fn six_hours_without_a_crash_are_as_planned() {
    let (ended, died) = six_hours(None);
    assert!(!died);
    insta::assert_snapshot!(ended.join("\n"));
}

#[test]
fn a_daemon_killed_at_any_point_loses_and_doubles_nothing() {
    let (expected, _) = six_hours(None);
    let mut points = 0;
    for kind in [Dies::BeforeChange as fn(u32) -> Dies, Dies::AtEffect] {
        for count in 0.. {
            let (ended, died) = six_hours(Some(kind(count)));
            if !died {
                break;
            }
            points += 1;
            assert_eq!(ended, expected, "killed at {:?}", kind(count));
        }
    }
    println!("{points} points");
    assert!(points >= 200, "only {points} points");
}
