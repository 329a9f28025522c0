//! What readers give back, and the bounds within which they read. Pure.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Cause, failed::Failure};

/// A format that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JUnit's XML, whoever wrote it.
    Junit,
    /// The Test Anything Protocol, as bats prints it.
    Tap,
    /// Ginkgo's `report.json`.
    GinkgoJson,
    /// `go test -json`.
    GoTestJson,
    /// What a suite or a build printed.
    Log,
    /// One failure a line: `{id, suite, test, message, output}`.
    JsonLines,
    /// A run's `summary.json`, or an attempt's `cell.json`.
    OwnRun,
    /// `started.json`, `finished.json` or `prowjob.json`.
    Prow,
    /// A log of the node: kubelet, runtime, journal, console.
    NodeLog,
}

impl Format {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Junit => "JUnit",
            Self::Tap => "TAP",
            Self::GinkgoJson => "Ginkgo report",
            Self::GoTestJson => "go test -json",
            Self::Log => "log",
            Self::JsonLines => "JSON lines",
            Self::OwnRun => "run directory",
            Self::Prow => "Prow",
            Self::NodeLog => "node log",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One file, or one entry of an archive, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileRead {
    /// Its name: as given, with the entry's name after the archive's.
    pub file: String,
    /// What it was read as; absent when it was not read.
    pub format: Option<Format>,
    /// Test cases in it, as far as they were counted.
    pub tests: u64,
    /// Failures that were taken from it.
    pub failures: u64,
    /// Why it was not read, or not as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A log of a node, kept so that lines of it can be laid beside a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLog {
    /// The folder whose failures it may explain.
    pub root: String,
    /// The whole name of the file.
    pub file: String,
    /// Its text: parts in order, each with the number of its first line.
    pub parts: Vec<(u64, String)>,
}

/// Everything that was found under the given paths.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Failures, in the order of their files' names and lines.
    pub failures: Vec<Failure>,
    /// By a failure's id, the cause that its own run gave it.
    pub causes: BTreeMap<String, Cause>,
    /// Every file that was looked at.
    pub files: Vec<FileRead>,
    /// Logs of nodes.
    pub logs: Vec<NodeLog>,
}

/// Bounds on what is read. What passes one is left out, and the reading says so.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file, or of one unpacked entry.
    pub file: u64,
    /// Bytes of everything, unpacked.
    pub total: u64,
    /// Files and entries.
    pub entries: usize,
    /// Archives inside each other.
    pub nested: usize,
    /// Folders inside each other.
    pub depth: usize,
    /// Bytes kept of one failure's message.
    pub message: usize,
    /// Bytes kept of one failure's output.
    pub output: usize,
    /// Bytes kept of all failures together; those after it are kept with their beginnings only.
    pub kept: usize,
    /// Bytes kept of all node logs together.
    pub logs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 256 << 20,
            total: 4 << 30,
            entries: 200_000,
            nested: 3,
            depth: 40,
            message: 1 << 20,
            output: 256 << 10,
            kept: 768 << 20,
            logs: 256 << 20,
        }
    }
}

/// One failure as a reader has it, before it has an id and a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    /// Its id, where the file gives one.
    pub id: Option<String>,
    pub suite: String,
    pub test: String,
    pub message: String,
    pub output: String,
    pub line: u64,
    pub began: Option<Timestamp>,
    pub at: Option<Timestamp>,
}

/// What one file holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    pub format: Format,
    pub tests: u64,
    pub failures: Vec<Draft>,
    pub note: Option<String>,
    /// Failures that are nobody's test: the last words of a log.
    pub weak: bool,
}

impl Parsed {
    pub(super) const fn of(format: Format) -> Self {
        Self {
            format,
            tests: 0,
            failures: Vec::new(),
            note: None,
            weak: false,
        }
    }
}

/// `text` with at most `most` bytes: its beginning and its end, and a line that says what is missing between.
pub(super) fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(most / 4 * 3);
    let tail = text.ceil_char_boundary(text.len() - most / 4);
    format!(
        "{}\n[… {} bytes left out …]\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

/// Text that grows line by line and never beyond its bound: the beginning and the end stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    head: String,
    tail: std::collections::VecDeque<String>,
    tail_bytes: usize,
    left_out: usize,
}

impl Tape {
    pub(super) fn push(&mut self, text: &str, most: usize) {
        if self.tail.is_empty() && self.head.len() + text.len() <= most / 4 * 3 {
            self.head.push_str(text);
            return;
        }
        let end = text.floor_char_boundary(most / 4);
        self.left_out += text.len() - end;
        self.tail_bytes += end;
        self.tail.push_back(text[..end].to_owned());
        while self.tail_bytes > most / 4 {
            let Some(first) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= first.len();
            self.left_out += first.len();
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = self.head.clone();
        if self.left_out > 0 {
            text.push_str(&format!("\n[… {} bytes left out …]\n", self.left_out));
        }
        for line in &self.tail {
            text.push_str(line);
        }
        text
    }
}
