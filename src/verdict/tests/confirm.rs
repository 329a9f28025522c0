//! Confirm reruns.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    documents::{cell, spec},
    outcomes::{OUTCOMES, cause},
};
use crate::{
    model::{
        Again, Blame, CellOutcome, CellSummary, Class, Confirmation, Failure, LaneId, Phase, Rerun,
        Role, SpecOutcome, SpecResult,
    },
    verdict::{
        ConfirmLimits, ConfirmPlan, LaneCauses, SpecCause, confirm_plan, confirmation, normalised,
    },
};

fn failed(name: &str, message: &str, seconds: f64) -> SpecResult {
    SpecResult {
        seconds,
        failure: Some(Failure {
            message: message.to_owned(),
            text: message.to_owned(),
            location: None,
        }),
        ..spec(name, SpecOutcome::Failed)
    }
}

/// A failed lane with these failed specs and so many passed ones.
fn lane(sandboxer: &str, specs: Vec<SpecResult>, passed: usize) -> CellSummary {
    let mut cell = cell(sandboxer, CellOutcome::Failed);
    cell.specs = specs;
    for n in 0..passed {
        cell.specs
            .push(spec(&format!("passed {n}"), SpecOutcome::Passed));
    }
    cell
}

fn planned(cells: &[CellSummary]) -> ConfirmPlan {
    confirm_plan(cells, &BTreeMap::new(), &ConfirmLimits::default())
}

fn said(plan: &ConfirmPlan) -> String {
    let rerun = plan
        .rerun
        .iter()
        .map(|failed| format!("again {} {}", failed.lane, failed.spec));
    let rest = plan
        .unconfirmed
        .iter()
        .map(|(failed, why)| format!("not {} {}: {why}", failed.lane, failed.spec));
    rerun.chain(rest).collect::<Vec<_>>().join("\n")
}

#[test]
fn messages_of_one_failure_are_one() {
    for (one, other) in [
        (
            r#"pod "pod-5f0c1e2a-aaaa-4bcd-9e1f-0123456789ab" not ready after 60.1s"#,
            r#"pod "pod-00000000-ffff-4bcd-9e1f-abcdefabcdef" not ready after 61s"#,
        ),
        (
            "dial tcp 10.88.0.7:8080: refused",
            "dial tcp 10.88.0.12:31000:  refused",
        ),
        ("0xc000123 in init-x7k2p", "0xc0deadbeef1 in init-9q4zz"),
    ] {
        let with_seconds = normalised(one).replace("#.#", "#");
        assert_eq!(with_seconds, normalised(other).replace("#.#", "#"), "{one}");
    }
    assert_ne!(
        normalised("perms of file"),
        normalised("mount type of file")
    );
}

#[test]
fn one_or_two_of_each_kind_blocking_lanes_first() {
    let mut informing = lane("youki", vec![failed("z", "exit status 1", 1.0)], 9);
    informing.lane.role = Role::Informing;
    let blocking = lane(
        "gvisor",
        vec![
            failed("a", "perms of file 1", 30.0),
            failed("b", "perms of file 2", 10.0),
            failed("c", "perms of file 3", 20.0),
            failed("d", "no such device", 40.0),
        ],
        9,
    );
    insta::assert_snapshot!("confirm", said(&planned(&[informing, blocking])));
}

#[test]
fn a_rule_that_explains_them_makes_them_one() {
    let cell = lane(
        "runc",
        ["a", "b", "c"].map(|name| failed(name, name, 1.0)).to_vec(),
        9,
    );
    let causes = LaneCauses {
        common: None,
        specs: ["a", "b", "c"]
            .map(|name| SpecCause {
                spec: spec(name, SpecOutcome::Failed).name,
                cause: cause(
                    Phase::Spec,
                    Class::ImagePull,
                    Blame::NodeImage,
                    Some("no-image"),
                ),
            })
            .to_vec(),
    };
    let causes = BTreeMap::from([(cell.lane.id.clone(), causes)]);
    let plan = confirm_plan(
        std::slice::from_ref(&cell),
        &causes,
        &ConfirmLimits::default(),
    );
    assert_eq!(plan.rerun.len(), 2);
    assert_eq!(planned(&[cell]).rerun.len(), 3, "else each is its own kind");
}

