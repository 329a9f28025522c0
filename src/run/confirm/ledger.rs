//! What confirm tries a run has made and may still make. Lanes end side by side, so everything goes through one lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{ConfirmRecord, FILE};
use crate::{
    evidence::EvidenceDir,
    model::{
        Again, CellOutcome, CellSummary, Confirmation, ConfirmedSpec, LaneId, Rerun, RunId,
        SCHEMA_VERSION, SpecName, SpecOutcome,
    },
    verdict::{self, ConfirmLimits, ConfirmUsed, FailedSpec, LaneCauses},
};

/// A run's confirm tries.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: ConfirmLimits,
    used: ConfirmUsed,
    /// Wall time of all tries so far.
    spent: Duration,
    specs: Vec<ConfirmedSpec>,
    /// Of these, the ones that run again.
    chosen: BTreeSet<(LaneId, SpecName)>,
    /// By lane, the last attempt that was given away.
    attempts: BTreeMap<LaneId, u32>,
    /// By lane, the attempt that its outcome is from.
    own: BTreeMap<LaneId, u32>,
}

/// Counts the wall time of a try, whenever it ends.
pub struct Spending<'l> {
    ledger: &'l Ledger,
    began: Instant,
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        self.ledger.inner().spent += self.began.elapsed();
    }
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses among a lane's failed specs, when its suite is over and its machine still up.
    pub fn choose_at_end(
        &self,
        run: &EvidenceDir,
        cell: &CellSummary,
        causes: LaneCauses,
    ) -> Vec<SpecName> {
        let mut inner = self.inner();
        let limits = inner.limits.while_others_run(cell.lane.role, &inner.used);
        let causes = BTreeMap::from([(cell.lane.id.clone(), causes)]);
        let chosen = inner.choose(run, std::slice::from_ref(cell), &causes, &limits);
        chosen.into_iter().map(|failed| failed.spec).collect()
    }

    /// Chooses among the failed specs that no lane's end knew, when all lanes are over. What is no failure by the final
    /// judgement is forgotten.
    pub fn choose_the_rest(
        &self,
        run: &EvidenceDir,
        cells: &[CellSummary],
        causes: &BTreeMap<LaneId, LaneCauses>,
    ) {
        let mut inner = self.inner();
        inner.specs.retain(|known| {
            let cell = cells.iter().find(|cell| cell.lane.id == known.lane);
            cell.is_none_or(|cell| {
                let mut specs = cell.specs.iter();
                specs.any(|spec| spec.name == known.spec && spec.outcome.is_failure())
            })
        });
        let limits = inner.limits;
        inner.choose(run, cells, causes, &limits);
    }

    /// The lane's chosen specs whose tries so far leave something to ask on another machine.
    pub fn open(&self, lane: &LaneId) -> Vec<SpecName> {
        let inner = self.inner();
        let open = inner.specs.iter().filter(|known| {
            known.lane == *lane
                && inner
                    .chosen
                    .contains(&(known.lane.clone(), known.spec.clone()))
                && known.confirmation != Confirmation::Flaky
                && !tried(known, Again::FreshNode)
        });
        open.map(|known| known.spec.clone()).collect()
    }

    /// The lane's specs that failed on a fresh node, and nowhere passed.
    pub fn deterministic(&self, lane: &LaneId) -> Vec<SpecName> {
        let inner = self.inner();
        let known = inner.specs.iter().filter(|known| known.lane == *lane);
        known
            .filter(|known| known.confirmation == Confirmation::Deterministic)
            .map(|known| known.spec.clone())
            .collect()
    }

    /// How long a try may take now; none when the time is used up.
    pub fn left(&self) -> Option<Duration> {
        let inner = self.inner();
        let limit = Duration::from_secs_f64(inner.limits.seconds);
        limit
            .checked_sub(inner.spent)
            .filter(|left| !left.is_zero())
    }

    /// A try begins.
    pub fn spend(&self) -> Spending<'_> {
        Spending {
            ledger: self,
            began: Instant::now(),
        }
    }

    /// The number of the lane's next attempt.
    pub fn attempt(&self, lane: &LaneId) -> u32 {
        let mut inner = self.inner();
        let last = inner.attempts.entry(lane.clone()).or_default();
        *last += 1;
        *last
    }

    /// The number of the lane's next attempt, which its outcome is from.
    pub fn own_attempt(&self, lane: &LaneId) -> u32 {
        let attempt = self.attempt(lane);
        self.inner().own.insert(lane.clone(), attempt);
        attempt
    }

    /// The attempt that the lane's outcome is from.
    pub fn own(&self, lane: &LaneId) -> u32 {
        self.inner().own.get(lane).copied().unwrap_or(1)
    }

    /// Takes in what an attempt says of these specs.
    pub fn learn(
        &self,
        run: &EvidenceDir,
        lane: &LaneId,
        specs: &[SpecName],
        place: Again,
        cell: &CellSummary,
        good: Option<RunId>,
    ) {
        let mut inner = self.inner();
        let known = inner.specs.iter_mut();
        for known in known.filter(|known| known.lane == *lane && specs.contains(&known.spec)) {
            let spec = cell.specs.iter().find(|spec| spec.name == known.spec);
            if let Some(spec) = spec.filter(|spec| spec.outcome != SpecOutcome::NotRun) {
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
                    good,
                });
            }
            known.confirmation = match verdict::confirmation(&known.reruns) {
                Confirmation::Unconfirmed { reason } => Confirmation::Unconfirmed {
                    reason: match &cell.outcome {
                        CellOutcome::Stopped { cause } if known.reruns.is_empty() => format!(
                            "its further attempt stopped in {}: {}",
                            cause.phase, cause.summary
                        ),
                        outcome if known.reruns.is_empty() => format!(
                            "it did not run in its further attempt, which is {}",
                            outcome.name()
                        ),
                        _ => reason,
                    },
                },
                confirmation => confirmation,
            };
        }
        inner.keep(run);
    }

    /// Why a try of these specs was not made.
    pub fn note(&self, run: &EvidenceDir, lane: &LaneId, specs: &[SpecName], why: &str) {
        let mut inner = self.inner();
        let known = inner.specs.iter_mut();
        for known in known.filter(|known| known.lane == *lane && specs.contains(&known.spec)) {
            known.note = Some(why.to_owned());
        }
        inner.keep(run);
    }
}

