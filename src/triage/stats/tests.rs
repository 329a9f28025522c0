use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Trend, of_lane, statistics};
use crate::model::{
    Again, Candidate, CellOutcome, CellSummary, Confirmation, ConfirmedSpec, ExitCode, Lane,
    LaneId, Origin, Rerun, Revision, Role, RunId, RunSummary, SpecName, SpecOutcome, SpecResult,
};

fn lane() -> LaneId {
    Lane::id_of("main", "plain", "runc", "conformance")
}

fn spec() -> SpecName {
    SpecName("it works".to_owned())
}

fn id(index: usize) -> RunId {
    RunId(Uuid::from_u128(index as u128 + 1))
}

fn revision(commit: usize) -> Revision {
    Revision {
        source: "kubernetes".to_owned(),
        origin: Origin::Git {
            url: "https://github.com/kubernetes/kubernetes.git".to_owned(),
            reference: "master".to_owned(),
            commit: format!("{commit:040}"),
        },
        version: format!("v1.37.0-{commit}"),
        date: None,
        link: None,
    }
}

/// One run: its candidate's commit, how the spec ended (`-` did not run), and how its reruns on fresh nodes did.
fn run(index: usize, commit: usize, ended: char, again: &str) -> RunSummary {
    let outcome = |ended| match ended {
        'f' => SpecOutcome::Failed,
        '.' => SpecOutcome::Passed,
        _ => SpecOutcome::Skipped,
    };
    let reruns: Vec<Rerun> = again
        .chars()
        .map(|ended| Rerun {
            place: Again::FreshNode,
            lane: lane(),
            attempt: 2,
            outcome: outcome(ended),
            seconds: 1.0,
            good: None,
        })
        .collect();
    RunSummary {
        schema: 1,
        run: id(index),
        profile: "containerd".to_owned(),
        started_at: Timestamp::from_second(1_795_000_000 + index as i64 * 86_400).unwrap(),
        ended_at: None,
        candidates: vec![Candidate {
            pairing: "main".to_owned(),
            revisions: BTreeMap::from([("kubernetes".to_owned(), revision(commit))]),
            node_images: BTreeMap::new(),
            sandboxers: BTreeMap::new(),
            toolchains: BTreeMap::new(),
            arch: "amd64".to_owned(),
        }],
        environment: None,
        cells: vec![CellSummary {
            seconds: 1.0,
            suite_seconds: 1.0,
            attempts: 1,
            specs: vec![SpecResult {
                name: spec(),
                outcome: outcome(ended),
                started_at: None,
                ended_at: None,
                seconds: 1.0,
                process: None,
                failure: None,
                reason: None,
            }],
            confirmed: if reruns.is_empty() {
                Vec::new()
            } else {
                vec![ConfirmedSpec {
                    lane: lane(),
                    spec: spec(),
                    confirmation: Confirmation::Deterministic,
                    reruns,
                    note: None,
                }]
            },
            ..CellSummary::new(
                Lane {
                    id: lane(),
                    pairing: "main".to_owned(),
                    node: "plain".to_owned(),
                    sandboxer: "runc".to_owned(),
                    handler: "runc".to_owned(),
                    suite: "conformance".to_owned(),
                    role: Role::Blocking,
                },
                CellOutcome::Passed,
            )
        }],
        exit: ExitCode::Passed,
    }
}

/// Each run has a candidate of its own.
fn runs(ended: &str) -> Vec<RunSummary> {
    let each = ended.chars().enumerate();
    each.map(|(index, ended)| run(index, index, ended, ""))
        .collect()
}

#[test]
fn where_a_spec_stands() {
    for (ended, trend, failing_for) in [
        ("....", Trend::Passing, 0),
        ("....f", Trend::New, 1),
        ("...ff", Trend::Persisting, 2),
        ("..f.fff", Trend::Persisting, 3),
        ("..f..f.", Trend::Flaky, 0),
        (".f...f", Trend::Flaky, 1),
        (".fff.", Trend::Fixed, 0),
        ("....f-", Trend::New, 1),
        ("--", Trend::Unknown, 0),
    ] {
        let found = statistics(&runs(ended), &lane(), &spec());
        assert_eq!(
            (found.trend, found.failing_for),
            (trend, failing_for),
            "{ended}"
        );
    }
}

#[test]
fn one_candidate_with_both_is_flaky() {
    let list = vec![run(0, 1, '.', ""), run(1, 2, 'f', ".f")];
    let found = statistics(&list, &lane(), &spec());
    assert_eq!(found.trend, Trend::Flaky);
    assert_eq!(found.flaky_in, [id(1)]);
    let rate = found.rate.unwrap();
    assert_eq!(
        (rate.failed, rate.trials),
        (2, 4),
        "reruns on fresh nodes count"
    );
    let list = vec![run(0, 2, '.', ""), run(1, 2, 'f', "")];
    assert_eq!(statistics(&list, &lane(), &spec()).flaky_in, [id(0), id(1)]);
}

#[test]
fn the_range_is_between_the_last_good_and_the_first_bad() {
    let mut list = runs("..-ff");
    list.reverse();
    let found = statistics(&list, &lane(), &spec());
    assert_eq!(
        (found.last_good, found.first_bad),
        (Some(id(1)), Some(id(3)))
    );
    assert_eq!(found.moved.len(), 1);
    let moved = &found.moved[0];
    assert_eq!(moved.what, "kubernetes");
    assert_eq!(
        moved.range.as_deref(),
        Some(format!("{:040}..{:040}", 1, 3).as_str())
    );
    assert_eq!(
        moved.link.as_deref(),
        Some(
            format!(
                "https://github.com/kubernetes/kubernetes/compare/{:040}...{:040}",
                1, 3
            )
            .as_str()
        )
    );
    let never = statistics(&runs("ff"), &lane(), &spec());
    assert_eq!((never.last_good, never.first_bad), (None, Some(id(0))));
    let well = statistics(&runs("ff."), &lane(), &spec());
    assert_eq!((well.last_good, well.first_bad), (Some(id(2)), None));
}

#[test]
fn new_in_this_candidate() {
    assert!(statistics(&runs("...f"), &lane(), &spec()).new_in_candidate);
    assert!(!statistics(&runs(".f.f"), &lane(), &spec()).new_in_candidate);
    assert!(
        !statistics(&runs("f"), &lane(), &spec()).new_in_candidate,
        "it never ran before"
    );
    let again = vec![run(0, 1, '.', ""), run(1, 2, 'f', ""), run(2, 2, 'f', "")];
    assert!(statistics(&again, &lane(), &spec()).new_in_candidate);
}

#[test]
fn a_long_history_knows_since_when() {
    let found = statistics(&runs("......................ffffff"), &lane(), &spec());
    let change = found.change.unwrap();
    assert_eq!(change.at, 22);
    assert!(
        statistics(&runs("....ffffff"), &lane(), &spec())
            .change
            .is_none()
    );
    let all = of_lane(&runs("..f"), &lane());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].spec, spec());
}
