//! Plain lines for logs: one for each change, and a heartbeat. Pure.

use jiff::{Timestamp, tz::TimeZone};

use super::view::{self, Usual};
use crate::{
    model::{CellOutcome, Event, EventKind, ExitCode, LaneId, StepOutcome},
    report::words::{self, cell_look, duration, short_run, size, spec_look},
    run::state::{LaneState, RunState, Scope},
};

/// The line that an event is worth in a log; `state` has taken it in already.
#[must_use]
pub fn of(scope: &Scope, event: &Event, state: &RunState) -> Option<String> {
    let said = match scope {
        Scope::Run => of_run(&event.kind, state)?,
        Scope::Attempt { lane, attempt } => {
            let words = of_attempt(&event.kind, state.lanes.iter().find(|l| l.lane == *lane)?)?;
            format!("{}: {words}", named(lane, *attempt))
        }
    };
    Some(stamped(event.at, &said))
}

/// The line that stays above the live view: ends and failures.
#[must_use]
pub fn lasting(scope: &Scope, event: &Event, state: &RunState) -> Option<String> {
    let lasts = match &event.kind {
        EventKind::StepFinished { outcome, .. } => {
            !matches!(outcome, StepOutcome::Skipped { .. } | StepOutcome::Cached)
        }
        EventKind::SpecFinished { result } => result.outcome.is_failure(),
        EventKind::LaneFinished { .. }
        | EventKind::AttemptStopped { .. }
        | EventKind::RunInterrupted { .. } => true,
        _ => false,
    };
    if lasts { of(scope, event, state) } else { None }
}

/// What goes on, when nothing changed for a while.
#[must_use]
pub fn heartbeat(state: &RunState, usual: &Usual, now: Timestamp) -> Vec<String> {
    let steps = state
        .steps
        .iter()
        .filter(|step| step.started_at.is_some() && step.outcome.is_none())
        .map(|step| format!("{}: {}", step.step, view::step_words(step, usual, now)));
    let lanes = state
        .lanes
        .iter()
        .filter(|lane| lane.started_at.is_some() && lane.outcome.is_none())
        .map(|lane| {
            let waiting = lane.waiting.iter().map(|what| format!(" ({what})"));
            format!(
                "{}: {}{}",
                lane.lane,
                view::lane_words(lane, usual, now),
                waiting.collect::<String>()
            )
        });
    let mut beats: Vec<String> = steps.chain(lanes).collect();
    if beats.is_empty() {
        beats.push(
            if state.steps.is_empty() && state.lanes.is_empty() {
                "resolving sources"
            } else {
                "working"
            }
            .to_owned(),
        );
    }
    beats
        .into_iter()
        .map(|beat| stamped(now, &format!("still {beat}")))
        .collect()
}

fn stamped(at: Timestamp, said: &str) -> String {
    let time = at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S");
    format!("{time} {}", view::one_line(said))
}

fn named(lane: &LaneId, attempt: u32) -> String {
    if attempt > 1 {
        format!("{lane} (attempt {attempt})")
    } else {
        lane.to_string()
    }
}

fn of_run(kind: &EventKind, state: &RunState) -> Option<String> {
    Some(match kind {
        EventKind::RunStarted { run, profile, .. } => {
            format!("run {} of profile {profile}", short_run(*run))
        }
        EventKind::CandidateResolved { pairing, digest } => {
            format!("candidate {pairing} is {}", digest.short())
        }
        EventKind::Planned { lanes, steps } => {
            format!("planned {} steps and {} lanes", steps.len(), lanes.len())
        }
        EventKind::StepStarted { step, what } => format!("{step}: started: {what}"),
        EventKind::StepFinished {
            step,
            outcome,
            seconds,
        } => format!("{step}: {}", step_end(outcome, *seconds)),
        EventKind::LaneStarted { lane, attempt } => {
            format!("{}: started", named(lane, *attempt))
        }
        EventKind::LaneFinished {
            lane,
            attempt,
            outcome,
        } => {
            let counts = state
                .lanes
                .iter()
                .find(|state| state.lane == *lane)
                .map(lane_counts)
                .unwrap_or_default();
            format!(
                "{}: {} {}{}{counts}",
                named(lane, *attempt),
                cell_look(outcome).sign,
                outcome.name(),
                why(outcome)
            )
        }
        EventKind::ConfirmStarted {
            lane,
            attempt,
            specs,
        } => format!(
            "{}: {} failed specs run again",
            named(lane, *attempt),
            specs.len()
        ),
        EventKind::ConfirmFinished {
            lane,
            attempt,
            outcome,
        } => format!(
            "{}: {} {}{}",
            named(lane, *attempt),
            cell_look(outcome).sign,
            outcome.name(),
            why(outcome)
        ),
        EventKind::RunFinished { exit } => {
            format!(
                "run ended: {}, {}",
                words::exit_word(*exit),
                exit_words(*exit)
            )
        }
        EventKind::RunInterrupted { reason } => format!("run interrupted: {reason}"),
        _ => return None,
    })
}

