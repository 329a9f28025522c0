//! Cell outcomes, exit codes and gates.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::documents::{cell, run, spec};
use crate::{
    model::{
        Accelerator, Blame, Cause, CellOutcome, Class, Confidence, ExitCode, Phase, PlannedSpec,
        Role, SpecName, SpecOutcome, SpecResult, SuitePlan,
    },
    profile::{self, Gate, Overrides},
    verdict::{
        CANCELLED, GateResult, GateState, cell_outcome, evaluate, exit_code, lost, unselected,
    },
};

pub(super) const OUTCOMES: [SpecOutcome; 9] = [
    SpecOutcome::Passed,
    SpecOutcome::Failed,
    SpecOutcome::TimedOut,
    SpecOutcome::Panicked,
    SpecOutcome::Interrupted,
    SpecOutcome::Skipped,
    SpecOutcome::NotRun,
    SpecOutcome::ExpectedFailure,
    SpecOutcome::UnexpectedPass,
];

pub(super) fn plan(names: &[&str]) -> SuitePlan {
    SuitePlan {
        selected: names
            .iter()
            .map(|name| PlannedSpec {
                name: SpecName((*name).to_owned()),
                labels: Vec::new(),
                location: "x.go:1".to_owned(),
                group: None,
            })
            .collect(),
        total: 1200,
    }
}

pub(super) fn cause(phase: Phase, class: Class, blame: Blame, rule: Option<&str>) -> Cause {
    Cause {
        phase,
        class,
        blame,
        confidence: Confidence::Likely,
        summary: "it stopped".to_owned(),
        evidence: Vec::new(),
        rule: rule.map(str::to_owned),
        hint: None,
    }
}

fn name(planned: &[&str], specs: &[SpecResult]) -> &'static str {
    cell_outcome(&plan(planned), specs, None, &[]).0.name()
}

#[test]
fn the_states_that_are_not_green() {
    use SpecOutcome::{ExpectedFailure, Failed, NotRun, Passed, Skipped, UnexpectedPass};
    assert_eq!(
        name(&["a", "b"], &[spec("a", Passed), spec("b", Passed)]),
        "passed"
    );
    assert_eq!(
        name(&["a", "b"], &[spec("a", Passed), spec("b", Failed)]),
        "failed"
    );
    assert_eq!(
        name(&["a", "b"], &[spec("a", Passed), spec("b", Skipped)]),
        "reduced"
    );
    assert_eq!(
        name(&["a", "b"], &[spec("a", Passed), spec("b", NotRun)]),
        "reduced"
    );
    assert_eq!(name(&["a", "b"], &[spec("a", Passed)]), "reduced");
    assert_eq!(name(&["a", "b"], &[]), "reduced");
    assert_eq!(name(&[], &[]), "no-tests");
    assert_eq!(name(&["a"], &[spec("a", ExpectedFailure)]), "reduced");
    assert_eq!(
        name(
            &["a", "b"],
            &[spec("a", UnexpectedPass), spec("b", ExpectedFailure)]
        ),
        "passed"
    );
    // What nobody planned: Ginkgo lists the skipped rest, but nothing else may run.
    assert_eq!(
        name(&["a"], &[spec("a", Passed), spec("z", Skipped)]),
        "passed"
    );
    assert_eq!(
        name(&["a"], &[spec("a", Passed), spec("z", Passed)]),
        "stopped"
    );
    assert_eq!(name(&[], &[spec("z", Passed)]), "stopped");
    // Two specs of one name need two results.
    assert_eq!(name(&["a", "a"], &[spec("a", Passed)]), "reduced");
    assert_eq!(
        name(&["a", "a"], &[spec("a", Passed), spec("a", Passed)]),
        "passed"
    );
    assert_eq!(
        name(&["a"], &[spec("a", Passed), spec("a", Failed)]),
        "failed"
    );
}