/// Why a chosen spec has no result yet; stays when the run is killed.
const WAITS: &str = "the run ended before it ran again";

fn tried(known: &ConfirmedSpec, place: Again) -> bool {
    known.reruns.iter().any(|rerun| rerun.place == place)
}

impl Inner {
    fn choose(
        &mut self,
        run: &EvidenceDir,
        cells: &[CellSummary],
        causes: &BTreeMap<LaneId, LaneCauses>,
        limits: &ConfirmLimits,
    ) -> Vec<FailedSpec> {
        let mut unknown = cells.to_vec();
        for cell in &mut unknown {
            let lane = &cell.lane.id;
            let known = |name: &SpecName| {
                let mut specs = self.specs.iter();
                specs.any(|known| known.lane == *lane && known.spec == *name)
            };
            // Those that ran stay: what failed is weighed against them.
            cell.specs
                .retain(|spec| !spec.outcome.is_failure() || !known(&spec.name));
        }
        let plan = verdict::confirm_more(&unknown, causes, limits, &mut self.used);
        for (failed, reason) in plan.unconfirmed {
            self.specs.push(unconfirmed(failed, reason));
        }
        for failed in &plan.rerun {
            self.chosen
                .insert((failed.lane.clone(), failed.spec.clone()));
            self.specs
                .push(unconfirmed(failed.clone(), WAITS.to_owned()));
        }
        self.keep(run);
        plan.rerun
    }

    /// Written at each change, so that a run which is killed says which specs were not tried.
    fn keep(&self, run: &EvidenceDir) {
        if self.specs.is_empty() && !run.file(FILE).exists() {
            return;
        }
        let record = ConfirmRecord {
            schema: SCHEMA_VERSION,
            specs: self.specs.clone(),
        };
        if let Err(error) = run.write_json(FILE, &record) {
            tracing::error!("cannot keep what failed specs did when they ran again: {error}");
        }
    }
}

fn unconfirmed(failed: FailedSpec, reason: String) -> ConfirmedSpec {
    ConfirmedSpec {
        lane: failed.lane,
        spec: failed.spec,
        confirmation: Confirmation::Unconfirmed { reason },
        reruns: Vec::new(),
        note: None,
    }
}
