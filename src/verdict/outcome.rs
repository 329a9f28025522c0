//! The outcome of a cell. Rule one lives here: a lane that did not run every spec it planned is not green.

use std::collections::BTreeMap;

use super::CANCELLED;
use crate::model::{
    Blame, Cause, CellOutcome, Class, Confidence, LaneCounts, Phase, SpecName, SpecOutcome,
    SpecResult, SuitePlan,
};

/// How a cell ended, in this order:
///
/// 1. stopped before its end: `stopped` with the cause, whatever finished before (a stop in teardown takes nothing
///    away; a cancelled cell is judged by what it finished, is never green, and owes nobody its files);
/// 2. cancelled before any spec ended: `not-run`; nothing planned: `no-tests`;
/// 3. a spec that counts against the lane: `failed`;
/// 4. evidence that contradicts itself, or specs that nobody planned: `stopped` in collect, class `no-evidence`: what
///    cannot be told cannot be green, and no spec is to blame;
/// 5. a planned spec that did not run, or skipped itself: `reduced`, with the reason;
/// 6. else `passed`.
///
/// Expected failures count neither as passed nor as failed; a cell in which nothing else ran is `reduced`.
#[must_use]
pub fn cell_outcome(
    planned: &SuitePlan,
    specs: &[SpecResult],
    stop: Option<Cause>,
    disagreements: &[String],
) -> (CellOutcome, LaneCounts) {
    let ran = Ran::of(planned, specs);
    let counts = ran.counts;
    let stop = stop.filter(|cause| cause.phase != Phase::Teardown);
    let cancelled = match stop {
        Some(cause) if cause.rule.as_deref() == Some(CANCELLED) => Some(cause.summary),
        Some(cause) => {
            let cause = Box::new(cause);
            return (CellOutcome::Stopped { cause }, counts);
        }
        None => None,
    };
    let nothing_ran = counts.passed + counts.failed + counts.skipped == 0;
    let outcome = if let Some(reason) = cancelled.clone().filter(|_| nothing_ran) {
        CellOutcome::NotRun { reason }
    } else if planned.selected.is_empty() && specs.is_empty() {
        CellOutcome::NoTests
    } else if counts.failed > 0 {
        CellOutcome::Failed
    } else if let Some(reason) = cancelled {
        CellOutcome::Reduced { reason }
    } else if let Some(what) = ran.contradiction(disagreements) {
        let cause = Box::new(contradicted(what));
        CellOutcome::Stopped { cause }
    } else if let Some(reason) = ran.missing() {
        CellOutcome::Reduced { reason }
    } else {
        CellOutcome::Passed
    };
    (outcome, counts)
}

/// What ran, against what was planned. Names may appear more than once in both.
struct Ran {
    counts: LaneCounts,
    unplanned: Vec<SpecName>,
    first_missing: Option<(SpecName, Option<String>)>,
    skip_reason: Option<String>,
}

impl Ran {
    fn of(planned: &SuitePlan, specs: &[SpecResult]) -> Self {
        let mut open: BTreeMap<&SpecName, u32> = BTreeMap::new();
        for spec in &planned.selected {
            *open.entry(&spec.name).or_default() += 1;
        }
        let mut counts = LaneCounts {
            planned: count(planned.selected.len()),
            ..LaneCounts::default()
        };
        let mut unplanned = Vec::new();
        let mut first_missing = None;
        let mut skip_reason = None;
        for spec in specs {
            match open.get_mut(&spec.name) {
                Some(left) if *left > 0 => *left -= 1,
                // What was not planned and did not run is Ginkgo's list of the rest of the suite.
                _ if matches!(spec.outcome, SpecOutcome::Skipped | SpecOutcome::NotRun) => continue,
                _ => unplanned.push(spec.name.clone()),
            }
            match spec.outcome {
                SpecOutcome::Passed => counts.passed += 1,
                SpecOutcome::UnexpectedPass => {
                    counts.passed += 1;
                    counts.unexpected += 1;
                }
                SpecOutcome::ExpectedFailure => counts.expected += 1,
                SpecOutcome::Skipped => {
                    counts.skipped += 1;
                    skip_reason = skip_reason.or_else(|| spec.reason.clone());
                }
                SpecOutcome::NotRun => {
                    counts.not_run += 1;
                    first_missing.get_or_insert((spec.name.clone(), spec.reason.clone()));
                }
                SpecOutcome::Failed
                | SpecOutcome::TimedOut
                | SpecOutcome::Panicked
                | SpecOutcome::Interrupted => counts.failed += 1,
            }
        }
        for (name, left) in open {
            if left > 0 {
                counts.not_run += left;
                first_missing.get_or_insert((name.clone(), None));
            }
        }
        Self {
            counts,
            unplanned,
            first_missing,
            skip_reason,
        }
    }

    fn contradiction(&self, disagreements: &[String]) -> Option<String> {
        if let Some(first) = disagreements.first() {
            return Some(match disagreements.len() {
                1 => first.clone(),
                more => format!("{first}, and {} more", more - 1),
            });
        }
        let first = self.unplanned.first()?;
        Some(format!(
            "{} specs ran that were not planned, the first is `{first}`",
            self.unplanned.len()
        ))
    }

    fn missing(&self) -> Option<String> {
        let counts = &self.counts;
        if let Some((name, reason)) = &self.first_missing {
            let why = reason.as_deref().unwrap_or("no result is there");
            return Some(format!(
                "{} of {} planned specs did not run, the first is `{name}`: {why}",
                counts.not_run, counts.planned
            ));
        }
        if counts.skipped > 0 {
            let why = self.skip_reason.as_deref().unwrap_or("no reason given");
            return Some(format!(
                "{} of {} planned specs skipped themselves: {why}",
                counts.skipped, counts.planned
            ));
        }
        (counts.passed == 0).then(|| "every spec is an expected failure; nothing passed".to_owned())
    }
}

fn contradicted(what: String) -> Cause {
    Cause {
        phase: Phase::Collect,
        class: Class::NoEvidence,
        blame: Blame::Bellwether,
        confidence: Confidence::Suspected,
        summary: format!("The evidence contradicts itself: {what}"),
        evidence: Vec::new(),
        rule: None,
        hint: Some("Compare the attempt's junit.xml, report.json and suite.log".to_owned()),
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
