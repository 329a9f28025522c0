use proptest::prelude::*;

use super::*;
use crate::{model::LaneCounts, report::samples};

/// A spec's outcome and seconds; nothing where it is not planned.
type Planned = Option<(SpecOutcome, f64)>;

/// A run whose lanes are these, by sandboxer: outcome and seconds of specs `a`, `b`, … `f`; `None` is not planned.
fn run(lanes: &[(&str, &[Planned])]) -> RunSummary {
    let mut summary = samples::passed();
    let template = summary.cells.remove(0);
    for (sandboxer, specs) in lanes {
        let mut cell = template.clone();
        (*sandboxer).clone_into(&mut cell.lane.sandboxer);
        let specs = specs.iter().enumerate().filter_map(|(at, spec)| {
            let (outcome, seconds) = (*spec)?;
            let mut result = template.specs[0].clone();
            result.name = SpecName(["a", "b", "c", "d", "e", "f"][at].to_owned());
            (result.outcome, result.seconds) = (outcome, seconds);
            Some(result)
        });
        cell.specs = specs.collect();
        cell.counts = LaneCounts::default();
        summary.cells.push(cell);
    }
    summary
}

fn said(summary: &RunSummary) -> String {
    let mut lines = Vec::new();
    for matrix in matrices(summary) {
        for column in &matrix.columns {
            lines.push(format!(
                "{} {:?} {:?}",
                column.sandboxer, column.time, column.ratio
            ));
        }
        for row in matrix.rows.iter().chain(&matrix.alike) {
            let ratios: Vec<&str> = row
                .cells
                .iter()
                .map(|cell| cell.ratio.as_deref().unwrap_or("-"))
                .collect();
            lines.push(format!("{}: {} {ratios:?}", row.name, row.difference));
        }
    }
    lines.join("\n")
}

#[test]
fn differences_come_first() {
    use SpecOutcome::{ExpectedFailure, Failed, NotRun, Passed, Skipped};
    let ok = |seconds| Some((Passed, seconds));
    let red = Some((Failed, 60.0));
    let summary = run(&[
        (
            "runc",
            &[ok(10.0), ok(10.0), ok(2.0), ok(1.0), red, ok(90.0)],
        ),
        (
            "crun",
            &[ok(11.0), red, ok(2.0), Some((Skipped, 0.0)), red, ok(99.0)],
        ),
        (
            "gvisor",
            &[
                ok(40.0),
                red,
                Some((ExpectedFailure, 9.0)),
                ok(1.0),
                red,
                ok(93.0),
            ],
        ),
        ("youki", &[ok(9.0), ok(9.0), ok(2.0), None, red, ok(90.0)]),
    ]);
    insta::assert_snapshot!(said(&summary));
    // What is slow in everything is slow in nothing.
    let even = run(&[
        ("runc", &[ok(10.0), ok(20.0)]),
        ("gvisor", &[ok(31.0), ok(58.0)]),
    ]);
    let matrix = &matrices(&even)[0];
    assert_eq!(matrix.columns[1].ratio.as_deref(), Some("3.0×"));
    assert_eq!((matrix.rows.len(), matrix.alike.len()), (0, 2));
    // A lane that stopped before its specs has no part in the comparison, nor makes one.
    let stopped = [Some((NotRun, 0.0)); 2];
    let two = run(&[
        ("runc", &[ok(1.0), ok(1.0)]),
        ("crun", &[ok(1.0), ok(1.0)]),
        ("youki", &stopped),
    ]);
    assert!(matrices(&two)[0].rows.is_empty());
    assert_eq!(matrices(&two)[0].columns.len(), 3);
    let one = run(&[("runc", &[ok(1.0), ok(1.0)]), ("youki", &stopped)]);
    assert!(matrices(&one).is_empty());
}

#[test]
fn only_lanes_that_differ_in_their_sandboxer_are_compared() {
    let ok = [Some((SpecOutcome::Passed, 1.0))];
    let mut summary = run(&[("runc", &ok), ("crun", &ok), ("runc", &ok)]);
    summary.cells[1].lane.node = "swap".to_owned();
    summary.cells[2].lane.pairing = "control".to_owned();
    assert!(matrices(&summary).is_empty());
}

#[test]
fn a_real_run_of_two_sandboxers() {
    insta::assert_snapshot!(said(&samples::failed()));
}

proptest! {
    /// Every spec is in the matrix once, with a cell for each lane, and what fails somewhere and passes elsewhere is
    /// never among those that are alike.
    #[test]
    fn nothing_is_lost(
        lanes in prop::collection::vec(prop::collection::vec(prop::option::of((0..9_usize, 0.0..100.0)), 5), 2..5),
    ) {
        use SpecOutcome as O;
        const ALL: [O; 9] = [
            O::Passed, O::Failed, O::TimedOut, O::Panicked, O::Interrupted, O::Skipped, O::NotRun,
            O::ExpectedFailure, O::UnexpectedPass,
        ];
        const NAMES: [&str; 4] = ["w", "x", "y", "z"];
        let lanes: Vec<Vec<Planned>> = lanes
            .into_iter()
            .map(|lane| lane.into_iter().map(|s| s.map(|(o, t)| (ALL[o], t))).collect())
            .collect();
        let named: Vec<(&str, &[Planned])> =
            NAMES.into_iter().zip(lanes.iter().map(Vec::as_slice)).collect();
        let summary = run(&named);
        for matrix in matrices(&summary) {
            let rows: Vec<&MatrixRow> = matrix.rows.iter().chain(&matrix.alike).collect();
            for name in ["a", "b", "c", "d", "e"] {
                let known = summary.cells.iter().any(|c| c.specs.iter().any(|s| s.name.0 == name));
                let count = rows.iter().filter(|row| row.name == name).count();
                prop_assert_eq!(count, usize::from(known));
            }
            prop_assert!(rows.iter().all(|row| row.cells.len() == lanes.len()));
            for row in &matrix.alike {
                let passes = row.cells.iter().any(|c| c.spec.outcome == "passed");
                let fails = row.cells.iter().any(|c| c.spec.outcome == "failed");
                prop_assert!(!(passes && fails), "{}", row.name);
            }
        }
    }
}
