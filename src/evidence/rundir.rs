//! The run directory: the one truth about a run's results.

use std::{io, io::Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Serialize, de::DeserializeOwned};

use crate::model::{Event, LaneId, RunId};

/// A run directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A document in it does not parse.
    #[error("{file} does not parse: {source}")]
    Parse {
        /// The document.
        file: Utf8PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// A folder of evidence with an `events.jsonl`: a run's, or an attempt's.
#[derive(Clone, Debug)]
pub struct EvidenceDir {
    path: Utf8PathBuf,
}

impl EvidenceDir {
    /// Makes the folder of a new run under `runs`. Two processes cannot both make it.
    ///
    /// # Errors
    /// When it cannot be made, or is there.
    pub fn create_run(runs: &Utf8Path, id: RunId) -> Result<Self, RunDirError> {
        fs::create_dir_all(runs)?;
        let path = runs.join(id.to_string());
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    /// Makes the folder at `path`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: impl Into<Utf8PathBuf>) -> Result<Self, RunDirError> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// A folder that is there.
    #[must_use]
    pub fn at(path: impl Into<Utf8PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder of one attempt of one lane (attempts count from 1); not made yet.
    #[must_use]
    pub fn attempt(&self, lane: &LaneId, attempt: u32) -> Self {
        Self::at(self.path.join(lane.as_str()).join(attempt.to_string()))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// Writes one document by rename, so that a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunDirError> {
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::from)?;
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Writes one file by rename.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        let path = self.file(name);
        let file = file.persist(&path).map_err(|error| error.error)?;
        // Temporary files are private; evidence is for whoever may enter the folder.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        Ok(())
    }

    /// Reads one document.
    ///
    /// # Errors
    /// When it is missing or does not parse.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, RunDirError> {
        let file = self.file(name);
        let text = fs::read(&file)?;
        serde_json::from_slice(&text).map_err(|source| RunDirError::Parse { file, source })
    }

    /// Appends one event; one write, so that a killed process leaves at most one torn last line.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&self, event: &Event) -> Result<(), RunDirError> {
        let mut line = serde_json::to_vec(event).map_err(io::Error::from)?;
        line.push(b'\n');
        let path = self.file("events.jsonl");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        Ok(file.write_all(&line)?)
    }

    /// All events so far. A torn last line is left out; a torn line elsewhere is an error.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else than events.
    pub fn events(&self) -> Result<Vec<Event>, RunDirError> {
        let file = self.file("events.jsonl");
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        text.split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| {
                serde_json::from_slice(line).map_err(|source| RunDirError::Parse {
                    file: file.clone(),
                    source,
                })
            })
            .collect()
    }
}
