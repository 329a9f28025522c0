//! One run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cell, FailureRow, RunRow, rows, statements};
use crate::{
    history::{HistoryError, Index, codes, packed::PackedCandidate},
    model::{Phase, SpecOutcome},
};

/// A run's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPage {
    /// The run.
    #[serde(flatten)]
    pub run: RunRow,
    /// By pairing.
    pub candidates: Vec<PackedCandidate>,
    /// Builds, images and disks.
    pub steps: Vec<StepRow>,
    /// Its cells, by lane.
    pub lanes: Vec<RunCell>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// Which.
    pub step: String,
    /// `built`, `cached`, `failed` or `skipped`.
    pub outcome: String,
    /// Its wall time.
    pub ms: u64,
}

/// A cell with what did not pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunCell {
    /// The lane.
    pub lane: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Wall time by phase.
    pub phases: BTreeMap<Phase, u64>,
    /// Its tries.
    pub attempts: Vec<TryRow>,
    /// What did not pass, and its stop, by name.
    pub failures: Vec<FailureRow>,
}

/// One try at a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TryRow {
    /// From 1.
    pub attempt: u32,
    /// Whether it only ran failed specs once more.
    pub confirm: bool,
    /// How it ended.
    pub outcome: String,
    /// Its wall time.
    pub ms: u64,
}

impl Index {
    /// The run that `text` names: an id, or the start of one.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn find_run(&self, text: &str) -> Result<RunRow, HistoryError> {
        if let Some(run) = self.one(statements::RUN_BY_ID, [text], RunRow::of)? {
            return Ok(run);
        }
        let mut fits = match text {
            "latest" => self.runs(None, jiff::Timestamp::MAX, 1)?,
            "" => Vec::new(),
            _ => self.all(
                statements::RUNS_BY_START_OF_ID,
                Self::range(text),
                RunRow::of,
            )?,
        };
        match fits.len() {
            1 => Ok(fits.remove(0)),
            0 => Err(HistoryError::Unknown {
                what: "run",
                text: text.to_owned(),
                near: Vec::new(),
            }),
            _ => Err(HistoryError::Ambiguous {
                what: "run",
                text: text.to_owned(),
                fits: fits.into_iter().map(|run| run.run).collect(),
            }),
        }
    }

    /// One run with its cells.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn run_page(&self, run: &RunRow) -> Result<RunPage, HistoryError> {
        let steps = self.all(statements::STEPS_OF_RUN, [run.id], |row| {
            Ok(StepRow {
                step: row.get(0)?,
                outcome: row.get(1)?,
                ms: rows::unsigned(row.get(2)?),
            })
        })?;
        Ok(RunPage {
            candidates: self.candidates_of(run.id)?,
            steps,
            lanes: self.cells_of_run(run)?,
            run: run.clone(),
        })
    }

    pub(in crate::history) fn cells_of_run(
        &self,
        run: &RunRow,
    ) -> Result<Vec<RunCell>, HistoryError> {
        let lanes = self.lanes(Some(&run.profile))?;
        let mut cells = Vec::new();
        for cell in self.all(statements::CELLS_OF_RUN, [run.id], Cell::of)? {
            let lane = lanes.iter().find(|lane| lane.id == cell.lane);
            let phases = self.all(statements::PHASES_OF_CELL, [cell.id], |row| {
                Ok((
                    codes::value(&codes::PHASES, row.get(0)?),
                    rows::unsigned(row.get(1)?),
                ))
            })?;
            let attempts = self.all(statements::ATTEMPTS_OF_CELL, [cell.id], |row| {
                Ok(TryRow {
                    attempt: row.get(0)?,
                    confirm: row.get(1)?,
                    outcome: row.get(2)?,
                    ms: rows::unsigned(row.get(3)?),
                })
            })?;
            let mut failures = self.all(statements::FAILURES_OF_CELL, [cell.id], FailureRow::of)?;
            failures.sort_by(|a, b| a.spec.cmp(&b.spec));
            let name = lane.map_or_else(String::new, |lane| lane.lane.clone());
            for failure in &mut failures {
                failure.lane.clone_from(&name);
            }
            cells.push(RunCell {
                lane: name,
                phases: phases
                    .into_iter()
                    .filter_map(|(phase, ms)| Some((phase?, ms)))
                    .collect(),
                attempts,
                failures,
                cell,
            });
        }
        cells.sort_by(|a, b| a.lane.cmp(&b.lane));
        Ok(cells)
    }

    /// Every spec of a cell, by name.
    pub(in crate::history) fn specs_of_cell(
        &self,
        cell: &Cell,
    ) -> Result<BTreeMap<i64, (SpecOutcome, u64)>, HistoryError> {
        let mut specs = BTreeMap::new();
        self.each_vector(statements::VECTOR_OF_CELL, [cell.id], |packed| {
            let ids = self.list(packed.list)?;
            let outcomes = packed.outcomes(ids.len())?;
            let millis = packed.millis(ids.len())?;
            let both = outcomes.into_iter().zip(millis);
            specs.extend(ids.iter().copied().zip(both));
            Ok(())
        })?;
        Ok(specs)
    }
}
