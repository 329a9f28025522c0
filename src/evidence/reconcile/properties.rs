use proptest::prelude::*;

use super::{
    tests::{plan_of, result, status},
    *,
};

const OUTCOMES: [SpecOutcome; 7] = [
    SpecOutcome::Passed,
    SpecOutcome::Failed,
    SpecOutcome::TimedOut,
    SpecOutcome::Panicked,
    SpecOutcome::Interrupted,
    SpecOutcome::Skipped,
    SpecOutcome::NotRun,
];

fn claims() -> impl Strategy<Value = Vec<SpecResult>> {
    let claim = ("[a-f]", 0..OUTCOMES.len()).prop_map(|(name, at)| result(&name, OUTCOMES[at]));
    prop::collection::vec(claim, 0..10)
}

proptest! {
    #[test]
    fn planned_once_nothing_lost_and_never_better_than_said(
        planned in prop::collection::vec("[a-d]", 0..6),
        one in claims(),
        two in claims(),
        exit in prop::option::of(0..3i32),
    ) {
        let plan = plan_of(planned.iter().cloned().map(SpecName), 9);
        let report = GinkgoReport { specs: one.clone(), ..GinkgoReport::default() };
        let stream = StreamLog { specs: two.clone(), ..StreamLog::default() };
        let parts = Parts {
            plan: Some(&plan),
            report: Some(&report),
            stream: Some(&stream),
            exit: exit.and_then(status),
            ..Parts::default()
        };
        let found = reconcile(&parts).unwrap();
        let names: Vec<_> = found.specs.iter().take(planned.len()).map(|s| s.name.0.clone()).collect();
        prop_assert_eq!(names, planned.clone());
        prop_assert_eq!(found.specs.len(), planned.len() + found.unplanned.len());
        let failures = |specs: &[SpecResult]| specs.iter().filter(|s| s.outcome.is_failure()).count();
        prop_assert!(failures(&found.specs) >= failures(&one).max(failures(&two)));
        for spec in &found.specs {
            prop_assert_eq!(spec.outcome == SpecOutcome::NotRun, spec.reason.as_deref().is_some_and(|r| !r.is_empty()) );
            let said: Vec<_> = one.iter().chain(&two).filter(|s| s.name == spec.name).map(|s| s.outcome).collect();
            prop_assert!(said.contains(&spec.outcome) || spec.outcome == SpecOutcome::NotRun);
        }
        if exit == Some(0) && found.specs.iter().any(|s| s.outcome != SpecOutcome::Passed && s.outcome != SpecOutcome::Skipped) {
            prop_assert!(!found.disagreements.is_empty());
        }
    }
}