#[test]
fn nothing_runs_again_on_a_surge_or_after_a_stop() {
    let many = |n: usize| -> Vec<SpecResult> {
        (0..n)
            .map(|at| failed(&format!("f{at}"), &"x".repeat(at + 1), 1.0))
            .collect()
    };
    let why = |cell: CellSummary| {
        let plan = planned(&[cell]);
        assert!(plan.rerun.is_empty());
        plan.unconfirmed[0].1.clone()
    };
    assert_eq!(
        why(lane("runc", many(6), 5)),
        "6 of 11 specs of the lane failed: one cause for all is likelier than so many"
    );
    assert!(why(lane("runc", many(41), 400)).starts_with("41 of 441"));
    // Few are not many, though they are all.
    assert_eq!(planned(&[lane("runc", many(4), 0)]).rerun.len(), 4);
    let mut stopped = lane("runc", many(1), 9);
    let cause = cause(Phase::Spec, Class::Infra, Blame::Environment, None);
    stopped.outcome = CellOutcome::Stopped {
        cause: Box::new(cause),
    };
    assert_eq!(why(stopped), "the lane stopped in spec: it stopped");
    let mut interrupted = lane("runc", many(1), 9);
    interrupted.specs[0].outcome = SpecOutcome::Interrupted;
    assert!(why(interrupted).contains("interrupted"));
}

#[test]
fn what_takes_too_long_does_not_run_again() {
    let cell = lane(
        "runc",
        vec![
            failed("long", "a", 500.0),
            failed("longer", "b", 300.0),
            failed("short", "c", 9.0),
        ],
        9,
    );
    let plan = planned(&[cell]);
    let names: Vec<&str> = plan
        .rerun
        .iter()
        .map(|failed| failed.spec.0.as_str())
        .collect();
    assert_eq!(names, ["longer", "short"]);
    assert!(plan.unconfirmed[0].1.contains("20 minutes"), "{plan:?}");
}

#[test]
fn what_further_tries_say() {
    use Again::{Control, FreshNode, LastGood, SameNode};
    use SpecOutcome::{Failed, Interrupted, NotRun, Passed, Skipped, TimedOut};
    for (tries, name) in [
        (&[][..], "unconfirmed"),
        (&[(SameNode, Passed)], "flaky"),
        (&[(SameNode, Passed), (FreshNode, Failed)], "flaky"),
        (&[(SameNode, Failed)], "unconfirmed"),
        (
            &[(SameNode, TimedOut), (FreshNode, Passed)],
            "polluted-node",
        ),
        (
            &[(SameNode, Failed), (FreshNode, Passed), (FreshNode, Failed)],
            "flaky",
        ),
        (&[(FreshNode, Passed)], "flaky"),
        (&[(FreshNode, Failed)], "deterministic"),
        (&[(SameNode, Failed), (FreshNode, Failed)], "deterministic"),
        (&[(FreshNode, Failed), (LastGood, Passed)], "regression"),
        (&[(FreshNode, Failed), (Control, Passed)], "regression"),
        (&[(FreshNode, Failed), (LastGood, Failed)], "deterministic"),
        (&[(FreshNode, Failed), (Control, NotRun)], "deterministic"),
        (&[(LastGood, Passed)], "unconfirmed"),
        (
            &[(SameNode, Interrupted), (FreshNode, Skipped)],
            "unconfirmed",
        ),
    ] {
        let reruns: Vec<Rerun> = tries
            .iter()
            .map(|(place, outcome)| Rerun {
                place: *place,
                lane: LaneId("l".to_owned()),
                attempt: 2,
                outcome: *outcome,
                seconds: 1.0,
                good: None,
            })
            .collect();
        assert_eq!(confirmation(&reruns).name(), name, "{tries:?}");
    }
}

