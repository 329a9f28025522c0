//! What is asked of the history: one function a question, plain rows out.
//!
//! Owns: the statements, and the types that the terminal, the JSON and the pages show. Must not: write. Each reads only
//! counts, vectors and what did not pass.

mod candidate;
mod cluster;
mod compat;
mod flakes;
mod grid;
mod health;
mod lane;
mod rows;
mod run;
mod search;
mod spec;
pub(super) mod statements;
mod trends;
pub(super) mod vectors;

use rusqlite::{OptionalExtension as _, Params, Row};

pub(super) use candidate::changes;
pub use candidate::{CandidatePage, CandidateRow, SourceChange};
pub use cluster::{ClusterPage, ClusterRow};
pub use compat::{Compatibility, Pair, PairRow, Passing};
pub use flakes::{Flake, wilson};
pub use grid::{Grid, GridCell, GridLane};
pub use health::LaneHealth;
pub use lane::{LanePage, SpecStrip};
pub use rows::{Cell, Counts, FailureRow, LaneRef, RunRow, Window, night, quantile};
pub use run::{RunCell, RunPage, StepRow, TryRow};
pub use search::{Found, FoundMessage};
pub use spec::{Mark, SpecHistory, SpecLane};
pub use trends::{Point, Trend};

use super::{HistoryError, Index};

impl Index {
    fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, HistoryError> {
        let of = |error| HistoryError::of(self.path(), error);
        let mut statement = self.connection.prepare_cached(sql).map_err(of)?;
        let rows = statement.query_map(params, read).map_err(of)?;
        rows.collect::<Result<_, _>>().map_err(of)
    }

    fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, HistoryError> {
        let of = |error| HistoryError::of(self.path(), error);
        let mut statement = self.connection.prepare_cached(sql).map_err(of)?;
        statement.query_row(params, read).optional().map_err(of)
    }

    /// All lanes, or those of one profile, by name.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lanes(&self, profile: Option<&str>) -> Result<Vec<LaneRef>, HistoryError> {
        let mut lanes = self.all(statements::LANES, [], LaneRef::of)?;
        lanes.retain(|lane| profile.is_none_or(|name| lane.profile == name));
        lanes.sort_by(|a, b| (&a.profile, &a.lane).cmp(&(&b.profile, &b.lane)));
        Ok(lanes)
    }

    /// The lane that `text` names: its id, or a part of its id that no other lane has.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn lane(&self, profile: Option<&str>, text: &str) -> Result<LaneRef, HistoryError> {
        let lanes = self.lanes(profile)?;
        let exact: Vec<_> = lanes.iter().filter(|lane| lane.lane == text).collect();
        let fits = if exact.is_empty() {
            let part = |lane: &&LaneRef| !text.is_empty() && lane.lane.contains(text);
            lanes.iter().filter(part).collect()
        } else {
            exact
        };
        match fits.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(HistoryError::Unknown {
                what: "lane",
                text: text.to_owned(),
                near: named(&lanes.iter().collect::<Vec<_>>()),
            }),
            several => Err(HistoryError::Ambiguous {
                what: "lane",
                text: text.to_owned(),
                fits: named(several),
            }),
        }
    }

    /// The name of a spec.
    pub(super) fn spec_name(&self, id: i64) -> Result<String, HistoryError> {
        let name = self.one(statements::SPEC_NAME, [id], |row| row.get(0))?;
        Ok(name.unwrap_or_default())
    }

    /// Puts the lanes' names to failures.
    fn name_lanes(&self, failures: &mut [FailureRow]) -> Result<(), HistoryError> {
        let lanes = self.lanes(None)?;
        for failure in failures {
            let lane = lanes.iter().find(|lane| lane.id == failure.lane_id);
            failure.lane = lane.map_or_else(String::new, |lane| lane.lane.clone());
        }
        Ok(())
    }
}

fn named(lanes: &[&LaneRef]) -> Vec<String> {
    let names = lanes.iter().take(12);
    names
        .map(|lane| format!("{} (profile {})", lane.lane, lane.profile))
        .collect()
}

/// The text after all texts that begin with this one, in SQLite's order.
fn after(start: &str) -> String {
    format!("{start}\u{10ffff}")
}
