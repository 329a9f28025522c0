//! What a failure says, taken out of its text: phase, site, verb, description, errors.
//!
//! Owns: reading Ginkgo v1 and v2, gomega, Go panics and tests, bats, pytest and Java texts; masks; what counts as a
//! reason. Must not: compare failures.

mod block;
mod dialect;
mod lines;
mod mask;
mod name;
mod site;
mod strength;
mod structure;

use serde::{Deserialize, Serialize};

pub use mask::mask;
pub use name::{key as name_key, words as name_words};
pub use site::Site;
pub(super) use strength::{hash as text_hash, mix};
pub use strength::{similarity, strong, words};

use super::failure::Failure;

/// How it was said.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Nothing known says it.
    #[default]
    Said,
    /// A value was not what it should be.
    Expected,
    /// An error where none should be.
    UnexpectedError,
    /// Polling ended without success.
    TimedOut,
    /// Something that had to stay true did not.
    Changed,
    /// A panic.
    Panicked,
    /// The suite was stopped by its own clock.
    SuiteTimeout,
    /// The suite was interrupted.
    Interrupted,
}

/// What one failure says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Extract {
    /// The node that failed (`It`, `BeforeEach` …), or the phase in which a cell stopped.
    pub phase: String,
    /// Where the assertion stands.
    pub site: Option<Site>,
    /// The function that polled on its behalf.
    pub helper: Option<Site>,
    /// How it was said.
    pub verb: Verb,
    /// The description, word for word.
    pub desc: String,
    /// What was compared with what, objects elided to type and length.
    pub expectation: String,
    /// The unwrapped error chain, word for word, innermost first.
    pub errors: Vec<String>,
    /// When it says that it happened, word for word; with the site's line this is one event.
    pub stamp: String,
    /// All of the above that counts, masked.
    pub masked: String,
    /// The masked text that names a cause by itself, if any does.
    pub reason: Option<String>,
    /// The test's normalised name.
    pub name: String,
    /// The rule that matched, with its captures, where a rule names the cause.
    pub rule: Option<String>,
}

impl Extract {
    /// The description, masked.
    #[must_use]
    pub fn masked_desc(&self) -> String {
        mask(&self.desc)
    }
}

/// Reads one failure.
#[must_use]
pub fn extract(failure: &Failure) -> Extract {
    let message = block::plain(&failure.message);
    let output;
    let mut read = lines::read(&message);
    if read.says_nothing() && !failure.output.is_empty() {
        output = block::plain(tail(&failure.output));
        read.fill(lines::read(&output));
    }
    let desc = read.desc.join("\n");
    let expectation = mask(&read.expectation);
    let masked_desc = mask(&desc);
    let mut errors: Vec<String> = Vec::new();
    let mut masked_errors: Vec<String> = Vec::new();
    for error in read.errors.iter().rev() {
        let error = error.replace("\\\"", "\"");
        let masked = mask(&error);
        if !masked_errors.contains(&masked) {
            masked_errors.push(masked);
            errors.push(error);
        }
    }
    let artifact = failure.lines.first().map(|line| mask(&line.text));
    let rule = failure.rule.as_ref().filter(|rule| rule.cause).map(|rule| {
        let captures: Vec<String> = rule.captures.iter().map(|text| mask(text)).collect();
        format!("{} {}", rule.id, captures.join(" "))
            .trim()
            .to_owned()
    });
    let own = (!read.compared).then_some(&masked_desc);
    let reason = rule.clone().or_else(|| {
        masked_errors
            .iter()
            .chain(own)
            .chain(artifact.as_ref())
            .find(|text| strong(text))
            .cloned()
    });
    let mut masked = String::new();
    for part in [&masked_desc, &expectation]
        .into_iter()
        .chain(&masked_errors)
    {
        if !part.is_empty() {
            if !masked.is_empty() {
                masked.push('\n');
            }
            masked.push_str(part);
        }
    }
    Extract {
        phase: if read.phase.is_empty() {
            failure.place.phase.clone()
        } else {
            read.phase.to_owned()
        },
        site: read.site,
        helper: read.helper,
        verb: read.verb,
        desc,
        expectation,
        errors,
        stamp: read.stamp.to_owned(),
        masked,
        reason,
        name: name_words(&failure.test),
        rule,
    }
}

/// The end of a long output: what went wrong is said last.
fn tail(output: &str) -> &str {
    const KEPT: usize = 16 << 10;
    if output.len() <= KEPT {
        return output;
    }
    let mut from = output.len() - KEPT;
    while !output.is_char_boundary(from) {
        from += 1;
    }
    &output[from..]
}

#[cfg(test)]
mod tests;
