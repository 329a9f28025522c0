//! Out of what is kept of runs.

use std::collections::{BTreeMap, BTreeSet};

use super::{FAILING, Statistics, Trend, change, moved, wilson};
use crate::model::{
    Again, Candidate, CellSummary, Digest, LaneId, RunId, RunSummary, SpecName, SpecOutcome,
};

/// One spec on one lane in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<'a> {
    /// The run.
    pub run: RunId,
    /// Its candidate.
    pub candidate: Option<&'a Candidate>,
    /// How often it failed, and how often it ran to its end: the first try, and each on a fresh node.
    pub trials: (u32, u32),
    /// Whether the first try failed; nothing when it did not run.
    pub failed: Option<bool>,
}

/// A spec's runs on a lane, oldest first. Runs are ordered by their ids, which sort by start.
#[must_use]
pub fn history<'a>(runs: &'a [RunSummary], lane: &LaneId, spec: &SpecName) -> Vec<Run<'a>> {
    let mut sorted: Vec<&RunSummary> = runs.iter().collect();
    sorted.sort_by_key(|run| (run.started_at, run.run));
    sorted
        .into_iter()
        .filter_map(|run| Some((run, run.cells.iter().find(|cell| cell.lane.id == *lane)?)))
        .map(|(run, cell)| one(run, cell, spec))
        .collect()
}

fn one<'a>(run: &'a RunSummary, cell: &CellSummary, spec: &SpecName) -> Run<'a> {
    let outcome = cell.specs.iter().find(|result| result.name == *spec);
    let failed = outcome.and_then(|result| ended(result.outcome));
    let mut trials = (u32::from(failed == Some(true)), u32::from(failed.is_some()));
    let reruns = cell
        .confirmed
        .iter()
        .filter(|confirmed| confirmed.spec == *spec)
        .flat_map(|confirmed| &confirmed.reruns)
        // What the machine kept from before is no fresh trial, and another candidate is another history.
        .filter(|rerun| rerun.place == Again::FreshNode);
    for failed in reruns.filter_map(|rerun| ended(rerun.outcome)) {
        trials.0 += u32::from(failed);
        trials.1 += 1;
    }
    Run {
        run: run.run,
        candidate: run
            .candidates
            .iter()
            .find(|candidate| candidate.pairing == cell.lane.pairing),
        trials,
        failed,
    }
}

/// Whether it failed; nothing for what did not run to its end.
fn ended(outcome: SpecOutcome) -> Option<bool> {
    match outcome {
        SpecOutcome::Passed | SpecOutcome::UnexpectedPass => Some(false),
        SpecOutcome::ExpectedFailure => Some(true),
        SpecOutcome::Skipped | SpecOutcome::NotRun | SpecOutcome::Interrupted => None,
        SpecOutcome::Failed | SpecOutcome::TimedOut | SpecOutcome::Panicked => Some(true),
    }
}

/// What is known of one spec on one lane.
#[must_use]
pub fn statistics(runs: &[RunSummary], lane: &LaneId, spec: &SpecName) -> Statistics {
    let all = history(runs, lane, spec);
    let ran: Vec<&Run<'_>> = all.iter().filter(|run| run.failed.is_some()).collect();
    let failing = |run: &&&Run<'_>| run.failed == Some(true);
    let failing_for = ran.iter().rev().take_while(failing).count();
    let (failed, trials) = ran.iter().fold((0, 0), |sum, run| {
        (sum.0 + run.trials.0, sum.1 + run.trials.1)
    });
    let mut both: BTreeMap<Digest, (u32, u32)> = BTreeMap::new();
    for run in &ran {
        if let Some(candidate) = run.candidate {
            let sum = both.entry(candidate.digest()).or_default();
            *sum = (sum.0 + run.trials.0, sum.1 + run.trials.1);
        }
    }
    let mixed = |run: &&&Run<'_>| {
        let sum = run.candidate.and_then(|known| both.get(&known.digest()));
        sum.is_some_and(|(failed, trials)| *failed > 0 && failed < trials)
    };
    let flaky_in: Vec<RunId> = ran.iter().filter(mixed).map(|run| run.run).collect();
    let good = ran.iter().rposition(|run| run.failed == Some(false));
    let bad = match good {
        // While it fails: the failure after the last pass. Afterwards: the break that is over.
        Some(at) if at + 1 < ran.len() => Some(at + 1),
        Some(_) => None,
        None => (!ran.is_empty()).then_some(0),
    };
    let between = |good: usize, bad: usize| -> Option<_> {
        Some(moved(ran[good].candidate?, ran[bad].candidate?))
    };
    let trials_of: Vec<(u32, u32)> = ran.iter().map(|run| run.trials).collect();
    Statistics {
        lane: lane.clone(),
        spec: spec.clone(),
        trend: trend(&ran, failing_for, !flaky_in.is_empty()),
        failing_for: u32::try_from(failing_for).unwrap_or(u32::MAX),
        new_in_candidate: new_in_candidate(&ran),
        rate: wilson(failed, trials),
        change: change(&trials_of),
        last_good: good.map(|at| ran[at].run),
        first_bad: bad.map(|at| ran[at].run),
        moved: good
            .zip(bad)
            .and_then(|(good, bad)| between(good, bad))
            .unwrap_or_default(),
        flaky_in,
    }
}

fn trend(ran: &[&Run<'_>], failing_for: usize, mixed: bool) -> Trend {
    let failures = ran.iter().filter(|run| run.failed == Some(true)).count();
    match (ran.len(), failures, failing_for) {
        (0, ..) => Trend::Unknown,
        (_, 0, _) => Trend::Passing,
        (_, _, now) if now >= FAILING as usize => Trend::Persisting,
        _ if mixed => Trend::Flaky,
        (_, failures, now) if now > 0 && failures == now => {
            if now == 1 {
                Trend::New
            } else {
                Trend::Persisting
            }
        }
        (_, _, 0) => {
            // One break that lasted is fixed; single failures with passes between come back.
            let first = ran.iter().position(|run| run.failed == Some(true));
            let last = ran.iter().rposition(|run| run.failed == Some(true));
            let length = first.zip(last).map_or(0, |(first, last)| last - first + 1);
            if length == failures && failures >= FAILING as usize {
                Trend::Fixed
            } else {
                Trend::Flaky
            }
        }
        _ => Trend::Flaky,
    }
}

/// Whether it fails with the newest candidate, and ran and never failed with those before.
fn new_in_candidate(ran: &[&Run<'_>]) -> bool {
    let Some(newest) = ran.last().filter(|run| run.failed == Some(true)) else {
        return false;
    };
    let Some(digest) = newest.candidate.map(Candidate::digest) else {
        return false;
    };
    let mut before = ran
        .iter()
        .filter(|run| run.candidate.map(Candidate::digest).as_ref() != Some(&digest))
        .peekable();
    before.peek().is_some() && before.all(|run| run.trials.0 == 0)
}

/// Every spec that ever failed on a lane.
#[must_use]
pub fn of_lane(runs: &[RunSummary], lane: &LaneId) -> Vec<Statistics> {
    let failed: BTreeSet<&SpecName> = runs
        .iter()
        .flat_map(|run| &run.cells)
        .filter(|cell| cell.lane.id == *lane)
        .flat_map(|cell| &cell.specs)
        .filter(|spec| ended(spec.outcome) == Some(true))
        .map(|spec| &spec.name)
        .collect();
    failed
        .into_iter()
        .map(|spec| statistics(runs, lane, spec))
        .collect()
}
