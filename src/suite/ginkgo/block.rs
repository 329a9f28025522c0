//! What follows a result line: a failing spec's text. Pure.

use crate::model::{SpecName, SpecOutcome};

use super::{
    result_line::{self, ResultLine},
    stream::is_place,
};

/// A failure text is cut here; the report files have the rest.
const TEXT: usize = 64 << 10;

/// A result line's block, until the delimiter.
#[derive(Debug)]
pub struct Block {
    /// The line it begins with.
    pub result: ResultLine,
    /// The spec, once its name is known.
    pub name: Option<SpecName>,
    old: bool,
    /// Inside a quoted section, such as the timeline: its closing line.
    quoted: Option<String>,
    /// The failure's text has begun.
    telling: bool,
    /// The failure's text.
    pub text: String,
}

impl Block {
    /// The block of a result line; `old` means that Ginkgo 1 wrote it.
    pub const fn new(result: ResultLine, name: Option<SpecName>, old: bool) -> Self {
        Self {
            result,
            name,
            old,
            quoted: None,
            telling: false,
            text: String::new(),
        }
    }

    /// Whether it has nothing to tell.
    pub fn passed(&self) -> bool {
        self.result.outcome == Some(SpecOutcome::Passed)
    }

    /// Takes the next line.
    pub fn read(&mut self, line: &str) {
        if self.old {
            return self.read_old(line);
        }
        let Some(inner) = line.strip_prefix("  ") else {
            if self.telling {
                self.add(line);
            }
            return;
        };
        if self.telling {
            self.add(inner);
        } else if let Some(end) = &self.quoted {
            if inner == end {
                self.quoted = None;
            }
        } else if let Some(section) = inner.strip_suffix(" >>").filter(|s| !s.starts_with(' ')) {
            self.quoted = Some(format!("<< {section}"));
        } else if is_failure_text(inner) {
            self.telling = true;
            self.add(inner);
        }
    }

    /// Ginkgo 1 prints the spec's texts and places, a blank line, the message, a blank line, the place.
    fn read_old(&mut self, line: &str) {
        if self.telling {
            self.add(line.trim_start());
        } else if line.trim().is_empty() {
            self.telling = true;
        }
    }

    fn add(&mut self, line: &str) {
        if self.text.len() + line.len() < TEXT {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// `[FAILED] message`, not `[FAILED] in [It] - place`, which is part of a timeline.
fn is_failure_text(line: &str) -> bool {
    let state = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(state, rest)| {
            state.bytes().all(|b| b.is_ascii_uppercase()) && !rest.starts_with("in [")
        })
        .and_then(|(state, _)| result_line::outcome(state));
    state.is_some_and(|outcome| outcome.is_failure() || outcome == SpecOutcome::Skipped)
}

/// The place of the assertion: `In [It] at: file:line @ time`, or Ginkgo 1's last line.
pub fn location(text: &str) -> Option<String> {
    let new = text.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("In [")?.split_once("] at: ")?;
        Some(rest.split(" @ ").next().unwrap_or(rest).trim().to_owned())
    });
    new.or_else(|| {
        let last = text.lines().next_back()?.trim();
        is_place(last).then(|| last.to_owned())
    })
}
