//! Lane × night.

use jiff::civil::Date;
use serde::Serialize;

use super::{Cell, Counts, LaneRef, Window, statements};
use crate::{
    history::{HistoryError, Index},
    model::{Blame, Phase, Role},
};

/// Lane × night.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    /// Columns, oldest first.
    pub nights: Vec<Date>,
    /// Rows, by profile and lane. A lane without a cell in these nights is not there.
    pub lanes: Vec<GridLane>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridLane {
    /// The lane.
    #[serde(flatten)]
    pub lane: LaneRef,
    /// Whether its newest cell decided.
    pub role: Role,
    /// One entry a night; a night without a run is a hole.
    pub cells: Vec<Option<GridCell>>,
}

/// The newest cell of a night.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridCell {
    /// The run.
    pub run: String,
    /// How it ended.
    pub outcome: &'static str,
    /// Whether it says something about the product.
    pub conclusive: bool,
    /// Specs by outcome.
    pub counts: Counts,
    /// The phase in which it stopped.
    pub phase: Option<Phase>,
    /// Whose stop.
    pub blame: Option<Blame>,
    /// The candidate's digest.
    pub candidate: Option<String>,
    /// How many runs of the lane began that night.
    pub runs: u32,
}

impl Index {
    /// Lane × night, of one profile or of all.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn grid(&self, profile: Option<&str>, window: Window) -> Result<Grid, HistoryError> {
        let nights = window.days();
        let mut lanes = Vec::new();
        for lane in self.lanes(profile)? {
            let cells = self.cells(&lane, window)?;
            let Some(role) = cells.last().map(|cell| cell.role) else {
                continue;
            };
            let mut row: Vec<Option<GridCell>> = vec![None; nights.len()];
            for cell in cells {
                if let Ok(at) = nights.binary_search(&cell.night)
                    && let Some(place) = row.get_mut(at)
                {
                    let runs = place.as_ref().map_or(0, |before| before.runs) + 1;
                    *place = Some(grid_cell(cell, runs));
                }
            }
            lanes.push(GridLane {
                lane,
                role,
                cells: row,
            });
        }
        Ok(Grid { nights, lanes })
    }

    /// Cells of a lane, oldest first.
    pub(super) fn cells(&self, lane: &LaneRef, window: Window) -> Result<Vec<Cell>, HistoryError> {
        let (from, to) = window.bounds();
        self.all(statements::CELLS_OF_LANE, (lane.id, from, to), Cell::of)
    }
}

fn grid_cell(cell: Cell, runs: u32) -> GridCell {
    GridCell {
        run: cell.run,
        outcome: cell.outcome,
        conclusive: cell.conclusive,
        counts: cell.counts,
        phase: cell.phase,
        blame: cell.blame,
        candidate: cell.candidate,
        runs,
    }
}