#[test]
fn contradictions_and_stops() {
    let specs = [spec("a", SpecOutcome::Passed)];
    let said = ["JUnit has 1 case, stdout 2".to_owned()];
    let (outcome, _) = cell_outcome(&plan(&["a"]), &specs, None, &said);
    let CellOutcome::Stopped { cause: found } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (found.class, found.phase),
        (Class::NoEvidence, Phase::Collect)
    );
    assert!(found.summary.contains("stdout 2"));

    let stop = |phase, rule| Some(cause(phase, Class::Infra, Blame::Environment, rule));
    let of = |stop| cell_outcome(&plan(&["a"]), &specs, stop, &[]).0;
    assert_eq!(of(stop(Phase::Spec, None)).name(), "stopped");
    assert_eq!(of(stop(Phase::Collect, None)).name(), "stopped");
    assert_eq!(of(stop(Phase::Teardown, None)).name(), "passed");
    let cancelled = of(stop(Phase::Spec, Some(CANCELLED)));
    assert_eq!(
        cancelled,
        CellOutcome::Reduced {
            reason: "it stopped".to_owned()
        }
    );
    let stopped = stop(Phase::Collect, Some(CANCELLED));
    let (outcome, _) = cell_outcome(&plan(&["a"]), &specs, stopped, &said);
    assert_eq!(
        outcome.name(),
        "reduced",
        "files are missing because it was stopped"
    );
    let (outcome, _) = cell_outcome(&plan(&[]), &[], stop(Phase::Boot, Some(CANCELLED)), &[]);
    assert_eq!(outcome.name(), "not-run");
    let (outcome, counts) = cell_outcome(&plan(&["a", "b"]), &specs, stop(Phase::Spec, None), &[]);
    assert_eq!(
        (outcome.name(), counts.passed, counts.not_run),
        ("stopped", 1, 1)
    );
}

proptest! {
    #[test]
    fn green_means_that_every_planned_spec_ran(
        planned in prop::collection::vec(0..6_usize, 0..6),
        results in prop::collection::vec((0..6_usize, 0..9_usize), 0..8),
        stopped in any::<bool>(),
        disagreed in any::<bool>(),
    ) {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        let planned: Vec<&str> = planned.into_iter().map(|n| NAMES[n]).collect();
        let specs: Vec<SpecResult> =
            results.into_iter().map(|(n, o)| spec(NAMES[n], OUTCOMES[o])).collect();
        let stop = stopped.then(|| cause(Phase::Spec, Class::Unknown, Blame::Unknown, None));
        let said: Vec<String> = disagreed.then(|| "they differ".to_owned()).into_iter().collect();
        let (outcome, counts) = cell_outcome(&plan(&planned), &specs, stop, &said);
        prop_assert_eq!(counts.planned as usize, planned.len());
        if outcome.is_green() {
            prop_assert!(!planned.is_empty() && !stopped && !disagreed);
            prop_assert!(counts.passed > 0 && counts.failed + counts.skipped + counts.not_run == 0);
            for name in &planned {
                let wanted = planned.iter().filter(|n| *n == name).count();
                let ran = specs.iter().filter(|s| s.name.0 == *name).filter(|s| matches!(
                    s.outcome,
                    SpecOutcome::Passed | SpecOutcome::ExpectedFailure | SpecOutcome::UnexpectedPass
                ));
                prop_assert_eq!(ran.count(), wanted);
            }
            prop_assert!(specs.iter().all(|s| !s.outcome.is_failure()));
        }
    }

    #[test]
    fn exit_zero_means_that_all_blocking_lanes_are_green(kinds in prop::collection::vec((0..7_usize, any::<bool>()), 0..5)) {
        let cells: Vec<_> = kinds
            .iter()
            .map(|(kind, blocking)| {
                let mut cell = cell("x", outcome(*kind));
                if !blocking { cell.lane.role = Role::Informing; }
                cell
            })
            .collect();
        let blocking: Vec<_> = cells.iter().filter(|cell| cell.lane.role == Role::Blocking).collect();
        let green = !blocking.is_empty() && blocking.iter().all(|cell| cell.outcome.is_green());
        prop_assert_eq!(exit_code(&cells, &[]) == ExitCode::Passed, green);
    }
}

fn outcome(kind: usize) -> CellOutcome {
    let stopped = |class, blame| CellOutcome::Stopped {
        cause: Box::new(cause(Phase::Spec, class, blame, None)),
    };
    match kind {
        0 => CellOutcome::Passed,
        1 => CellOutcome::Failed,
        2 => CellOutcome::Reduced {
            reason: "r".to_owned(),
        },
        3 => CellOutcome::NoTests,
        4 => CellOutcome::NotRun {
            reason: "r".to_owned(),
        },
        5 => stopped(Class::Infra, Blame::Environment),
        _ => stopped(Class::Build, Blame::Unknown),
    }
}

