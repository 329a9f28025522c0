//! Expected failures.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::{
    documents::{run, spec},
    outcomes::{OUTCOMES, plan},
};
use crate::{
    model::{
        Accelerator, CellOutcome, Expectation, ExpectationUse, Failure, Lane, Role, SpecOutcome,
        SpecResult, Standing, Tracker,
    },
    profile::Expect,
    verdict::{cell_outcome, exit_code, expectations, expected, standing},
};

const TODAY: Date = date(2026, 11, 20);

fn expect(pattern: &str, expires: Date) -> Expect {
    Expect {
        expectation: Expectation {
            spec: pattern.to_owned(),
            message: None,
            outcomes: vec![SpecOutcome::Failed],
            reason: "it keeps a cache of its own".to_owned(),
            tracker: Tracker::Link("https://example.org/issues/7".to_owned()),
            expires,
        },
        nodes: Vec::new(),
        sandboxers: Vec::new(),
        suites: Vec::new(),
        pairings: Vec::new(),
    }
}

fn lane(sandboxer: &str) -> Lane {
    Lane {
        id: Lane::id_of("main", "plain", sandboxer, "smoke"),
        pairing: "main".to_owned(),
        node: "plain".to_owned(),
        sandboxer: sandboxer.to_owned(),
        handler: sandboxer.to_owned(),
        suite: "smoke".to_owned(),
        role: Role::Blocking,
    }
}

/// What became of these specs, all of which were planned, on gVisor's lane.
fn applied(
    expects: &[Expect],
    specs: &[(&str, SpecOutcome)],
) -> (Vec<SpecResult>, Vec<ExpectationUse>) {
    let names: Vec<&str> = specs.iter().map(|(name, _)| *name).collect();
    let mut results: Vec<SpecResult> = specs
        .iter()
        .map(|(name, outcome)| spec(name, *outcome))
        .collect();
    let used = expected(
        expects,
        false,
        &lane("gvisor"),
        TODAY,
        &plan(&names),
        &mut results,
    );
    (results, used)
}

fn outcomes(results: &[SpecResult]) -> Vec<&'static str> {
    results.iter().map(|spec| spec.outcome.name()).collect()
}

#[test]
fn a_failure_that_is_expected_turns_no_lane_red() {
    use SpecOutcome::{Failed, Passed};
    let known = [expect("^EmptyDir", date(2027, 3, 1))];
    let specs = [("EmptyDir a", Failed), ("ConfigMap", Passed)];
    let (results, used) = applied(&known, &specs);
    assert_eq!(outcomes(&results), ["expected-failure", "passed"]);
    assert_eq!(
        results[0].reason.as_deref(),
        Some(
            "expected: it keeps a cache of its own (https://example.org/issues/7; until 2027-03-01)"
        )
    );
    let (outcome, counts) = cell_outcome(&plan(&["EmptyDir a", "ConfigMap"]), &results, None, &[]);
    assert_eq!(outcome, CellOutcome::Passed);
    assert_eq!((counts.passed, counts.expected, counts.failed), (1, 1, 0));
    assert_eq!((used[0].planned, used[0].failed.len()), (1, 1));
    // Where nothing passed at all, nothing is green.
    let (results, _) = applied(&known, &specs[..1]);
    let (outcome, _) = cell_outcome(&plan(&["EmptyDir a"]), &results, None, &[]);
    assert_eq!(outcome.name(), "reduced");
}

#[test]
fn a_pass_that_is_not_expected_is_said_and_stays_green() {
    use SpecOutcome::Passed;
    let (results, used) = applied(
        &[expect("^EmptyDir", date(2027, 3, 1))],
        &[("EmptyDir a", Passed), ("ConfigMap", Passed)],
    );
    assert_eq!(outcomes(&results), ["unexpected-pass", "passed"]);
    let (outcome, counts) = cell_outcome(&plan(&["EmptyDir a", "ConfigMap"]), &results, None, &[]);
    assert!(outcome.is_green());
    assert_eq!((counts.passed, counts.unexpected), (2, 1));
    assert_eq!(used[0].passed.len(), 1);
}

