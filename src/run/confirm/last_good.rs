//! Specs that fail on a fresh node run with the last candidate on which they passed, if everything that it was made of
//! is still in the cache: a build takes longer than all tries together may.

use super::again;
use crate::{
    model::{Again, Candidate, SpecName, StepId},
    plan::{Plan, PlannedLane, Step},
    run::{
        context::Context,
        engine::lane_parts,
        lane::LaneParts,
        past::{LastGood, Past},
        record::{self, RunRecord},
        steps::{self, Outputs},
    },
};

/// Finds the last good candidate and runs these specs with it.
pub async fn ask(
    context: &Context,
    planned: &PlannedLane,
    candidates: &[Candidate],
    specs: &[SpecName],
) {
    let (run, lane) = (context.log.folder(), &planned.lane.id);
    let mut now = candidates.iter();
    let Some(now) = now.find(|known| known.pairing == planned.lane.pairing) else {
        return;
    };
    let Some((good, specs)) = common(&context.past, planned, now, specs) else {
        let none = "no earlier run has it passing with another candidate";
        context.again.note(run, lane, specs, none);
        return;
    };
    let (before, planned, parts) = match restore(context, &good, planned).await {
        Ok(restored) => restored,
        Err(why) => {
            let why = format!(
                "the last good candidate, of run {}, was not tried: {why}",
                good.run
            );
            context.again.note(run, lane, &specs, &why);
            return;
        }
    };
    if let Some(cell) = again(&before, &planned, &parts, &specs).await {
        let place = Again::LastGood;
        context
            .again
            .learn(run, lane, &specs, place, &cell, Some(good.run));
    }
}

/// The run in which the first of these specs last passed, and all of them that passed last there.
fn common(
    past: &Past,
    planned: &PlannedLane,
    now: &Candidate,
    specs: &[SpecName],
) -> Option<(LastGood, Vec<SpecName>)> {
    let of = |spec: &SpecName| past.last_good(&planned.lane.id, spec, now);
    let good = specs.iter().find_map(of)?;
    let there = specs
        .iter()
        .filter(|spec| of(spec).is_some_and(|other| other.run == good.run));
    let there = there.cloned().collect();
    Some((good, there))
}

/// A run's surroundings with an earlier run's profile, and what that run's lane was made of.
async fn restore(
    context: &Context,
    good: &LastGood,
    planned: &PlannedLane,
) -> Result<(Box<Context>, PlannedLane, LaneParts), String> {
    let record: RunRecord = good
        .folder
        .read_json(record::FILE)
        .map_err(|error| error.to_string())?;
    let plan = record.plan.ok_or("its record has no plan")?;
    let lane = plan
        .lanes
        .iter()
        .find(|known| known.lane.id == planned.lane.id);
    let lane = lane.ok_or("its plan lacks the lane")?.clone();
    let steps = needed(&plan, &lane);
    if let Some(step) = steps
        .iter()
        .find(|step| step.work.takes_long() && context.cache.get(&step.digest).is_none())
    {
        return Err(format!("{} is no longer in the cache", step.what));
    }
    let before = Box::new(context.with_profile(record.profile));
    let outputs = Outputs::default();
    for step in &steps {
        let (output, _) = steps::run(&before, &record.candidates, &outputs, step)
            .await
            .map_err(|cause| cause.summary)?;
        outputs.put(&step.id, output);
    }
    let digests = steps
        .iter()
        .map(|step| (step.id.clone(), step.digest.clone()));
    let parts = lane_parts(
        &before.profile,
        &record.candidates,
        &digests.collect(),
        &outputs,
        &lane,
    );
    Ok((
        before,
        lane,
        parts.ok_or("its parts cannot be put together")?,
    ))
}

/// The steps that a lane is made by, each after those it needs.
fn needed(plan: &Plan, lane: &PlannedLane) -> Vec<Step> {
    let mut wanted: Vec<StepId> = lane.needs();
    let mut steps = Vec::new();
    for step in plan.steps.iter().rev() {
        if wanted.contains(&step.id) {
            wanted.extend(step.needs.iter().cloned());
            steps.push(step.clone());
        }
    }
    steps.reverse();
    steps
}