proptest! {
    /// Whatever failed: the limits hold, every failed spec is planned or has its reason, and nothing else is.
    #[test]
    fn the_limits_hold_and_nothing_is_forgotten(
        lanes in prop::collection::vec(
            (prop::collection::vec((0..9_usize, 0..12_usize, 0.0..900.0), 0..60), any::<bool>(), any::<bool>()),
            0..5,
        ),
        specs in 0..9_usize,
        minutes in 0..30_u32,
        per_cluster in 0..3_usize,
    ) {
        let mut cells = Vec::new();
        for (at, (results, blocking, stopped)) in lanes.into_iter().enumerate() {
            let results = results.into_iter().enumerate().map(|(n, (outcome, message, seconds))| {
                SpecResult {
                    outcome: OUTCOMES[outcome],
                    ..failed(&format!("s{n}"), &"m".repeat(message), seconds)
                }
            });
            let mut cell = lane(["a", "b", "c", "d", "e"][at], results.collect(), 0);
            if !blocking { cell.lane.role = Role::Informing; }
            if stopped && at % 2 == 0 {
                let cause = cause(Phase::Spec, Class::Infra, Blame::Environment, None);
                cell.outcome = CellOutcome::Stopped { cause: Box::new(cause) };
            }
            cells.push(cell);
        }
        let seconds = f64::from(minutes) * 60.0;
        let limits = ConfirmLimits { specs, seconds, per_cluster, ..ConfirmLimits::default() };
        let plan = confirm_plan(&cells, &BTreeMap::new(), &limits);
        prop_assert!(plan.rerun.len() <= specs && plan.seconds <= seconds);
        prop_assert!(plan.unconfirmed.iter().all(|(_, why)| !why.is_empty()));
        let all: BTreeSet<(String, String)> = cells
            .iter()
            .flat_map(|cell| {
                let failed = cell.specs.iter().filter(|spec| spec.outcome.is_failure());
                failed.map(|spec| (cell.lane.id.to_string(), spec.name.to_string()))
            })
            .collect();
        let known: Vec<(String, String)> = plan
            .rerun
            .iter()
            .chain(plan.unconfirmed.iter().map(|(failed, _)| failed))
            .map(|failed| (failed.lane.to_string(), failed.spec.to_string()))
            .collect();
        prop_assert_eq!(known.len(), all.len());
        prop_assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), all);
    }

    /// No try that passed elsewhere makes a failure flaky, and nothing is known without a try that ended.
    #[test]
    fn nothing_is_said_without_a_try(tries in prop::collection::vec((0..4_usize, 0..9_usize), 0..6)) {
        const PLACES: [Again; 4] = [Again::SameNode, Again::FreshNode, Again::LastGood, Again::Control];
        let reruns: Vec<Rerun> = tries
            .iter()
            .map(|(place, outcome)| Rerun {
                place: PLACES[*place],
                lane: LaneId("l".to_owned()),
                attempt: 2,
                outcome: OUTCOMES[*outcome],
                seconds: 1.0,
                good: None,
            })
            .collect();
        let here = |wanted: SpecOutcome| {
            reruns.iter().any(|rerun| rerun.place <= Again::FreshNode && rerun.outcome == wanted)
        };
        match confirmation(&reruns) {
            Confirmation::Flaky | Confirmation::PollutedNode => prop_assert!(here(SpecOutcome::Passed)),
            Confirmation::Deterministic | Confirmation::Regression => {
                prop_assert!(!here(SpecOutcome::Passed) || reruns.iter().any(|r| r.outcome.is_failure()));
                prop_assert!(reruns.iter().any(|r| r.place == Again::FreshNode && r.outcome.is_failure()));
            }
            Confirmation::Unconfirmed { reason } => prop_assert!(!reason.is_empty()),
        }
    }
}