#[test]
fn what_does_not_cover_a_failure_leaves_it_as_it_is() {
    use SpecOutcome::{Failed, Interrupted, NotRun, Panicked, Skipped, TimedOut};
    let soon = date(2027, 3, 1);
    let elsewhere = Expect {
        sandboxers: vec!["runc".to_owned()],
        ..expect("a", soon)
    };
    let (results, used) = applied(&[elsewhere], &[("a", Failed)]);
    assert_eq!((outcomes(&results), used.len()), (vec!["failed"], 0));
    assert_eq!(results[0].reason, None);

    let all = [Panicked, TimedOut, Interrupted, Skipped, NotRun];
    for outcome in all {
        let (results, _) = applied(&[expect("a", soon)], &[("a", outcome)]);
        assert_eq!(results[0].outcome, outcome, "only failures by default");
    }
    let mut known = expect("a", soon);
    known.expectation.outcomes = vec![TimedOut, Panicked];
    let changed: Vec<&str> = all
        .into_iter()
        .map(|outcome| {
            let (results, _) = applied(std::slice::from_ref(&known), &[("a", outcome)]);
            results[0].outcome.name()
        })
        .collect();
    assert_eq!(
        changed,
        [
            "expected-failure",
            "expected-failure",
            "interrupted",
            "skipped",
            "not-run"
        ]
    );
    let (results, used) = applied(&[known], &[("a", Failed)]);
    assert_eq!(results[0].outcome, Failed);
    assert_eq!(used[0].counted.len(), 1, "it is named, and it counts");
}

#[test]
fn another_failure_of_the_same_spec_counts() {
    let mut known = expect("a", date(2027, 3, 1));
    known.expectation.message = Some("perms of file".to_owned());
    let said = |message: &str| {
        let mut results = [spec("a", SpecOutcome::Failed)];
        results[0].failure = Some(Failure {
            message: "Unexpected error".to_owned(),
            text: format!("expected pod success\n{message}"),
            location: None,
        });
        let _ = expected(
            std::slice::from_ref(&known),
            false,
            &lane("gvisor"),
            TODAY,
            &plan(&["a"]),
            &mut results,
        );
        results[0].outcome.name()
    };
    assert_eq!(said("perms of file: -rw-rw-rw-"), "expected-failure");
    assert_eq!(said("timed out"), "failed");
}

#[test]
fn the_day_decides() {
    let on = |expires| standing(&expect("a", expires).expectation, TODAY);
    assert_eq!(on(date(2026, 12, 5)), Standing::Current);
    assert_eq!(on(date(2026, 12, 4)), Standing::Expiring { days: 14 });
    assert_eq!(on(date(2026, 11, 20)), Standing::Expiring { days: 0 });
    assert_eq!(on(date(2026, 11, 19)), Standing::Expired { days: 1 });
    assert_eq!(on(date(2025, 11, 20)), Standing::Expired { days: 365 });

    let old = expect("a", date(2026, 11, 19));
    let (results, used) = applied(std::slice::from_ref(&old), &[("a", SpecOutcome::Failed)]);
    assert_eq!(outcomes(&results), ["failed"]);
    assert_eq!(used[0].counted.len(), 1);
    assert!(
        results[0]
            .reason
            .as_deref()
            .unwrap()
            .starts_with("no longer expected: it keeps"),
        "{:?}",
        results[0].reason
    );
    // One that holds covers what an older one does not any more.
    let both = [old.clone(), expect("a", date(2027, 1, 1))];
    let (results, _) = applied(&both, &[("a", SpecOutcome::Failed)]);
    assert_eq!(outcomes(&results), ["expected-failure"]);
    // Nobody waits for the failure of an old one.
    let (results, _) = applied(&[old], &[("a", SpecOutcome::Passed)]);
    assert_eq!(outcomes(&results), ["passed"]);
}

#[test]
fn a_lane_without_a_plan_says_nothing_of_patterns() {
    let known = [expect("a", date(2027, 3, 1))];
    let (_, used) = applied(&known, &[]);
    assert!(used.is_empty());
}

