//! `index.db`, opened.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rusqlite::{Connection, OpenFlags};

use super::{HistoryError, schema, vector};

/// The index's file in the state folder.
pub const FILE: &str = "index.db";

/// How long a locked index is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A longer log of writes is folded into the index once a run is in.
const LONG_LOG: u64 = 4 << 20;

/// The index over the run directories. Everything in it can be made again.
#[derive(Debug)]
pub struct Index {
    pub(super) connection: Connection,
    path: Utf8PathBuf,
    /// Ids of specs by list: few, and asked for by every page.
    lists: Mutex<HashMap<i64, Arc<[i64]>>>,
}

impl Index {
    /// Opens the index of a state folder to write; makes it, or brings it to the newest version, if need be.
    ///
    /// # Errors
    /// When it is damaged, locked, or a newer bellwether's.
    pub fn open(state: &Utf8Path) -> Result<Self, HistoryError> {
        fs::create_dir_all(state)?;
        Self::open_file(state.join(FILE))
    }

    pub(super) fn open_file(path: Utf8PathBuf) -> Result<Self, HistoryError> {
        let mut index = Self::connect(path, OpenFlags::default())?;
        let prepared = index.connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA wal_autocheckpoint = 0;",
        );
        prepared.map_err(|error| HistoryError::of(&index.path, error))?;
        schema::migrate(&mut index.connection, &index.path)?;
        Ok(index)
    }

    /// Opens the index of a state folder to read. Never waits for a writer.
    ///
    /// # Errors
    /// When it is not there, damaged, or of another version.
    pub fn open_read(state: &Utf8Path) -> Result<Self, HistoryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let index = Self::connect(state.join(FILE), flags)?;
        if !schema::is_current(&index.connection)? {
            return Err(HistoryError::Corrupt {
                path: index.path,
                why: "it is of another version".to_owned(),
            });
        }
        Ok(index)
    }

    fn connect(path: Utf8PathBuf, flags: OpenFlags) -> Result<Self, HistoryError> {
        let opened = (|| {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(128);
            connection.execute_batch("PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;")?;
            // A damaged file says so here, and not in the middle of a page.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })?;
            Ok(connection)
        })();
        Ok(Self {
            connection: opened.map_err(|error| HistoryError::of(&path, error))?,
            path,
            lists: Mutex::default(),
        })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Bytes of the log of writes that are not yet folded into the index.
    #[must_use]
    pub fn log_size(&self) -> u64 {
        fs::metadata(format!("{}-wal", self.path)).map_or(0, |file| file.len())
    }

    /// Folds a long log of writes into the index. Waits for nobody: what a reader holds stays for the next time.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn settle(&self) -> Result<(), HistoryError> {
        if self.log_size() > LONG_LOG {
            self.fold("PASSIVE")?;
        }
        Ok(())
    }

    /// Folds the whole log of writes in and empties it, as far as no reader holds it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn close_log(&self) -> Result<(), HistoryError> {
        self.fold("TRUNCATE")
    }

    fn fold(&self, how: &str) -> Result<(), HistoryError> {
        let pragma = format!("PRAGMA wal_checkpoint({how})");
        let done = self.connection.query_row(&pragma, [], |_| Ok(()));
        done.map_err(|error| HistoryError::of(&self.path, error))
    }

    /// A number that changes whenever another connection, of this or any process, has written: an answer from before may
    /// be old.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn version(&self) -> Result<i64, HistoryError> {
        Ok(self
            .connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// Ids of the specs of a list, in its order.
    pub(super) fn list(&self, list: i64) -> Result<Arc<[i64]>, HistoryError> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lists.get(&list) {
            return Ok(known.clone());
        }
        let mut statement = self
            .connection
            .prepare_cached(super::query::statements::LIST)?;
        let packed: Vec<u8> = statement.query_row([list], |row| row.get(0))?;
        let (mut ids, mut at) = (Vec::new(), 0);
        while let Some(id) = vector::varint(&packed, &mut at) {
            ids.push(i64::try_from(id).unwrap_or(i64::MAX));
        }
        let ids: Arc<[i64]> = ids.into();
        lists.insert(list, ids.clone());
        Ok(ids)
    }

    /// Forgets what was read before the index was replaced.
    pub(super) fn forget_lists(&self) {
        self.lists
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
