//! JUnit files, read with tolerance: what a killed suite left is kept as far as it is whole.

mod reader;
mod writer;
mod xml;

use std::collections::BTreeMap;

use crate::{
    model::{Failure, SpecOutcome, SpecResult},
    suite::{
        SuiteFailure,
        ginkgo::{Names, failure_location, result_outcome, suite_node},
        innermost,
    },
};

pub use reader::{Limits, read, read_with};
pub use writer::{WriteError, write};

/// The file cannot be read as JUnit, or not as results.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JunitError {
    /// The root element is another one, or there is none.
    #[error("{file}:{line}: this is no JUnit file: {found} instead of <testsuites> or <testsuite>")]
    NotJunit {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is there.
        found: String,
    },
    /// Deeper or longer than any honest file.
    #[error("{file}:{line}: {what}; such a file is not read")]
    Limit {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Which limit.
        what: String,
    },
    /// The file comes from a dry run, in which selected specs are marked `passed`.
    #[error("{file} comes from a dry run: its `passed` specs never ran")]
    DryRun {
        /// The file.
        file: String,
    },
}

/// One test case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JunitCase {
    /// Its name as the file has it.
    pub name: String,
    /// Its class.
    pub class: String,
    /// The names of the suites around it, outermost first, joined by ` / `.
    pub suite: String,
    /// Its `status` attribute.
    pub status: Option<String>,
    /// Its run time, when the file has a number there.
    pub seconds: Option<f64>,
    /// Whether a `<failure>` or `<error>` is in it.
    pub failed: bool,
    /// Whether a `<skipped>` is in it.
    pub skipped: bool,
    /// The `type` attribute of its failure.
    pub kind: Option<String>,
    /// The `message` attribute of its failure, or else of its `<skipped>`.
    pub message: Option<String>,
    /// The text of its failure.
    pub text: String,
    /// Its `<system-out>` and `<system-err>`, when they were asked for.
    pub output: String,
    /// The line it begins in, from 1.
    pub line: u64,
}

/// One file, or several merged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JunitReport {
    /// The file's name; the first one's when merged.
    pub file: String,
    /// Complete cases, in the file's order.
    pub cases: Vec<JunitCase>,
    /// How many complete cases it has, those included that were not kept.
    pub seen: u64,
    /// Whether the file ended or broke early.
    pub truncated: bool,
    /// Where and why it broke.
    pub problem: Option<String>,
    /// Properties of all its suites; the last one wins.
    pub properties: BTreeMap<String, String>,
    /// Whether any of its suites was a dry run.
    pub dry_run: bool,
}

impl JunitCase {
    /// How it ended. The worse one counts when status and children disagree. A case that is skipped
    /// without a reason was not selected, or never got its turn: not-run.
    #[must_use]
    pub fn outcome(&self) -> SpecOutcome {
        let said = self.status.as_deref().and_then(result_outcome);
        let failure = || {
            self.kind
                .as_deref()
                .and_then(result_outcome)
                .filter(|o| o.is_failure())
        };
        match said {
            Some(outcome) if outcome.is_failure() => outcome,
            _ if self.failed => failure().unwrap_or(SpecOutcome::Failed),
            Some(SpecOutcome::Passed) if !self.skipped => SpecOutcome::Passed,
            Some(_) => self.skipped_outcome(),
            None if self.skipped => self.skipped_outcome(),
            None => match self.status.as_deref() {
                // `pending` is Ginkgo's, `notrun` and `disabled` are others' words.
                Some("pending" | "notrun" | "disabled") => SpecOutcome::NotRun,
                _ => SpecOutcome::Passed,
            },
        }
    }

    fn skipped_outcome(&self) -> SpecOutcome {
        match self.reason() {
            Some(_) => SpecOutcome::Skipped,
            None => SpecOutcome::NotRun,
        }
    }

    /// Why it skipped itself.
    fn reason(&self) -> Option<String> {
        let message = self.message.as_deref()?;
        let reason = message.strip_prefix("skipped - ").unwrap_or(message);
        (!matches!(reason, "" | "skipped" | "pending")).then(|| innermost(reason))
    }

    fn failure(&self) -> Option<Failure> {
        let message = self.message.as_deref().unwrap_or_default();
        let text = match self.text.trim() {
            "" => message,
            text => text,
        };
        (!text.is_empty()).then(|| Failure {
            message: innermost(text),
            location: failure_location(text),
            text: text.to_owned(),
        })
    }
}

impl JunitReport {
    /// Adds another file's cases, such as another process's.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.cases.extend(other.cases);
        self.seen += other.seen;
        self.truncated |= other.truncated;
        self.problem = self.problem.or(other.problem);
        self.properties.extend(other.properties);
        self.dry_run |= other.dry_run;
        self
    }

    /// Its specs as results, and the suite-level nodes that failed.
    ///
    /// # Errors
    /// When it comes from a dry run.
    pub fn results(
        &self,
        names: &Names,
    ) -> Result<(Vec<SpecResult>, Vec<SuiteFailure>), JunitError> {
        if self.dry_run {
            return Err(JunitError::DryRun {
                file: self.file.clone(),
            });
        }
        let (mut specs, mut failures) = (Vec::new(), Vec::new());
        for case in &self.cases {
            let outcome = case.outcome();
            let seconds = case.seconds.unwrap_or_default();
            let failure = outcome.is_failure().then(|| case.failure()).flatten();
            if let Some(node) = suite_node(&case.name) {
                if outcome.is_failure() {
                    failures.push(SuiteFailure {
                        node: node.to_owned(),
                        outcome,
                        seconds,
                        failure,
                    });
                }
                continue;
            }
            specs.push(SpecResult {
                name: names.resolve(&case.name),
                outcome,
                started_at: None,
                ended_at: None,
                seconds,
                process: None,
                failure,
                reason: case.reason().filter(|_| outcome == SpecOutcome::Skipped),
            });
        }
        Ok((specs, failures))
    }
}

#[cfg(test)]
pub(crate) mod tests;