#[test]
fn exit_codes_by_blame_and_in_their_order() {
    let stopped = |class, blame| {
        let cause = Box::new(cause(Phase::SuiteStart, class, blame, None));
        cell("x", CellOutcome::Stopped { cause })
    };
    let one = |cell| exit_code(&[cell], &[]);
    for blame in [
        Blame::Kubernetes,
        Blame::Test,
        Blame::Runtime,
        Blame::Sandboxer,
    ] {
        assert_eq!(one(stopped(Class::RuntimeDown, blame)), ExitCode::Failed);
    }
    for blame in [
        Blame::NodeImage,
        Blame::Environment,
        Blame::Bellwether,
        Blame::Unknown,
    ] {
        assert_eq!(one(stopped(Class::Environment, blame)), ExitCode::Infra);
    }
    assert_eq!(
        one(stopped(Class::Build, Blame::Kubernetes)),
        ExitCode::Build
    );
    let cancelled = cause(
        Phase::Spec,
        Class::Infra,
        Blame::Environment,
        Some(CANCELLED),
    );
    let cancelled = cell(
        "x",
        CellOutcome::Stopped {
            cause: Box::new(cancelled),
        },
    );
    assert_eq!(one(cancelled), ExitCode::Incomplete);
    assert_eq!(exit_code(&[], &[]), ExitCode::Incomplete);

    // Each takes precedence over all that follow.
    let grave = [1, 6, 5, 2, 0].map(|kind| cell("x", outcome(kind)));
    let codes: Vec<u8> = (0..5)
        .map(|from| exit_code(&grave[from..], &[]).code())
        .collect();
    assert_eq!(codes, [1, 4, 3, 5, 0]);
    let mut empty = cell("x", CellOutcome::Passed);
    empty.counts.passed = 0;
    assert_eq!(one(empty), ExitCode::Incomplete);

    let missed = GateResult {
        name: "wall".to_owned(),
        value: Some(9.0),
        n: 1,
        window: 1,
        state: GateState::Missed,
        words: "wall: 9".to_owned(),
    };
    let unsure = GateResult {
        state: GateState::InsufficientData,
        ..missed.clone()
    };
    let green = [cell("x", CellOutcome::Passed)];
    assert_eq!(
        exit_code(&green, std::slice::from_ref(&missed)),
        ExitCode::Failed
    );
    assert_eq!(exit_code(&green, &[unsure]), ExitCode::Passed);
    assert_eq!(exit_code(&[], &[missed]), ExitCode::Incomplete);
}

fn judge(
    metric: &str,
    gate: Gate,
    past: &[crate::model::RunSummary],
    this: &crate::model::RunSummary,
) -> GateResult {
    let gates = BTreeMap::from([(metric.to_owned(), gate)]);
    evaluate(&gates, past, this).remove(0)
}

#[test]
fn gates_say_when_they_cannot_say() {
    let at_least = |min, window, n| Gate {
        min: Some(min),
        max: None,
        window,
        n,
    };
    let green = run(
        1,
        Accelerator::Kvm,
        &[("runc", &[("a", SpecOutcome::Passed)])],
    );
    let red = run(
        2,
        Accelerator::Kvm,
        &[(
            "runc",
            &[("a", SpecOutcome::Failed), ("b", SpecOutcome::Passed)],
        )],
    );
    let empty = run(3, Accelerator::Kvm, &[("runc", &[])]);

    let gate = judge("pass-rate", at_least(1.0, 1, 1), &[], &green);
    assert_eq!(
        (gate.state, gate.value, gate.n),
        (GateState::Met, Some(1.0), 1)
    );
    let gate = judge(
        "pass-rate",
        at_least(0.9, 2, 2),
        std::slice::from_ref(&green),
        &red,
    );
    assert_eq!(gate.state, GateState::Missed);
    assert_eq!(
        gate.words,
        "pass-rate: 0.6666 over 2 runs, missed (at least 0.9)"
    );
    assert_eq!(
        judge(
            "pass-rate",
            at_least(1.0, 5, 3),
            std::slice::from_ref(&green),
            &green
        )
        .state,
        GateState::InsufficientData
    );
    assert_eq!(
        judge("pass-rate", at_least(1.0, 1, 1), &[], &empty).state,
        GateState::InsufficientData
    );
    // The window ends with this run, whatever order the past is in.
    assert_eq!(
        judge(
            "pass-rate",
            at_least(1.0, 1, 1),
            std::slice::from_ref(&red),
            &green
        )
        .state,
        GateState::Met
    );

    let at_most = |max| Gate {
        min: None,
        max: Some(max),
        window: 3,
        n: 1,
    };
    assert_eq!(
        judge("flaky-rate", at_most(0.0), &[], &green).state,
        GateState::InsufficientData
    );
    let gate = judge(
        "flaky-rate",
        at_most(0.0),
        std::slice::from_ref(&green),
        &red,
    );
    assert_eq!((gate.state, gate.value), (GateState::Missed, Some(1.0)));
    assert_eq!(
        judge("latency", at_most(1.0), &[], &green).state,
        GateState::InsufficientData
    );
}

