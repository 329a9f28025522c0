//! Specs by lanes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    context::{Column, Grid, GridCell, GridRow, OutcomeCount},
    words::{duration, spec_look},
};
use crate::model::{Lane, RunSummary, SpecName, SpecOutcome, SpecResult};

/// The page's anchor for a lane.
#[must_use]
pub fn lane_anchor(index: usize) -> String {
    format!("lane-{}", index + 1)
}

/// The page's anchor for a failure.
#[must_use]
pub fn failure_anchor(lane: usize, spec: usize) -> String {
    format!("failure-{}-{}", lane + 1, spec + 1)
}

/// The grid, the most telling rows first.
#[must_use]
pub fn grid(summary: &RunSummary) -> Grid {
    let lanes: Vec<(usize, &Lane)> = summary
        .cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| !cell.specs.is_empty())
        .map(|(index, cell)| (index, &cell.lane))
        .collect();
    let mut by_name: BTreeMap<&SpecName, BTreeMap<usize, (usize, &SpecResult)>> = BTreeMap::new();
    for (lane, cell) in summary.cells.iter().enumerate() {
        for (at, spec) in cell.specs.iter().enumerate() {
            by_name
                .entry(&spec.name)
                .or_default()
                .insert(lane, (at, spec));
        }
    }
    let mut rows: Vec<_> = by_name
        .into_iter()
        .map(|(name, results)| row(name, &results, &lanes))
        .collect();
    // Names are sorted already, and a stable sort keeps them so within a rank.
    rows.sort_by_key(|(rank, _)| *rank);
    let mut rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    drop_common_tags(&mut rows);
    Grid {
        columns: columns(&lanes),
        outcomes: outcomes(summary),
        differing: rows
            .iter()
            .filter(|row| row.states.ends_with(" differs"))
            .count(),
        rows,
    }
}

/// A tag that every row has tells none from another; searches still find it in the full name.
fn drop_common_tags(rows: &mut [GridRow]) {
    let Some((first, rest)) = rows.split_first() else {
        return;
    };
    if rest.is_empty() {
        return;
    }
    let common: Vec<String> = first
        .tags
        .iter()
        .filter(|tag| rest.iter().all(|row| row.tags.contains(tag)))
        .cloned()
        .collect();
    for row in rows {
        row.tags.retain(|tag| !common.contains(tag));
    }
}

fn row(
    name: &SpecName,
    results: &BTreeMap<usize, (usize, &SpecResult)>,
    lanes: &[(usize, &Lane)],
) -> (u8, GridRow) {
    let outcomes: BTreeSet<_> = results.values().map(|(_, spec)| spec.outcome).collect();
    let mut states: Vec<_> = outcomes.iter().map(|outcome| outcome.name()).collect();
    // What did not run says nothing about the difference between two sandboxers.
    let ran = outcomes.iter().filter(|outcome| has_run(**outcome));
    if ran.count() > 1 {
        states.push("differs");
    }
    let rank = outcomes.iter().map(|o| rank(*o)).min().unwrap_or(u8::MAX);
    let slowest = results
        .values()
        .map(|(_, spec)| spec.seconds)
        .fold(0.0, f64::max);
    let (text, tags) = split_tags(&name.0);
    let cells = lanes
        .iter()
        .map(|(lane, _)| cell(*lane, results.get(lane).copied()))
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and `as` saturates"
    )]
    let slowest = (slowest * 1000.0) as u64;
    let row = GridRow {
        name: name.to_string(),
        text,
        tags,
        states: states.join(" "),
        slowest,
        cells,
    };
    (rank, row)
}

/// A spec in a lane, or that the lane does not have it.
pub(super) fn cell(lane: usize, result: Option<(usize, &SpecResult)>) -> GridCell {
    let Some((at, spec)) = result else {
        return GridCell {
            outcome: "not planned",
            sign: "",
            tone: "none",
            time: None,
            anchor: None,
            reason: None,
        };
    };
    let look = spec_look(spec.outcome);
    GridCell {
        outcome: spec.outcome.name(),
        sign: look.sign,
        tone: look.tone,
        time: has_run(spec.outcome).then(|| duration(spec.seconds)),
        anchor: spec.outcome.is_failure().then(|| failure_anchor(lane, at)),
        reason: spec.reason.clone(),
    }
}

