use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::daemon::schedule::{Demand, Occurrence, Trigger};

fn now() -> Timestamp {
    "2026-03-01T02:00:00Z".parse().unwrap()
}

fn open(folder: &tempfile::TempDir) -> State {
    let file = Utf8PathBuf::from_path_buf(folder.path().join("state.db")).unwrap();
    State::open(file).unwrap()
}

fn request() -> Request {
    Request {
        id: RequestId(0),
        profile: "quickstart".to_owned(),
        key: "quickstart".to_owned(),
        trigger: Trigger::Nightly {
            schedule: "quickstart".to_owned(),
        },
        asked: now(),
        not_before: now(),
        demand: Demand {
            slots: 1,
            cores: 2,
            memory: 4096,
            disk: 0,
            locks: ["quickstart/runc".to_owned()].into(),
        },
        typical: SignedDuration::from_mins(13),
        slow: SignedDuration::from_mins(20),
        tries: 0,
    }
}

fn run_id() -> RunId {
    "019a9f00-0000-7000-8000-00000000000a".parse().unwrap()
}

#[test]
fn a_request_lives_through_a_restart_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder);
    let id = state.ask(&request(), &[]).unwrap();
    state.starting(id, run_id(), now()).unwrap();
    drop(state);
    let mut state = open(&folder);
    let live = state.live().unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].request, Request { id, ..request() });
    assert_eq!(
        (live[0].state, live[0].run),
        (RequestState::Starting, Some(run_id()))
    );
    state.running(id).unwrap();
    assert!(state.cancel(id, "a new push").unwrap());
    assert!(!state.cancel(id, "again").unwrap());
    assert_eq!(
        state.live().unwrap()[0].cancel.as_deref(),
        Some("a new push")
    );
    let later = now() + SignedDuration::from_mins(10);
    assert_eq!(
        state
            .finished(id, Some(ExitCode::Passed), "passed", later, None)
            .unwrap(),
        None
    );
    assert!(state.live().unwrap().is_empty());
    assert_eq!(
        state.durations("quickstart", 5).unwrap(),
        [SignedDuration::from_mins(10)]
    );
    assert_eq!(
        state
            .served(now() - SignedDuration::from_mins(1), later)
            .unwrap()["quickstart"],
        SignedDuration::from_mins(10)
    );
}

#[test]
fn a_run_that_ended_twice_is_tried_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder);
    let id = state.ask(&request(), &[]).unwrap();
    state.starting(id, run_id(), now()).unwrap();
    let again = Request {
        tries: 1,
        ..request()
    };
    let first = state
        .finished(id, Some(ExitCode::Infra), "no boot", now(), Some(&again))
        .unwrap();
    let second = state
        .finished(id, Some(ExitCode::Infra), "no boot", now(), Some(&again))
        .unwrap();
    assert!(first.is_some());
    assert_eq!(second, None);
    assert_eq!(state.live().unwrap().len(), 1);
}

#[test]
fn a_fire_is_recorded_once_with_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder);
    let before = state.considered("quickstart", now()).unwrap();
    assert_eq!(before.until, now());
    let fire = Occurrence {
        at: now(),
        nominal: jiff::civil::date(2026, 3, 1).at(2, 0, 0, 0),
    };
    let after = Considered {
        until: now() + SignedDuration::from_secs(30),
        owed: Some(now()),
        overruns: 2,
    };
    let asked = [FireDecision::Ask {
        fire,
        catch_up: false,
    }];
    let id = state
        .fired("quickstart", after, &asked, Some(&request()))
        .unwrap();
    state.fired("quickstart", after, &asked, None).unwrap();
    assert_eq!(state.considered("quickstart", now()).unwrap(), after);
    assert_eq!(
        state.fires("quickstart", 10).unwrap(),
        [("2026-03-01T02:00:00".to_owned(), "asked".to_owned(), 1)]
    );
    assert_eq!(state.live().unwrap()[0].request.id, id.unwrap());
}

#[test]
fn pauses_end_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder);
    let pause = Pause {
        what: "quickstart".to_owned(),
        author: "an operator".to_owned(),
        reason: "the mirror is being moved".to_owned(),
        since: now(),
        until: now() + SignedDuration::from_hours(24),
    };
    state.pause(&pause).unwrap();
    assert_eq!(state.pauses(now()).unwrap(), [pause]);
    assert!(
        state
            .pauses(now() + SignedDuration::from_hours(25))
            .unwrap()
            .is_empty()
    );
    assert!(state.resume("quickstart").unwrap());
    assert!(!state.resume("quickstart").unwrap());
}

#[test]
fn a_newer_or_broken_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let file = Utf8PathBuf::from_path_buf(folder.path().join("state.db")).unwrap();
    let db = rusqlite::Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let error = State::open(&file).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("use the bellwether that wrote it"),
        "{error}"
    );
    let other = Utf8PathBuf::from_path_buf(folder.path().join("other.db")).unwrap();
    std::fs::write(
        &other,
        "not a database, and long enough to be read as one, surely",
    )
    .unwrap();
    let before = std::fs::read(&other).unwrap();
    assert!(State::open(&other).is_err());
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[test]
fn a_backup_opens_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder);
    state.ask(&request(), &[]).unwrap();
    state
        .audit(now(), "an operator", "asked for a run")
        .unwrap();
    let copy = Utf8PathBuf::from_path_buf(folder.path().join("copy.db")).unwrap();
    state.backup(&copy).unwrap();
    let copy = State::open(&copy).unwrap();
    assert_eq!(copy.live().unwrap().len(), 1);
    assert_eq!(copy.trail(5).unwrap()[0].2, "asked for a run");
}
