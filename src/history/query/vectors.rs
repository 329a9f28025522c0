//! Packed results of many cells, read without copies.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Params, Row};

use super::rows;
use crate::{
    history::{HistoryError, Index, codes, vector},
    model::{Accelerator, SpecOutcome},
};

/// One cell's packed results.
pub struct Packed<'r> {
    pub cell: i64,
    pub at: Timestamp,
    run: &'r str,
    pub candidate: Option<i64>,
    pub accelerator: Option<Accelerator>,
    pub list: i64,
    outcomes: &'r [u8],
    durations: &'r [u8],
}

impl Packed<'_> {
    pub fn run(&self) -> String {
        self.run.to_owned()
    }

    /// The result at one place of its list.
    pub fn at(&self, place: usize) -> Option<(SpecOutcome, u64)> {
        let outcome = vector::outcome_at(self.outcomes, place)?;
        Some((outcome, vector::millis_at(self.durations, place)?))
    }

    /// All outcomes, in its list's order.
    pub fn outcomes(&self, specs: usize) -> Result<Vec<SpecOutcome>, HistoryError> {
        vector::outcomes(self.outcomes, specs).map_err(broken)
    }

    /// All durations, in its list's order.
    pub fn millis(&self, specs: usize) -> Result<Vec<u64>, HistoryError> {
        vector::millis(self.durations, specs).map_err(broken)
    }
}

fn broken(source: vector::VectorError) -> HistoryError {
    HistoryError::Vector {
        lane: "in the index".to_owned(),
        source,
    }
}

/// Where a spec stands in each list.
pub struct Places {
    spec: i64,
    known: HashMap<i64, Option<usize>>,
}

impl Places {
    pub fn of(spec: i64) -> Self {
        Self {
            spec,
            known: HashMap::new(),
        }
    }

    pub fn in_list(&mut self, index: &Index, list: i64) -> Result<Option<usize>, HistoryError> {
        if let Some(place) = self.known.get(&list) {
            return Ok(*place);
        }
        let ids = index.list(list)?;
        let place = ids.iter().position(|id| *id == self.spec);
        self.known.insert(list, place);
        Ok(place)
    }
}

impl Index {
    /// Calls `each` for every cell that a statement of vectors gives.
    pub(in crate::history) fn each_vector(
        &self,
        sql: &'static str,
        params: impl Params,
        mut each: impl FnMut(&Packed<'_>) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let of = |error| HistoryError::of(self.path(), error);
        let mut statement = self.connection.prepare_cached(sql).map_err(of)?;
        let mut rows = statement.query(params).map_err(of)?;
        while let Some(row) = rows.next().map_err(of)? {
            each(&packed(row).map_err(of)?)?;
        }
        Ok(())
    }
}

fn packed<'r>(row: &'r Row<'_>) -> rusqlite::Result<Packed<'r>> {
    let blob = |at: usize| -> rusqlite::Result<&'r [u8]> {
        Ok(row.get_ref(at)?.as_blob().unwrap_or_default())
    };
    Ok(Packed {
        cell: row.get(0)?,
        at: rows::moment(row.get(1)?),
        run: row.get_ref(2)?.as_str().unwrap_or_default(),
        candidate: row.get(3)?,
        accelerator: codes::maybe(&codes::ACCELERATORS, row.get(4)?),
        list: row.get(5)?,
        outcomes: blob(6)?,
        durations: blob(7)?,
    })
}