/// Whether a spec with this outcome ran.
#[must_use]
pub const fn has_run(outcome: SpecOutcome) -> bool {
    !matches!(outcome, SpecOutcome::NotRun | SpecOutcome::Skipped)
}

const fn rank(outcome: SpecOutcome) -> u8 {
    match outcome {
        SpecOutcome::Panicked
        | SpecOutcome::Failed
        | SpecOutcome::TimedOut
        | SpecOutcome::Interrupted => 0,
        SpecOutcome::UnexpectedPass => 1,
        SpecOutcome::ExpectedFailure => 2,
        SpecOutcome::NotRun => 3,
        SpecOutcome::Skipped => 4,
        SpecOutcome::Passed => 5,
    }
}

/// Only those parts of the lanes' names that are not the same in all.
fn columns(lanes: &[(usize, &Lane)]) -> Vec<Column> {
    let parts = |lane: &Lane| {
        [
            lane.pairing.clone(),
            lane.node.clone(),
            lane.sandboxer.clone(),
            lane.suite.clone(),
        ]
    };
    let all: Vec<_> = lanes.iter().map(|(_, lane)| parts(lane)).collect();
    let varies = |at: usize| all.iter().any(|parts| parts[at] != all[0][at]);
    lanes
        .iter()
        .zip(&all)
        .map(|((index, lane), parts)| {
            let telling: Vec<_> = (0..4)
                .filter(|at| varies(*at))
                .map(|at| parts[at].as_str())
                .collect();
            Column {
                lane: lane.id.to_string(),
                label: if telling.is_empty() {
                    lane.sandboxer.clone()
                } else {
                    telling.join(" · ")
                },
                anchor: lane_anchor(*index),
            }
        })
        .collect()
}

fn outcomes(summary: &RunSummary) -> Vec<OutcomeCount> {
    let mut specs: BTreeMap<SpecOutcome, BTreeSet<&SpecName>> = BTreeMap::new();
    for spec in summary.cells.iter().flat_map(|cell| &cell.specs) {
        specs.entry(spec.outcome).or_default().insert(&spec.name);
    }
    let mut outcomes: Vec<_> = specs.into_iter().collect();
    outcomes.sort_by_key(|(outcome, _)| rank(*outcome));
    outcomes
        .into_iter()
        .map(|(outcome, names)| {
            let look = spec_look(outcome);
            OutcomeCount {
                outcome: outcome.name(),
                sign: look.sign,
                tone: look.tone,
                count: names.len(),
            }
        })
        .collect()
}

/// `[sig-node] Pods should run [NodeConformance]` as `Pods should run` and its two tags. Only words in
/// brackets that stand alone are tags; `map[a]` is text.
#[must_use]
pub fn split_tags(name: &str) -> (String, Vec<String>) {
    let is_tag = |word: &&str| word.len() > 2 && word.starts_with('[') && word.ends_with(']');
    let (tags, words): (Vec<&str>, Vec<&str>) = name.split_whitespace().partition(is_tag);
    if words.is_empty() {
        return (name.to_owned(), Vec::new());
    }
    let tags = tags
        .into_iter()
        .map(|tag| tag[1..tag.len() - 1].to_owned())
        .collect();
    (words.join(" "), tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_out_of_names() {
        let (text, tags) = split_tags(
            "[sig-storage] EmptyDir volumes when FSGroup is specified [LinuxOnly] files (root,0644,tmpfs) of map[a]",
        );
        assert_eq!(
            text,
            "EmptyDir volumes when FSGroup is specified files (root,0644,tmpfs) of map[a]"
        );
        assert_eq!(tags, ["sig-storage", "LinuxOnly"]);
        assert_eq!(split_tags("[x]"), ("[x]".to_owned(), vec![]));
        assert_eq!(split_tags("é [é]").1, ["é"]);
    }
}
