//! Failures into groups, one by one, so that their texts need not be in memory together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, Group};
use crate::{model::Digest, suite::innermost, verdict::normalised};

/// Takes failures and gives groups.
#[derive(Default)]
pub struct Grouper {
    groups: BTreeMap<String, Vec<usize>>,
    count: usize,
}

impl Grouper {
    /// Takes the next failure.
    pub fn add(&mut self, failure: &Failure) {
        let key = key(failure);
        self.groups.entry(key).or_default().push(self.count);
        self.count += 1;
    }

    /// Every failure in one group.
    #[must_use]
    pub fn finish(self) -> Vec<Group> {
        let groups = self.groups.into_iter().map(|(key, members)| Group {
            id: format!("v0:{}", Digest::of(key.as_bytes()).short()),
            members,
            related: Vec::new(),
        });
        groups.collect()
    }
}

fn key(failure: &Failure) -> String {
    let words = normalised(&innermost(&failure.message));
    match words.as_str() {
        "" => failure.test.clone(),
        _ => words,
    }
}

/// Why two failures are together, or apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explained {
    /// Whether they are one cluster.
    pub together: bool,
    /// The same in a sentence.
    pub words: String,
    /// What was compared.
    pub scores: Vec<Score>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Score {
    /// What was compared.
    pub what: String,
    /// How alike, from 0 to 1.
    pub value: f64,
    /// From where on it joins by itself.
    pub bound: Option<f64>,
}

/// Says why two failures are together or apart.
#[must_use]
pub fn together(a: &Failure, b: &Failure) -> Explained {
    let same = key(a) == key(b);
    Explained {
        together: same,
        words: String::new(),
        scores: Vec::new(),
    }
}
