//! How good a clustering is, against failures that people put into groups: pairs, and a stream in time order.
//!
//! Owns: the truth over labelled failures, the scores, and the keys others use, to be measured beside ours.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use regex::Regex;
use serde::Deserialize;

use super::Failure;

/// One labelled failure.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Labelled {
    /// Its id.
    pub id: String,
    /// The suite's name.
    pub suite: String,
    /// The test's name.
    pub test: String,
    /// What it said.
    pub message: String,
    /// What the test printed.
    pub output: String,
    /// Where the failure was published.
    pub source: String,
    /// The day.
    pub created: Option<String>,
    /// The issue people filed it under.
    pub group: String,
    /// What several groups have in common when one change fixed them.
    pub cause: String,
}

impl Labelled {
    /// Without its labels.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            id: self.id.clone(),
            suite: self.suite.clone(),
            test: self.test.clone(),
            message: self.message.clone(),
            output: self.output.clone(),
            ..Failure::default()
        }
    }
}

/// What is known of each pair.
#[derive(Clone, Debug)]
pub struct Truth {
    /// `true` the same, `false` different; ambiguous pairs are not in it.
    pub pairs: BTreeMap<(usize, usize), bool>,
    /// Which failures belong together, as the smallest index of each set.
    pub sets: Vec<usize>,
    order: Vec<usize>,
}

/// How good a clustering is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Of the pairs put together, how many belong together.
    pub precision: f64,
    /// Of the pairs that belong together, how many were put together.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
    /// In time order: failures put to an earlier one of their own group.
    pub found: usize,
    /// Those that had an earlier one and were not put to it.
    pub missed: usize,
    /// Those of a new group that were put to another.
    pub wrong: usize,
}

fn expression(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static BRACKETS: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"\[[^\]]*\]"));
static SUITE: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"^.*?suite[^:]*:"));
static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"[^a-z0-9 ]"));
static STAMP: LazyLock<Option<Regex>> =
    LazyLock::new(|| expression(r"@ (\d\d/\d\d/\d\d \d\d:\d\d:\d\d\.\d+)"));
static SITE: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"at:? (\S+:\d+)"));
static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    expression(
        r#"(?:Error|error|wrapError)\w* ?\|? ?(?:0x[0-9a-f]+)?>: ?\n?\s*([^\n{]{20,})|Message: "((?:[^"\\]|\\.){20,})"|\bs: "((?:[^"\\]|\\.){20,})""#,
    )
});
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r#""[^"]*""#));
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"\d+(\.\d+)*"));
static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"https?://\S+"));
static KIND: LazyLock<Option<Regex>> = LazyLock::new(|| expression(r"v\dbeta#|Kind=\w+"));
static REASON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    expression(r"[/+0-9a-zA-Z]{10,}=+|[\-0-9a-fA-F \t]{16,}|[0-9a-fA-Fx]{8,}|[0-9]+")
});

fn replace(text: &str, pattern: &Option<Regex>, with: &str) -> String {
    pattern.as_ref().map_or_else(
        || text.to_owned(),
        |pattern| pattern.replace_all(text, with).into_owned(),
    )
}

