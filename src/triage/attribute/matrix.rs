//! The matrix of one failure, out of what is kept of runs.

use std::collections::BTreeMap;

use super::{Axis, Cell};
use crate::model::{
    Again, Candidate, CellSummary, Lane, Origin, Revision, RunSummary, SpecName, SpecOutcome,
    SpecResult,
};

/// Which of a profile's sources is what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The source that brings kubelet and suite.
    pub kubernetes: String,
    /// The source of the runtime under test.
    pub runtime: String,
}

impl Sources {
    fn axis(&self, source: &str) -> Axis {
        if source == self.kubernetes {
            Axis::Kubernetes
        } else if source == self.runtime {
            Axis::Runtime
        } else {
            Axis::Source(source.to_owned())
        }
    }
}

/// The matrix of one spec's failure over these runs: lanes × pairings × candidates, every attempt and confirm rerun a
/// trial. `same` says whether a failure is this one; another failure of the spec is no trial.
#[must_use]
pub fn matrix(
    runs: &[RunSummary],
    sources: &Sources,
    spec: &SpecName,
    same: impl Fn(&SpecResult) -> bool,
) -> Vec<Cell> {
    let mut cells: BTreeMap<BTreeMap<Axis, String>, Cell> = BTreeMap::new();
    let mut count = |levels: BTreeMap<Axis, String>, failed: bool| {
        let cell = cells.entry(levels.clone()).or_insert_with(|| Cell {
            levels,
            ..Cell::default()
        });
        if failed {
            cell.failed += 1;
        } else {
            cell.passed += 1;
        }
    };
    for run in runs {
        for cell in &run.cells {
            let Some(candidate) = candidate(run, &cell.lane) else {
                continue;
            };
            let here = levels(sources, candidate, &cell.lane);
            let Some(result) = cell.specs.iter().find(|result| result.name == *spec) else {
                continue;
            };
            if result.outcome.is_failure() && !same(result) {
                continue;
            }
            if let Some(failed) = failed(result.outcome) {
                count(here.clone(), failed);
            }
            for (place, outcome) in reruns(cell, spec) {
                let levels = match place {
                    // What the machine kept from before is no fresh trial.
                    Again::SameNode | Again::LastGood => None,
                    Again::FreshNode => Some(here.clone()),
                    Again::Control => run
                        .candidates
                        .iter()
                        .find(|candidate| candidate.pairing == "control")
                        .map(|candidate| self::levels(sources, candidate, &cell.lane)),
                };
                if let (Some(levels), Some(failed)) = (levels, failed(outcome)) {
                    count(levels, failed);
                }
            }
        }
    }
    cells.into_values().collect()
}

fn reruns<'a>(
    cell: &'a CellSummary,
    spec: &'a SpecName,
) -> impl Iterator<Item = (Again, SpecOutcome)> + 'a {
    cell.confirmed
        .iter()
        .filter(move |confirmed| confirmed.spec == *spec)
        .flat_map(|confirmed| &confirmed.reruns)
        .map(|rerun| (rerun.place, rerun.outcome))
}

/// Whether it failed; nothing for what did not run to its end.
fn failed(outcome: SpecOutcome) -> Option<bool> {
    match outcome {
        SpecOutcome::Passed | SpecOutcome::UnexpectedPass => Some(false),
        SpecOutcome::ExpectedFailure => Some(true),
        SpecOutcome::Skipped | SpecOutcome::NotRun | SpecOutcome::Interrupted => None,
        other => other.is_failure().then_some(true),
    }
}

fn candidate<'a>(run: &'a RunSummary, lane: &Lane) -> Option<&'a Candidate> {
    run.candidates
        .iter()
        .find(|candidate| candidate.pairing == lane.pairing)
}

fn levels(sources: &Sources, candidate: &Candidate, lane: &Lane) -> BTreeMap<Axis, String> {
    let revisions = candidate
        .revisions
        .iter()
        // A sandboxer's own source differs with the sandboxer, not by itself.
        .map(|(name, revision)| (sources.axis(name), level(revision)));
    revisions
        .chain([
            (Axis::Sandboxer, lane.sandboxer.clone()),
            (Axis::Node, lane.node.clone()),
        ])
        .collect()
}

/// What a revision was asked for as: nights that follow one branch are one level.
fn level(revision: &Revision) -> String {
    match &revision.origin {
        Origin::Git { reference, .. } => reference.clone(),
        Origin::GoModule { version, .. } | Origin::Crate { version, .. } => version.clone(),
        Origin::Path { digest, .. } => digest.clone(),
    }
}
