//! Gates: bounds on numbers over a window of runs. Too little data is a state of its own, not a pass.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        Accelerator, Again, CellSummary, Digest, LaneId, Role, RunSummary, SpecName, SpecOutcome,
    },
    profile::Gate,
};

/// The metrics a gate may bound, and what they are.
pub const METRICS: [(&str, &str); 4] = [
    (
        "pass-rate",
        "passed specs over passed and failed ones, of blocking lanes",
    ),
    (
        "flaky-rate",
        "specs that passed and failed on one candidate, over specs that ran at least twice on one",
    ),
    (
        "wall",
        "a run's wall time in seconds, the median of the window",
    ),
    (
        "suite-wall",
        "the longest suite of a run in seconds, the median of the window",
    ),
];

/// Whether a gate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// It holds.
    Met,
    /// It does not.
    Missed,
    /// There are too few values to say.
    InsufficientData,
}

/// One gate, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateResult {
    /// The metric.
    pub name: String,
    /// Its value over the window, if there is any.
    pub value: Option<f64>,
    /// From how many runs.
    pub n: u32,
    /// Of how many at most.
    pub window: u32,
    /// Whether it holds.
    pub state: GateState,
    /// All of it, for people.
    pub words: String,
}

/// Judges every gate over the window that ends with `this` run. `past` holds earlier runs of the same profile, in any order.
#[must_use]
pub fn evaluate(
    gates: &BTreeMap<String, Gate>,
    past: &[RunSummary],
    this: &RunSummary,
) -> Vec<GateResult> {
    let mut runs: Vec<&RunSummary> = past.iter().filter(|run| run.run != this.run).collect();
    runs.push(this);
    runs.sort_by_key(|run| std::cmp::Reverse((run.run == this.run, run.started_at, run.run)));
    gates
        .iter()
        .map(|(name, gate)| judge(name, *gate, &runs, this))
        .collect()
}

fn judge(name: &str, gate: Gate, newest_first: &[&RunSummary], this: &RunSummary) -> GateResult {
    let window = gate.window.max(1);
    let runs: Vec<&RunSummary> = newest_first
        .iter()
        .copied()
        .take(usize::try_from(window).unwrap_or(usize::MAX))
        .collect();
    let hardware = matches!(name, "wall" | "suite-wall");
    let measured = match name {
        "pass-rate" => rate(&runs, passes),
        "flaky-rate" => flaky(&runs),
        "wall" => median(runs.iter().filter_map(|run| wall(run))),
        "suite-wall" => median(runs.iter().filter_map(|run| suite_wall(run))),
        _ => None,
    };
    let known = METRICS.iter().any(|(metric, _)| *metric == name);
    let (value, n) = measured.map_or((None, 0), |(value, n)| (Some(value), n));
    let bound = bound(gate);
    let least = gate.n.max(1);
    let (state, words) = match value {
        _ if !known => (
            GateState::InsufficientData,
            format!("{name}: no such metric; there are {}", names()),
        ),
        _ if hardware && emulated(this) => (
            GateState::InsufficientData,
            format!(
                "{name}: this run was emulated, and an emulated run says nothing about hardware ({bound})"
            ),
        ),
        None => (
            GateState::InsufficientData,
            format!(
                "{name}: none of the last {} runs has a value ({bound})",
                runs.len()
            ),
        ),
        Some(value) if n < least => (
            GateState::InsufficientData,
            format!(
                "{name}: {} from {}, {least} are needed ({bound})",
                number(value),
                runs_of(n)
            ),
        ),
        Some(value) if value.is_nan() => {
            (GateState::InsufficientData, format!("{name}: not a number"))
        }
        Some(value) => {
            let held =
                gate.min.is_none_or(|min| value >= min) && gate.max.is_none_or(|max| value <= max);
            let (state, verb) = if held {
                (GateState::Met, "met")
            } else {
                (GateState::Missed, "missed")
            };
            (
                state,
                format!(
                    "{name}: {} over {}, {verb} ({bound})",
                    number(value),
                    runs_of(n)
                ),
            )
        }
    };
    GateResult {
        name: name.to_owned(),
        value,
        n,
        window,
        state,
        words,
    }
}

fn bound(gate: Gate) -> String {
    match (gate.min, gate.max) {
        (Some(min), Some(max)) => format!("between {} and {}", number(min), number(max)),
        (Some(min), None) => format!("at least {}", number(min)),
        (None, Some(max)) => format!("at most {}", number(max)),
        (None, None) => "no bound".to_owned(),
    }
}

