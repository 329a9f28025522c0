//! One failure as it comes in, from our own runs or from anybody's files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A failed spec or a stopped cell, before anything is derived from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Failure {
    /// Unique within one input, and the same when the same input is read again.
    pub id: String,
    /// The suite's name; empty if unknown.
    pub suite: String,
    /// The test's full name; empty if unknown.
    pub test: String,
    /// What the failure said, as its file holds it.
    pub message: String,
    /// What the test printed (system-out, system-err, a log), as its file holds it; often empty.
    pub output: String,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Where it was seen, as far as that is known.
    pub place: Place,
    /// Lines of other artifacts (kubelet, runtime, journal, console …) that belong to it, most decisive first.
    pub lines: Vec<ArtifactLine>,
    /// The rule that matched it, if one did: its captures then count as its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleHit>,
}

/// What a rule of the pack said about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RuleHit {
    /// The rule's id.
    pub id: String,
    /// What its expression captured, in order.
    pub captures: Vec<String>,
    /// Whether it names a cause by itself, so that failures of different tests are one when it matched them alike
    /// (a dead runtime); otherwise it only describes (an assertion).
    pub cause: bool,
}

/// Where a failure was seen. All fields are empty for one that came as a line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Place {
    /// The run's id, or the build's number.
    pub run: String,
    /// The lane, or the job's name.
    pub lane: String,
    /// The attempt, from 1; 0 where there is no such thing.
    pub attempt: u32,
    /// The phase in which a cell stopped; empty for a failed spec.
    pub phase: String,
    /// The file that says so, as given by the user or relative to the run directory.
    pub file: String,
    /// The line in that file, from 1; 0 if unknown.
    pub line: u64,
}

/// A line of an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ArtifactLine {
    /// The artifact: `kubelet.log`, `console.log` …
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// Its text.
    pub text: String,
}