fn exit_words(exit: ExitCode) -> String {
    format!("exit {}: {}", exit.code(), words::exit_meaning(exit))
}

/// How a step ended, in words.
#[must_use]
pub fn step_end(outcome: &StepOutcome, seconds: f64) -> String {
    match outcome {
        StepOutcome::Built => format!("✓ built in {}", duration(seconds)),
        StepOutcome::Cached => "✓ cached".to_owned(),
        StepOutcome::Skipped { because } => format!("○ skipped: {because}"),
        StepOutcome::Failed { cause } => {
            let seen = cause.evidence.first().map(|line| format!(" ({line})"));
            format!(
                "✗ failed after {}: {}{}",
                duration(seconds),
                cause.summary,
                seen.unwrap_or_default()
            )
        }
    }
}

fn lane_counts(lane: &LaneState) -> String {
    if lane.planned.is_empty() {
        return String::new();
    }
    format!(
        " ({} of {} specs, {} failed)",
        lane.finished.len(),
        lane.planned.len(),
        lane.failed()
    )
}

fn why(outcome: &CellOutcome) -> String {
    match outcome {
        CellOutcome::Passed | CellOutcome::Failed | CellOutcome::NoTests => String::new(),
        CellOutcome::Reduced { reason } | CellOutcome::NotRun { reason } => format!(": {reason}"),
        CellOutcome::Stopped { cause } => format!(" in {}: {}", cause.phase, cause.summary),
    }
}

fn of_attempt(kind: &EventKind, lane: &LaneState) -> Option<String> {
    Some(match kind {
        EventKind::PhaseStarted { phase } => format!("phase {phase}"),
        EventKind::MachineStarted {
            accelerator,
            pid,
            ssh_port,
        } => format!("machine up on {accelerator}, pid {pid}, ssh port {ssh_port}"),
        EventKind::NodeReady { start } => format!("node ready: {start}"),
        EventKind::NodeSaved {
            snapshot,
            bytes,
            seconds,
        } => format!(
            "node saved as {} ({}), it stood still for {seconds:.1} s",
            snapshot.short(),
            size(*bytes)
        ),
        EventKind::SpecsPlanned { specs } => format!("{} specs planned", specs.len()),
        EventKind::SpecFinished { result } => {
            let said = result.failure.iter().map(|f| format!(": {}", f.message));
            format!(
                "{}/{} {} {} {} {}{}",
                lane.finished.len(),
                lane.planned.len(),
                spec_look(result.outcome).sign,
                result.outcome,
                duration(result.seconds),
                result.name,
                said.collect::<String>()
            )
        }
        EventKind::SuiteExited { status, signal } => match (status, signal) {
            (Some(status), _) => format!("suite ended with exit status {status}"),
            (None, Some(signal)) => format!("suite ended by signal {signal}"),
            (None, None) => "suite ended".to_owned(),
        },
        EventKind::AttemptStopped { stop } => {
            let line = stop.line.iter().map(|line| format!(" ({line})"));
            format!(
                "■ stopped in {}: {}{}",
                stop.phase,
                stop.said,
                line.collect::<String>()
            )
        }
        _ => return None,
    })
}
