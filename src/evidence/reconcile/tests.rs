use super::*;
use crate::{
    evidence::{ginkgo_report, junit},
    model::PlannedSpec,
};

struct Evidence {
    plan: SuitePlan,
    report: Option<GinkgoReport>,
    junit: Option<JunitReport>,
    stream: StreamLog,
    exit: Option<SuiteExit>,
}

fn file(folder: &str, name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/{folder}/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

pub fn plan_of(names: impl IntoIterator<Item = SpecName>, total: usize) -> SuitePlan {
    SuitePlan {
        selected: names
            .into_iter()
            .map(|name| PlannedSpec {
                name,
                labels: Vec::new(),
                location: String::new(),
                group: None,
            })
            .collect(),
        total,
    }
}

/// A finished run, as its files say; the plan is what ran.
fn evidence(name: &str, status: i32) -> Evidence {
    let report = ginkgo_report::read(
        &file("evidence", &format!("{name}.report.json")),
        "report.json",
    )
    .unwrap();
    let ran = report
        .specs
        .iter()
        .filter(|spec| spec.outcome != SpecOutcome::NotRun);
    let plan = plan_of(
        ran.map(|spec| spec.name.clone()),
        report.will_run.unwrap().1 as usize,
    );
    let names = Names::of(&plan);
    Evidence {
        report: Some(report),
        junit: Some(junit::tests::fixture(name)),
        stream: StreamLog::read(&file("suite", &format!("{name}.log")), names),
        plan,
        exit: Some(SuiteExit {
            status: Some(status),
            ..SuiteExit::default()
        }),
    }
}

impl Evidence {
    fn parts(&self) -> Parts<'_> {
        Parts {
            plan: Some(&self.plan),
            report: self.report.as_ref(),
            junit: self.junit.as_ref(),
            stream: Some(&self.stream),
            exit: self.exit,
            stopped: None,
        }
    }

    fn reconciled(&self) -> Reconciled {
        reconcile(&self.parts()).unwrap()
    }
}

fn outcomes(result: &Reconciled) -> (usize, usize, usize, usize) {
    let count =
        |which: fn(SpecOutcome) -> bool| result.specs.iter().filter(|s| which(s.outcome)).count();
    (
        count(|o| o == SpecOutcome::Passed),
        count(SpecOutcome::is_failure),
        count(|o| o == SpecOutcome::Skipped),
        count(|o| o == SpecOutcome::NotRun),
    )
}

pub fn status(status: i32) -> Option<SuiteExit> {
    Some(SuiteExit {
        status: Some(status),
        ..SuiteExit::default()
    })
}

#[test]
fn honest_runs_have_no_disagreement() {
    for (name, exit, expected) in [
        ("smoke", 0, (19, 0, 0, 0)),
        ("runsc", 1, (17, 2, 0, 0)),
        ("crio", 0, (4, 0, 0, 0)),
        ("every-outcome", 1, (5, 5, 1, 0)),
        ("every-outcome-2", 1, (5, 5, 1, 0)),
        ("timeout", 1, (2, 1, 0, 0)),
        ("timeout-2", 1, (2, 1, 0, 0)),
        ("top-level", 1, (0, 2, 0, 0)),
    ] {
        let result = evidence(name, exit).reconciled();
        assert_eq!(outcomes(&result), expected, "{name}");
        assert_eq!(result.disagreements, [""; 0], "{name}");
        assert!(
            result.suite_failures.is_empty() && result.unplanned.is_empty(),
            "{name}"
        );
        for spec in &result.specs {
            assert!(
                spec.started_at.is_some() && spec.process.is_some(),
                "{name}: {spec:?}"
            );
            assert_eq!(
                spec.failure.is_some(),
                spec.outcome.is_failure(),
                "{name}: {spec:?}"
            );
        }
    }
}

#[test]
fn a_failed_set_up_leaves_every_planned_spec_not_run() {
    for name in [
        "services-ipv6",
        "no-route",
        "before-suite",
        "before-suite-2",
    ] {
        let mut evidence = evidence(name, 1);
        let (selected, total) = evidence.report.as_ref().unwrap().will_run.unwrap();
        evidence.plan = plan_of(
            (0..selected).map(|n| SpecName(format!("spec {n}"))),
            total as usize,
        );
        let result = evidence.reconciled();
        assert_eq!(outcomes(&result), (0, 0, 0, selected as usize), "{name}");
        assert_eq!(result.disagreements, [""; 0], "{name}");
        assert_eq!(
            result.specs[0].reason.as_deref(),
            Some("SynchronizedBeforeSuite failed"),
            "{name}"
        );
        // Two processes fail in two ways, one because of the other.
        let expected = if name == "before-suite-2" { 2 } else { 1 };
        assert_eq!(
            result.suite_failures.len(),
            expected,
            "{name}: {:?}",
            result.suite_failures
        );
    }
}

