//! What two failures must share to be taken for one.

use std::sync::LazyLock;

use regex::Regex;

use super::SpecCause;
use crate::model::SpecResult;

/// Parts of a message that differ from run to run where the failure is the same: whole ids, then words with a digit.
static CHANGING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let uuid = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
    Regex::new(&format!(r"{uuid}|[A-Za-z]*[0-9][A-Za-z0-9]*")).ok()
});

/// A message without what changes from run to run: `pod "a-x7k2p" not ready after 60s` and `… "a-9q4zz" … 61s` are one.
#[must_use]
pub fn normalised(message: &str) -> String {
    let words = match CHANGING.as_ref() {
        Some(changing) => changing.replace_all(message, "#"),
        None => message.into(),
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ")
}

/// A failed spec's signature: the rule that explains it, else its innermost message. One that said nothing is like no
/// other.
#[must_use]
pub fn signature(spec: &SpecResult, causes: &[SpecCause]) -> String {
    let cause = causes.iter().find(|cause| cause.spec == spec.name);
    if let Some((rule, cause)) =
        cause.and_then(|cause| Some((cause.cause.rule.as_ref()?, &cause.cause)))
    {
        return format!("{rule}: {}", normalised(&cause.summary));
    }
    let said = spec.failure.as_ref();
    match said.map(|failure| normalised(&failure.message)) {
        Some(message) if !message.is_empty() => format!("{}: {message}", spec.outcome),
        _ => format!("{}: {}", spec.outcome, spec.name),
    }
}
