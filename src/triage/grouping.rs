//! Failures into groups, one by one, so that their texts need not be in memory together.

use std::collections::BTreeMap;

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

/// Why two failures are together or apart, in words and scores.
#[must_use]
pub fn together(a: &Failure, b: &Failure) -> (bool, Vec<(String, f64, Option<f64>)>, String) {
    let same = key(a) == key(b);
    (same, Vec::new(), String::new())
}
