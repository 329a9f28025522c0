//! What can go wrong with the history, and what to do then.

use camino::Utf8PathBuf;
use rusqlite::ErrorCode;

use super::vector::VectorError;
use crate::evidence::RunDirError;

/// The history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The index is damaged, or is no index.
    #[error("the index {path} cannot be read: {why}")]
    Corrupt {
        /// The index.
        path: Utf8PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Another process writes for longer than is waited.
    #[error("the index {path} is locked by another process: {why}")]
    Busy {
        /// The index.
        path: Utf8PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// A newer bellwether made the index.
    #[error(
        "the index {path} was made by a newer bellwether (its version is {found}, this one knows {known})"
    )]
    Newer {
        /// The index.
        path: Utf8PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("the index refused: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The index could not be brought up to date.
    #[error("the index cannot be brought to this version: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A document of a run directory cannot be read.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A packed vector is not whole.
    #[error("packed results of lane {lane} are not whole: {source}")]
    Vector {
        /// The lane.
        lane: String,
        /// Why.
        source: VectorError,
    },
    /// A list of specs that packed results refer to is gone.
    #[error("the list of specs {digest} is not in {folder}, and the run's summary is not whole")]
    NoList {
        /// The list.
        digest: String,
        /// Where it should be.
        folder: Utf8PathBuf,
    },
    /// A stored document is not what it should be.
    #[error("a document of the index does not parse: {0}")]
    Document(#[from] serde_json::Error),
    /// Something asked for is not in the history.
    #[error("the history knows no {what} `{text}`")]
    Unknown {
        /// Its kind: `lane`, `spec` …
        what: &'static str,
        /// What was asked for.
        text: String,
        /// What comes near.
        near: Vec<String>,
    },
    /// What was asked for fits several.
    #[error("`{text}` fits {} {what}s", .fits.len())]
    Ambiguous {
        /// Its kind: `lane`, `spec` …
        what: &'static str,
        /// What was asked for.
        text: String,
        /// What fits.
        fits: Vec<String>,
    },
    /// A foreign file cannot be imported.
    #[error("{file} cannot be imported: {why}")]
    Import {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        why: String,
    },
}

impl HistoryError {
    /// Puts SQLite's words into ours: damaged, locked, or anything else.
    #[must_use]
    pub fn of(path: &camino::Utf8Path, error: rusqlite::Error) -> Self {
        let why = error.to_string();
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, why }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, why },
            _ => Self::Sql(error),
        }
    }

    /// Whether the index is at fault, so that a reindex mends it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::Newer { .. } | Self::Migration(_) | Self::Document(_) => {
                true
            }
            Self::Sql(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            _ => false,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            _ if self.is_damage() => {
                vec![
                    "`bellwether history reindex` makes it again from the run directories"
                        .to_owned(),
                ]
            }
            Self::Busy { .. } => {
                vec!["wait for the other bellwether (a reindex takes up to a minute), then try again".to_owned()]
            }
            Self::Unknown { near, .. } if near.is_empty() => {
                vec!["`bellwether history runs` lists what the history holds".to_owned()]
            }
            Self::Unknown { near: some, .. } | Self::Ambiguous { fits: some, .. } => {
                vec![format!("one of: {}", some.join(", "))]
            }
            _ => Vec::new(),
        }
    }

    /// Whether the caller asked for something that is not there, or in a wrong way.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. } | Self::Ambiguous { .. } | Self::Import { .. }
        )
    }
}
