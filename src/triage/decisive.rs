//! Lines of the node's logs that belong to a failure: found by the time in which its test ran and by the names of its
//! objects (pods, namespaces, container ids). Pure, over logs that are read already.

mod objects;
mod window;

use std::{collections::BTreeSet, sync::LazyLock};

use jiff::{Timestamp, tz::TimeZone};
use regex::Regex;

use super::{ArtifactLine, Failure};
use crate::verdict::{Artifact, Artifacts, normalised};

pub use objects::Objects;
pub use window::Window;

/// Lines that are given for one failure at most.
const MOST: usize = 8;
/// Longer lines are shortened; the file has them whole.
const SHOWN: usize = 600;

/// A line that says of itself that something is wrong.
static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^\s*[EF]\d{4} \d\d:|level="?(?:error|fatal|panic)|"PRIORITY":"[0-3]"|\[(?:error|fatal|panic)\]|^panic: |Kernel panic|Out of memory|oom-kill|segfault|BUG: |\bERROR\b"#).ok()
});
static WARNING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^\s*W\d{4} \d\d:|level="?warn|"PRIORITY":"4"|(?i)\b(?:fail(?:ed|ure|s)?|errors?|err|denied|refused|cannot|unable to|no such|not found|killed|timed? ?out|exceeded)\b"#).ok()
});
/// A line that is the node's own trouble, whoever it hits.
static NODE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"Kernel panic|Out of memory|oom-kill|segfault|BUG: |I/O error|No space left on device|^panic: |fatal error: |Main process exited|blocked for more than \d+ seconds").ok()
});

/// One line that may matter.
struct Line<'a> {
    file: &'a Artifact,
    number: u64,
    raw: &'a str,
    at: Option<Timestamp>,
    /// 2 an error, 1 a warning, 0 neither.
    weight: u8,
    node: bool,
}

/// The logs of one node, read once for all its failures.
pub struct NodeLines<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> NodeLines<'a> {
    /// The logs. `year` is for lines that leave it out; node clocks run in UTC.
    #[must_use]
    pub fn of(artifacts: &'a Artifacts, year: i16) -> Self {
        let mut lines = Vec::new();
        for file in artifacts.iter().filter(|file| !is_suites_own(file)) {
            // Lines without a time of their own (stack traces, wrapped text) are of the time of the line before.
            let mut last = None;
            for line in file.lines() {
                if line.raw.trim().is_empty() {
                    continue;
                }
                last = line.at(year).or(last);
                let head = &line.raw[..line.raw.floor_char_boundary(4096)];
                let is =
                    |re: &LazyLock<Option<Regex>>| re.as_ref().is_some_and(|re| re.is_match(head));
                let weight = if is(&ERROR) {
                    2
                } else {
                    u8::from(is(&WARNING))
                };
                lines.push(Line {
                    file,
                    number: line.number,
                    raw: line.raw,
                    at: last,
                    weight,
                    node: weight > 0 && is(&NODE),
                });
            }
        }
        Self { lines }
    }

    /// The lines of a failure, most decisive first: errors that name its objects, from the innermost component
    /// outwards, then trouble of the node in its time. `told` is what its test printed, where the failure lacks it.
    #[must_use]
    pub fn lines(&self, failure: &Failure, told: &str) -> Vec<ArtifactLine> {
        let window = Window::of(failure, told);
        let mut objects = Objects::of(&[&failure.message, &failure.output, told]);
        let near: Vec<&Line<'a>> = self
            .lines
            .iter()
            .filter(|line| line.at.is_none_or(|at| window.holds(at)))
            .collect();
        // A runtime tells a pod's name once, and then speaks of its ids.
        for line in near.iter().filter(|line| line.at.is_some()) {
            if objects.named(line.raw) {
                objects.adopt_ids(line.raw);
            }
        }
        let mut found: Vec<(u8, u8, usize, &Line<'a>)> = Vec::new();
        for (order, line) in near.iter().enumerate() {
            if line.weight == 0 {
                continue;
            }
            if objects.named_at_all(line.raw) {
                found.push((0, 2 - line.weight + far(line.file) * 2, order, line));
            } else if line.node && window.is_known() && line.at.is_some() {
                found.push((1, 0, order, line));
            }
        }
        found.sort_by_key(|(group, rank, order, _)| (*group, *rank, *order));
        let mut told_already = BTreeSet::new();
        found
            .into_iter()
            .filter(|(.., line)| told_already.insert(normalised(line.raw)))
            .take(MOST)
            .map(|(.., line)| ArtifactLine {
                file: line.file.name.to_string(),
                line: line.number,
                text: shown(line.raw),
            })
            .collect()
    }
}

/// The year in which failures happened, for logs that leave it out.
#[must_use]
pub fn year_of(failures: &[Failure]) -> i16 {
    failures
        .iter()
        .find_map(|failure| Window::of(failure, "").any())
        .map_or(1970, |at| at.to_zoned(TimeZone::UTC).year())
}

/// What the suite said is the failure itself.
fn is_suites_own(file: &Artifact) -> bool {
    let name = file.file_name();
    name.starts_with("suite")
        || name.starts_with("ginkgo")
        || name.starts_with("build-log")
        || name.ends_with(".json") && !name.starts_with("journal")
        || name.ends_with(".jsonl")
}

/// How far a component stands from the cause: the runtime sees what the kubelet only repeats.
fn far(file: &Artifact) -> u8 {
    let name = file.file_name();
    let is = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if is(&["containerd", "crio", "runtime", "sandboxer", "docker"]) {
        0
    } else if is(&["kubelet"]) {
        1
    } else {
        2
    }
}

fn shown(raw: &str) -> String {
    let text = raw.trim();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
