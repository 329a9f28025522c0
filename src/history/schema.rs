//! The tables of `index.db`, as a row of migrations.
//!
//! What pages read is small: counts of a cell stand in its row, results are one packed vector a cell, and only what did
//! not pass has rows of its own. There is no index of results by spec: it would make each ingest touch a page for every
//! spec, to save milliseconds on one page.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations, SchemaVersion};

use super::HistoryError;

/// Oldest first; only append.
pub const MIGRATIONS: &[M<'static>] = &[M::up(FIRST), M::up(SEARCH)];

const FIRST: &str = r"
CREATE TABLE profile (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    profile INTEGER NOT NULL REFERENCES profile (id),
    name TEXT NOT NULL,
    pairing TEXT NOT NULL,
    node TEXT NOT NULL,
    sandboxer TEXT NOT NULL,
    suite TEXT NOT NULL,
    UNIQUE (profile, name)
) STRICT;
CREATE INDEX lane_by_name ON lane (name);
CREATE TABLE spec (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE spec_list (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    specs BLOB NOT NULL
) STRICT;
CREATE TABLE list_spec (
    spec INTEGER NOT NULL,
    list INTEGER NOT NULL,
    PRIMARY KEY (spec, list)
) STRICT, WITHOUT ROWID;
CREATE TABLE lane_list (
    list INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    PRIMARY KEY (list, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE revision (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    identity TEXT NOT NULL,
    document TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX revision_by_identity ON revision (identity, source);
CREATE TABLE candidate (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    pairing TEXT NOT NULL,
    document TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX candidate_by_digest ON candidate (digest);
CREATE TABLE candidate_revision (
    revision INTEGER NOT NULL REFERENCES revision (id),
    candidate INTEGER NOT NULL REFERENCES candidate (id),
    PRIMARY KEY (revision, candidate)
) STRICT, WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    profile INTEGER NOT NULL REFERENCES profile (id),
    started INTEGER NOT NULL,
    ended INTEGER,
    imported INTEGER NOT NULL CHECK (imported IN (0, 1)),
    accelerator INTEGER CHECK (accelerator IN (0, 1)),
    bellwether TEXT NOT NULL,
    exit INTEGER NOT NULL CHECK (exit BETWEEN 0 AND 6),
    cells INTEGER NOT NULL,
    green INTEGER NOT NULL,
    planned INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    flaky INTEGER NOT NULL,
    content TEXT NOT NULL,
    stamp TEXT NOT NULL
) STRICT;
CREATE INDEX run_by_start ON run (started);
CREATE INDEX run_by_profile ON run (profile, started);
CREATE TABLE run_candidate (
    run INTEGER NOT NULL REFERENCES run (id),
    place INTEGER NOT NULL,
    candidate INTEGER NOT NULL REFERENCES candidate (id),
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE step (
    run INTEGER NOT NULL REFERENCES run (id),
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    ms INTEGER NOT NULL,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE cell (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    place INTEGER NOT NULL,
    lane INTEGER NOT NULL REFERENCES lane (id),
    candidate INTEGER REFERENCES candidate (id),
    started INTEGER NOT NULL,
    outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 5),
    conclusive INTEGER NOT NULL CHECK (conclusive IN (0, 1)),
    role INTEGER NOT NULL CHECK (role IN (0, 1)),
    accelerator INTEGER CHECK (accelerator IN (0, 1)),
    planned INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    not_run INTEGER NOT NULL,
    expected INTEGER NOT NULL,
    unexpected INTEGER NOT NULL,
    flaky INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    suite_ms INTEGER NOT NULL,
    restored INTEGER CHECK (restored IN (0, 1)),
    start_ms INTEGER,
    phase INTEGER CHECK (phase BETWEEN 0 AND 9),
    class INTEGER CHECK (class BETWEEN 0 AND 9),
    blame INTEGER CHECK (blame BETWEEN 0 AND 7),
    handler TEXT NOT NULL,
    said TEXT,
    identity TEXT,
    UNIQUE (run, lane)
) STRICT;
CREATE INDEX cell_by_lane ON cell (lane, started, run);
CREATE INDEX cell_by_outcome ON cell (lane, outcome, started);
CREATE INDEX cell_by_conclusion ON cell (lane, conclusive, started);
CREATE INDEX cell_by_candidate ON cell (candidate, started);
CREATE TABLE vector (
    cell INTEGER PRIMARY KEY REFERENCES cell (id),
    list INTEGER NOT NULL REFERENCES spec_list (id),
    outcomes BLOB NOT NULL,
    durations BLOB NOT NULL
) STRICT;
CREATE TABLE phase (
    cell INTEGER NOT NULL REFERENCES cell (id),
    phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 9),
    ms INTEGER NOT NULL,
    PRIMARY KEY (cell, phase)
) STRICT, WITHOUT ROWID;
CREATE TABLE attempt (
    cell INTEGER NOT NULL REFERENCES cell (id),
    attempt INTEGER NOT NULL,
    confirm INTEGER NOT NULL CHECK (confirm IN (0, 1)),
    outcome TEXT NOT NULL,
    ms INTEGER NOT NULL,
    PRIMARY KEY (cell, attempt, confirm)
) STRICT, WITHOUT ROWID;
CREATE TABLE cluster (
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE nonpass (
    cell INTEGER NOT NULL REFERENCES cell (id),
    spec INTEGER NOT NULL REFERENCES spec (id),
    started INTEGER NOT NULL,
    lane INTEGER NOT NULL REFERENCES lane (id),
    outcome INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    cluster INTEGER NOT NULL REFERENCES cluster (id),
    message INTEGER NOT NULL REFERENCES message (id),
    confirmation TEXT,
    PRIMARY KEY (cell, spec)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonpass_by_spec ON nonpass (spec, started, lane, cluster);
CREATE INDEX nonpass_by_cluster ON nonpass (cluster, started, lane, spec);
CREATE INDEX nonpass_by_lane ON nonpass (lane, started, spec);
CREATE INDEX nonpass_by_message ON nonpass (message, started);
";

/// Distinct texts of failures by their words, names of specs by any three letters of them.
const SEARCH: &str = r"
CREATE VIRTUAL TABLE message_words USING fts5 (text, content = 'message', content_rowid = 'id');
INSERT INTO message_words (message_words) VALUES ('rebuild');
CREATE TRIGGER message_is_searched AFTER INSERT ON message BEGIN
    INSERT INTO message_words (rowid, text) VALUES (new.id, new.text);
END;
CREATE VIRTUAL TABLE spec_words USING fts5 (name, content = 'spec', content_rowid = 'id', tokenize = 'trigram');
INSERT INTO spec_words (spec_words) VALUES ('rebuild');
CREATE TRIGGER spec_is_searched AFTER INSERT ON spec BEGIN
    INSERT INTO spec_words (rowid, name) VALUES (new.id, new.name);
END;
";

/// Brings an index to the newest version.
///
/// # Errors
/// When it cannot be, or a newer bellwether made it.
pub fn migrate(connection: &mut Connection, path: &camino::Utf8Path) -> Result<(), HistoryError> {
    let migrations = Migrations::from_slice(MIGRATIONS);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| HistoryError::of(path, error))?;
    if found > known {
        return Err(HistoryError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    match migrations.to_latest(connection) {
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => {
            Err(HistoryError::of(path, err))
        }
        other => Ok(other?),
    }
}

/// Whether a connection's index is of the newest version.
///
/// # Errors
/// When it cannot be read.
pub fn is_current(connection: &Connection) -> Result<bool, HistoryError> {
    let migrations = Migrations::from_slice(MIGRATIONS);
    Ok(match migrations.current_version(connection)? {
        SchemaVersion::Inside(version) => version.get() == MIGRATIONS.len(),
        SchemaVersion::NoneSet | SchemaVersion::Outside(_) => false,
    })
}
