//! The state folder: run directories, and which of them a living process holds.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::{evidence::EvidenceDir, model::RunId};

/// A run could not be found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No run fits the text.
    #[error("no run fits `{0}`; `bellwether runs` lists them")]
    Unknown(String),
    /// Several runs fit the text.
    #[error("`{text}` fits {} runs: {}", .fits.len(), .fits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The runs that fit.
        fits: Vec<RunId>,
    },
    /// The file system refused.
    #[error("cannot use the state folder: {0}")]
    Io(#[from] std::io::Error),
}

/// The folder of everything that a host's runs leave.
#[derive(Clone, Debug)]
pub struct Store {
    root: Utf8PathBuf,
}

/// Held by the process that runs a run; the kernel lets go of it when that process ends, however it ends.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "held for its lock")] File);

impl Store {
    /// Opens, and if need be makes, the state folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: impl Into<Utf8PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(root.join("runs"))?;
        Ok(Self { root })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The folder of run directories.
    #[must_use]
    pub fn runs_folder(&self) -> Utf8PathBuf {
        self.root.join("runs")
    }

    /// All runs, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn runs(&self) -> Result<Vec<(RunId, EvidenceDir)>, StoreError> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(self.runs_folder())? {
            let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) else {
                continue;
            };
            if let Some(id) = path.file_name().and_then(|name| name.parse().ok()) {
                runs.push((id, EvidenceDir::at(path)));
            }
        }
        runs.sort_by_key(|(id, _)| *id);
        Ok(runs)
    }

    /// The run that `text` names: an id, the unique start or end of one, `latest`, or a run directory's path.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn find(&self, text: &str) -> Result<EvidenceDir, StoreError> {
        if text.contains('/') && Utf8Path::new(text).join("events.jsonl").exists() {
            return Ok(EvidenceDir::at(text));
        }
        let mut runs = self.runs()?;
        if text == "latest" {
            return runs
                .pop()
                .map(|(_, run)| run)
                .ok_or_else(|| StoreError::Unknown(text.to_owned()));
        }
        runs.retain(|(id, _)| {
            let id = id.to_string();
            !text.is_empty() && (id.starts_with(text) || id.ends_with(text))
        });
        match runs.len() {
            0 => Err(StoreError::Unknown(text.to_owned())),
            1 => Ok(runs.remove(0).1),
            _ => {
                let fits = runs.into_iter().map(|(id, _)| id).collect();
                Err(StoreError::Ambiguous {
                    text: text.to_owned(),
                    fits,
                })
            }
        }
    }

    /// Takes a run for this process; `None` when a living process has it.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub fn lock(&self, run: &EvidenceDir) -> Result<Option<RunLock>, StoreError> {
        let path = run.file(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(RunLock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StoreError::Io(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_by_id_ends_latest_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let ids = [
            "019a9f00-0000-7000-8000-00000000000a",
            "019a9f00-0000-7000-8000-00000000000b",
        ];
        for id in ids {
            EvidenceDir::create_run(&store.runs_folder(), id.parse().unwrap()).unwrap();
        }
        assert!(
            store
                .find("latest")
                .unwrap()
                .path()
                .as_str()
                .ends_with(ids[1])
        );
        assert!(
            store
                .find("0000000a")
                .unwrap()
                .path()
                .as_str()
                .ends_with(ids[0])
        );
        assert!(
            matches!(store.find("019a"), Err(StoreError::Ambiguous { fits, .. }) if fits.len() == 2)
        );
        assert!(matches!(store.find("f"), Err(StoreError::Unknown(_))));
    }

    #[test]
    fn a_run_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let id = "019a9f00-0000-7000-8000-00000000000a".parse().unwrap();
        let run = EvidenceDir::create_run(&store.runs_folder(), id).unwrap();
        let held = store.lock(&run).unwrap();
        assert!(held.is_some());
        assert!(store.lock(&run).unwrap().is_none());
        drop(held);
        assert!(store.lock(&run).unwrap().is_some());
    }
}
