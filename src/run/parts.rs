//! A divided attempt: its suite is called several times, on one machine or more, and each call has a folder of its own.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{EvidenceDir, RunDirError},
    model::SpecName,
};

/// The calls of a divided attempt, in its folder.
pub const FILE: &str = "parts.json";

/// One call of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its folder within the attempt's. Its machine's files grow in the folder of the machine's first call.
    pub folder: String,
    /// Whose share it is, from 1.
    pub shard: u32,
    /// Which round, from 1.
    pub round: u32,
    /// What it was to run.
    pub specs: Vec<SpecName>,
    /// Whether it took up what a machine that died had left.
    #[serde(default)]
    pub again: bool,
}

/// `parts.json`, as it grows.
#[derive(Debug)]
pub struct Parts {
    folder: EvidenceDir,
    parts: Mutex<Vec<Part>>,
}

impl Parts {
    /// None yet, of the attempt in this folder.
    #[must_use]
    pub fn new(folder: &EvidenceDir) -> Self {
        Self {
            folder: folder.clone(),
            parts: Mutex::default(),
        }
    }

    /// A call begins; makes its folder. The record is on disk before it does anything.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin(&self, part: Part) -> Result<EvidenceDir, RunDirError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = EvidenceDir::create(self.folder.file(&part.folder))?;
        parts.push(part);
        self.folder.write_json(FILE, &*parts)?;
        Ok(folder)
    }

    /// The calls of one shard so far.
    #[must_use]
    pub fn of(&self, shard: u32) -> Vec<Part> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = parts.iter().filter(|part| part.shard == shard);
        own.cloned().collect()
    }
}
