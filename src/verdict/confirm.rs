//! Confirm reruns: which failed specs run again, and what their further tries say. Nothing here changes an outcome: a
//! spec that failed has failed, whatever it does later.

use std::collections::BTreeMap;

use super::{LaneCauses, signature};
use crate::model::{
    Again, CellOutcome, CellSummary, Confirmation, LaneId, Rerun, Role, SpecName, SpecOutcome,
    SpecResult,
};

/// How much of a run may go into reruns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfirmLimits {
    /// Specs in all.
    pub specs: usize,
    /// Seconds in all, by the specs' own first run times.
    pub seconds: f64,
    /// Specs of one signature.
    pub per_cluster: usize,
    /// How often each runs again at most.
    pub tries: u32,
    /// From so many failed specs of a lane on, its share of failures is looked at.
    pub surge_least: usize,
    /// Above this share of the specs that ran, a common cause is likelier.
    pub surge_share: f64,
    /// Above so many failed specs of a lane too, whatever the share.
    pub surge_most: usize,
}

impl Default for ConfirmLimits {
    fn default() -> Self {
        Self {
            specs: 8,
            seconds: 20.0 * 60.0,
            per_cluster: 2,
            tries: 3,
            surge_least: 5,
            surge_share: 0.5,
            surge_most: 40,
        }
    }
}

impl ConfirmLimits {
    /// The limits for a lane that ends while others run. An informing one takes at most half of what is left, so that a
    /// blocking one after it is not left without.
    #[must_use]
    pub const fn while_others_run(self, role: Role, used: &ConfirmUsed) -> Self {
        match role {
            Role::Blocking => self,
            Role::Informing => Self {
                specs: used.specs + self.specs.saturating_sub(used.specs).div_ceil(2),
                ..self
            },
        }
    }
}

/// What of the limits is used up: lanes end one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfirmUsed {
    /// Specs that run again.
    pub specs: usize,
    /// Seconds that these take at most.
    pub seconds: f64,
    /// By signature: how many run again, and the first of them.
    clusters: BTreeMap<String, (usize, SpecName)>,
}

/// A failed spec of a lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailedSpec {
    /// The lane.
    pub lane: LaneId,
    /// The spec.
    pub spec: SpecName,
}

/// Which failed specs run again. Every failed spec of the run is in one of the two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfirmPlan {
    /// These, in this order.
    pub rerun: Vec<FailedSpec>,
    /// These do not, and why.
    pub unconfirmed: Vec<(FailedSpec, String)>,
    /// What the reruns take at most, in seconds, by the specs' own first run times.
    pub seconds: f64,
}

struct Candidate<'a> {
    cell: &'a CellSummary,
    spec: &'a SpecResult,
}

impl Candidate<'_> {
    fn failed(&self) -> FailedSpec {
        FailedSpec {
            lane: self.cell.lane.id.clone(),
            spec: self.spec.name.clone(),
        }
    }
}

/// Chooses what to run again: of each signature the quickest failures, signatures of blocking lanes first, then those
/// with the most failures; each signature once before any twice.
#[must_use]
pub fn confirm_plan(
    cells: &[CellSummary],
    causes: &BTreeMap<LaneId, LaneCauses>,
    limits: &ConfirmLimits,
) -> ConfirmPlan {
    confirm_more(cells, causes, limits, &mut ConfirmUsed::default())
}