/// The name key that trackers use: brackets, suite and punctuation gone, the last 70 letters.
#[must_use]
pub fn normalised_name(test: &str) -> String {
    let text = replace(&test.to_lowercase(), &BRACKETS, "");
    let text = replace(&text, &SUITE, "");
    let text = replace(&text, &OTHER, " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text[text.len().saturating_sub(70)..].to_owned()
}

/// The reason key: numbers, hexadecimal and base64 masked, the rest as it is.
#[must_use]
pub fn reason_hash(message: &str) -> String {
    replace(message, &REASON, "%")
}

fn errors(message: &str) -> BTreeSet<String> {
    let Some(pattern) = ERROR.as_ref() else {
        return BTreeSet::new();
    };
    pattern
        .captures_iter(message)
        .filter_map(|hit| {
            let text = hit
                .iter()
                .skip(1)
                .flatten()
                .map(|text| text.as_str())
                .max_by_key(|text| text.len())?;
            let text: String = text.chars().take(400).collect();
            let text = replace(&text.replace("\\\"", "\""), &QUOTED, "Q");
            let text = replace(&replace(&text, &NUMBER, "#"), &LINK, "U");
            let text = replace(&text, &KIND, "K").trim().to_owned();
            (text.len() >= 30).then_some(text)
        })
        .collect()
}

/// What is known of the pairs of labelled failures.
#[must_use]
pub fn truth(rows: &[Labelled]) -> Truth {
    let mut parent: Vec<usize> = (0..rows.len()).collect();
    let mut first: HashMap<String, usize> = HashMap::new();
    let first_capture = |pattern: &Option<Regex>, text: &str| {
        pattern
            .as_ref()
            .and_then(|pattern| pattern.captures(text))
            .and_then(|hit| hit.get(1).map(|text| text.as_str().to_owned()))
    };
    for (at, row) in rows.iter().enumerate() {
        let mut keys = vec![
            format!("cause {}", row.cause),
            format!("group {}", row.group),
        ];
        if let (Some(stamp), Some(site)) = (
            first_capture(&STAMP, &row.message),
            first_capture(&SITE, &row.message),
        ) {
            keys.push(format!("event {stamp} {site}"));
        }
        for key in keys {
            let other = *first.entry(key).or_insert(at);
            let (a, b) = (root(&parent, other), root(&parent, at));
            parent[a.max(b)] = a.min(b);
        }
    }
    let sets: Vec<usize> = (0..rows.len()).map(|at| root(&parent, at)).collect();
    let names: Vec<String> = rows.iter().map(|row| normalised_name(&row.test)).collect();
    let said: Vec<BTreeSet<String>> = rows.iter().map(|row| errors(&row.message)).collect();
    let hard: Vec<bool> = rows.iter().map(|row| row.source.contains("dims")).collect();
    let mut pairs = BTreeMap::new();
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            if sets[i] == sets[j] {
                pairs.insert((i, j), true);
            } else if (hard[i] && hard[j])
                || ((names[i].is_empty() || names[i] != names[j]) && said[i].is_disjoint(&said[j]))
            {
                pairs.insert((i, j), false);
            }
        }
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| {
        (
            rows[*at].created.clone().unwrap_or_else(|| "9".to_owned()),
            *at,
        )
    });
    Truth { pairs, sets, order }
}

fn root(parent: &[usize], of: usize) -> usize {
    let mut at = of;
    while parent[at] != at {
        at = parent[at];
    }
    at
}

/// Scores a clustering: one label for each failure.
#[must_use]
pub fn score<L: PartialEq>(truth: &Truth, labels: &[L]) -> Quality {
    let weights = vec![1; labels.len()];
    let (precision, recall, f1) = pairs(truth, labels, &weights);
    let mut quality = Quality {
        precision,
        recall,
        f1,
        ..Quality::default()
    };
    let pair = |a: usize, b: usize| truth.pairs.get(&(a.min(b), a.max(b))).copied();
    let mut seen: Vec<usize> = Vec::new();
    for at in &truth.order {
        let same: Vec<usize> = seen
            .iter()
            .copied()
            .filter(|other| pair(*at, *other) == Some(true))
            .collect();
        let mates: Vec<usize> = seen
            .iter()
            .copied()
            .filter(|other| labels[*other] == labels[*at])
            .collect();
        if !same.is_empty() {
            if mates.iter().any(|mate| same.contains(mate)) {
                quality.found += 1;
            } else {
                quality.missed += 1;
            }
        } else if !mates.is_empty() && mates.iter().all(|mate| pair(*at, *mate).is_some()) {
            quality.wrong += 1;
        }
        seen.push(*at);
    }
    quality
}

/// Precision, recall and F1 over pairs, each failure counted `weights` times: for a bootstrap over sets.
#[must_use]
pub fn pairs<L: PartialEq>(truth: &Truth, labels: &[L], weights: &[u32]) -> (f64, f64, f64) {
    let (mut hit, mut wrong, mut missed) = (0_u64, 0_u64, 0_u64);
    for ((i, j), same) in &truth.pairs {
        let weight = u64::from(weights[*i]) * u64::from(weights[*j]);
        match (labels[*i] == labels[*j], same) {
            (true, true) => hit += weight,
            (true, false) => wrong += weight,
            (false, true) => missed += weight,
            (false, false) => {}
        }
    }
    let share = |part: u64, rest: u64| {
        if part + rest == 0 {
            1.0
        } else {
            part as f64 / (part + rest) as f64
        }
    };
    let (precision, recall) = (share(hit, wrong), share(hit, missed));
    let f1 = if precision + recall == 0.0 {
        0.0
    } else {
        2.0 * precision * recall / (precision + recall)
    };
    (precision, recall, f1)
}
