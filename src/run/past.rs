//! What earlier runs of a profile say: one scan of run directories, newest first, and questions to it.

use std::collections::{BTreeMap, BTreeSet};

use super::store::Store;
use crate::{
    evidence::EvidenceDir,
    history::Archive,
    model::{Candidate, CellSummary, LaneId, RunId, RunSummary, SpecName, SpecOutcome},
};

/// So many runs are looked at: a month of nights, and room for what people run by day.
const RUNS: usize = 60;

/// The finished runs of one profile.
#[derive(Debug, Default)]
pub struct Past {
    runs: Vec<(EvidenceDir, RunSummary)>,
}

/// The last run in which a spec passed, with a candidate that is not the one at hand.
#[derive(Clone, Debug)]
pub struct LastGood {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: EvidenceDir,
}

impl Past {
    /// Reads the summaries of a profile's runs before `run`.
    #[must_use]
    pub fn read(store: &Store, profile: &str, run: RunId) -> Self {
        let mut runs = scan(store, profile, RUNS + 1);
        runs.retain(|(_, summary)| summary.run < run);
        Self { runs }
    }

    fn cells<'p>(
        &'p self,
        lane: &'p LaneId,
    ) -> impl Iterator<Item = (&'p EvidenceDir, &'p RunSummary, &'p CellSummary)> {
        self.runs.iter().filter_map(move |(folder, summary)| {
            let cell = summary.cells.iter().find(|cell| cell.lane.id == *lane)?;
            Some((folder, summary, cell))
        })
    }

    /// Where `spec` last passed with another candidate than `now`. A pass of the same candidate says that the spec is
    /// flaky, and nothing of what changed.
    #[must_use]
    pub fn last_good(&self, lane: &LaneId, spec: &SpecName, now: &Candidate) -> Option<LastGood> {
        let now_digest = now.digest();
        self.cells(lane)
            .find(|(_, summary, cell)| {
                let passed = cell
                    .specs
                    .iter()
                    .any(|known| known.name == *spec && known.outcome == SpecOutcome::Passed);
                let then = candidate(summary, cell);
                passed && then.is_some_and(|then| then.digest() != now_digest)
            })
            .map(|(folder, summary, _)| LastGood {
                run: summary.run,
                folder: folder.clone(),
            })
    }

    /// The specs that count against the lane in the last run that says so of any spec: one that passed, or failed.
    #[must_use]
    pub fn failed_last(&self, lane: &LaneId) -> BTreeSet<SpecName> {
        let mut seen = BTreeSet::new();
        let mut failed = BTreeSet::new();
        for (_, _, cell) in self.cells(lane) {
            for spec in &cell.specs {
                let ran = spec.outcome.is_failure() || spec.outcome == SpecOutcome::Passed;
                if ran && seen.insert(spec.name.clone()) && spec.outcome.is_failure() {
                    failed.insert(spec.name.clone());
                }
            }
        }
        failed
    }

    /// How long each spec took the last time it passed or failed, in seconds.
    #[must_use]
    pub fn seconds(&self, lane: &LaneId) -> BTreeMap<SpecName, f64> {
        let mut seconds = BTreeMap::new();
        for (_, _, cell) in self.cells(lane) {
            for spec in cell.specs.iter().filter(|spec| spec.seconds > 0.0) {
                seconds.entry(spec.name.clone()).or_insert(spec.seconds);
            }
        }
        seconds
    }

    /// What a pairing's last run was made from.
    #[must_use]
    pub fn last_candidate(&self, pairing: &str) -> Option<&Candidate> {
        self.runs.iter().find_map(|(_, summary)| {
            let mut candidates = summary.candidates.iter();
            candidates.find(|known| known.pairing == pairing)
        })
    }
}

fn candidate<'s>(summary: &'s RunSummary, cell: &CellSummary) -> Option<&'s Candidate> {
    let mut candidates = summary.candidates.iter();
    candidates.find(|known| known.pairing == cell.lane.pairing)
}

/// The last finished runs of a profile, newest first, at most `most`. What cannot be read is left out: an old
/// run's folder must not stop a new one.
#[must_use]
pub fn scan(store: &Store, profile: &str, most: usize) -> Vec<(EvidenceDir, RunSummary)> {
    let runs = store.runs().unwrap_or_default();
    runs.into_iter()
        .rev()
        .filter_map(|(_, run)| {
            let summary: RunSummary = run.read_json("summary.json").ok()?;
            Some((run, summary))
        })
        .filter(|(_, summary)| summary.profile == profile)
        .take(most)
        .map(|(run, mut summary)| {
            // A run whose details were pruned has its specs in its packed document.
            if let Err(error) = Archive::at(store.root()).whole(&run, &mut summary) {
                tracing::warn!("{error}");
            }
            (run, summary)
        })
        .collect()
}
