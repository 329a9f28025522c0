//! Confirm tries: chosen failed specs run again. On the node on which they failed, while it is still up; when all lanes
//! are over on a fresh node; and what fails there too with the last candidate on which it passed, unless the control
//! pairing has shown in this run that it passes there. No outcome changes by it.

mod last_good;
mod ledger;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::ledger::Ledger;
use super::{
    context::Context,
    evaluate,
    lane::{self, LaneParts, scale},
};
use crate::{
    model::{
        Accelerator, Again, Candidate, CellOutcome, CellSummary, ConfirmedSpec, EventKind, Lane,
        LaneId, SpecName,
    },
    plan::PlannedLane,
    profile::{Profile, Selection, Suite},
    verdict::LaneCauses,
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

/// All tries that need another machine, when all lanes are over.
pub async fn confirm(
    context: &Context,
    lanes: &[(PlannedLane, LaneParts)],
    candidates: &[Candidate],
) {
    let run = context.log.folder();
    let judged = |(planned, _): &(PlannedLane, LaneParts)| {
        let lane = &planned.lane.id;
        let folder = run.attempt(lane, context.again.own(lane));
        folder.read_json(evaluate::CELL_FILE).ok()
    };
    let cells: Vec<CellSummary> = lanes.iter().filter_map(judged).collect();
    let causes: BTreeMap<LaneId, LaneCauses> = cells
        .iter()
        .filter_map(|cell| {
            let folder = run.attempt(&cell.lane.id, cell.attempts);
            let causes = folder.read_json(evaluate::CAUSES_FILE).ok()?;
            Some((cell.lane.id.clone(), causes))
        })
        .collect();
    let ledger = &context.again;
    ledger.choose_the_rest(run, &cells, &causes);
    for (planned, parts) in lanes {
        let lane = &planned.lane.id;
        let open = ledger.open(lane);
        if open.is_empty() || context.cancel.is_cancelled() {
            continue;
        }
        let Some(cell) = again(context, planned, parts, &open).await else {
            continue;
        };
        ledger.learn(run, lane, &open, Again::FreshNode, &cell, None);
        let failing = ledger.deterministic(lane);
        if let Some(control) = control(&context.profile, &planned.lane, &cells) {
            ledger.learn(run, lane, &failing, Again::Control, control, None);
        }
        let failing = ledger.deterministic(lane);
        if !failing.is_empty() && !context.cancel.is_cancelled() {
            last_good::ask(context, planned, candidates, &failing).await;
        }
    }
}

/// One more attempt at a lane, with these specs alone, on a machine of its own.
async fn again(
    context: &Context,
    planned: &PlannedLane,
    parts: &LaneParts,
    specs: &[SpecName],
) -> Option<CellSummary> {
    let accelerator = context.probe.get();
    let accelerator = accelerator.map_or(Accelerator::Tcg, |probe| probe.accelerator);
    let suite = context.profile.suite(&planned.lane.suite)?;
    let suite = narrowed(suite, specs, context.again.left()? / scale(accelerator));
    let _spending = context.again.spend();
    let told = Told::start(context, &planned.lane.id, specs);
    let cell = lane::again(context, planned, parts, told.attempt, &suite).await;
    told.end(&cell.outcome);
    Some(cell)
}

/// A try, as the run's log tells of it.
pub struct Told<'c> {
    context: &'c Context,
    lane: LaneId,
    /// Its attempt.
    pub attempt: u32,
}

impl<'c> Told<'c> {
    /// The next attempt of a lane begins, with these specs.
    pub fn start(context: &'c Context, lane: &LaneId, specs: &[SpecName]) -> Self {
        let attempt = context.again.attempt(lane);
        context.log.add(EventKind::ConfirmStarted {
            lane: lane.clone(),
            attempt,
            specs: specs.to_vec(),
        });
        Self {
            context,
            lane: lane.clone(),
            attempt,
        }
    }

    /// It ended.
    pub fn end(self, outcome: &CellOutcome) {
        self.context.log.add(EventKind::ConfirmFinished {
            lane: self.lane,
            attempt: self.attempt,
            outcome: outcome.clone(),
        });
    }
}

/// The suite with these specs alone, which must end within `limit`.
pub fn narrowed(suite: &Suite, specs: &[SpecName], limit: Duration) -> Suite {
    let mut suite = suite.with_specs(specs);
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