/// As [`confirm_plan`], after others have used some of it. `used` grows by what is chosen.
#[must_use]
pub fn confirm_more(
    cells: &[CellSummary],
    causes: &BTreeMap<LaneId, LaneCauses>,
    limits: &ConfirmLimits,
    used: &mut ConfirmUsed,
) -> ConfirmPlan {
    let mut plan = ConfirmPlan::default();
    let mut clusters: BTreeMap<String, Vec<Candidate<'_>>> = BTreeMap::new();
    for cell in cells {
        let refused = refused(cell, limits);
        let explained = causes
            .get(&cell.lane.id)
            .map(|causes| causes.specs.as_slice());
        for spec in cell.specs.iter().filter(|spec| spec.outcome.is_failure()) {
            let candidate = Candidate { cell, spec };
            let interrupted = spec.outcome == SpecOutcome::Interrupted;
            match &refused {
                Some(reason) => plan.unconfirmed.push((candidate.failed(), reason.clone())),
                None if interrupted => plan.unconfirmed.push((
                    candidate.failed(),
                    "it was interrupted, which says nothing of it".to_owned(),
                )),
                None => {
                    let signature = signature(spec, explained.unwrap_or_default());
                    clusters.entry(signature).or_default().push(candidate);
                }
            }
        }
    }
    let mut clusters: Vec<(String, Vec<Candidate<'_>>)> = clusters.into_iter().collect();
    for (_, members) in &mut clusters {
        members.sort_by(|a, b| {
            let key = |c: &Candidate<'_>| (c.cell.lane.role, c.spec.seconds);
            let ((a_role, a_seconds), (b_role, b_seconds)) = (key(a), key(b));
            a_role.cmp(&b_role).then(a_seconds.total_cmp(&b_seconds))
        });
    }
    clusters.sort_by_key(|(_, members)| {
        let blocking = members.iter().any(|c| c.cell.lane.role == Role::Blocking);
        (!blocking, std::cmp::Reverse(members.len()))
    });
    let most = clusters.iter().map(|(_, members)| members.len()).max();
    for round in 0..most.unwrap_or(0) {
        for (signature, members) in &clusters {
            let Some(candidate) = members.get(round) else {
                continue;
            };
            let cost = candidate.spec.seconds.max(0.0) * f64::from(limits.tries);
            let (taken, like) = used
                .clusters
                .get(signature)
                .map_or((0, &members[0].spec.name), |(taken, like)| (*taken, like));
            let reason = if taken >= limits.per_cluster {
                format!("it failed as `{like}` did ({signature}), which runs again for it")
            } else if used.specs >= limits.specs {
                format!("{} specs run again, and no more may", used.specs)
            } else if used.seconds + cost > limits.seconds {
                let minutes = limits.seconds / 60.0;
                format!("it does not fit into the {minutes:.0} minutes that reruns may take")
            } else {
                used.specs += 1;
                used.seconds += cost;
                plan.seconds += cost;
                let first = || (0, candidate.spec.name.clone());
                used.clusters
                    .entry(signature.clone())
                    .or_insert_with(first)
                    .0 += 1;
                plan.rerun.push(candidate.failed());
                continue;
            };
            plan.unconfirmed.push((candidate.failed(), reason));
        }
    }
    plan
}

/// Why no failed spec of this lane runs again.
fn refused(cell: &CellSummary, limits: &ConfirmLimits) -> Option<String> {
    if let CellOutcome::Stopped { cause } = &cell.outcome {
        return Some(format!(
            "the lane stopped in {}: {}",
            cause.phase, cause.summary
        ));
    }
    let count = |wanted: fn(SpecOutcome) -> bool| {
        let specs = cell.specs.iter().filter(|spec| wanted(spec.outcome));
        specs.count()
    };
    let failed = count(SpecOutcome::is_failure);
    let ran = count(|outcome| !matches!(outcome, SpecOutcome::Skipped | SpecOutcome::NotRun));
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of specs are far below 2^52"
    )]
    let share = failed as f64 / ran.max(1) as f64;
    let surge =
        failed > limits.surge_most || (failed >= limits.surge_least && share > limits.surge_share);
    surge.then(|| {
        format!(
            "{failed} of {ran} specs of the lane failed: one cause for all is likelier than so many"
        )
    })
}

/// What a failed spec's further tries say. Passing once where it failed is enough for flaky; nothing is said of what
/// was not tried.
#[must_use]
pub fn confirmation(reruns: &[Rerun]) -> Confirmation {
    let tries = |place: Again| -> (bool, bool) {
        let of_place = || reruns.iter().filter(move |rerun| rerun.place == place);
        let passed = of_place().any(|rerun| rerun.outcome == SpecOutcome::Passed);
        let failed = of_place()
            .any(|rerun| rerun.outcome.is_failure() && rerun.outcome != SpecOutcome::Interrupted);
        (passed, failed)
    };
    let unconfirmed = |reason: &str| Confirmation::Unconfirmed {
        reason: reason.to_owned(),
    };
    let (last_good, _) = tries(Again::LastGood);
    let (control, _) = tries(Again::Control);
    match (tries(Again::SameNode), tries(Again::FreshNode)) {
        ((true, _), _) | (_, (true, true)) => Confirmation::Flaky,
        // Without a second failure on the old node nobody can tell what it was.
        ((false, false), (true, false)) => Confirmation::Flaky,
        ((false, true), (true, false)) => Confirmation::PollutedNode,
        (_, (false, true)) if last_good || control => Confirmation::Regression,
        (_, (false, true)) => Confirmation::Deterministic,
        ((false, true), (false, false)) => {
            unconfirmed("it failed again on its node, and no fresh node said anything")
        }
        ((false, false), (false, false)) => unconfirmed("no further try came to an end"),
    }
}
