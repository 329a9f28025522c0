//! Steps, lanes, phases and specs over a run's time. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    context::{Process, Span, Tick, Timeline, TimelineRow},
    gather::Found,
    words::{between, cell_look, duration, moment, spec_look},
};
use crate::model::{CellSummary, Event, EventKind, RunSummary, StepOutcome};

/// A stretch of time that the percentages of a drawing refer to.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    start: Timestamp,
    seconds: f64,
    /// What the words count from.
    zero: Timestamp,
}

impl Axis {
    /// From `start` to `end`, with words counted from `zero`.
    #[must_use]
    pub fn new(start: Timestamp, end: Timestamp, zero: Timestamp) -> Self {
        let seconds = between(start, end).max(1.0);
        Self {
            start,
            seconds,
            zero,
        }
    }

    fn percent(&self, seconds: f64) -> String {
        format!("{:.3}", (seconds / self.seconds * 100.0).clamp(0.0, 100.0))
    }

    fn span(&self, name: &str, tone: &str, from: Timestamp, to: Timestamp) -> Span {
        Span {
            name: name.to_owned(),
            tone: tone.to_owned(),
            start: duration(between(self.zero, from)),
            time: duration(between(from, to)),
            left: self.percent(between(self.start, from)),
            width: self.percent(between(from, to)),
        }
    }

    /// Round marks, at most eight of them.
    fn ticks(&self) -> Vec<Tick> {
        const STEPS: [u32; 14] = [
            10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
        ];
        let step = STEPS
            .into_iter()
            .find(|step| self.seconds / f64::from(*step) <= 8.0)
            .unwrap_or(86_400);
        let label = |seconds: u32| match step {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        (0..64)
            .map(|n| n * step)
            .take_while(|at| f64::from(*at) < self.seconds)
            .map(|at| Tick {
                left: self.percent(f64::from(at)),
                label: label(at),
            })
            .collect()
    }
}

/// When the run was last heard of.
#[must_use]
pub fn end_of(summary: &RunSummary, found: &Found) -> Timestamp {
    let events = found
        .events
        .iter()
        .chain(found.lanes.values().flat_map(|lane| &lane.events));
    events
        .map(|event| event.at)
        .chain(summary.ended_at)
        .max()
        .unwrap_or(summary.started_at)
}

/// Steps and lanes in the order they began.
#[must_use]
pub fn timeline(summary: &RunSummary, found: &Found) -> Timeline {
    let end = end_of(summary, found);
    let axis = Axis::new(summary.started_at, end, summary.started_at);
    let mut rows: Vec<(Timestamp, TimelineRow)> = steps(&found.events, axis, end);
    for cell in &summary.cells {
        if let Some((start, row)) = lane(cell, found, axis, end) {
            rows.push((start, row));
        }
    }
    // A stable sort keeps the plan's order among those that began at once.
    rows.sort_by_key(|(start, _)| *start);
    Timeline {
        ticks: axis.ticks(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

fn steps(events: &[Event], axis: Axis, end: Timestamp) -> Vec<(Timestamp, TimelineRow)> {
    let finished: BTreeMap<_, _> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepFinished { step, outcome, .. } => Some((step, (event.at, outcome))),
            _ => None,
        })
        .collect();
    events
        .iter()
        .filter_map(|event| {
            let EventKind::StepStarted { step, what } = &event.kind else {
                return None;
            };
            let ended = finished.get(step);
            let (outcome, tone) = match ended {
                None => ("did not end".to_owned(), "stop"),
                Some((_, StepOutcome::Built)) => ("built".to_owned(), "work"),
                Some((_, StepOutcome::Cached)) => ("cached".to_owned(), "quiet"),
                Some((_, StepOutcome::Failed { cause })) => {
                    (format!("failed: {}", cause.summary), "bad")
                }
                Some((_, StepOutcome::Skipped { because })) => {
                    (format!("skipped: {because}"), "quiet")
                }
            };
            let to = ended.map_or(end, |(at, _)| *at);
            let row = TimelineRow {
                kind: "step",
                name: step.to_string(),
                what: what.clone(),
                outcome,
                tone,
                time: duration(between(event.at, to)),
                spans: vec![axis.span(what, tone, event.at, to)],
            };
            Some((event.at, row))
        })
        .collect()
}

fn lane(
    cell: &CellSummary,
    found: &Found,
    axis: Axis,
    end: Timestamp,
) -> Option<(Timestamp, TimelineRow)> {
    let events = &found.lanes.get(&cell.lane.id)?.events;
    let spans = phases(events, ended(cell, found, end), axis);
    let start = events.first()?.at;
    let row = TimelineRow {
        kind: "lane",
        name: cell.lane.id.to_string(),
        what: format!(
            "{} on {}, {} suite",
            cell.lane.sandboxer, cell.lane.node, cell.lane.suite
        ),
        outcome: cell.outcome.name().to_owned(),
        tone: cell_look(&cell.outcome).tone,
        time: duration(cell.seconds),
        spans,
    };
    Some((start, row))
}

/// When the cell's last attempt ended.
fn ended(cell: &CellSummary, found: &Found, end: Timestamp) -> Timestamp {
    found
        .events
        .iter()
        .rev()
        .find_map(|event| match &event.kind {
            EventKind::LaneFinished { lane, .. } if *lane == cell.lane.id => Some(event.at),
            _ => None,
        })
        .unwrap_or(end)
}

fn phases(events: &[Event], end: Timestamp, axis: Axis) -> Vec<Span> {
    let starts: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::PhaseStarted { phase } => Some((phase, event.at)),
            _ => None,
        })
        .collect();
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([end]);
    starts
        .iter()
        .zip(ends)
        .map(|((phase, from), to)| axis.span(phase.name(), phase.name(), *from, to))
        .collect()
}