/// What a run says of its expectations.
fn said(lanes: &[(&str, &[(&str, SpecOutcome)])], expects: &[Expect], narrowed: bool) -> String {
    let mut run = run(1, Accelerator::Kvm, lanes);
    for cell in &mut run.cells {
        let names: Vec<&str> = cell.specs.iter().map(|spec| spec.name.0.as_str()).collect();
        let plan = plan(&names);
        cell.expectations = expected(expects, narrowed, &cell.lane, TODAY, &plan, &mut cell.specs);
        (cell.outcome, cell.counts) = cell_outcome(&plan, &cell.specs, None, &[]);
    }
    let said = expectations(&run).into_iter().map(|verdict| {
        let words = verdict.words.as_deref().unwrap_or("as expected");
        format!(
            "{} ({} lanes): {words}",
            verdict.expectation.spec,
            verdict.lanes.len()
        )
    });
    let said: Vec<String> = said.collect();
    format!("{} {}", exit_code(&run.cells, &[]).code(), said.join(" | "))
}

#[test]
fn what_a_run_says_of_its_expectations() {
    use SpecOutcome::{Failed, Panicked, Passed};
    let later = date(2027, 3, 1);
    let soon = date(2026, 11, 23);
    let over = date(2026, 11, 6);
    let two: &[(&str, &[(&str, SpecOutcome)])] = &[
        ("runc", &[("a", Passed), ("b", Passed)]),
        ("gvisor", &[("a", Failed), ("b", Passed)]),
    ];
    let gvisor = |pattern: &str, expires| Expect {
        sandboxers: vec!["gvisor".to_owned()],
        ..expect(pattern, expires)
    };
    let one: &[(&str, &[(&str, SpecOutcome)])] = &[("gvisor", &[("a", Panicked), ("b", Passed)])];
    let lines = [
        said(two, &[gvisor("^a$", later)], false),
        said(two, &[gvisor("^a$", soon), gvisor("c", later)], false),
        said(two, &[gvisor("c", later)], true),
        said(two, &[gvisor("^a$", over)], false),
        said(two, &[gvisor("^b$", over), gvisor("^a$", later)], false),
        said(two, &[expect("^a$", later)], false),
        said(two, &[gvisor("b", later), gvisor("^a$", later)], false),
        said(one, &[gvisor("a", later)], false),
    ];
    insta::assert_snapshot!("expectations", lines.join("\n"));
}

proptest! {
    /// Whatever is expected: nothing but failures and passes changes, a change has its reason, and no lane turns green
    /// by what nobody expected.
    #[test]
    fn only_what_is_covered_changes(
        results in prop::collection::vec((0..4_usize, 0..7_usize), 1..8),
        known in prop::collection::vec((0..4_usize, -20..60_i64, any::<bool>(), any::<bool>()), 0..4),
    ) {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        let known: Vec<Expect> = known
            .into_iter()
            .map(|(name, days, here, all)| {
                let expires = TODAY.checked_add(jiff::Span::new().days(days)).unwrap();
                let mut expect = expect(NAMES[name], expires);
                expect.sandboxers = vec![if here { "gvisor" } else { "runc" }.to_owned()];
                if all {
                    expect.expectation.outcomes = OUTCOMES[1..4].to_vec();
                }
                expect
            })
            .collect();
        // The first seven are what a suite can say.
        let specs: Vec<(&str, SpecOutcome)> =
            results.into_iter().map(|(name, outcome)| (NAMES[name], OUTCOMES[outcome])).collect();
        let (after, used) = applied(&known, &specs);
        let failed_as_expected = used.iter().map(|used| used.failed.len()).sum::<usize>();
        let mut changed = 0;
        for ((name, before), after) in specs.iter().zip(&after) {
            let covering = known.iter().find(|expect| {
                expect.covers(&lane("gvisor"))
                    && expect.expectation.spec == *name
                    && expect.expectation.expires >= TODAY
            });
            match after.outcome {
                SpecOutcome::ExpectedFailure => {
                    changed += 1;
                    prop_assert!(before.is_failure() && *before != SpecOutcome::Interrupted);
                    prop_assert!(covering.is_some() && after.reason.is_some());
                }
                SpecOutcome::UnexpectedPass => {
                    prop_assert!(*before == SpecOutcome::Passed && covering.is_some());
                }
                same => prop_assert_eq!(same, *before),
            }
        }
        prop_assert_eq!(failed_as_expected, changed);
    }
}
