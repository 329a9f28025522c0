//! Confirm reruns: when all lanes are over, chosen failed specs run once more, each lane's on a fresh node. What the same
//! spec did on the control pairing in this run is taken as it is. No outcome changes by it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    context::Context,
    evaluate,
    lane::{self, LaneParts, scale},
};
use crate::{
    evidence::EvidenceDir,
    model::{
        Accelerator, Again, CellOutcome, CellSummary, Confirmation, ConfirmedSpec, EventKind, Lane,
        LaneId, Rerun, SCHEMA_VERSION, SpecName, SpecOutcome,
    },
    plan::PlannedLane,
    profile::{Profile, Selection, Suite},
    verdict::{self, ConfirmLimits, FailedSpec, LaneCauses},
};

/// What became of a run's failed specs, in the run's folder.
pub const FILE: &str = "confirm.json";

/// `confirm.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfirmRecord {
    /// The document's version.
    pub schema: u32,
    /// Every failed spec of the run.
    pub specs: Vec<ConfirmedSpec>,
}

/// Runs again what the verdict chooses, and keeps what that said. The record is written before the first rerun and after
/// each lane's, so that a run which is killed meanwhile says which were not tried.
pub async fn confirm(context: &Context, lanes: &[(PlannedLane, LaneParts)]) {
    let run = context.log.folder();
    let cells: Vec<CellSummary> = lanes
        .iter()
        .filter_map(|(planned, _)| judged(run, &planned.lane))
        .collect();
    let causes: BTreeMap<LaneId, LaneCauses> = cells
        .iter()
        .filter_map(|cell| {
            let folder = run.attempt(&cell.lane.id, cell.attempts);
            let causes = folder.read_json(evaluate::CAUSES_FILE).ok()?;
            Some((cell.lane.id.clone(), causes))
        })
        .collect();
    // Each runs again once: on a fresh node.
    let limits = ConfirmLimits {
        tries: 1,
        ..ConfirmLimits::default()
    };
    let plan = verdict::confirm_plan(&cells, &causes, &limits);
    let mut record = ConfirmRecord {
        schema: SCHEMA_VERSION,
        specs: Vec::new(),
    };
    for (failed, reason) in plan.unconfirmed {
        record.specs.push(unconfirmed(failed, reason));
    }
    for failed in &plan.rerun {
        let reason = "the run ended before it ran again".to_owned();
        record.specs.push(unconfirmed(failed.clone(), reason));
    }
    if record.specs.is_empty() {
        return;
    }
    keep(run, &record);
    let began = Instant::now();
    let budget = Duration::from_secs_f64(limits.seconds);
    for (planned, parts) in lanes {
        let specs = plan.rerun.iter().filter(|f| f.lane == planned.lane.id);
        let specs: Vec<SpecName> = specs.map(|failed| failed.spec.clone()).collect();
        if specs.is_empty() || context.cancel.is_cancelled() {
            continue;
        }
        let Some(left) = budget.checked_sub(began.elapsed()) else {
            break;
        };
        let cell = again(context, planned, parts, &specs, left).await;
        let control = control(&context.profile, &planned.lane, &cells);
        for known in record
            .specs
            .iter_mut()
            .filter(|known| known.lane == planned.lane.id && specs.contains(&known.spec))
        {
            learn(known, cell.as_ref(), control);
        }
        keep(run, &record);
    }
}

fn judged(run: &EvidenceDir, lane: &Lane) -> Option<CellSummary> {
    run.attempt(&lane.id, 1).read_json(evaluate::CELL_FILE).ok()
}

fn keep(run: &EvidenceDir, record: &ConfirmRecord) {
    if let Err(error) = run.write_json(FILE, record) {
        tracing::error!("cannot keep what failed specs did when they ran again: {error}");
    }
}

fn unconfirmed(failed: FailedSpec, reason: String) -> ConfirmedSpec {
    ConfirmedSpec {
        lane: failed.lane,
        spec: failed.spec,
        confirmation: Confirmation::Unconfirmed { reason },
        reruns: Vec::new(),
    }
}

