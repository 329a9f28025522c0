//! The tables, version by version.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// Each entry is one version; entries are only ever added.
const VERSIONS: &[M<'_>] = &[M::up(
    "CREATE TABLE schedule (
       name TEXT PRIMARY KEY,
       until INTEGER NOT NULL,          -- every fire until then is decided; microseconds, UTC
       owed INTEGER,                    -- the last fire that a pause left out
       overruns INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE fire (
       id INTEGER PRIMARY KEY,
       schedule TEXT NOT NULL,
       nominal TEXT NOT NULL,           -- wall time in the schedule's zone
       decision TEXT NOT NULL CHECK (decision IN ('asked', 'caught-up', 'missed', 'paused', 'overrun', 'replaced')),
       count INTEGER NOT NULL,
       request INTEGER,
       UNIQUE (schedule, nominal, decision)
     ) STRICT;
     CREATE TABLE request (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       profile TEXT NOT NULL,
       key TEXT NOT NULL,
       trigger TEXT NOT NULL,           -- JSON
       asked INTEGER NOT NULL,
       not_before INTEGER NOT NULL,
       demand TEXT NOT NULL,            -- JSON
       typical INTEGER NOT NULL,        -- microseconds
       slow INTEGER NOT NULL,
       tries INTEGER NOT NULL,
       state TEXT NOT NULL CHECK (state IN ('waiting', 'starting', 'running', 'done', 'dropped')),
       run TEXT UNIQUE,
       started INTEGER,
       ended INTEGER,
       exit INTEGER,
       cancel TEXT,
       reason TEXT
     ) STRICT;
     CREATE INDEX request_live ON request (id) WHERE state IN ('waiting', 'starting', 'running');
     CREATE INDEX request_started ON request (started) WHERE run IS NOT NULL;
     CREATE TABLE pause (
       what TEXT PRIMARY KEY,           -- a profile's name, or *
       author TEXT NOT NULL,
       reason TEXT NOT NULL,
       since INTEGER NOT NULL,
       until INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE audit (
       id INTEGER PRIMARY KEY,
       at INTEGER NOT NULL,
       who TEXT NOT NULL,
       what TEXT NOT NULL
     ) STRICT;",
)];

/// Sets the connection up and brings the tables to this version.
pub(super) fn prepare(db: &mut Connection) -> Result<(), String> {
    // Decisions must outlive a power cut, not only a crash; a test has no power cut.
    let synchronous = if cfg!(test) { "OFF" } else { "FULL" };
    db.busy_timeout(std::time::Duration::from_secs(10))
        .and_then(|()| db.pragma_update(None, "journal_mode", "WAL"))
        .and_then(|()| db.pragma_update(None, "synchronous", synchronous))
        .map_err(|error| error.to_string())?;
    Migrations::from_slice(VERSIONS)
        .to_latest(db)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
#[test]
fn the_versions_fit_together() {
    Migrations::from_slice(VERSIONS).validate().unwrap();
}
