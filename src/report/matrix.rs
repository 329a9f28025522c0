//! Specs by sandboxers: what fails only here, what is slow only here. Pure.
//!
//! Lanes that differ in nothing but their sandboxer are compared. A lane in which no spec ran is in the head alone: it
//! has a cause of its own, and would only make every spec differ.

use std::collections::BTreeMap;

use super::{
    context::{Matrix, MatrixCell, MatrixColumn, MatrixRow},
    grid::{cell, has_run, lane_anchor, split_tags},
    words::{cell_look, duration},
};
use crate::model::{CellSummary, RunSummary, SpecName, SpecOutcome, SpecResult};

/// From this ratio to the others' median on, a duration's ratio is shown.
const SHOWN: f64 = 1.5;
/// From this ratio on, and this many seconds above, a spec counts as slow.
const SLOW: (f64, f64) = (2.0, 5.0);
/// And this many times slower than its lane is on the whole: an emulated or nested sandboxer is slow in everything.
const BEYOND: f64 = 1.5;

/// One matrix for each pairing, node and suite that ran specs on several sandboxers.
#[must_use]
pub fn matrices(summary: &RunSummary) -> Vec<Matrix> {
    let groups = groups(summary).into_iter();
    groups.map(|group| matrix(summary, &group)).collect()
}

/// Whether a matrix shows the lane with this place in the summary.
#[must_use]
pub fn compares(summary: &RunSummary, lane: usize) -> bool {
    let mut shown = groups(summary).into_iter().flatten();
    shown.any(|(index, _)| index == lane)
}

fn groups(summary: &RunSummary) -> Vec<Vec<(usize, &CellSummary)>> {
    let mut groups: Vec<Vec<(usize, &CellSummary)>> = Vec::new();
    for (index, cell) in summary.cells.iter().enumerate() {
        let same = |group: &&mut Vec<(usize, &CellSummary)>| {
            group.first().is_some_and(|(_, other)| {
                let (a, b) = (&other.lane, &cell.lane);
                a.pairing == b.pairing && a.node == b.node && a.suite == b.suite
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push((index, cell)),
            None => groups.push(vec![(index, cell)]),
        }
    }
    let compared = |group: &Vec<(usize, &CellSummary)>| {
        group.iter().filter(|(_, cell)| ran(cell)).count() >= 2
    };
    groups.retain(compared);
    groups
}

fn ran(cell: &CellSummary) -> bool {
    cell.specs.iter().any(|spec| has_run(spec.outcome))
}

type Found<'a> = Option<(usize, &'a SpecResult)>;

fn matrix(summary: &RunSummary, group: &[(usize, &CellSummary)]) -> Matrix {
    let mut specs: BTreeMap<&SpecName, Vec<Found<'_>>> = BTreeMap::new();
    for (column, (_, cell)) in group.iter().enumerate() {
        for (at, spec) in cell.specs.iter().enumerate() {
            let row = specs
                .entry(&spec.name)
                .or_insert_with(|| vec![None; group.len()]);
            row[column] = Some((at, spec));
        }
    }
    let active: Vec<bool> = group.iter().map(|(_, cell)| ran(cell)).collect();
    let everywhere = |found: &&Vec<Found<'_>>| {
        let mut active = found.iter().zip(&active).filter(|(_, active)| **active);
        active.all(|(found, _)| found.is_some_and(|(_, spec)| passed(spec.outcome)))
    };
    let common: Vec<&Vec<Found<'_>>> = specs.values().filter(everywhere).collect();
    let totals: Vec<f64> = (0..group.len())
        .map(|column| {
            let seconds = common.iter().map(|found| seconds(found[column]));
            seconds.sum()
        })
        .collect();
    let overall: Vec<Option<f64>> = (0..group.len())
        .map(|column| ratio(totals[column], &others(&totals, &active, column)))
        .collect();
    let mut rows: Vec<(Difference, MatrixRow)> = specs
        .iter()
        .map(|(name, found)| row(group, &active, &overall, name, found))
        .collect();
    // Names are sorted already, and a stable sort keeps them so.
    rows.sort_by(|(a, _), (b, _)| a.order().total_cmp(&b.order()));
    let (alike, rows): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|(difference, _)| matches!(difference, Difference::None));
    let first = &group[0].1.lane;
    Matrix {
        title: format!("{} · {} · {}", first.pairing, first.node, first.suite),
        accelerator: summary
            .environment
            .as_ref()
            .map(|environment| environment.accelerator.name().to_uppercase()),
        common: common.len(),
        columns: group
            .iter()
            .enumerate()
            .map(|(column, (index, cell))| {
                let ratio = overall[column].filter(|_| active[column]);
                head(cell, *index, totals[column], ratio)
            })
            .collect(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        alike: alike.into_iter().map(|(_, row)| row).collect(),
    }
}

fn head(cell: &CellSummary, index: usize, total: f64, ratio: Option<f64>) -> MatrixColumn {
    let look = cell_look(&cell.outcome);
    MatrixColumn {
        sandboxer: cell.lane.sandboxer.clone(),
        handler: cell.lane.handler.clone(),
        identity: cell.identity.clone(),
        informing: cell.lane.role == crate::model::Role::Informing,
        anchor: lane_anchor(index),
        outcome: cell.outcome.name(),
        sign: look.sign,
        tone: look.tone,
        passed: cell.counts.passed,
        planned: cell.counts.planned,
        time: ratio.map(|_| duration(total)),
        ratio: ratio.filter(|ratio| *ratio >= SHOWN).map(times),
    }
}

/// How a spec differs between the sandboxers, gravest first.
#[derive(Clone, Debug, PartialEq)]
enum Difference {
    FailsOnlyOn(String),
    FailsOnSome(String),
    NotEverywhere(String),
    FailsOnAll,
    Slow(String, f64),
    None,
}