/// One more attempt at a lane, with these specs alone.
async fn again(
    context: &Context,
    planned: &PlannedLane,
    parts: &LaneParts,
    specs: &[SpecName],
    left: Duration,
) -> Option<CellSummary> {
    let suites = &context.profile.suites;
    let suite = suites
        .iter()
        .find(|suite| suite.name == planned.lane.suite)?;
    let accelerator = context
        .probe
        .get()
        .map_or(Accelerator::Tcg, |p| p.accelerator);
    let suite = narrowed(suite, specs, left / scale(accelerator));
    let (lane, attempt) = (planned.lane.id.clone(), 2);
    context.log.add(EventKind::ConfirmStarted {
        lane: lane.clone(),
        attempt,
        specs: specs.to_vec(),
    });
    let cell = lane::again(context, planned, parts, attempt, &suite).await;
    context.log.add(EventKind::ConfirmFinished {
        lane,
        attempt,
        outcome: cell.outcome.clone(),
    });
    Some(cell)
}

/// The suite with these specs alone, which must end within `limit`.
fn narrowed(suite: &Suite, specs: &[SpecName], limit: Duration) -> Suite {
    let mut suite = suite.clone();
    // Anchored at the end: names begin with the suite's own, and some are the beginning of others.
    let (focus, _) = suite.kind.selection();
    *focus = specs
        .iter()
        .map(|spec| format!("{}$", regex::escape(&spec.0)))
        .collect();
    suite.timeout = suite.timeout.min(limit);
    suite
}

/// The cell of the same lane for the pairing that takes every source's `stable`.
fn control<'c>(
    profile: &Profile,
    lane: &Lane,
    cells: &'c [CellSummary],
) -> Option<&'c CellSummary> {
    let stable = profile.pairings.iter().find(|pairing| {
        let mut sources = profile.sources.iter();
        !pairing.selects.is_empty()
            && sources.all(|(name, source)| {
                source.stable.is_none() || pairing.selects.get(name) == Some(&Selection::Stable)
            })
    })?;
    cells.iter().find(|cell| {
        let other = &cell.lane;
        other.pairing == stable.name
            && other.pairing != lane.pairing
            && other.node == lane.node
            && other.sandboxer == lane.sandboxer
            && other.suite == lane.suite
    })
}

/// Takes in what the further attempt and the control pairing say.
fn learn(known: &mut ConfirmedSpec, fresh: Option<&CellSummary>, control: Option<&CellSummary>) {
    let mut add = |cell: Option<&CellSummary>, place| {
        let result = cell.and_then(|cell| {
            let spec = cell.specs.iter().find(|spec| spec.name == known.spec)?;
            Some((cell, spec))
        });
        if let Some((cell, spec)) = result {
            known.reruns.push(Rerun {
                place,
                lane: cell.lane.id.clone(),
                attempt: cell.attempts,
                // What is expected is no news of what happened.
                outcome: match spec.outcome {
                    SpecOutcome::ExpectedFailure => SpecOutcome::Failed,
                    SpecOutcome::UnexpectedPass => SpecOutcome::Passed,
                    outcome => outcome,
                },
                seconds: spec.seconds,
            });
        }
    };
    add(fresh, Again::FreshNode);
    add(control, Again::Control);
    known.confirmation = match (verdict::confirmation(&known.reruns), fresh) {
        (Confirmation::Unconfirmed { .. }, Some(fresh)) => Confirmation::Unconfirmed {
            reason: match &fresh.outcome {
                CellOutcome::Stopped { cause } => format!(
                    "its further attempt stopped in {}: {}",
                    cause.phase, cause.summary
                ),
                outcome => format!(
                    "it did not run in its further attempt, which is {}",
                    outcome.name()
                ),
            },
        },
        (confirmation, _) => confirmation,
    };
}