#[test]
fn an_emulated_run_says_nothing_about_hardware() {
    let gate = |max| Gate {
        min: None,
        max: Some(max),
        window: 3,
        n: 1,
    };
    let kvm = run(
        1,
        Accelerator::Kvm,
        &[("runc", &[("a", SpecOutcome::Passed)])],
    );
    let tcg = run(
        2,
        Accelerator::Tcg,
        &[("runc", &[("a", SpecOutcome::Passed)])],
    );
    assert_eq!(judge("wall", gate(1e9), &[], &kvm).state, GateState::Met);
    assert_eq!(judge("wall", gate(1.0), &[], &kvm).state, GateState::Missed);
    for max in [1.0, 1e9] {
        let found = judge("wall", gate(max), std::slice::from_ref(&kvm), &tcg);
        assert_eq!(found.state, GateState::InsufficientData);
        assert!(found.words.contains("emulated"), "{}", found.words);
        let found = judge("suite-wall", gate(max), std::slice::from_ref(&kvm), &tcg);
        assert_eq!(found.state, GateState::InsufficientData);
    }
    // Nor does one in the past count.
    assert_eq!(judge("wall", gate(1e9), &[tcg], &kvm).n, 1);
}

#[test]
fn a_focus_that_selects_nothing_is_said() {
    let profile = profile::load("quickstart", &Overrides::default()).unwrap();
    let mut suite = profile.suite("conformance").unwrap().clone();
    *suite.kind.selection().0 = vec!["Pods should".into(), r"Gone \[Conformance\]".into()];
    assert_eq!(
        unselected(&suite, &plan(&["[sig-node] Pods should start", "Other"])),
        [r"focus `Gone \[Conformance\]` selects no spec: was the spec renamed?"]
    );
    assert_eq!(unselected(&suite, &SuitePlan::default()), [""; 0]);
}

#[test]
fn only_what_the_host_broke_before_the_suite_is_lost() {
    let stopped = |phase, class, blame, rule: Option<&str>| {
        let cause = Cause {
            phase,
            class,
            blame,
            confidence: Confidence::Likely,
            summary: "it ended".to_owned(),
            evidence: Vec::new(),
            rule: rule.map(str::to_owned),
            hint: None,
        };
        let mut cell = cell("a", CellOutcome::Failed);
        cell.outcome = CellOutcome::Stopped {
            cause: Box::new(cause),
        };
        lost(&cell).is_some()
    };
    use {Blame::Environment, Class::Infra};
    assert!(stopped(Phase::Boot, Infra, Environment, None));
    assert!(stopped(
        Phase::SuiteStart,
        Infra,
        Environment,
        Some("stop-machine-gone")
    ));
    assert!(!stopped(Phase::Spec, Infra, Environment, None), "specs ran");
    assert!(!stopped(Phase::Boot, Infra, Environment, Some(CANCELLED)));
    assert!(!stopped(Phase::Boot, Infra, Blame::NodeImage, None));
    assert!(!stopped(
        Phase::RuntimeReady,
        Class::RuntimeDown,
        Environment,
        None
    ));
    assert!(lost(&cell("a", CellOutcome::Failed)).is_none());
}