/// At most four decimals, cut and not rounded: 0.99999 must not read as 1.
fn number(value: f64) -> String {
    let cut = (value * 10_000.0).trunc() / 10_000.0;
    format!("{cut}")
}

fn runs_of(n: u32) -> String {
    match n {
        1 => "1 run".to_owned(),
        n => format!("{n} runs"),
    }
}

fn names() -> String {
    METRICS.map(|(name, _)| name).join(", ")
}

fn emulated(run: &RunSummary) -> bool {
    run.environment
        .as_ref()
        .is_none_or(|environment| environment.accelerator == Accelerator::Tcg)
}

fn blocking(run: &RunSummary) -> impl Iterator<Item = &CellSummary> {
    run.cells
        .iter()
        .filter(|cell| cell.lane.role == Role::Blocking)
}

/// Part and whole summed over the runs that have any.
fn rate(runs: &[&RunSummary], of: impl Fn(&RunSummary) -> (u64, u64)) -> Option<(f64, u32)> {
    let counted: Vec<(u64, u64)> = runs
        .iter()
        .map(|run| of(run))
        .filter(|(_, all)| *all > 0)
        .collect();
    let part: u64 = counted.iter().map(|(part, _)| part).sum();
    let all: u64 = counted.iter().map(|(_, all)| all).sum();
    (all > 0).then(|| {
        (
            ratio(part, all),
            u32::try_from(counted.len()).unwrap_or(u32::MAX),
        )
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of specs are far below 2^52"
)]
fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

fn passes(run: &RunSummary) -> (u64, u64) {
    blocking(run).fold((0, 0), |(passed, ran), cell| {
        let counts = &cell.counts;
        (
            passed + u64::from(counts.passed),
            ran + u64::from(counts.passed) + u64::from(counts.failed),
        )
    })
}

/// A spec is flaky when it passed and failed on one lane with one candidate.
fn flaky(runs: &[&RunSummary]) -> Option<(f64, u32)> {
    let mut seen: BTreeMap<(Digest, &LaneId, &SpecName), (u32, u32)> = BTreeMap::new();
    let mut counted = 0;
    for run in runs {
        let mut any = false;
        for cell in blocking(run) {
            let Some(candidate) = run
                .candidates
                .iter()
                .find(|c| c.pairing == cell.lane.pairing)
            else {
                continue;
            };
            let digest = candidate.digest();
            for spec in &cell.specs {
                let entry = seen
                    .entry((digest.clone(), &cell.lane.id, &spec.name))
                    .or_default();
                match spec.outcome {
                    SpecOutcome::Passed => entry.0 += 1,
                    outcome if outcome.is_failure() => entry.1 += 1,
                    _ => continue,
                }
                any = true;
            }
            let again = cell.confirmed.iter().flat_map(|known| {
                let same = known
                    .reruns
                    .iter()
                    .filter(|rerun| rerun.place <= Again::FreshNode);
                same.map(|rerun| (&known.spec, rerun.outcome))
            });
            for (spec, outcome) in again {
                let entry = seen
                    .entry((digest.clone(), &cell.lane.id, spec))
                    .or_default();
                entry.0 += u32::from(outcome == SpecOutcome::Passed);
                entry.1 += u32::from(outcome.is_failure());
            }
        }
        counted += u32::from(any);
    }
    let again: Vec<_> = seen
        .values()
        .filter(|(passed, failed)| passed + failed >= 2)
        .collect();
    let flaky = again
        .iter()
        .filter(|(passed, failed)| *passed > 0 && *failed > 0)
        .count();
    (!again.is_empty()).then(|| (ratio(flaky as u64, again.len() as u64), counted))
}

fn wall(run: &RunSummary) -> Option<f64> {
    let ended = run.ended_at.filter(|_| !emulated(run))?;
    Some(ended.duration_since(run.started_at).as_secs_f64())
}

fn suite_wall(run: &RunSummary) -> Option<f64> {
    let longest = blocking(run)
        .filter(|_| !emulated(run))
        .map(|cell| cell.suite_seconds)
        .fold(0.0, f64::max);
    (longest > 0.0).then_some(longest)
}

fn median(values: impl Iterator<Item = f64>) -> Option<(f64, u32)> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let n = u32::try_from(values.len()).unwrap_or(u32::MAX);
    match values.as_slice() {
        [] => None,
        all if all.len() % 2 == 1 => Some((all[middle], n)),
        all => Some((f64::midpoint(all[middle - 1], all[middle]), n)),
    }
}
