//! What all queries share: lanes, cells, failures and runs as plain rows, and the window of nights.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use rusqlite::Row;
use serde::Serialize;

use crate::{
    history::codes,
    model::{Accelerator, Blame, Class, ExitCode, Phase, Role, SpecOutcome},
};

/// One row of the grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LaneRef {
    #[serde(skip)]
    pub(in crate::history) id: i64,
    /// Its profile.
    pub profile: String,
    /// Its id in that profile.
    pub lane: String,
    /// The pairing's name.
    pub pairing: String,
    /// The node variant's name.
    pub node: String,
    /// The sandboxer's name.
    pub sandboxer: String,
    /// The suite's name.
    pub suite: String,
}

impl LaneRef {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            profile: row.get(1)?,
            lane: row.get(2)?,
            pairing: row.get(3)?,
            node: row.get(4)?,
            sandboxer: row.get(5)?,
            suite: row.get(6)?,
        })
    }
}

/// Specs of a cell by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// How many the suite said it would run.
    pub planned: u32,
    /// Ran and passed.
    pub passed: u32,
    /// Count against the lane.
    pub failed: u32,
    /// Skipped themselves.
    pub skipped: u32,
    /// Planned, never started.
    pub not_run: u32,
    /// Failed as expected.
    pub expected: u32,
    /// Passed against expectation.
    pub unexpected: u32,
    /// Of those that failed, the ones that passed when they ran again.
    pub flaky: u32,
}

/// A lane in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    #[serde(skip)]
    pub(in crate::history) id: i64,
    #[serde(skip)]
    pub(in crate::history) lane: i64,
    #[serde(skip)]
    pub(in crate::history) candidate_id: Option<i64>,
    /// The run.
    pub run: String,
    /// When the run started.
    pub at: Timestamp,
    /// The night, as the day (UTC) on which the run started.
    pub night: Date,
    /// `passed`, `failed`, `reduced`, `no-tests`, `not-run` or `stopped`.
    pub outcome: &'static str,
    /// Whether it says something about the product.
    pub conclusive: bool,
    /// Whether the lane decided then.
    pub role: Role,
    /// What ran the guest.
    pub accelerator: Option<Accelerator>,
    /// Specs by outcome.
    pub counts: Counts,
    /// Wall time.
    pub ms: u64,
    /// The suite's own wall time.
    pub suite_ms: u64,
    /// Whether its node came from a snapshot; absent when it never was ready.
    pub restored: Option<bool>,
    /// From power-on until the node was ready.
    pub start_ms: Option<u64>,
    /// The phase in which it stopped.
    pub phase: Option<Phase>,
    /// What kind of stop.
    pub class: Option<Class>,
    /// Whose.
    pub blame: Option<Blame>,
    /// The CRI handler.
    pub handler: String,
    /// Why it is not simply passed or failed, in words.
    pub said: Option<String>,
    /// Who served its pods, in words.
    pub identity: Option<String>,
    /// The candidate's digest.
    pub candidate: Option<String>,
}

impl Cell {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let at = moment(row.get(1)?);
        Ok(Self {
            id: row.get(0)?,
            at,
            night: night(at),
            run: row.get(2)?,
            lane: row.get(3)?,
            outcome: codes::cell_name(row.get(4)?),
            conclusive: row.get(5)?,
            role: codes::value(&codes::ROLES, row.get(6)?).unwrap_or_default(),
            accelerator: codes::maybe(&codes::ACCELERATORS, row.get(7)?),
            counts: Counts {
                planned: row.get(8)?,
                passed: row.get(9)?,
                failed: row.get(10)?,
                skipped: row.get(11)?,
                not_run: row.get(12)?,
                expected: row.get(13)?,
                unexpected: row.get(14)?,
                flaky: row.get(15)?,
            },
            ms: unsigned(row.get(16)?),
            suite_ms: unsigned(row.get(17)?),
            restored: row.get(18)?,
            start_ms: row.get::<_, Option<i64>>(19)?.map(unsigned),
            phase: codes::maybe(&codes::PHASES, row.get(20)?),
            class: codes::maybe(&codes::CLASSES, row.get(21)?),
            blame: codes::maybe(&codes::BLAMES, row.get(22)?),
            handler: row.get(23)?,
            said: row.get(24)?,
            identity: row.get(25)?,
            candidate: row.get(26)?,
            candidate_id: row.get(27)?,
        })
    }

    /// Whether it passed.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.outcome == "passed"
    }
}

