use jiff::{SignedDuration, Timestamp};

use super::super::{Calendar, Considered, FireDecision, Overlap, Pending, Schedule, consider};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn schedule(cron: &str) -> Schedule {
    Schedule {
        name: "containerd".to_owned(),
        calendar: Calendar::new(cron, "UTC").unwrap(),
        jitter: SignedDuration::ZERO,
        grace: SignedDuration::from_hours(20),
        overlap: Overlap::Coalesce,
        typical: SignedDuration::from_mins(45),
    }
}

pub(super) fn considered(until: Timestamp) -> Considered {
    Considered {
        until,
        owed: None,
        overruns: 0,
    }
}

fn asks(decisions: &[FireDecision]) -> usize {
    decisions
        .iter()
        .filter(|decision| matches!(decision, FireDecision::Ask { .. }))
        .count()
}

fn holes(decisions: &[FireDecision]) -> usize {
    decisions
        .iter()
        .map(|decision| match decision {
            FireDecision::Missed { count, .. } => *count,
            _ => 0,
        })
        .sum()
}

#[test]
fn an_outage_gives_one_run_at_most_and_leaves_its_holes() {
    let nightly = schedule("0 2 * * *");
    let down = at("2026-03-01T01:59:00Z");
    for (hours, minutes, catch_ups, missed) in [
        // A minute: nothing was missed, the fire is on time.
        (0, 2, 1, 0),
        (7, 0, 1, 0),
        (3 * 24, 0, 0, 3),
        (3 * 24 + 6, 0, 1, 3),
        (400 * 24 + 6, 0, 1, 400),
    ] {
        let now = down + SignedDuration::from_hours(hours) + SignedDuration::from_mins(minutes);
        let (state, decisions) = consider(&nightly, considered(down), Pending::default(), now);
        assert_eq!(asks(&decisions), catch_ups, "{hours} h: {decisions:?}");
        assert_eq!(holes(&decisions), missed, "{hours} h: {decisions:?}");
        assert_eq!(state.until, now);
    }
}

#[test]
fn a_late_catch_up_that_the_next_fire_would_meet_is_left_out() {
    let mut nightly = schedule("0 2 * * *");
    nightly.grace = SignedDuration::from_hours(40);
    let (_, decisions) = consider(
        &nightly,
        considered(at("2026-03-01T01:00:00Z")),
        Pending::default(),
        at("2026-03-02T01:30:00Z"),
    );
    assert_eq!(
        (asks(&decisions), holes(&decisions)),
        (0, 1),
        "{decisions:?}"
    );
}

#[test]
fn a_clock_that_goes_back_fires_nothing_again() {
    let nightly = schedule("0 2 * * *");
    let mut state = considered(at("2026-03-01T01:00:00Z"));
    let mut total = 0;
    for now in [
        "2026-03-01T02:00:10Z",
        "2026-03-01T01:10:00Z",
        "2026-03-01T02:00:00Z",
        "2026-03-01T02:30:00Z",
    ] {
        let (next, decisions) = consider(&nightly, state, Pending::default(), at(now));
        total += asks(&decisions);
        state = next;
    }
    assert_eq!(total, 1);
}

#[test]
fn a_pause_leaves_its_rows_and_owes_one_run() {
    let nightly = schedule("0 2 * * *");
    let mut state = considered(at("2026-03-01T01:00:00Z"));
    let paused = Pending {
        paused: true,
        ..Pending::default()
    };
    let mut rows = 0;
    let mut now = state.until;
    for _ in 0..(10 * 24 * 2) {
        now += SignedDuration::from_mins(30);
        let (next, decisions) = consider(&nightly, state, paused, now);
        rows += decisions
            .iter()
            .filter(|decision| matches!(decision, FireDecision::Paused(_)))
            .count();
        assert_eq!(asks(&decisions), 0);
        state = next;
    }
    assert_eq!(rows, 10);
    let mut runs = 0;
    for minutes in [5, 10, 15] {
        let (next, decisions) = consider(
            &nightly,
            state,
            Pending::default(),
            now + SignedDuration::from_mins(minutes),
        );
        runs += asks(&decisions);
        state = next;
    }
    // It was 23 h ago by then: too late to make good.
    assert_eq!(runs, 0);
    let at_ten = Considered {
        owed: Some(at("2026-03-10T02:00:00Z")),
        ..considered(at("2026-03-10T10:00:00Z"))
    };
    let (next, decisions) = consider(
        &nightly,
        at_ten,
        Pending::default(),
        at("2026-03-10T10:00:30Z"),
    );
    assert_eq!((asks(&decisions), next.owed), (1, None));
}

#[test]
fn a_run_that_takes_longer_than_its_period_has_one_waiting_and_counts_the_rest() {
    for (overlap, expected_asks) in [
        (Overlap::Coalesce, 1),
        (Overlap::Skip, 0),
        (Overlap::Replace, 1),
    ] {
        let hourly = Schedule {
            overlap,
            ..schedule("0 * * * *")
        };
        let running = Pending {
            runs: true,
            ..Pending::default()
        };
        let (state, first) = consider(
            &hourly,
            considered(at("2026-03-01T00:30:00Z")),
            running,
            at("2026-03-01T01:00:00Z"),
        );
        assert_eq!(asks(&first), expected_asks, "{overlap:?}");
        let waiting = Pending {
            waits: expected_asks == 1,
            ..running
        };
        let (state, second) = consider(&hourly, state, waiting, at("2026-03-01T02:00:00Z"));
        let (state, third) = consider(&hourly, state, waiting, at("2026-03-01T03:00:00Z"));
        assert!(matches!(
            second[0],
            FireDecision::Overrun { alarm: false, .. }
        ));
        assert!(matches!(
            third[0],
            FireDecision::Overrun { alarm: true, .. }
        ));
        assert_eq!(state.overruns, 3);
        let (state, _) = consider(
            &hourly,
            state,
            Pending::default(),
            at("2026-03-01T04:00:00Z"),
        );
        assert_eq!(state.overruns, 0);
    }
}

#[test]
fn jitter_is_the_same_each_night_and_spreads_over_the_window() {
    let mut minutes = std::collections::BTreeMap::new();
    for lane in 0..50 {
        let schedule = Schedule {
            name: format!("profile-{lane}"),
            jitter: SignedDuration::from_mins(10),
            ..schedule("0 2 * * *")
        };
        let delay = schedule.delay();
        assert!(delay <= SignedDuration::from_mins(10));
        assert_eq!(delay, schedule.delay());
        *minutes.entry(delay.as_secs() / 60).or_insert(0) += 1;
        let fire = schedule.next(at("2026-03-01T01:00:00Z")).next().unwrap();
        assert_eq!(fire.at, at("2026-03-01T02:00:00Z") + delay);
    }
    assert!(minutes.values().all(|count| *count <= 10), "{minutes:?}");
}
