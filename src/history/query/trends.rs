//! How long things take, night after night. What ran under emulation is never one series with what did not.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{LaneRef, Window, quantile, rows, statements};
use crate::{
    history::{HistoryError, Index, codes},
    model::Accelerator,
};

/// One measure over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The lane, or the step.
    pub of: String,
    /// `total`, `suite`, `boot`, `restore`, `phase <name>` or `build`.
    pub measure: String,
    /// What ran the guest; absent where nothing did.
    pub accelerator: Option<Accelerator>,
    /// Its points, oldest first.
    pub points: Vec<Point>,
    /// Half of them are no longer.
    pub p50_ms: u64,
    /// 95 of 100 are no longer.
    pub p95_ms: u64,
}

/// One run's time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When the run started.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// How long it took.
    pub ms: u64,
}

/// By measure and accelerator.
type Series = BTreeMap<(String, &'static str), (Option<Accelerator>, Vec<Point>)>;

fn add(series: &mut Series, measure: String, by: Option<Accelerator>, point: Point) {
    let key = (measure, by.map_or("", Accelerator::name));
    let (_, points) = series.entry(key).or_insert_with(|| (by, Vec::new()));
    points.push(point);
}

fn trends(of: &str, series: Series) -> Vec<Trend> {
    let each = series
        .into_iter()
        .map(|((measure, _), (accelerator, points))| {
            let mut sorted: Vec<u64> = points.iter().map(|point| point.ms).collect();
            sorted.sort_unstable();
            Trend {
                of: of.to_owned(),
                measure,
                accelerator,
                p50_ms: quantile(&sorted, 0.5).unwrap_or(0),
                p95_ms: quantile(&sorted, 0.95).unwrap_or(0),
                points,
            }
        });
    each.collect()
}

impl Index {
    /// Durations of a lane. Only cells that ran to their end count: one that broke off says nothing about time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lane_trends(&self, lane: &LaneRef, window: Window) -> Result<Vec<Trend>, HistoryError> {
        let mut series = Series::new();
        let mut whole = std::collections::HashSet::new();
        for cell in self.cells(lane, window)? {
            if !matches!(cell.outcome, "passed" | "failed") {
                continue;
            }
            let mut point = |measure: &str, ms: u64| {
                let point = Point {
                    at: cell.at,
                    run: cell.run.clone(),
                    ms,
                };
                add(&mut series, measure.to_owned(), cell.accelerator, point);
            };
            point("total", cell.ms);
            point("suite", cell.suite_ms);
            if let (Some(restored), Some(ms)) = (cell.restored, cell.start_ms) {
                point(if restored { "restore" } else { "boot" }, ms);
            }
            whole.insert(cell.run);
        }
        let (from, to) = window.bounds();
        let phases = self.all(statements::PHASES_OF_LANE, (lane.id, from, to), |row| {
            let point = Point {
                at: rows::moment(row.get(0)?),
                run: row.get(1)?,
                ms: rows::unsigned(row.get(4)?),
            };
            Ok((row.get::<_, Option<i64>>(2)?, row.get::<_, i64>(3)?, point))
        })?;
        for (by, phase, point) in phases {
            if let Some(phase) = codes::value(&codes::PHASES, phase)
                && whole.contains(&point.run)
            {
                let by = codes::maybe(&codes::ACCELERATORS, by);
                add(&mut series, format!("phase {phase}"), by, point);
            }
        }
        Ok(trends(&lane.lane, series))
    }

    /// Durations of a profile's builds, by step; what came from the cache took no time and is left out.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn build_trends(&self, profile: &str, window: Window) -> Result<Vec<Trend>, HistoryError> {
        let (from, to) = window.bounds();
        let built = self.all(statements::BUILDS, (profile, from, to), |row| {
            let point = Point {
                at: rows::moment(row.get(0)?),
                run: row.get(1)?,
                ms: rows::unsigned(row.get(3)?),
            };
            Ok((row.get::<_, String>(2)?, point))
        })?;
        let mut by_step: BTreeMap<String, Series> = BTreeMap::new();
        for (step, point) in built {
            let series = by_step.entry(step).or_default();
            add(series, "build".to_owned(), None, point);
        }
        let each = by_step
            .into_iter()
            .flat_map(|(step, series)| trends(&step, series));
        Ok(each.collect())
    }
}
