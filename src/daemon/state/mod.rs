//! `state.db`: what the daemon decided. The one store that cannot be made again from run directories.
//!
//! Owns: schedules, fires, requests, pauses, the audit trail; each change is one transaction that is on the disk before
//! anything is done. Must not: hold a result.

mod rows;
mod schema;

#[cfg(test)]
mod tests;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

pub use rows::{Pause, RequestRow, RequestState};

use super::schedule::{Considered, FireDecision, Request, RequestId};
use crate::model::{ExitCode, RunId};

/// The decisions cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite refused.
    #[error("{file}: {source}; the daemon decides nothing it cannot record")]
    Sql {
        /// The database.
        file: Utf8PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The database was made by a newer bellwether, or its migration failed.
    #[error(
        "{file} cannot be brought to this version: {reason}; use the bellwether that wrote it, or restore a backup"
    )]
    Migration {
        /// The database.
        file: Utf8PathBuf,
        /// Why.
        reason: String,
    },
    /// A row does not read.
    #[error("{file}: {what} does not read: {reason}")]
    Row {
        /// The database.
        file: Utf8PathBuf,
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
}

/// The open database. One process has it at a time.
#[derive(Debug)]
pub struct State {
    file: Utf8PathBuf,
    db: Connection,
    /// After so many changes the daemon "dies": the next one is refused.
    #[cfg(test)]
    pub(super) changes_left: Option<u32>,
}

impl State {
    /// Opens, makes or migrates the database.
    ///
    /// # Errors
    /// When it cannot be used; it is never made anew over one that is there.
    pub fn open(file: impl AsRef<Utf8Path>) -> Result<Self, StateError> {
        let file = file.as_ref().to_owned();
        let sql = |source| StateError::Sql {
            file: file.clone(),
            source,
        };
        let mut db = Connection::open(&file).map_err(sql)?;
        schema::prepare(&mut db).map_err(|reason| StateError::Migration {
            file: file.clone(),
            reason,
        })?;
        Ok(Self {
            file,
            db,
            #[cfg(test)]
            changes_left: None,
        })
    }

