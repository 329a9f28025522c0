//! From a run directory to its summary, verdict and reports. Reads only files, so a run that ended and one that was
//! killed end up with the same documents.

use std::collections::BTreeMap;

use super::{
    CTRL_C,
    confirm::{self, ConfirmRecord},
    evaluate,
    log::EventLog,
    record::{self, RunRecord},
    state::{LaneState, RunState},
    store::Store,
};
use crate::{
    clock,
    evidence::{EvidenceDir, RunDirError},
    history,
    machine::{Host, Probe},
    model::{
        CellOutcome, CellSummary, Environment, EventKind, ExitCode, Lane, LaneId, Phase,
        RunSummary, SCHEMA_VERSION, Stop, StopKind,
    },
    report,
    verdict::{self, GateResult, LaneCauses, Verdict},
};

pub use super::past::scan as past;

/// Longest failure text that is kept for ever, in bytes; the attempt's folder has the whole one.
const KEPT_TEXT: usize = 2048;

/// A finished run's documents could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The run directory cannot be read or written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A report cannot be rendered.
    #[error("cannot write the report: {0}")]
    Report(#[from] report::ReportError),
}

/// The whole summary of a run directory, failure texts included.
async fn summarize(
    run: &EvidenceDir,
    record: RunRecord,
    state: &RunState,
) -> Result<RunSummary, RunDirError> {
    let confirmed = match run.file(confirm::FILE).exists() {
        true => run.read_json::<ConfirmRecord>(confirm::FILE)?.specs,
        false => Vec::new(),
    };
    let mut cells = Vec::new();
    for lane in &record.lanes {
        let mut cell = cell(run, lane, state).await;
        let of_lane = confirmed.iter().filter(|known| known.lane == lane.id);
        cell.confirmed = of_lane.cloned().collect();
        cells.push(cell);
    }
    let exit = match &state.interrupted {
        Some(reason) if reason == CTRL_C => ExitCode::Interrupted,
        _ => verdict::exit_code(&cells, &[]),
    };
    Ok(RunSummary {
        schema: SCHEMA_VERSION,
        run: record.run,
        profile: record.profile.name,
        started_at: record.started_at,
        ended_at: state.ended_at,
        candidates: record.candidates,
        environment: record.environment,
        cells,
        exit,
    })
}

async fn cell(run: &EvidenceDir, lane: &Lane, state: &RunState) -> CellSummary {
    let lane_state = state.lanes.iter().find(|known| known.lane == lane.id);
    let not_started = |outcome: CellOutcome| CellSummary::new(lane.clone(), outcome);
    match lane_state {
        Some(lane_state) if lane_state.attempt > 0 => {
            let folder = run.attempt(&lane.id, lane_state.attempt);
            match folder.read_json(evaluate::CELL_FILE) {
                Ok(cell) => cell,
                Err(_) => {
                    let stop = Some(cut_short(lane_state));
                    evaluate::cell(run, lane, lane_state.attempt, stop).await
                }
            }
        }
        Some(LaneState {
            outcome: Some(outcome),
            ..
        }) => not_started(outcome.clone()),
        _ => {
            let reason = state
                .interrupted
                .clone()
                .unwrap_or_else(|| "the run ended before it".to_owned());
            not_started(CellOutcome::NotRun { reason })
        }
    }
}

/// The stop of an attempt that has no end of its own.
pub(super) fn cut_short(state: &LaneState) -> Stop {
    state.stop.clone().unwrap_or_else(|| Stop {
        phase: state.phase().map_or(Phase::Boot, |(phase, _)| phase),
        kind: StopKind::Cancelled,
        said: "bellwether ended while this attempt ran".to_owned(),
        line: None,
    })
}

/// Writes `summary.json`, `verdict.json` and all reports.
///
/// # Errors
/// When a document cannot be written; those before it stay.
pub fn write(
    run: &EvidenceDir,
    summary: &RunSummary,
    gates: Vec<GateResult>,
) -> Result<(), FinishError> {
    let causes: BTreeMap<LaneId, LaneCauses> = summary
        .cells
        .iter()
        .filter_map(|cell| {
            let folder = run.attempt(&cell.lane.id, cell.attempts);
            Some((
                cell.lane.id.clone(),
                folder.read_json(evaluate::CAUSES_FILE).ok()?,
            ))
        })
        .collect();
    let mut verdict = Verdict::of(summary, &causes, gates);
    verdict.clusters = Some(report::clusters::find(run, summary, &evaluate::rules(run)));
    run.write_json("verdict.json", &verdict)?;
    run.write_json("summary.json", &shortened(summary))?;
    report::write_all(run, summary)?;
    Ok(())
}

/// A summary whose failure texts are cut to what is kept for ever.
#[must_use]
pub fn shortened(summary: &RunSummary) -> RunSummary {
    let mut summary = summary.clone();
    for failure in summary
        .cells
        .iter_mut()
        .flat_map(|cell| &mut cell.specs)
        .filter_map(|spec| spec.failure.as_mut())
    {
        if failure.text.len() > KEPT_TEXT {
            let end = failure.text.floor_char_boundary(KEPT_TEXT);
            failure.text.truncate(end);
            failure.text.push_str("\n[shortened]");
        }
    }
    summary
}

/// Summary, gates, the run's last event and all documents.
///
/// # Errors
/// When a document cannot be read or written.
pub async fn all(
    run: &EvidenceDir,
    store: &Store,
    log: Option<&EventLog>,
) -> Result<RunSummary, FinishError> {
    let record: RunRecord = run.read_json(record::FILE)?;
    let state = RunState::load(run.path())?;
    let gates = record.profile.gates.clone();
    let mut summary = summarize(run, record, &state).await?;
    let window = gates.values().map(|gate| gate.window).max().unwrap_or(0);
    let before: Vec<RunSummary> = past(store, &summary.profile, window as usize)
        .into_iter()
        .map(|(_, summary)| summary)
        .filter(|past| past.run != summary.run)
        .collect();
    let gates = verdict::evaluate(&gates, &before, &summary);
    if summary.exit != ExitCode::Interrupted {
        summary.exit = verdict::exit_code(&summary.cells, &gates);
    }
    if let Some(log) = log
        && !state.is_over()
    {
        let now = clock::now();
        log.add_at(now, EventKind::RunFinished { exit: summary.exit });
        summary.ended_at = Some(now);
    }
    write(run, &summary, gates)?;
    // The index can be made again at any time: it must not fail a run.
    if let Err(error) = history::record(store.root(), summary.run, run) {
        tracing::warn!("the run is not in the history's index yet: {error}");
    }
    Ok(summary)
}

/// Where this run ran.
#[must_use]
pub fn environment(probe: &Probe) -> Environment {
    let host = Host::read().ok();
    Environment {
        qemu: probe.qemu.clone(),
        accelerator: probe.accelerator,
        accelerator_reason: probe.reason.clone(),
        cores: host.map_or(0, |host| host.cores),
        memory: host.map_or(0, |host| host.memory),
        bellwether: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
