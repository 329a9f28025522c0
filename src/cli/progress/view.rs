//! The live view as lines. Pure: state, usual times and the time now in, lines out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use owo_colors::{OwoColorize as _, Style};

use super::lines::step_end;
use crate::{
    model::{LaneId, Phase, StepId, StepOutcome, SuitePhase},
    report::{
        plain,
        words::{cell_look, duration, exit_look, exit_word, short_run},
    },
    run::state::{LaneState, RunState, StepState, seconds_between},
};

/// How the view is shown.
#[derive(Clone, Copy, Debug)]
pub struct ViewOptions {
    /// Columns; no line is longer.
    pub width: usize,
    /// Lines; what goes on is kept, what waits or is over is counted.
    pub height: usize,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// How long things took in earlier runs, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usual {
    steps: BTreeMap<StepId, f64>,
    phases: BTreeMap<(LaneId, Phase), f64>,
}

impl Usual {
    /// The medians over earlier runs of the same profile. What was cut short or cached says nothing.
    #[must_use]
    pub fn of(runs: &[RunState]) -> Self {
        let mut steps: BTreeMap<StepId, Vec<f64>> = BTreeMap::new();
        let mut phases: BTreeMap<(LaneId, Phase), Vec<f64>> = BTreeMap::new();
        for run in runs {
            for step in &run.steps {
                if step.outcome == Some(StepOutcome::Built) {
                    steps
                        .entry(step.step.clone())
                        .or_default()
                        .push(step.seconds);
                }
            }
            for lane in run.lanes.iter().filter(|lane| lane.stop.is_none()) {
                let ends = lane.phases.iter().skip(1).map(|(_, at)| Some(*at));
                for ((phase, start), end) in lane.phases.iter().zip(ends.chain([lane.ended_at])) {
                    if let Some(end) = end {
                        phases
                            .entry((lane.lane.clone(), *phase))
                            .or_default()
                            .push(seconds_between(*start, end));
                    }
                }
            }
        }
        Self {
            steps: steps
                .into_iter()
                .map(|(key, all)| (key, median(all)))
                .collect(),
            phases: phases
                .into_iter()
                .map(|(key, all)| (key, median(all)))
                .collect(),
        }
    }
}

impl Usual {
    /// How long a step usually takes when it is not cached, in seconds.
    #[must_use]
    pub fn step(&self, step: &StepId) -> Option<f64> {
        self.steps.get(step).copied()
    }

    /// How long a lane usually takes, in seconds.
    #[must_use]
    pub fn lane(&self, lane: &LaneId) -> Option<f64> {
        let of_lane = self.phases.iter().filter(|((of, _), _)| of == lane);
        let seconds: f64 = of_lane.map(|(_, seconds)| seconds).sum();
        (seconds > 0.0).then_some(seconds)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The view.
#[must_use]
pub fn lines(
    state: &RunState,
    usual: &Usual,
    now: Timestamp,
    options: &ViewOptions,
) -> Vec<String> {
    let paint = Paint(options.colour);
    // What goes on comes with its rank, so that a low terminal drops what matters least.
    let mut rows: Vec<(u8, String)> = vec![(0, head(state, now, paint, options.width))];
    let names = state
        .steps
        .iter()
        .map(|step| step.step.as_str().chars().count());
    let names = names.chain(
        state
            .lanes
            .iter()
            .map(|lane| lane.lane.as_str().chars().count()),
    );
    let column = names.max().unwrap_or(0).min(options.width / 2);
    for step in &state.steps {
        rows.push(step_row(step, usual, now, paint, column, options.width));
    }
    for lane in &state.lanes {
        lane_rows(&mut rows, lane, usual, now, paint, column, options.width);
    }
    fit(rows, options)
}

fn fit(mut rows: Vec<(u8, String)>, options: &ViewOptions) -> Vec<String> {
    let mut left_out = 0;
    for rank in (1..=3).rev() {
        while rows.len() + usize::from(left_out > 0) > options.height.max(2) {
            let Some(at) = rows.iter().rposition(|(r, _)| *r == rank) else {
                break;
            };
            rows.remove(at);
            left_out += 1;
        }
    }
    let mut lines: Vec<_> = rows.into_iter().map(|(_, line)| line).collect();
    if left_out > 0 {
        lines.push(format!("  … and {left_out} more lines"));
    }
    lines
}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, tone: &str, text: &str) -> String {
        let style = match tone {
            "good" => Style::new().green(),
            "bad" => Style::new().red().bold(),
            "stop" => Style::new().magenta().bold(),
            "warn" => Style::new().yellow(),
            "head" => Style::new().bold(),
            "quiet" => Style::new().dimmed(),
            _ => return text.to_owned(),
        };
        if self.0 {
            text.style(style).to_string()
        } else {
            text.to_owned()
        }
    }
}

fn head(state: &RunState, now: Timestamp, paint: Paint, width: usize) -> String {
    let mut text = state.profile.clone();
    if let Some(run) = state.run {
        text.push_str(&format!("  run {}", short_run(run)));
    }
    if let Some(start) = state.started_at {
        let end = state.ended_at.unwrap_or(now);
        text.push_str(&format!("  {}", duration(seconds_between(start, end))));
    }
    if let Some(exit) = state.exit {
        text.push_str(&format!("  {} {}", exit_look(exit).sign, exit_word(exit)));
    } else if let Some(reason) = &state.interrupted {
        text.push_str(&format!("  ◐ interrupted: {reason}"));
    } else if state.lanes.is_empty() {
        text.push_str("  resolving sources");
    }
    paint.with("head", &cut(&one_line(&text), width))
}

