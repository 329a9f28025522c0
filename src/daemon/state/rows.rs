//! Requests and fires as rows.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Params, Row, params};

use super::{micros, time};
use crate::{
    daemon::schedule::{FireDecision, Request, RequestId},
    model::{ExitCode, RunId},
};

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for its turn.
    Waiting,
    /// Its process is about to exist, or exists.
    Starting,
    /// Its run lives.
    Running,
    /// Its run ended.
    Done,
    /// It left the queue without a run.
    Dropped,
}

impl RequestState {
    const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Starting,
        Self::Running,
        Self::Done,
        Self::Dropped,
    ];

    /// As the database has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dropped => "dropped",
        }
    }
}

/// A request with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// What was asked.
    pub request: Request,
    /// How far it is.
    pub state: RequestState,
    /// Its run, from the moment it is about to be started.
    pub run: Option<RunId>,
    /// When that was.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why its run is to be stopped, if somebody wants that.
    pub cancel: Option<String>,
    /// How the run ended: its exit status.
    pub exit: Option<i64>,
    /// Why it ended as it did, in words.
    pub reason: Option<String>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// A profile's name, or `*` for all.
    pub what: String,
    /// Who paused it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

#[derive(Debug)]
pub(super) enum RowError {
    Sql(rusqlite::Error),
    Text { what: String, reason: String },
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// A new waiting request; its number is the database's.
pub(super) fn insert(db: &Connection, request: &Request) -> rusqlite::Result<RequestId> {
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    };
    db.execute(
        "INSERT INTO request (profile, key, trigger, asked, not_before, demand, typical, slow, tries, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting')",
        params![
            request.profile,
            request.key,
            json(serde_json::to_string(&request.trigger))?,
            micros(request.asked),
            micros(request.not_before),
            json(serde_json::to_string(&request.demand))?,
            i64::try_from(request.typical.as_micros()).unwrap_or(i64::MAX),
            i64::try_from(request.slow.as_micros()).unwrap_or(i64::MAX),
            request.tries,
        ],
    )?;
    Ok(RequestId(db.last_insert_rowid()))
}

/// Ends a request that has not ended; false if it had.
pub(super) fn end(
    db: &Connection,
    id: RequestId,
    state: RequestState,
    exit: Option<ExitCode>,
    reason: &str,
    at: Option<Timestamp>,
) -> rusqlite::Result<bool> {
    let changed = db.execute(
        "UPDATE request SET state = ?2, exit = ?3, reason = ?4, ended = ?5
         WHERE id = ?1 AND state NOT IN ('done', 'dropped')",
        params![
            id.0,
            state.name(),
            exit.map(ExitCode::code),
            reason,
            at.map(micros)
        ],
    )?;
    Ok(changed == 1)
}

/// One row of the fires; the same fire is recorded once, whatever happens.
pub(super) fn insert_fire(
    db: &Connection,
    schedule: &str,
    decision: &FireDecision,
    request: Option<RequestId>,
) -> rusqlite::Result<()> {
    let (nominal, name, count) = match decision {
        FireDecision::Ask { fire, catch_up } => {
            let name = if *catch_up { "caught-up" } else { "asked" };
            (fire.nominal, name, 1)
        }
        FireDecision::Missed { first, count, .. } => (*first, "missed", *count),
        FireDecision::Paused(fire) => (fire.nominal, "paused", 1),
        FireDecision::Overrun { fire, .. } => (fire.nominal, "overrun", 1),
        FireDecision::Replace(fire) => (fire.nominal, "replaced", 1),
    };
    let asked = matches!(decision, FireDecision::Ask { .. });
    db.execute(
        "INSERT INTO fire (schedule, nominal, decision, count, request) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
        params![
            schedule,
            nominal.to_string(),
            name,
            i64::try_from(count).unwrap_or(i64::MAX),
            request.filter(|_| asked).map(|id| id.0)
        ],
    )?;
    Ok(())
}

/// Reads requests.
pub(super) fn select(
    db: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<RequestRow>, RowError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<RequestRow, RowError> {
    let id: i64 = row.get("id")?;
    let wrong = |column: &str, reason: String| RowError::Text {
        what: format!("request {id}, column {column}"),
        reason,
    };
    let json = |column: &str| -> rusqlite::Result<String> { row.get(column) };
    let optional_time = |column: &str| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(time))
    };
    let state: String = row.get("state")?;
    let state = RequestState::ALL
        .into_iter()
        .find(|one| one.name() == state)
        .ok_or_else(|| wrong("state", format!("`{state}` is no state")))?;
    let run: Option<String> = row.get("run")?;
    let run = run
        .map(|run| {
            run.parse()
                .map_err(|_| wrong("run", format!("`{run}` is no run id")))
        })
        .transpose()?;
    Ok(RequestRow {
        request: Request {
            id: RequestId(id),
            profile: row.get("profile")?,
            key: row.get("key")?,
            trigger: serde_json::from_str(&json("trigger")?)
                .map_err(|error| wrong("trigger", error.to_string()))?,
            asked: time(row.get("asked")?),
            not_before: time(row.get("not_before")?),
            demand: serde_json::from_str(&json("demand")?)
                .map_err(|error| wrong("demand", error.to_string()))?,
            typical: SignedDuration::from_micros(row.get("typical")?),
            slow: SignedDuration::from_micros(row.get("slow")?),
            tries: row.get("tries")?,
        },
        state,
        run,
        started: optional_time("started")?,
        ended: optional_time("ended")?,
        cancel: row.get("cancel")?,
        exit: row.get("exit")?,
        reason: row.get("reason")?,
    })
}