/// A spec that did not pass, or a cell that stopped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureRow {
    #[serde(skip)]
    pub(in crate::history) lane_id: i64,
    #[serde(skip)]
    pub(in crate::history) cell: i64,
    #[serde(skip)]
    pub(in crate::history) spec_id: i64,
    /// When its run started.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// The lane; empty until it is named.
    pub lane: String,
    /// The spec; `[<phase>]` for a cell that stopped.
    pub spec: String,
    /// How it ended; absent for a stop.
    pub outcome: Option<SpecOutcome>,
    /// Its run time.
    pub ms: u64,
    /// The cluster's handle.
    pub cluster: String,
    /// What the failures of that cluster share.
    pub cluster_key: String,
    /// What it said.
    pub message: String,
    /// What running it again said.
    pub confirmation: Option<String>,
}

impl FailureRow {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let outcome: i64 = row.get(4)?;
        Ok(Self {
            at: moment(row.get(0)?),
            run: row.get(1)?,
            lane_id: row.get(2)?,
            lane: String::new(),
            spec: row.get(3)?,
            outcome: codes::value(&codes::OUTCOMES, outcome),
            ms: unsigned(row.get(5)?),
            cluster: row.get(6)?,
            cluster_key: row.get(7)?,
            message: row.get(8)?,
            confirmation: row.get(9)?,
            cell: row.get(10)?,
            spec_id: row.get(11)?,
        })
    }

    /// Whether it counts against its lane: an expected failure does not.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.outcome.is_none_or(SpecOutcome::is_failure)
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    #[serde(skip)]
    pub(in crate::history) id: i64,
    /// Its id.
    pub run: String,
    /// Its profile.
    pub profile: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether these are somebody else's results.
    pub imported: bool,
    /// What ran the guests.
    pub accelerator: Option<Accelerator>,
    /// The bellwether that ran it.
    pub bellwether: String,
    /// Its exit code.
    pub exit: ExitCode,
    /// Its cells.
    pub cells: u32,
    /// Of those, the green ones.
    pub green: u32,
    /// Specs planned, over all cells.
    pub planned: u64,
    /// Specs passed, over all cells.
    pub passed: u64,
    /// Specs that count against their lane, over all cells.
    pub failed: u64,
    /// Of those, the ones that passed when they ran again.
    pub flaky: u64,
}

impl RunRow {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            run: row.get(1)?,
            profile: row.get(2)?,
            started_at: moment(row.get(3)?),
            ended_at: row.get::<_, Option<i64>>(4)?.map(moment),
            imported: row.get(5)?,
            accelerator: codes::maybe(&codes::ACCELERATORS, row.get(6)?),
            bellwether: row.get(7)?,
            // An exit that is unknown is none that passes.
            exit: codes::value(&codes::EXITS, row.get(8)?).unwrap_or(ExitCode::Incomplete),
            cells: row.get(9)?,
            green: row.get(10)?,
            planned: unsigned(row.get(11)?),
            passed: unsigned(row.get(12)?),
            failed: unsigned(row.get(13)?),
            flaky: unsigned(row.get(14)?),
        })
    }
}

/// Some nights, the last of them included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The last night.
    pub until: Date,
    /// How many.
    pub nights: u32,
}

impl Window {
    /// The nights until the one of `now`.
    #[must_use]
    pub fn last(nights: u32, now: Timestamp) -> Self {
        Self {
            until: night(now),
            nights: nights.clamp(1, 3660),
        }
    }

    /// Every night, oldest first.
    #[must_use]
    pub fn days(&self) -> Vec<Date> {
        let days = (0..i64::from(self.nights)).rev();
        days.filter_map(|back| self.until.checked_sub(back.days()).ok())
            .collect()
    }

    /// Its first microsecond, and the first one after it.
    pub(super) fn bounds(&self) -> (i64, i64) {
        let begin = |date: Option<Date>| {
            let zoned = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
            zoned.map(|zoned| zoned.timestamp().as_microsecond())
        };
        let first = self
            .until
            .checked_sub((i64::from(self.nights) - 1).days())
            .ok();
        (
            begin(first).unwrap_or(i64::MIN),
            begin(self.until.tomorrow().ok()).unwrap_or(i64::MAX),
        )
    }
}

/// The day (UTC) of a moment.
#[must_use]
pub fn night(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

pub(super) fn moment(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The value below which this share of sorted values lies.
#[must_use]
pub fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied()
}
