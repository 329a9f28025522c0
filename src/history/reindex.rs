//! From directories to the index: what is new, or all of it.

use std::collections::HashMap;

use camino::Utf8Path;
use fs_err as fs;
use rusqlite::backup::Backup;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::{
    Archive, HistoryError, Index, Skipped,
    archive::Directory,
    index,
    ingest::{self, ClusterOf, Ingested, by_signature},
};
use crate::model::RunId;

/// Runs in one transaction of a reindex.
const BATCH: usize = 256;

/// What an update or a reindex did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Updated {
    /// Runs that were not in the index.
    pub new: usize,
    /// Runs that had changed.
    pub changed: usize,
    /// Runs whose directory is gone.
    pub forgotten: usize,
    /// Directories of runs that are not finished.
    pub unfinished: usize,
    /// What was not taken in, and why.
    pub skipped: Vec<Skipped>,
}

impl Updated {
    fn count(&mut self, done: Ingested) {
        match done {
            Ingested::New => self.new += 1,
            Ingested::Changed => self.changed += 1,
            Ingested::Same => {}
        }
    }

    fn skip(&mut self, directory: &Directory, error: &HistoryError) {
        self.skipped.push(Skipped {
            folder: directory.folder.path().to_owned(),
            why: error.to_string(),
        });
    }
}

/// Takes in what changed since the last time.
///
/// # Errors
/// When the index or the state folder cannot be used. A directory that cannot be read is skipped with the reason.
pub fn update(index: &mut Index, archive: &Archive) -> Result<Updated, HistoryError> {
    let (directories, skipped) = archive.directories()?;
    let mut updated = Updated {
        skipped,
        ..Updated::default()
    };
    let mut known = stamps(index)?;
    for directory in &directories {
        let before = known.remove(&directory.run.to_string());
        let Some(stamp) = Archive::stamp(directory) else {
            updated.unfinished += 1;
            continue;
        };
        if before.is_some_and(|before| before == stamp) {
            continue;
        }
        match take(index, archive, directory, &stamp) {
            Ok(done) => updated.count(done),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => updated.skip(directory, &error),
        }
    }
    for gone in known.into_keys() {
        index.forget(&gone)?;
        updated.forgotten += 1;
    }
    index.settle()?;
    Ok(updated)
}

/// Takes one finished run in. For a run's own end: whoever calls this goes on whatever it says.
///
/// # Errors
/// When the run is not finished or torn, or the index cannot be used.
pub fn record(
    state: &Utf8Path,
    run: RunId,
    folder: &crate::evidence::EvidenceDir,
) -> Result<(), HistoryError> {
    let directory = Directory {
        run,
        folder: folder.clone(),
        imported: false,
    };
    let Some(stamp) = Archive::stamp(&directory) else {
        return Ok(());
    };
    let archive = Archive::at(state);
    // What history keeps of it is written before the index is opened: a damaged index costs nothing of it.
    archive.read(&directory)?;
    let mut index = Index::open(state)?;
    take(&mut index, &archive, &directory, &stamp)?;
    index.settle()
}

fn take(
    index: &mut Index,
    archive: &Archive,
    directory: &Directory,
    stamp: &str,
) -> Result<Ingested, HistoryError> {
    let run = archive.read(directory)?;
    let names = |digest: &_| Ok(archive.list(digest)?.as_ref().clone());
    index.ingest(&run, stamp, &names, &by_signature)
}

/// Whether going on with the next directory makes no sense.
const fn is_fatal(error: &HistoryError) -> bool {
    matches!(
        error,
        HistoryError::Corrupt { .. }
            | HistoryError::Busy { .. }
            | HistoryError::Newer { .. }
            | HistoryError::Sql(_)
            | HistoryError::Migration(_)
    )
}

fn stamps(index: &Index) -> Result<HashMap<String, String>, HistoryError> {
    let mut statement = index.connection.prepare("SELECT uuid, stamp FROM run")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect::<Result<_, _>>()
        .map_err(|error| HistoryError::of(index.path(), error))
}

/// Makes the index again from the directories alone. Readers see the old index until the new one is whole.
///
/// # Errors
/// When another reindex goes on, or the state folder cannot be used.
pub fn reindex(archive: &Archive) -> Result<Updated, HistoryError> {
    reindex_with(archive, &by_signature)
}

/// As [`reindex`], with clusters of one's own.
///
/// # Errors
/// As [`reindex`].
pub fn reindex_with(archive: &Archive, cluster: ClusterOf<'_>) -> Result<Updated, HistoryError> {
    let state = archive.state();
    fs::create_dir_all(state)?;
    let lock = fs::File::create(state.join("index.lock"))?;
    let held = flock(lock.file(), FlockOperation::NonBlockingLockExclusive);
    held.map_err(|_| HistoryError::Busy {
        path: state.join(index::FILE),
        why: "another reindex goes on".to_owned(),
    })?;
    let path = state.join("index.db.new");
    remove(&path)?;
    let mut fresh = Index::open_file(path.clone())?;
    // Nobody else sees this file, and a crash throws it away.
    fresh
        .connection
        .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")?;
    let updated = fill(&mut fresh, archive, cluster)?;
    replace(state, fresh)?;
    remove(&path)?;
    Ok(updated)
}

fn fill(
    index: &mut Index,
    archive: &Archive,
    cluster: ClusterOf<'_>,
) -> Result<Updated, HistoryError> {
    let (directories, skipped) = archive.directories()?;
    let mut updated = Updated {
        skipped,
        ..Updated::default()
    };
    let names = |digest: &_| Ok(archive.list(digest)?.as_ref().clone());
    for batch in directories.chunks(BATCH) {
        let mut transaction = index.connection.transaction()?;
        for directory in batch {
            let Some(stamp) = Archive::stamp(directory) else {
                updated.unfinished += 1;
                continue;
            };
            // A run that breaks off half way leaves nothing of itself.
            let point = transaction.savepoint()?;
            let done = archive
                .read(directory)
                .and_then(|run| ingest::put(&point, &run, &stamp, &names, cluster));
            match done {
                Ok(done) => {
                    point.commit()?;
                    updated.count(done);
                }
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => updated.skip(directory, &error),
            }
        }
        transaction.commit()?;
    }
    Ok(updated)
}

/// Puts a new index in the old one's place: as one transaction where the old one can be opened, since others may have it
/// open and its log lies beside it; else in a file of its own.
fn replace(state: &Utf8Path, fresh: Index) -> Result<(), HistoryError> {
    let path = state.join(index::FILE);
    if path.exists() {
        let copied = Index::open(state).and_then(|mut old| {
            let backup = Backup::new(&fresh.connection, &mut old.connection)?;
            backup.run_to_completion(4096, std::time::Duration::ZERO, None)?;
            drop(backup);
            old.forget_lists();
            old.close_log()
        });
        match copied {
            Ok(()) => return Ok(()),
            Err(error @ HistoryError::Busy { .. }) => return Err(error),
            Err(error) => tracing::info!("the old index is thrown away: {error}"),
        }
        remove(&path)?;
    }
    let from = fresh.path().to_owned();
    drop(fresh);
    fs::rename(from, path)?;
    Ok(())
}

fn remove(path: &Utf8Path) -> Result<(), HistoryError> {
    for end in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(format!("{path}{end}")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