/// The phases of a cell's last attempt, on an axis of its own.
#[must_use]
pub fn lane_phases(cell: &CellSummary, found: &Found, summary: &RunSummary) -> Vec<Span> {
    let Some(lane) = found.lanes.get(&cell.lane.id) else {
        return Vec::new();
    };
    let Some(first) = lane.events.first() else {
        return Vec::new();
    };
    let end = ended(cell, found, end_of(summary, found));
    phases(
        &lane.events,
        end,
        Axis::new(first.at, end, summary.started_at),
    )
}

/// A cell's specs over time by Ginkgo process; specs without times are left out.
#[must_use]
pub fn processes(cell: &CellSummary) -> Vec<Process> {
    let timed: Vec<_> = cell
        .specs
        .iter()
        .filter_map(|spec| Some((spec, spec.started_at?, spec.ended_at?)))
        .collect();
    let (Some(start), Some(end)) = (
        timed.iter().map(|(_, start, _)| *start).min(),
        timed.iter().map(|(_, _, end)| *end).max(),
    ) else {
        return Vec::new();
    };
    let axis = Axis::new(start, end, start);
    let mut rows: BTreeMap<u32, Vec<(Timestamp, Span)>> = BTreeMap::new();
    for (spec, from, to) in timed {
        let look = spec_look(spec.outcome);
        let name = format!(
            "{} {} {}: {}",
            moment(from),
            look.sign,
            spec.outcome,
            spec.name
        );
        rows.entry(spec.process.unwrap_or(1))
            .or_default()
            .push((from, axis.span(&name, look.tone, from, to)));
    }
    rows.into_iter()
        .map(|(number, mut specs)| {
            specs.sort_by_key(|(start, _)| *start);
            let specs = specs.into_iter().map(|(_, span)| span).collect();
            Process { number, specs }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(seconds: i64) -> Axis {
        let at = |s| Timestamp::from_second(s).unwrap();
        Axis::new(at(0), at(seconds), at(0))
    }

    #[test]
    fn there_are_few_round_marks() {
        for seconds in [1, 9, 59, 61, 500, 2329, 7200, 40_000, 900_000] {
            let ticks = axis(seconds).ticks();
            assert!(
                (1..=12).contains(&ticks.len()),
                "{seconds} s: {} marks",
                ticks.len()
            );
        }
        let labels: Vec<_> = axis(2329).ticks().into_iter().map(|t| t.label).collect();
        assert_eq!(
            labels,
            [
                "0 min", "5 min", "10 min", "15 min", "20 min", "25 min", "30 min", "35 min"
            ]
        );
    }

    #[test]
    fn a_clock_that_stepped_back_draws_nothing_outside() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let span = axis(100).span("boot", "boot", at(-50), at(-60));
        assert_eq!(
            (span.left.as_str(), span.width.as_str()),
            ("0.000", "0.000")
        );
    }
}
