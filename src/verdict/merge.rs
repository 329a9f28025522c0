//! A lane's specs out of the results of its shards and rounds.

use std::collections::HashMap;

use crate::model::{SpecName, SpecOutcome, SpecResult, SuitePlan};

/// Every planned spec once, in the plan's order, then what ran unplanned. A spec that failed anywhere has failed; one that
/// ended anywhere has not been lost with a machine.
#[must_use]
pub fn merge(plan: &SuitePlan, parts: &[&[SpecResult]]) -> Vec<SpecResult> {
    let mut tries: HashMap<(&SpecName, usize), Vec<&SpecResult>> = HashMap::new();
    let mut order: Vec<(&SpecName, usize)> = Vec::new();
    let mut planned: HashMap<&SpecName, usize> = HashMap::new();
    for spec in &plan.selected {
        let nth = planned.entry(&spec.name).or_default();
        order.push((&spec.name, *nth));
        *nth += 1;
    }
    for part in parts {
        let mut seen: HashMap<&SpecName, usize> = HashMap::new();
        for result in *part {
            let nth = seen.entry(&result.name).or_default();
            let key = (&result.name, *nth);
            *nth += 1;
            let same = tries.entry(key).or_default();
            let known = planned.get(key.0).is_some_and(|count| key.1 < *count);
            if same.is_empty() && !known {
                order.push(key);
            }
            same.push(result);
        }
    }
    order
        .into_iter()
        .map(|key| settle(key.0, tries.remove(&key).unwrap_or_default()))
        .collect()
}

/// The worst of what ended; what did not end says nothing beside it.
fn settle(name: &SpecName, tries: Vec<&SpecResult>) -> SpecResult {
    let weight = |outcome: SpecOutcome| match outcome {
        outcome if outcome.is_failure() => 3,
        SpecOutcome::NotRun => 0,
        SpecOutcome::Skipped => 1,
        _ => 2,
    };
    // Of equals the first: how it failed the first time, and why it did not run.
    let worst = tries.iter().rev().max_by_key(|spec| weight(spec.outcome));
    let Some(worst) = worst else {
        return SpecResult {
            name: name.clone(),
            outcome: SpecOutcome::NotRun,
            started_at: None,
            ended_at: None,
            seconds: 0.0,
            process: None,
            failure: None,
            reason: Some("no shard came to it".to_owned()),
        };
    };
    let mut result = (*worst).clone();
    let count = |wanted: fn(SpecOutcome) -> bool| {
        let ended = tries.iter().filter(|spec| wanted(spec.outcome));
        ended.count()
    };
    let failed = count(SpecOutcome::is_failure);
    let ran = failed + count(|outcome| outcome == SpecOutcome::Passed);
    if failed > 0 && ran > 1 {
        result.reason = Some(format!("it failed in {failed} of {ran} rounds"));
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::PlannedSpec;

    const OUTCOMES: [SpecOutcome; 6] = [
        SpecOutcome::Passed,
        SpecOutcome::Failed,
        SpecOutcome::TimedOut,
        SpecOutcome::Interrupted,
        SpecOutcome::Skipped,
        SpecOutcome::NotRun,
    ];

    fn result(name: usize, outcome: SpecOutcome) -> SpecResult {
        SpecResult {
            name: SpecName(format!("s{name}")),
            outcome,
            started_at: None,
            ended_at: None,
            seconds: 1.0,
            process: None,
            failure: None,
            reason: None,
        }
    }

    fn plan(count: usize) -> SuitePlan {
        let specs = (0..count).map(|name| PlannedSpec {
            name: SpecName(format!("s{name}")),
            labels: Vec::new(),
            location: String::new(),
            group: None,
        });
        SuitePlan {
            selected: specs.collect(),
            total: count,
        }
    }

    #[test]
    fn rounds_are_counted() {
        let rounds = [
            [result(0, SpecOutcome::Passed)],
            [result(0, SpecOutcome::Failed)],
            [result(0, SpecOutcome::Passed)],
        ];
        let parts: Vec<&[SpecResult]> = rounds.iter().map(|round| &round[..]).collect();
        let merged = merge(&plan(1), &parts);
        assert_eq!(merged[0].outcome, SpecOutcome::Failed);
        assert_eq!(
            merged[0].reason.as_deref(),
            Some("it failed in 1 of 3 rounds")
        );
    }

    #[test]
    fn a_machine_that_died_loses_only_what_nobody_ran_after() {
        let dead = [
            result(0, SpecOutcome::Passed),
            result(1, SpecOutcome::NotRun),
            result(2, SpecOutcome::NotRun),
        ];
        let fresh = [result(1, SpecOutcome::Passed)];
        let merged = merge(&plan(4), &[&dead, &fresh]);
        let outcomes: Vec<_> = merged.iter().map(|spec| spec.outcome).collect();
        use SpecOutcome::{NotRun, Passed};
        assert_eq!(outcomes, [Passed, Passed, NotRun, NotRun]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_failure_is_healed(
            planned in 0_usize..8,
            parts in proptest::collection::vec(proptest::collection::vec((0_usize..10, 0_usize..6), 0..8), 0..5),
        ) {
            let parts: Vec<Vec<SpecResult>> = parts
                .into_iter()
                .map(|part| part.into_iter().map(|(name, at)| result(name, OUTCOMES[at])).collect())
                .collect();
            let given: Vec<&[SpecResult]> = parts.iter().map(Vec::as_slice).collect();
            let merged = merge(&plan(planned), &given);
            for name in 0..10 {
                let count = |specs: &[SpecResult]| specs.iter().filter(|s| s.name.0 == format!("s{name}")).count();
                let most = parts.iter().map(|part| count(part)).max().unwrap_or(0);
                prop_assert_eq!(count(&merged), most.max(usize::from(name < planned)));
                let of = |specs: &[SpecResult], wanted: fn(SpecOutcome) -> bool| {
                    specs.iter().any(|s| s.name.0 == format!("s{name}") && wanted(s.outcome))
                };
                let failed = |o: SpecOutcome| o.is_failure();
                prop_assert_eq!(of(&merged, failed), parts.iter().any(|part| of(part, failed)));
                let passed = |o: SpecOutcome| o == SpecOutcome::Passed;
                prop_assert!(!of(&merged, passed) || parts.iter().any(|part| of(part, passed)));
                let ended = |o: SpecOutcome| o != SpecOutcome::NotRun;
                prop_assert_eq!(of(&merged, ended), parts.iter().any(|part| of(part, ended)));
            }
        }
    }
}
