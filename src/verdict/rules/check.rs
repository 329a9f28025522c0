//! Whether rules do what their examples say.

use serde::Serialize;

use super::{Rule, Rules};
use crate::{
    model::{Stop, StopKind},
    verdict::{Artifact, Artifacts, classify_with, matches, text},
};

/// A file that a rule must match, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Whether it must match.
    pub matches: bool,
    /// What people know it by: `match.kubelet.log`, `misses[0]`.
    pub name: String,
    /// The file.
    pub file: Artifact,
}

impl Example {
    /// The examples that stand in a rule itself, in a file of the first name it looks at.
    #[must_use]
    pub fn inline(rule: &Rule) -> Vec<Self> {
        let first = rule.artifacts.written().first();
        let file = first.map_or_else(String::new, |glob| glob.replace('*', "x"));
        let of = |(texts, key, matches): (&Vec<String>, &str, bool)| {
            let made = texts.iter().enumerate().map(|(index, text)| Self {
                matches,
                name: format!("{key}[{index}]"),
                file: Artifact::new(file.as_str(), text.as_str()),
            });
            made.collect::<Vec<_>>()
        };
        let both = [
            (&rule.matches, "matches", true),
            (&rule.misses, "misses", false),
        ];
        both.into_iter().flat_map(of).collect()
    }
}

/// An example that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// The rule.
    pub rule: String,
    /// Its pack.
    pub pack: String,
    /// Where it starts in it.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Tries a rule, among all others, on its examples. A rule needs one that it matches and one that it must not.
#[must_use]
pub fn check(rules: &Rules, rule: &Rule, examples: &[Example]) -> Vec<Failing> {
    let mut failing: Vec<String> = Vec::new();
    for (matches, key) in [(true, "matches"), (false, "misses")] {
        if !examples.iter().any(|example| example.matches == matches) {
            failing.push(format!(
                "it has no example that it {}; add `{key} = ['''…''']`, a text as its file holds it",
                if matches { "matches" } else { "must not match, though it is close" }
            ));
        }
    }
    failing.extend(
        examples
            .iter()
            .filter_map(|example| failure(rules, rule, example)),
    );
    let made = failing.into_iter().map(|message| Failing {
        rule: rule.id.clone(),
        pack: rule.pack.clone(),
        line: rule.line,
        message,
    });
    made.collect()
}

fn failure(rules: &Rules, rule: &Rule, example: &Example) -> Option<String> {
    let artifacts = Artifacts::new(vec![example.file.clone()]);
    let found = matches(rules, &artifacts)
        .iter()
        .any(|found| found.rule.id == rule.id);
    let name = &example.name;
    match (example.matches, found) {
        (true, false) => Some(format!("it does not match {name}")),
        (false, true) => Some(format!("it matches {name}, and must not")),
        (false, false) => None,
        (true, true) => {
            let winner = winner(rules, rule, &artifacts)?;
            (winner != rule.id).then(|| {
                format!("{name} is explained by the rule `{winner}` instead; raise the precedence")
            })
        }
    }
}

/// Which rule explains the example.
fn winner(rules: &Rules, rule: &Rule, artifacts: &Artifacts) -> Option<String> {
    if rule.reads_only_texts() {
        let message = artifacts.find(text::MESSAGE).map(whole).unwrap_or_default();
        let output = artifacts.find(text::OUTPUT).map(whole).unwrap_or_default();
        return text::class_of_text_with(rules, &message, &output).map(|hit| hit.rule);
    }
    let kind = rule.stops.first().copied().unwrap_or(StopKind::Failed);
    let stop = Stop {
        phase: *rule.phases.first()?,
        kind,
        said: "it ended".to_owned(),
        line: None,
    };
    classify_with(rules, &stop, artifacts).rule
}

fn whole(file: &Artifact) -> String {
    file.parts.iter().map(|(_, text)| text.as_str()).collect()
}