impl Difference {
    /// Within the slow ones, the slowest first.
    fn order(&self) -> f64 {
        match self {
            Self::FailsOnlyOn(_) => 0.0,
            Self::FailsOnSome(_) => 1.0,
            Self::NotEverywhere(_) => 2.0,
            Self::FailsOnAll => 3.0,
            Self::Slow(_, ratio) => 4.0 + 1.0 / ratio,
            Self::None => 9.0,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::FailsOnlyOn(on) => format!("fails only on {on}"),
            Self::FailsOnSome(words) | Self::NotEverywhere(words) => words.clone(),
            Self::FailsOnAll => "fails on all".to_owned(),
            Self::Slow(on, _) => format!("slow on {on}"),
            Self::None => "alike".to_owned(),
        }
    }

    const fn tone(&self) -> &'static str {
        match self {
            Self::FailsOnlyOn(_) | Self::FailsOnSome(_) | Self::FailsOnAll => "bad",
            Self::NotEverywhere(_) | Self::Slow(..) => "warn",
            Self::None => "quiet",
        }
    }
}

fn row(
    group: &[(usize, &CellSummary)],
    active: &[bool],
    overall: &[Option<f64>],
    name: &SpecName,
    found: &[Found<'_>],
) -> (Difference, MatrixRow) {
    let durations: Vec<f64> = found.iter().map(|found| seconds(*found)).collect();
    let comparable: Vec<bool> = found
        .iter()
        .map(|found| found.is_some_and(|(_, spec)| passed(spec.outcome)))
        .collect();
    let ratios: Vec<Option<f64>> = (0..found.len())
        .map(|column| {
            let others = others(&durations, &comparable, column);
            ratio(durations[column], &others).filter(|_| comparable[column])
        })
        .collect();
    let mut slow: Option<(usize, f64)> = None;
    for (column, found_ratio) in ratios.iter().enumerate() {
        let more = found_ratio.map_or(0.0, |ratio| durations[column] * (1.0 - 1.0 / ratio));
        let least = SLOW.0.max(BEYOND * overall[column].unwrap_or(1.0));
        if let Some(ratio) = found_ratio.filter(|ratio| *ratio >= least && more >= SLOW.1)
            && slow.is_none_or(|(_, most)| ratio > most)
        {
            slow = Some((column, ratio));
        }
    }
    let difference = difference(group, active, found, slow);
    let cells = found
        .iter()
        .zip(&ratios)
        .enumerate()
        .map(|(column, (found, ratio))| {
            let slow = ratio.is_some_and(|ratio| ratio >= SHOWN && durations[column] >= 1.0);
            MatrixCell {
                spec: cell(group[column].0, *found),
                ratio: ratio.filter(|_| slow).map(times),
            }
        })
        .collect();
    let (text, tags) = split_tags(&name.0);
    let row = MatrixRow {
        difference: difference.words(),
        tone: difference.tone(),
        name: name.to_string(),
        text,
        tags,
        cells,
    };
    (difference, row)
}

fn difference(
    group: &[(usize, &CellSummary)],
    active: &[bool],
    found: &[Found<'_>],
    slow: Option<(usize, f64)>,
) -> Difference {
    let names = |wanted: &dyn Fn(Option<SpecOutcome>) -> bool| -> Vec<&str> {
        let columns = (0..found.len()).filter(|column| active[*column]);
        let columns = columns.filter(|at| wanted(found[*at].map(|(_, spec)| spec.outcome)));
        columns
            .map(|at| group[at].1.lane.sandboxer.as_str())
            .collect()
    };
    let pass = names(&|outcome| outcome.is_some_and(passed));
    let fail = names(&|outcome| outcome.is_some_and(|o| has_run(o) && !passed(o)));
    let absent = names(&|outcome| !outcome.is_some_and(has_run));
    match (fail.as_slice(), pass.len(), absent.len()) {
        ([], _, 0) => match slow {
            Some((column, ratio)) => {
                Difference::Slow(group[column].1.lane.sandboxer.clone(), ratio)
            }
            None => Difference::None,
        },
        // Nobody ran it: nothing to compare.
        ([], 0, _) => Difference::None,
        ([], ..) => Difference::NotEverywhere(format!("does not run on {}", absent.join(", "))),
        ([only], 1.., _) => Difference::FailsOnlyOn((*only).to_owned()),
        (_, 1, 0) => Difference::FailsOnSome(format!("passes only on {}", pass.join(", "))),
        (some, 1.., _) => Difference::FailsOnSome(format!("fails on {}", some.join(", "))),
        (_, 0, 0) => Difference::FailsOnAll,
        (some, 0, _) => Difference::NotEverywhere(format!(
            "fails on {}, does not run on {}",
            some.join(", "),
            absent.join(", ")
        )),
    }
}

const fn passed(outcome: SpecOutcome) -> bool {
    matches!(outcome, SpecOutcome::Passed | SpecOutcome::UnexpectedPass)
}

fn seconds(found: Found<'_>) -> f64 {
    found.map_or(0.0, |(_, spec)| spec.seconds)
}

/// The values of all other columns that are to be compared with.
fn others(values: &[f64], comparable: &[bool], column: usize) -> Vec<f64> {
    let columns = (0..values.len()).filter(|at| *at != column && comparable[*at]);
    columns.map(|at| values[at]).collect()
}

/// A value over the median of others. Below a tenth of a second only noise would be compared.
fn ratio(value: f64, others: &[f64]) -> Option<f64> {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    Some(value / median.max(0.1)).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
}

/// `3.4×`.
fn times(ratio: f64) -> String {
    format!("{ratio:.1}×")
}

#[cfg(test)]
mod tests;
