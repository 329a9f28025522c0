//! `history.json`: what history keeps of a run for ever, a few kB for each lane.
//!
//! Written beside `summary.json`, and read instead of it: it has no list of specs (lists are kept once, by digest), and
//! all else that queries need, also when everything else of the run was pruned.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::vector::{self, VectorError};
use crate::model::{
    Accelerator, CellOutcome, Digest, DigestBuilder, ExitCode, Lane, LaneCounts, NodeStart, Phase,
    Revision, RunId, SpecOutcome,
};

/// The document's name in a run directory.
pub const FILE: &str = "history.json";

/// Grows when what is packed changes, so that directories which still have everything are packed again.
pub const PACKER: u32 = 1;

/// A run as history keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedRun {
    /// [`PACKER`] of the bellwether that wrote it.
    pub packer: u32,
    /// Its id.
    pub run: RunId,
    /// Its profile's name.
    pub profile: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether these are somebody else's results.
    #[serde(default)]
    pub imported: bool,
    /// What ran the guests.
    pub accelerator: Option<Accelerator>,
    /// The bellwether that ran it; empty where that is not known.
    pub bellwether: String,
    /// Its exit code.
    pub exit: ExitCode,
    /// By pairing.
    pub candidates: Vec<PackedCandidate>,
    /// Builds, images and disks, in the order in which they ended.
    pub steps: Vec<PackedStep>,
    /// Its cells.
    pub cells: Vec<PackedCell>,
}

/// A candidate without its package lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedCandidate {
    /// Over the whole candidate.
    pub digest: Digest,
    /// The pairing.
    pub pairing: String,
    /// By source name.
    pub revisions: BTreeMap<String, Revision>,
    /// Version by image name.
    pub node_images: BTreeMap<String, String>,
    /// Version by sandboxer name.
    pub sandboxers: BTreeMap<String, String>,
    /// In Go's words.
    pub arch: String,
}

/// A step that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedStep {
    /// Which.
    pub step: String,
    /// `built`, `cached`, `failed` or `skipped`.
    pub outcome: String,
    /// Its wall time.
    pub ms: u64,
}

/// One try at a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedAttempt {
    /// From 1.
    pub attempt: u32,
    /// Whether it only ran failed specs once more.
    pub confirm: bool,
    /// The cell outcome's name.
    pub outcome: String,
    /// Its wall time.
    pub ms: u64,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedCell {
    /// Its lane.
    pub lane: Lane,
    /// How it ended; a cause keeps its most decisive line.
    #[serde(flatten)]
    pub outcome: CellOutcome,
    /// Specs by outcome.
    pub counts: LaneCounts,
    /// Wall time of its last attempt.
    pub ms: u64,
    /// Of that, the suite's own.
    pub suite_ms: u64,
    /// How its node came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NodeStart>,
    /// Who served its pods, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Its tries.
    pub attempts: Vec<PackedAttempt>,
    /// Wall time by phase of its last attempt.
    pub phases: BTreeMap<Phase, u64>,
    /// Digest of its list of specs.
    pub list: Digest,
    /// How many specs that list has.
    pub specs: usize,
    /// Packed outcomes, base64.
    pub outcomes: String,
    /// Packed durations, base64.
    pub durations: String,
    /// What did not pass and was not skipped.
    pub failures: Vec<PackedFailure>,
}

/// A spec that failed, expected or not, or passed against expectation; or the stop of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedFailure {
    /// Its name; `[<phase>]` for a cell that stopped there.
    pub spec: String,
    /// How it ended; absent for a stop.
    pub outcome: Option<SpecOutcome>,
    /// Its run time.
    pub ms: u64,
    /// What it said, shortened.
    pub message: String,
    /// What two failures must share to be taken for one.
    pub signature: String,
    /// The cluster's key, where triage gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What running it again said: `flaky`, `deterministic` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

impl PackedCell {
    /// Packed outcomes and durations as bytes, checked to be whole.
    ///
    /// # Errors
    /// When they are not.
    pub fn vectors(&self) -> Result<(Vec<u8>, Vec<u8>), VectorError> {
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| VectorError::Base64);
        let (outcomes, durations) = (bytes(&self.outcomes)?, bytes(&self.durations)?);
        vector::outcomes(&outcomes, self.specs)?;
        vector::millis(&durations, self.specs)?;
        Ok((outcomes, durations))
    }

    /// Bytes as this document holds them.
    #[must_use]
    pub fn text(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }
}

/// The digest of a list of specs.
#[must_use]
pub fn list_digest(names: &[String]) -> Digest {
    let digest = DigestBuilder::new("spec-list");
    let digest = names
        .iter()
        .fold(digest, |digest, name| digest.field("", name));
    digest.finish()
}