    /// Copies the database to another file while it is in use.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub fn backup(&self, to: &Utf8Path) -> Result<(), StateError> {
        self.db
            .backup("main", to, None)
            .map_err(|source| self.sql(source))
    }

    fn sql(&self, source: rusqlite::Error) -> StateError {
        StateError::Sql {
            file: self.file.clone(),
            source,
        }
    }

    fn write<T>(
        &mut self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        #[cfg(test)]
        if let Some(left) = &mut self.changes_left {
            *left = left.checked_sub(1).ok_or_else(|| StateError::Row {
                file: self.file.clone(),
                what: "the daemon".to_owned(),
                reason: "killed".to_owned(),
            })?;
        }
        let file = &self.file;
        let wrong = |source| StateError::Sql {
            file: file.clone(),
            source,
        };
        let transaction = self
            .db
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(wrong)?;
        let done = change(&transaction).map_err(wrong)?;
        transaction.commit().map_err(wrong)?;
        Ok(done)
    }

    /// How far a schedule was looked at; one that is seen for the first time starts at `now`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn considered(&mut self, schedule: &str, now: Timestamp) -> Result<Considered, StateError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO schedule (name, until, owed, overruns) VALUES (?1, ?2, NULL, 0) ON CONFLICT DO NOTHING",
                params![schedule, micros(now)],
            )?;
            db.query_row(
                "SELECT until, owed, overruns FROM schedule WHERE name = ?1",
                [schedule],
                |row| {
                    Ok(Considered {
                        until: time(row.get(0)?),
                        owed: row.get::<_, Option<i64>>(1)?.map(time),
                        overruns: row.get(2)?,
                    })
                },
            )
        })
    }

    /// Records what was decided about a schedule's fires, and the request that came of it, in one piece.
    ///
    /// # Errors
    /// When the database refuses; nothing is recorded then.
    pub fn fired(
        &mut self,
        schedule: &str,
        considered: Considered,
        decisions: &[FireDecision],
        request: Option<&Request>,
    ) -> Result<Option<RequestId>, StateError> {
        self.write(|db| {
            let id = request
                .map(|request| rows::insert(db, request))
                .transpose()?;
            for decision in decisions {
                rows::insert_fire(db, schedule, decision, id)?;
            }
            db.execute(
                "UPDATE schedule SET until = ?2, owed = ?3, overruns = ?4 WHERE name = ?1",
                params![
                    schedule,
                    micros(considered.until),
                    considered.owed.map(micros),
                    considered.overruns
                ],
            )?;
            Ok(id)
        })
    }

    /// A new waiting request, in the place of those in `drops`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn ask(&mut self, request: &Request, drops: &[RequestId]) -> Result<RequestId, StateError> {
        self.write(|db| {
            for old in drops {
                rows::end(db, *old, RequestState::Dropped, None, "superseded", None)?;
            }
            rows::insert(db, request)
        })
    }

    /// Every request that waits, is being started or runs, oldest first.
    ///
    /// # Errors
    /// When the database refuses, or a row does not read.
    pub fn live(&self) -> Result<Vec<RequestRow>, StateError> {
        rows::select(
            &self.db,
            "SELECT * FROM request WHERE state IN ('waiting', 'starting', 'running') ORDER BY id",
            params![],
        )
        .map_err(|error| self.row_error(error))
    }

    /// The last requests that ended, newest first.
    ///
    /// # Errors
    /// When the database refuses, or a row does not read.
    pub fn ended(&self, most: u32) -> Result<Vec<RequestRow>, StateError> {
        rows::select(
            &self.db,
            "SELECT * FROM request WHERE state IN ('done', 'dropped') ORDER BY id DESC LIMIT ?1",
            params![most],
        )
        .map_err(|error| self.row_error(error))
    }

    fn row_error(&self, error: rows::RowError) -> StateError {
        match error {
            rows::RowError::Sql(source) => self.sql(source),
            rows::RowError::Text { what, reason } => StateError::Row {
                file: self.file.clone(),
                what,
                reason,
            },
        }
    }

    /// The intent to start a request as a run: on the disk before the process exists.
    ///
    /// # Errors
    /// When the database refuses; nothing may be started then.
    pub fn starting(
        &mut self,
        id: RequestId,
        run: RunId,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "UPDATE request SET state = 'starting', run = ?2, started = ?3 WHERE id = ?1 AND state = 'waiting'",
                params![id.0, run.to_string(), micros(now)],
            )?;
            Ok(())
        })
    }

    /// The run was seen to live.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn running(&mut self, id: RequestId) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "UPDATE request SET state = 'running' WHERE id = ?1 AND state = 'starting'",
                [id.0],
            )?;
            Ok(())
        })
    }

    /// A run ended; `again` is the request that tries it once more. Both are one change, so no crash can lose or double
    /// the retry.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn finished(
        &mut self,
        id: RequestId,
        exit: Option<ExitCode>,
        reason: &str,
        now: Timestamp,
        again: Option<&Request>,
    ) -> Result<Option<RequestId>, StateError> {
        self.write(|db| {
            let ended = rows::end(db, id, RequestState::Done, exit, reason, Some(now))?;
            match again {
                Some(request) if ended => rows::insert(db, request).map(Some),
                _ => Ok(None),
            }
        })
    }

    /// A waiting request leaves the queue.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn drop_request(
        &mut self,
        id: RequestId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StateError> {
        self.write(|db| rows::end(db, id, RequestState::Dropped, None, reason, Some(now)))
    }

    /// Marks a run to be stopped; the daemon ends it at its next look, also after a restart.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn cancel(&mut self, id: RequestId, reason: &str) -> Result<bool, StateError> {
        self.write(|db| {
            Ok(db.execute(
                "UPDATE request SET cancel = ?2 WHERE id = ?1 AND state IN ('starting', 'running') AND cancel IS NULL",
                params![id.0, reason],
            )? == 1)
        })
    }

    /// Pauses a profile, or everything (`*`), until a time.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn pause(&mut self, pause: &Pause) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO pause (what, author, reason, since, until) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (what) DO UPDATE SET author = excluded.author, reason = excluded.reason,
                   since = excluded.since, until = excluded.until",
                params![
                    pause.what,
                    pause.author,
                    pause.reason,
                    micros(pause.since),
                    micros(pause.until)
                ],
            )?;
            Ok(())
        })
    }

    /// Ends a pause; false if there was none.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn resume(&mut self, what: &str) -> Result<bool, StateError> {
        self.write(|db| Ok(db.execute("DELETE FROM pause WHERE what = ?1", [what])? == 1))
    }

    /// The pauses that hold at a time.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StateError> {
        self.read(|db| {
            let mut rows = db.prepare_cached(
                "SELECT what, author, reason, since, until FROM pause WHERE until > ?1 ORDER BY what",
            )?;
            rows.query_map([micros(now)], |row| {
                Ok(Pause {
                    what: row.get(0)?,
                    author: row.get(1)?,
                    reason: row.get(2)?,
                    since: time(row.get(3)?),
                    until: time(row.get(4)?),
                })
            })?
            .collect()
        })
    }

    /// Writes down what a person or the daemon did.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit(&mut self, now: Timestamp, who: &str, what: &str) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO audit (at, who, what) VALUES (?1, ?2, ?3)",
                params![micros(now), who, what],
            )?;
            Ok(())
        })
    }

    /// The last entries of the audit trail, newest first: when, who, what.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn trail(&self, most: u32) -> Result<Vec<(Timestamp, String, String)>, StateError> {
        self.read(|db| {
            let mut rows =
                db.prepare_cached("SELECT at, who, what FROM audit ORDER BY id DESC LIMIT ?1")?;
            rows.query_map([most], |row| {
                Ok((time(row.get(0)?), row.get(1)?, row.get(2)?))
            })?
            .collect()
        })
    }

    /// The last fires of a schedule, newest first: nominal time, what became of it, how many it stands for.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn fires(
        &self,
        schedule: &str,
        most: u32,
    ) -> Result<Vec<(String, String, i64)>, StateError> {
        self.read(|db| {
            let mut rows = db.prepare_cached(
                "SELECT nominal, decision, count FROM fire WHERE schedule = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            rows.query_map(params![schedule, most], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect()
        })
    }

    /// Slot time of each profile's runs that were started after an instant.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn served(
        &self,
        after: Timestamp,
        now: Timestamp,
    ) -> Result<std::collections::BTreeMap<String, SignedDuration>, StateError> {
        self.read(|db| {
            let mut rows = db.prepare_cached(
                "SELECT profile, SUM((COALESCE(ended, ?2) - started) * MAX(1, json_extract(demand, '$.slots')))
                 FROM request WHERE started > ?1 AND run IS NOT NULL GROUP BY profile",
            )?;
            rows.query_map(params![micros(after), micros(now)], |row| {
                Ok((row.get(0)?, SignedDuration::from_micros(row.get(1)?)))
            })?
            .collect()
        })
    }

    /// Machine time since an instant: of runs that were a retry, and of all.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn machine_time(
        &self,
        after: Timestamp,
        now: Timestamp,
    ) -> Result<(SignedDuration, SignedDuration), StateError> {
        self.read(|db| {
            db.query_row(
                "SELECT COALESCE(SUM(CASE WHEN tries > 0 THEN COALESCE(ended, ?2) - started ELSE 0 END), 0),
                        COALESCE(SUM(COALESCE(ended, ?2) - started), 0)
                 FROM request WHERE started > ?1 AND run IS NOT NULL",
                params![micros(after), micros(now)],
                |row| {
                    Ok((
                        SignedDuration::from_micros(row.get(0)?),
                        SignedDuration::from_micros(row.get(1)?),
                    ))
                },
            )
        })
    }

    /// How long the last runs of a profile took, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn durations(&self, profile: &str, most: u32) -> Result<Vec<SignedDuration>, StateError> {
        self.read(|db| {
            let mut rows = db.prepare_cached(
                "SELECT ended - started FROM request
                 WHERE profile = ?1 AND state = 'done' AND exit IN (0, 1) ORDER BY id DESC LIMIT ?2",
            )?;
            rows.query_map(params![profile, most], |row| {
                Ok(SignedDuration::from_micros(row.get(0)?))
            })?
            .collect()
        })
    }

    fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        ask(&self.db).map_err(|source| self.sql(source))
    }

    /// Looks one request up.
    ///
    /// # Errors
    /// When the database refuses, or the row does not read.
    pub fn request(&self, id: RequestId) -> Result<Option<RequestRow>, StateError> {
        let exists = self.read(|db| {
            db.query_row("SELECT 1 FROM request WHERE id = ?1", [id.0], |_| Ok(()))
                .optional()
        })?;
        if exists.is_none() {
            return Ok(None);
        }
        rows::select(
            &self.db,
            "SELECT * FROM request WHERE id = ?1",
            params![id.0],
        )
        .map(|mut rows| rows.pop())
        .map_err(|error| self.row_error(error))
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
