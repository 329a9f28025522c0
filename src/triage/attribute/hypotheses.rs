//! Every explanation that a matrix can tell from another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Axis, Cell};
use crate::model::Blame;

/// Levels of axes, and the cells in which all of them hold.
#[derive(Clone, Debug)]
pub(super) struct Hypothesis {
    pub(super) when: Vec<(Axis, String)>,
    pub(super) blame: Blame,
    pub(super) inside: BTreeSet<usize>,
}

/// Explanations that hold in the very same cells: the matrix cannot tell them apart. The simplest comes first.
pub(super) type Class = Vec<Hypothesis>;

/// One level of one axis, and two levels that fail only together.
pub(super) fn classes(cells: &[Cell]) -> Vec<Class> {
    let mut levels: BTreeMap<&Axis, BTreeSet<&str>> = BTreeMap::new();
    for (axis, level) in cells.iter().flat_map(|cell| &cell.levels) {
        levels.entry(axis).or_default().insert(level);
    }
    // An axis that never differs explains nothing.
    let single: Vec<(Axis, String)> = levels
        .into_iter()
        .filter(|(_, levels)| levels.len() > 1)
        .flat_map(|(axis, levels)| {
            levels
                .into_iter()
                .map(move |level| (axis.clone(), level.to_owned()))
        })
        .collect();
    let mut all: Vec<Vec<(Axis, String)>> = single.iter().map(|one| vec![one.clone()]).collect();
    for (index, one) in single.iter().enumerate() {
        for other in &single[index + 1..] {
            if one.0 != other.0 {
                all.push(vec![one.clone(), other.clone()]);
            }
        }
    }
    let mut classes: BTreeMap<BTreeSet<usize>, Class> = BTreeMap::new();
    for when in all {
        let holds = |cell: &Cell| {
            when.iter()
                .all(|(axis, level)| cell.levels.get(axis) == Some(level))
        };
        let inside: BTreeSet<usize> = (0..cells.len())
            .filter(|index| holds(&cells[*index]))
            .collect();
        if inside.is_empty() || inside.len() == cells.len() {
            continue;
        }
        classes.entry(inside.clone()).or_default().push(Hypothesis {
            blame: blame(&when),
            when,
            inside,
        });
    }
    let mut classes: Vec<Class> = classes.into_values().collect();
    for class in &mut classes {
        // Where one axis is enough, two together say nothing more.
        let fewest = class.iter().map(|one| one.when.len()).min();
        class.retain(|one| Some(one.when.len()) == fewest);
    }
    classes
}

/// Of two that fail only together, the one that moves broke what held before; two that move have only each other.
fn blame(when: &[(Axis, String)]) -> Blame {
    match when {
        [(axis, _)] => axis.blame(),
        [(one, _), (other, _)] => match (one.moves(), other.moves()) {
            (true, true) => Blame::Unknown,
            (true, false) => one.blame(),
            (false, true) => other.blame(),
            // A sandboxer on a node, say: no rule tells which of the two should fit the other.
            (false, false) => Blame::Unknown,
        },
        _ => Blame::Unknown,
    }
}