/// Ranks: 1 goes on or failed, 2 is over, 3 waits.
fn step_row(
    step: &StepState,
    usual: &Usual,
    now: Timestamp,
    paint: Paint,
    column: usize,
    width: usize,
) -> (u8, String) {
    let (rank, sign, tone) = match (&step.outcome, step.started_at) {
        (Some(StepOutcome::Failed { .. }), _) => (1, "✗", "bad"),
        (Some(StepOutcome::Skipped { .. }), _) => (2, "○", "quiet"),
        (Some(_), _) => (2, "✓", "good"),
        (None, Some(_)) => (1, "▸", "head"),
        (None, None) => (3, "·", "quiet"),
    };
    let words = step_words(step, usual, now);
    // The sign is in its own column here.
    let words = words.trim_start_matches(['✓', '✗', '○', ' ']);
    (
        rank,
        row(sign, tone, step.step.as_str(), words, paint, column, width),
    )
}

/// A step's state in words.
#[must_use]
pub fn step_words(step: &StepState, usual: &Usual, now: Timestamp) -> String {
    match (&step.outcome, step.started_at) {
        (Some(outcome), _) => step_end(outcome, step.seconds),
        (None, Some(start)) => {
            let took = timed(start, now, usual.steps.get(&step.step).copied());
            format!("{took}  {}", step.what)
        }
        (None, None) => "waits".to_owned(),
    }
}

fn timed(start: Timestamp, now: Timestamp, usual: Option<f64>) -> String {
    let took = duration(seconds_between(start, now));
    match usual {
        Some(usual) => format!("{took} (usually {})", duration(usual)),
        None => took,
    }
}

/// A lane's state in words.
#[must_use]
pub fn lane_words(lane: &LaneState, usual: &Usual, now: Timestamp) -> String {
    if let Some(outcome) = &lane.outcome {
        let took = match (lane.started_at, lane.ended_at) {
            (Some(start), Some(end)) => format!(" in {}", duration(seconds_between(start, end))),
            _ => String::new(),
        };
        return format!("{}{}{took}", outcome.name(), specs(lane));
    }
    let Some(started) = lane.started_at else {
        return "waits".to_owned();
    };
    let (phase, since) = lane
        .phase()
        .map_or(("starting", started), |(phase, since)| {
            (phase.name(), since)
        });
    let usually = lane
        .phase()
        .and_then(|(phase, _)| usual.phases.get(&(lane.lane.clone(), phase)))
        .copied();
    let suite = match (lane.phase(), lane.suite_phase) {
        (Some((Phase::SuiteStart, _)), Some(SuitePhase::Validate)) => ", validates the node",
        (Some((Phase::SuiteStart, _)), Some(SuitePhase::Services)) => ", starts its services",
        (Some((Phase::SuiteStart, _)), Some(SuitePhase::Ready)) => ", waits for the node",
        (Some((Phase::Spec, _)), Some(SuitePhase::After)) => ", cleans up",
        _ => "",
    };
    format!(
        "{phase}{suite}{}  {}",
        specs(lane),
        timed(since, now, usually)
    )
}

fn specs(lane: &LaneState) -> String {
    if lane.planned.is_empty() {
        return String::new();
    }
    let failed = match lane.failed() {
        0 => String::new(),
        n => format!(", {n} failed"),
    };
    format!(
        " {}/{} specs{failed}",
        lane.finished.len(),
        lane.planned.len()
    )
}

fn lane_rows(
    rows: &mut Vec<(u8, String)>,
    lane: &LaneState,
    usual: &Usual,
    now: Timestamp,
    paint: Paint,
    column: usize,
    width: usize,
) {
    let (rank, sign, tone) = match (&lane.outcome, lane.started_at) {
        (Some(outcome), _) => {
            let look = cell_look(outcome);
            (if outcome.is_green() { 2 } else { 1 }, look.sign, look.tone)
        }
        (None, Some(_)) if lane.failed() > 0 => (1, "▸", "bad"),
        (None, Some(_)) => (1, "▸", "head"),
        (None, None) => (3, "·", "quiet"),
    };
    let words = lane_words(lane, usual, now);
    rows.push((
        rank,
        row(sign, tone, lane.lane.as_str(), &words, paint, column, width),
    ));
    if lane.outcome.is_some() {
        return;
    }
    // What is being waited for, or the spec that runs longest: the first of those that run.
    let below = lane
        .waiting
        .as_deref()
        .or_else(|| lane.running.first().map(|spec| spec.0.as_str()));
    if let Some(below) = below {
        let text = cut(&one_line(below), width.saturating_sub(6));
        rows.push((2, format!("      {}", paint.with("quiet", &text))));
    }
}

fn row(
    sign: &str,
    tone: &str,
    name: &str,
    words: &str,
    paint: Paint,
    column: usize,
    width: usize,
) -> String {
    let text = cut(
        &one_line(&format!("{:<column$}  {words}", cut(name, column))),
        width.saturating_sub(4),
    );
    format!("  {} {text}", paint.with(tone, sign))
}

/// Without line ends and whatever else would move the cursor.
#[must_use]
pub fn one_line(text: &str) -> String {
    plain(text).replace(['\n', '\t'], " ")
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests;