#[test]
fn each_part_alone_keeps_what_it_knows() {
    let all = evidence("runsc", 1);
    let parts = all.parts();
    let nothing = Parts {
        plan: parts.plan,
        exit: parts.exit,
        ..Parts::default()
    };
    for (alone, disagreements) in [
        (
            Parts {
                report: parts.report,
                ..nothing
            },
            1,
        ),
        (
            Parts {
                junit: parts.junit,
                ..nothing
            },
            0,
        ),
        (
            Parts {
                stream: parts.stream,
                ..nothing
            },
            1,
        ),
    ] {
        let result = reconcile(&alone).unwrap();
        assert_eq!(outcomes(&result), (17, 2, 0, 0));
        assert_eq!(
            result.disagreements.len(),
            disagreements,
            "{:?}",
            result.disagreements
        );
    }
    let result = reconcile(&nothing).unwrap();
    assert_eq!(outcomes(&result), (0, 0, 0, 19));
}

#[test]
fn a_killed_suite_keeps_its_finished_specs() {
    let mut evidence = evidence("smoke", 0);
    let text = file("suite", "smoke.log");
    evidence.stream = StreamLog::read(&text[..text.len() / 10 * 7], Names::of(&evidence.plan));
    (evidence.report, evidence.junit) = (None, None);
    evidence.exit = Some(SuiteExit {
        signal: Some(9),
        ..SuiteExit::default()
    });
    let result = evidence.reconciled();
    let (passed, failed, skipped, not_run) = outcomes(&result);
    assert!(passed > 5 && not_run > 5 && passed + not_run == 19 && failed + skipped == 0);
    let reasons: Vec<_> = result
        .specs
        .iter()
        .filter_map(|spec| spec.reason.as_deref())
        .collect();
    assert_eq!(reasons.len(), not_run);
    assert!(reasons.contains(&"the suite ended without it: killed by signal 9"));
    assert!(
        reasons
            .contains(&"it began and did not end: the suite ended without it: killed by signal 9")
    );
    // A suite that was ended could not write its files.
    assert_eq!(result.disagreements, [""; 0]);
    let stopped = Parts {
        stopped: Some("the machine powered off"),
        exit: None,
        ..evidence.parts()
    };
    let result = reconcile(&stopped).unwrap();
    assert_eq!(result.disagreements, [""; 0]);
    assert!(
        result
            .specs
            .iter()
            .any(|spec| spec.reason.as_deref() == Some("the machine powered off"))
    );
    // One that ended by itself could.
    let by_itself = Parts {
        exit: status(0),
        ..stopped
    };
    let text = reconcile(&by_itself).unwrap().disagreements.join("\n");
    assert!(text.contains("there is no JUnit file"), "{text}");
}

