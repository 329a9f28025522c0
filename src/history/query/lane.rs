//! One lane: spec × night.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Cell, FailureRow, LaneRef, Window, statements};
use crate::{
    history::{HistoryError, Index},
    model::SpecOutcome,
};

/// Spec × cell of one lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LanePage {
    /// The lane.
    pub lane: LaneRef,
    /// Columns, oldest first.
    pub cells: Vec<Cell>,
    /// Rows: what did not pass at some time first, by how often, then by name.
    pub specs: Vec<SpecStrip>,
    /// How many specs there are in all, whatever part of them is shown.
    pub total: usize,
    /// How many of them passed or were skipped each time.
    pub quiet: usize,
    /// Stops of its cells.
    pub stops: Vec<FailureRow>,
}

/// One spec of a lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpecStrip {
    /// Its name.
    pub spec: String,
    /// One entry a cell; nothing where it was not in the list.
    pub outcomes: Vec<Option<SpecOutcome>>,
    /// How often it failed so that it counts.
    pub failed: u32,
    /// How often it ran.
    pub ran: u32,
}

impl Index {
    /// Spec × cell. Without `all` only what did not pass at some time; `skip` and `most` choose a page of rows.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lane_page(
        &self,
        lane: &LaneRef,
        window: Window,
        all: bool,
        skip: usize,
        most: usize,
    ) -> Result<LanePage, HistoryError> {
        let (from, to) = window.bounds();
        let cells = self.cells(lane, window)?;
        let column: HashMap<i64, usize> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| (cell.id, at))
            .collect();
        let mut loud: BTreeMap<i64, u32> = BTreeMap::new();
        let failed = self.all(statements::SPECS_THAT_FAILED, (lane.id, from, to), |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(3)?))
        })?;
        let mut stopped = false;
        for (spec, outcome) in failed {
            if outcome == crate::history::codes::STOPPED {
                stopped = true;
            } else {
                let counts = crate::history::codes::outcome(outcome).is_failure();
                *loud.entry(spec).or_insert(0) += u32::from(counts);
            }
        }
        // Which specs there are: those of every list that was used.
        let mut total: BTreeMap<i64, ()> = BTreeMap::new();
        let mut lists: Vec<i64> = Vec::new();
        self.each_vector(statements::VECTORS_OF_LANE, (lane.id, from, to), |packed| {
            if !lists.contains(&packed.list) {
                lists.push(packed.list);
                total.extend(self.list(packed.list)?.iter().map(|id| (*id, ())));
            }
            Ok(())
        })?;
        let mut chosen = Vec::new();
        let shown = total.keys().filter(|id| all || loud.contains_key(id));
        for id in shown {
            chosen.push((loud.get(id).copied(), self.spec_name(*id)?, *id));
        }
        chosen.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut specs = Vec::new();
        let mut row_of: HashMap<i64, usize> = HashMap::new();
        for (failed, spec, id) in chosen.into_iter().skip(skip).take(most) {
            row_of.insert(id, specs.len());
            specs.push(SpecStrip {
                spec,
                outcomes: vec![None; cells.len()],
                failed: failed.unwrap_or(0),
                ran: 0,
            });
        }
        self.strips(lane, (from, to), &column, &row_of, &mut specs)?;
        let mut stops = Vec::new();
        if stopped {
            stops = self.all(
                statements::FAILURES_OF_LANE,
                (lane.id, from, to),
                FailureRow::of,
            )?;
            stops.retain(|failure| failure.outcome.is_none());
            self.name_lanes(&mut stops)?;
        }
        Ok(LanePage {
            lane: lane.clone(),
            quiet: total.len().saturating_sub(loud.len()),
            total: total.len(),
            cells,
            specs,
            stops,
        })
    }

    fn strips(
        &self,
        lane: &LaneRef,
        (from, to): (i64, i64),
        column: &HashMap<i64, usize>,
        row_of: &HashMap<i64, usize>,
        specs: &mut [SpecStrip],
    ) -> Result<(), HistoryError> {
        // For each list once: which of its places is which row.
        let mut rows_of_list: HashMap<i64, Vec<(usize, usize)>> = HashMap::new();
        self.each_vector(statements::VECTORS_OF_LANE, (lane.id, from, to), |packed| {
            let Some(column) = column.get(&packed.cell) else {
                return Ok(());
            };
            let ids = self.list(packed.list)?;
            let rows = rows_of_list.entry(packed.list).or_insert_with(|| {
                let places = ids.iter().enumerate();
                places
                    .filter_map(|(place, id)| Some((place, *row_of.get(id)?)))
                    .collect()
            });
            let outcomes = packed.outcomes(ids.len())?;
            for (place, row) in rows {
                if let (Some(outcome), Some(strip)) = (outcomes.get(*place), specs.get_mut(*row)) {
                    strip.ran += u32::from(ran(*outcome));
                    if let Some(mark) = strip.outcomes.get_mut(*column) {
                        *mark = Some(*outcome);
                    }
                }
            }
            Ok(())
        })
    }
}

/// Whether a spec with this outcome ran at all.
pub(super) const fn ran(outcome: SpecOutcome) -> bool {
    !matches!(outcome, SpecOutcome::Skipped | SpecOutcome::NotRun)
}
