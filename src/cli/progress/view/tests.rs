use camino::Utf8Path;

use super::{super::lines, *};
use crate::{
    evidence::EvidenceDir,
    model::{Event, EventKind},
    run::state::Scope,
};

const OPTIONS: ViewOptions = ViewOptions {
    width: 79,
    height: 40,
    colour: false,
};

fn fixture() -> EvidenceDir {
    EvidenceDir::at(
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report/run-failed"),
    )
}

/// All events of the recorded run in the order in which they happened.
fn recorded() -> Vec<(Scope, Event)> {
    let run = fixture();
    let mut all: Vec<_> = run
        .events()
        .unwrap()
        .into_iter()
        .map(|event| (Scope::Run, event))
        .collect();
    let started: Vec<_> = all
        .iter()
        .filter_map(|(_, event)| match &event.kind {
            EventKind::LaneStarted { lane, attempt } => Some((lane.clone(), *attempt)),
            _ => None,
        })
        .collect();
    for (lane, attempt) in started {
        let scope = Scope::Attempt {
            lane: lane.clone(),
            attempt,
        };
        let events = run.attempt(&lane, attempt).events().unwrap();
        all.extend(events.into_iter().map(|event| (scope.clone(), event)));
    }
    all.sort_by_key(|(_, event)| event.at);
    all
}

/// The run's state at a time of that day.
fn at(time: &str) -> (RunState, Timestamp) {
    let now: Timestamp = format!("2026-11-20T{time}Z").parse().unwrap();
    let mut state = RunState::default();
    for (scope, event) in recorded().into_iter().filter(|(_, event)| event.at <= now) {
        state.apply(&scope, &event);
    }
    (state, now)
}

fn shown(time: &str) -> String {
    let (state, now) = at(time);
    let usual = Usual::of(&[at("12:00:00").0]);
    lines(&state, &usual, now, &OPTIONS).join("\n")
}

#[test]
fn while_it_builds() {
    insta::assert_snapshot!(shown("11:02:40"));
}

#[test]
fn while_a_machine_boots() {
    insta::assert_snapshot!(shown("11:11:31"));
}

#[test]
fn while_specs_run() {
    insta::assert_snapshot!(shown("11:37:30"));
}

#[test]
fn when_it_is_over() {
    insta::assert_snapshot!(shown("12:00:00"));
}

#[test]
fn before_anything_is_known() {
    insta::assert_snapshot!(shown("11:00:05"));
}

#[test]
fn no_line_is_wider_than_the_terminal_and_none_too_many() {
    for time in ["11:00:05", "11:02:40", "11:11:31", "11:37:30", "12:00:00"] {
        let (state, now) = at(time);
        for (width, height) in [(40, 3), (79, 6), (79, 24), (200, 24)] {
            let options = ViewOptions {
                width,
                height,
                colour: false,
            };
            let lines = lines(&state, &Usual::default(), now, &options);
            assert!(lines.len() <= height, "{} lines", lines.len());
            for line in lines {
                assert!(line.chars().count() <= width, "{line}");
            }
        }
    }
}

#[test]
fn what_goes_on_stays_when_there_is_little_room() {
    let (state, now) = at("11:37:30");
    let low = ViewOptions {
        height: 4,
        ..OPTIONS
    };
    let text = lines(&state, &Usual::default(), now, &low).join("\n");
    assert!(text.contains("▸ releases.plain.gvisor.smoke"), "{text}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let (state, now) = at("11:37:30");
    let usual = Usual::default();
    let coloured = lines(
        &state,
        &usual,
        now,
        &ViewOptions {
            colour: true,
            ..OPTIONS
        },
    )
    .join("\n");
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(
        plain(&coloured),
        lines(&state, &usual, now, &OPTIONS).join("\n")
    );
}

#[test]
fn a_log_has_one_line_for_each_change() {
    let mut state = RunState::default();
    let mut log = Vec::new();
    for (scope, event) in recorded() {
        state.apply(&scope, &event);
        log.extend(lines::of(&scope, &event, &state));
    }
    insta::assert_snapshot!(log.join("\n"));
}

#[test]
fn what_lasts_is_ends_and_failures() {
    let mut state = RunState::default();
    let mut log = Vec::new();
    for (scope, event) in recorded() {
        state.apply(&scope, &event);
        log.extend(lines::lasting(&scope, &event, &state));
    }
    insta::assert_snapshot!(log.join("\n"));
}

#[test]
fn a_heartbeat_says_what_goes_on_and_what_is_waited_for() {
    let usual = Usual::of(&[at("12:00:00").0]);
    let beats: Vec<_> = ["11:00:06", "11:02:40", "11:11:31", "11:37:30"]
        .into_iter()
        .flat_map(|time| {
            let (state, now) = at(time);
            lines::heartbeat(&state, &usual, now)
        })
        .collect();
    insta::assert_snapshot!(beats.join("\n"));
}

#[test]
fn a_guest_cannot_move_the_cursor() {
    let (mut state, now) = at("11:11:31");
    state.lanes[0].waiting = Some("\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{9b}1A".to_owned());
    let text = lines(&state, &Usual::default(), now, &OPTIONS).join("\n");
    assert!(!text.contains(['\u{1b}', '\r', '\u{9b}', '\u{7}']));
}