#[test]
fn every_lie_is_found_out() {
    type Lie = fn(&mut Evidence);
    let lies: [(&str, Lie); 13] = [
        ("the suite says exit status 0, though 2 failed", |e| {
            e.exit = status(0)
        }),
        ("nothing says how the suite's process ended", |e| {
            e.exit = None
        }),
        (
            "Ginkgo's report says failed, JUnit says passed, stdout says failed: ",
            |e| {
                let junit = e.junit.as_mut().unwrap();
                for case in &mut junit.cases {
                    case.failed = false;
                    if case.status.as_deref() == Some("failed") {
                        case.status = Some("passed".into());
                    }
                }
            },
        ),
        (
            "Ginkgo's report says timed-out, JUnit says failed, stdout says failed: ",
            |e| {
                let specs = &mut e.report.as_mut().unwrap().specs;
                let spec = specs.iter_mut().find(|s| s.outcome.is_failure()).unwrap();
                spec.outcome = SpecOutcome::TimedOut;
            },
        ),
        (
            "there is no JUnit file, though 17 specs passed by other evidence",
            |e| e.junit = None,
        ),
        (
            "the JUnit file has no case, though 17 specs passed by other evidence",
            |e| {
                e.junit.as_mut().unwrap().cases.clear();
            },
        ),
        (
            "the JUnit file is cut off (x), though 17 specs passed by other evidence",
            |e| {
                let junit = e.junit.as_mut().unwrap();
                (junit.truncated, junit.problem) = (true, Some("x".into()));
            },
        ),
        (
            "JUnit lacks 1 spec that others saw run, such as one that ",
            |e| {
                e.junit.as_mut().unwrap().cases.retain(|case| {
                    !case
                        .name
                        .ends_with("pods in volume with mappings [NodeConformance] [Conformance]")
                        || !case.name.contains("Secrets")
                });
            },
        ),
        ("Ginkgo's report is cut off (report.json: EOF)", |e| {
            e.report.as_mut().unwrap().truncated = Some("report.json: EOF".into());
        }),
        ("stdout counts 18 specs as run, the evidence has 19", |e| {
            e.stream.ran.as_mut().unwrap().ran = 18
        }),
        (
            "stdout counts 19 passed and 0 failed, the evidence has 17 and 2",
            |e| e.stream.counts = Some((19, 0)),
        ),
        (
            "stdout says it would run 19 of 1200 specs, the plan has 20 of 1200",
            |e| {
                e.plan.selected.push(PlannedSpec {
                    name: SpecName("one more".into()),
                    labels: vec![],
                    location: String::new(),
                    group: None,
                });
            },
        ),
        ("1 spec ran unplanned, such as: ", |e| {
            e.plan.selected.pop();
        }),
    ];
    for (said, lie) in lies {
        let mut evidence = evidence("runsc", 1);
        lie(&mut evidence);
        let result = evidence.reconciled();
        assert!(
            result
                .disagreements
                .iter()
                .any(|text| text.starts_with(said)),
            "{said}: {:?}",
            result.disagreements
        );
        assert_eq!(outcomes(&result).1, 2, "{said}: a failure is never lost");
    }
}

#[test]
fn an_exit_status_that_blames_nobody() {
    let mut evidence = evidence("smoke", 1);
    for (exit, said) in [
        (
            status(1),
            "the suite says exit status 1, though nothing failed",
        ),
        (
            status(2),
            "the suite says exit status 2, a crash, though nothing failed",
        ),
        (
            Some(SuiteExit {
                signal: Some(15),
                ..SuiteExit::default()
            }),
            "the suite says killed by signal 15, though nothing failed",
        ),
    ] {
        evidence.exit = exit;
        assert_eq!(evidence.reconciled().disagreements, [said]);
    }
    evidence.exit = status(0);
    let last = evidence.plan.selected.last().unwrap().name.clone();
    evidence.plan.selected.push(PlannedSpec {
        name: SpecName("never".into()),
        labels: vec![],
        location: String::new(),
        group: None,
    });
    let result = evidence.reconciled();
    assert!(
        result
            .disagreements
            .contains(&"the suite says exit status 0, though 1 spec did not run".to_owned())
    );
    assert_eq!(result.specs[18].name, last);
    assert_eq!(
        result.specs[19].reason.as_deref(),
        Some("the suite ended without it: exit status 0")
    );
}

#[test]
fn a_dry_run_is_no_result() {
    let junit = junit::tests::fixture("dry-run");
    let parts = Parts {
        junit: Some(&junit),
        ..Parts::default()
    };
    assert!(matches!(reconcile(&parts), Err(JunitError::DryRun { .. })));
    let error =
        ginkgo_report::read(&file("evidence", "dry-run.report.json"), "plan.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "plan.json comes from a dry run: its `passed` specs never ran"
    );
}

pub fn result(name: &str, outcome: SpecOutcome) -> SpecResult {
    SpecResult {
        outcome,
        reason: None,
        ..not_run(SpecName(name.into()), None, "")
    }
}

#[test]
fn two_specs_of_one_name_are_two() {
    let plan = plan_of(["a", "b", "a"].map(|n| SpecName(n.into())), 3);
    let report = GinkgoReport {
        specs: vec![
            result("a", SpecOutcome::Passed),
            result("b", SpecOutcome::Passed),
            result("a", SpecOutcome::Failed),
        ],
        ..GinkgoReport::default()
    };
    let stream = StreamLog {
        specs: vec![
            result("a", SpecOutcome::Failed),
            result("a", SpecOutcome::Passed),
            result("b", SpecOutcome::Passed),
        ],
        ..StreamLog::default()
    };
    let parts = Parts {
        plan: Some(&plan),
        report: Some(&report),
        stream: Some(&stream),
        exit: status(1),
        ..Parts::default()
    };
    let result = reconcile(&parts).unwrap();
    assert_eq!(outcomes(&result), (2, 1, 0, 0));
    assert_eq!(
        result.disagreements.len(),
        1,
        "only the missing JUnit: {:?}",
        result.disagreements
    );
}
