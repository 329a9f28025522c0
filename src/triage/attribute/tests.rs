use std::collections::BTreeMap;

use super::{
    Attribution, Axis, Cell, attribute, attribute_all,
    simulate::{Dice, World, tally},
};
use crate::model::{Blame, Confidence};

const USUAL: World = World {
    sandboxers: 3,
    nodes: 2,
    trials: 5,
    base: 0.02,
    rate: 0.5,
};

fn cell(levels: [(Axis, &str); 3], failed: u32, trials: u32) -> Cell {
    Cell {
        levels: levels
            .into_iter()
            .map(|(axis, level)| (axis, level.to_owned()))
            .collect::<BTreeMap<_, _>>(),
        failed,
        passed: trials - failed,
    }
}

/// Failed trials of 8 by pairing (main-main, main-stable, stable-main, control), for two sandboxers.
fn grid(failed: [[u32; 4]; 2]) -> Vec<Cell> {
    let pairings = [
        ("main", "main"),
        ("main", "v1"),
        ("v1", "main"),
        ("v1", "v1"),
    ];
    let mut cells = Vec::new();
    for (sandboxer, row) in ["runc", "runsc"].into_iter().zip(failed) {
        for ((kubernetes, runtime), failed) in pairings.into_iter().zip(row) {
            let levels = [
                (Axis::Kubernetes, kubernetes),
                (Axis::Runtime, runtime),
                (Axis::Sandboxer, sandboxer),
            ];
            cells.push(cell(levels, failed, 8));
        }
    }
    cells
}

fn named(cells: &[Cell]) -> (Blame, String) {
    match attribute(cells) {
        Attribution::Named { explanation } => (explanation.blame, explanation.words()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cause_is_named_by_where_it_is_seen() {
    let (blame, words) = named(&grid([[0, 0, 0, 0], [8, 7, 8, 8]]));
    assert_eq!(blame, Blame::Sandboxer);
    assert_eq!(words, "sandboxer runsc: 31 of 32 failed, elsewhere 0 of 32");
    let (blame, words) = named(&grid([[8, 8, 0, 0], [8, 6, 0, 1]]));
    assert_eq!(blame, Blame::Kubernetes);
    assert!(words.starts_with("kubernetes main: 30 of 32"), "{words}");
    assert_eq!(named(&grid([[5, 0, 6, 0], [4, 1, 7, 0]])).0, Blame::Runtime);
}

#[test]
fn what_moves_is_blamed_for_what_it_broke_with_one_sandboxer() {
    let (blame, words) = named(&grid([[0, 0, 0, 0], [8, 0, 8, 0]]));
    assert_eq!(blame, Blame::Runtime);
    assert!(
        words.starts_with("runtime main with sandboxer runsc"),
        "{words}"
    );
    // Two that fail only together: nobody knows which of them.
    let (blame, words) = named(&grid([[8, 0, 0, 0], [8, 0, 0, 0]]));
    assert_eq!(blame, Blame::Unknown);
    assert!(
        words.starts_with("kubernetes main with runtime main"),
        "{words}"
    );
}

#[test]
fn a_control_that_fails_too_blames_nothing_under_test() {
    let all = attribute(&grid([[8, 8, 7, 8], [8, 8, 8, 8]]));
    assert!(
        matches!(
            all,
            Attribution::Everywhere {
                failed: 63,
                trials: 64
            }
        ),
        "{all:?}"
    );
    assert_eq!(all.blame(), (Blame::Unknown, Confidence::Suspected));
    let flaky = attribute(&grid([[2, 1, 2, 3], [1, 2, 3, 1]]));
    assert!(
        matches!(flaky, Attribution::NoDifference { .. }),
        "{flaky:?}"
    );
}

#[test]
fn what_always_comes_together_is_not_told_apart() {
    let mut cells = grid([[8, 0, 0, 0], [8, 0, 0, 0]]);
    cells.retain(|cell| cell.levels[&Axis::Kubernetes] == cell.levels[&Axis::Runtime]);
    let said = attribute(&cells).words();
    assert!(
        said.contains("kubernetes main and runtime main always come together"),
        "{said}"
    );
}

#[test]
fn too_few_trials_name_nobody() {
    for trials in 0..5 {
        let mut cells = grid([[0; 4], [0; 4]]);
        for cell in &mut cells {
            let bad = cell.levels[&Axis::Sandboxer] == "runsc";
            (cell.failed, cell.passed) = if bad { (trials, 0) } else { (0, trials) };
        }
        let said = attribute(&cells);
        assert!(
            matches!(said, Attribution::NotEnough { .. }),
            "{trials}: {said:?}"
        );
    }
    assert!(matches!(attribute(&[]), Attribution::NotEnough { .. }));
}

#[test]
fn many_failures_share_one_false_discovery_rate() {
    let clear = grid([[0, 0, 0, 0], [8, 8, 8, 8]]);
    let weak = grid([[0, 0, 0, 0], [3, 2, 3, 3]]);
    assert_eq!(named(&weak).0, Blame::Sandboxer);
    let mut many = vec![grid([[0; 4], [1, 0, 0, 0]]); 60];
    many.push(clear);
    many.push(weak);
    let all = attribute_all(&many);
    assert!(matches!(all[60], Attribution::Named { .. }));
    assert!(
        !matches!(all[61], Attribution::Named { .. }),
        "{:?}",
        all[61]
    );
    assert!(
        all[..60]
            .iter()
            .all(|one| matches!(one, Attribution::NoDifference { .. }))
    );
}

#[test]
fn simulated_causes_are_named_right_and_nobody_else_is() {
    let found = tally(USUAL, 1, 300, true);
    assert!(found.share(found.right) >= 0.95, "{found:?}");
    assert!(found.share(found.wrong) <= 0.01, "{found:?}");
    for base in [0.0, 0.02, 0.1, 0.3] {
        let none = tally(World { base, ..USUAL }, 2, 300, false);
        assert!(none.share(none.wrong) <= 0.01, "base {base}: {none:?}");
    }
    let less = tally(World { trials: 4, ..USUAL }, 3, 100, true);
    assert!(less.share(less.not_enough) >= 0.95, "{less:?}");
}

#[test]
fn the_order_of_cells_does_not_matter() {
    let mut dice = Dice::new(7);
    let cells = USUAL.matrix(&mut dice, &[(Axis::Node, "n1".to_owned())]);
    let mut other = cells.clone();
    other.reverse();
    assert_eq!(attribute(&cells), attribute(&other));
}
