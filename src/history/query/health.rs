//! How each lane stands: red since when, last heard of when.

use jiff::Timestamp;
use serde::Serialize;

use super::{Cell, LaneRef, Window, quantile, statements};
use crate::history::{HistoryError, Index};

/// One lane's standing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneHealth {
    /// The lane.
    #[serde(flatten)]
    pub lane: LaneRef,
    /// Its newest cell.
    pub last: Option<Cell>,
    /// Its newest cell that says something about the product.
    pub last_conclusive: Option<Cell>,
    /// Its newest green cell.
    pub last_green: Option<Cell>,
    /// Since when it is red: the first conclusive cell after the last green one, unless the newest conclusive is green.
    pub red_since: Option<Cell>,
    /// For how long, in seconds.
    pub red_seconds: Option<u64>,
    /// Age of the newest conclusive cell, in seconds.
    pub age_seconds: Option<u64>,
    /// Cells in the window.
    pub cells: u32,
    /// Of those, the ones that say nothing about the product.
    pub inconclusive: u32,
    /// Of those, the green ones.
    pub green: u32,
    /// Half of the window's conclusive cells with the newest one's accelerator took no longer, in milliseconds.
    pub p50_ms: Option<u64>,
}

impl Index {
    /// How every lane stands at `now`: red ones first, the longest red first; then by profile and name.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lane_health(
        &self,
        profile: Option<&str>,
        window: Window,
        now: Timestamp,
    ) -> Result<Vec<LaneHealth>, HistoryError> {
        let lanes = self.lanes(profile)?;
        let each = lanes
            .into_iter()
            .map(|lane| self.health_of(lane, window, now));
        let mut all = each.collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|lane| std::cmp::Reverse(lane.red_seconds));
        Ok(all)
    }

    fn health_of(
        &self,
        lane: LaneRef,
        window: Window,
        now: Timestamp,
    ) -> Result<LaneHealth, HistoryError> {
        let to = window.bounds().1;
        let last = |sql| self.one(sql, (lane.id, to), Cell::of);
        let last_cell = last(statements::LAST_CELL)?;
        let last_conclusive = last(statements::LAST_CONCLUSIVE)?;
        let last_green = last(statements::LAST_GREEN)?;
        let red_since = self.red_since(&lane, last_green.as_ref(), to)?;
        let cells = self.cells(&lane, window)?;
        let count = |wanted: fn(&&Cell) -> bool| {
            u32::try_from(cells.iter().filter(wanted).count()).unwrap_or(u32::MAX)
        };
        let by = last_conclusive.as_ref().and_then(|cell| cell.accelerator);
        let like = cells
            .iter()
            .filter(|cell| cell.conclusive && cell.accelerator == by);
        let mut took: Vec<u64> = like.map(|cell| cell.ms).collect();
        took.sort_unstable();
        let age = |cell: &Cell| u64::try_from(now.duration_since(cell.at).as_secs()).unwrap_or(0);
        Ok(LaneHealth {
            red_seconds: red_since.as_ref().map(age),
            age_seconds: last_conclusive.as_ref().map(age),
            cells: count(|_| true),
            inconclusive: count(|cell| !cell.conclusive),
            green: count(|cell| cell.is_green()),
            p50_ms: quantile(&took, 0.5),
            last: last_cell,
            last_conclusive,
            last_green,
            red_since,
            lane,
        })
    }

    /// The first conclusive cell after the last green one: none when the lane is green, or never was conclusive.
    pub(super) fn red_since(
        &self,
        lane: &LaneRef,
        last_green: Option<&Cell>,
        to: i64,
    ) -> Result<Option<Cell>, HistoryError> {
        let since = last_green.map_or(i64::MIN, |cell| cell.at.as_microsecond());
        let sql = statements::FIRST_CONCLUSIVE_AFTER;
        self.one(sql, (lane.id, since, to), Cell::of)
    }
}
