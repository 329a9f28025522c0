//! A lane that is divided: among machines, in rounds, or so that what failed last comes first.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Attempt, Early, On, again_here::only, forward::Forward};
use crate::{
    evidence::EvidenceDir,
    model::{EventKind, Phase, SpecName, Stop, StopKind, SuitePlan},
    plan,
    profile::Suite,
    run::{
        parts::{Part, Parts},
        state::{LaneState, Scope},
    },
    runtime::cri::Ready,
    suite::{self, Driver},
};

/// What one machine runs of a divided lane: calls of the suite, one after another.
pub(super) struct Share<'a> {
    shard: u32,
    /// The lane's whole suite.
    suite: &'a Suite,
    /// The lane's whole plan.
    pub(super) plan: &'a SuitePlan,
    /// By call, the specs of a round.
    calls: Vec<Vec<SpecName>>,
    /// The first of these rounds.
    round: u32,
    rounds: u32,
    until_failure: bool,
    again: bool,
    /// Whether this machine is asked if the suite has specs there that its plan on the host lacks.
    asks: bool,
    parts: &'a Parts,
    forward: &'a Forward,
}

impl Share<'_> {
    pub(super) fn name(&self, call: usize) -> String {
        let again = if self.again { "-again" } else { "" };
        match call {
            0 => format!("shard-{}{again}", self.shard),
            _ => format!("shard-{}{again}.{}", self.shard, call + 1),
        }
    }

    fn begin(&self, call: usize, round: u32, specs: &[SpecName]) -> Result<EvidenceDir, String> {
        let part = Part {
            folder: self.name(call),
            shard: self.shard,
            round,
            specs: specs.to_vec(),
            again: self.again,
        };
        self.parts.begin(part).map_err(|error| error.to_string())
    }
}

impl Attempt<'_> {
    /// How the lane's suite is divided; none when it is called once, on one machine.
    pub(super) fn division(
        &self,
        suite: &Suite,
        plan: &SuitePlan,
    ) -> Option<Vec<Vec<Vec<SpecName>>>> {
        let known = self.context.known(&self.planned.lane, plan);
        let divided = plan::divide(&plan.selected, suite.shards, &known);
        let calls: usize = divided.iter().map(Vec::len).sum();
        let rounds = suite.repeat > 1 || self.context.until_failure;
        (calls > 1 || (rounds && calls > 0)).then_some(divided)
    }

    /// Runs all shares side by side, as far as the host has room.
    pub(super) async fn divided(
        &self,
        suite: &Suite,
        plan: &SuitePlan,
        division: Vec<Vec<Vec<SpecName>>>,
    ) -> Result<(), Early> {
        let parts = Parts::new(self.folder);
        let scope = Scope::Attempt {
            lane: self.planned.lane.id.clone(),
            attempt: 1,
        };
        let forward = Forward::new(self.log.clone(), scope);
        let until_failure = self.context.until_failure;
        let several = division.len() > 1;
        let shares = division
            .into_iter()
            .zip(1_u32..)
            .map(|(calls, shard)| Share {
                shard,
                suite,
                plan,
                calls,
                round: 1,
                rounds: match until_failure && suite.repeat == 1 {
                    true => u32::MAX,
                    false => suite.repeat,
                },
                until_failure,
                again: false,
                asks: shard == 1,
                parts: &parts,
                forward: &forward,
            });
        let results = join_all(shares.map(|share| self.share(share, several))).await;
        self.enter(Phase::Collect);
        let early = results.into_iter().find_map(Result::err);
        let failed = match &early {
            Some(_) => true,
            None => LaneState::of_attempt(self.folder, self.planned.lane.id.clone(), 1)
                .is_ok_and(|state| state.failed() > 0),
        };
        self.log.add(EventKind::SuiteExited {
            status: Some(i32::from(failed)),
            signal: None,
        });
        early.map_or(Ok(()), Err)
    }

    /// One share, and once more on a fresh machine what a machine that died has left.
    async fn share(&self, share: Share<'_>, several: bool) -> Result<(), Early> {
        if share.shard > 1 && !self.context.cold {
            // The first one's snapshot takes seconds, a boot of one's own minutes.
            let mut saved = share.forward.saved.subscribe();
            let _ = saved.wait_for(|saved| *saved).await;
        }
        let result = Box::pin(self.on_own_machine(&share)).await;
        let Err(Early::Stop(stop)) = &result else {
            return result;
        };
        if !several || stop.kind != StopKind::MachineGone {
            return result;
        }
        let Some((round, calls)) = self.unfinished(&share) else {
            return result;
        };
        let left: usize = calls.iter().map(Vec::len).sum();
        self.wait(format!(
            "a fresh machine for {left} unfinished specs of shard {}: {}",
            share.shard, stop.said
        ));
        let again = Share {
            calls,
            round,
            again: true,
            asks: false,
            ..share
        };
        Box::pin(self.on_own_machine(&again)).await
    }

    async fn on_own_machine(&self, share: &Share<'_>) -> Result<(), Early> {
        let Some(first) = share.calls.first() else {
            return Ok(());
        };
        let failed = |said: String| Early::Stop(self.stop(StopKind::Failed, said));
        let folder = share.begin(0, share.round, first).map_err(failed)?;
        let log = share.forward.log(&folder, share.name(0));
        let suite = share.suite.with_specs(first);
        let attempt = Attempt {
            suite: Some(&suite),
            share: Some(share),
            ..Attempt::new(self.context, self.planned, self.parts, None, &folder, &log)
        };
        let early = attempt.to_end().await;
        early.map_or(Ok(()), Err)
    }

    /// The plan of a share's first call.
    pub(super) fn first_call(&self, share: &Share<'_>) -> Result<SuitePlan, Stop> {
        let plan = only(share.plan, share.calls.first().map_or(&[], Vec::as_slice));
        self.keep_plan(&plan)?;
        Ok(plan)
    }

    /// The calls after the first, on the same machine. Returns the folders of all.
    pub(super) async fn further_calls(
        &self,
        share: &Share<'_>,
        on: &On<'_>,
        ready: &Ready,
    ) -> Result<Vec<EvidenceDir>, Stop> {
        let mut folders = vec![self.folder.clone()];
        let mut number = 0;
        let extra = match share.asks {
            true => self.only_in_guest(share, on).await?,
            false => SuitePlan::default(),
        };
        let mut plan = share.plan.clone();
        plan.selected.extend(extra.selected.iter().cloned());
        let mut calls = share.calls.clone();
        if !extra.selected.is_empty() {
            calls.push(extra.selected.into_iter().map(|spec| spec.name).collect());
        }
        for round in share.round..=share.rounds {
            for (index, specs) in calls.iter().enumerate() {
                if round == share.round && index == 0 {
                    continue;
                }
                number += 1;
                let failed = |said: String| self.no_start(said);
                let folder = share.begin(number, round, specs).map_err(failed)?;
                let log = share.forward.log(&folder, share.name(number));
                let suite = share.suite.with_specs(specs);
                let call = Attempt {
                    suite: Some(&suite),
                    ..Attempt::new(self.context, self.planned, self.parts, None, &folder, &log)
                };
                let stop = Box::pin(call.call(on, ready, &only(&plan, specs))).await;
                folders.push(folder);
                if let Some(stop) = stop {
                    return Err(stop);
                }
            }
            if share.until_failure && folders.iter().any(|folder| self.any_failed(folder)) {
                break;
            }
        }
        Ok(folders)
    }

    /// The first call is over, and so is its phase.
    fn no_start(&self, said: String) -> Stop {
        Stop {
            phase: Phase::SuiteStart,
            ..self.stop(StopKind::Failed, said)
        }
    }

    fn any_failed(&self, folder: &EvidenceDir) -> bool {
        let lane = self.planned.lane.id.clone();
        LaneState::of_attempt(folder, lane, 1).is_ok_and(|state| state.failed() > 0)
    }

    /// Some specs exist only where the node can run them, and no call that names its specs would select them.
    async fn only_in_guest(&self, share: &Share<'_>, on: &On<'_>) -> Result<SuitePlan, Stop> {
        let Driver::Guest(kind) = suite::driver(&share.suite.kind) else {
            return Ok(SuitePlan::default());
        };
        let facts = crate::run::node::facts(on.machine.root(), self.runtime(), on.sandboxer);
        let limit = Duration::from_secs(120) * super::scale(on.accelerator);
        let output = on
            .machine
            .run(&kind.plan_script(&facts), limit)
            .await
            .map_err(|error| self.no_start(error.to_string()))?;
        let mut plan = kind
            .read_plan(&output.stdout)
            .map_err(|error| self.no_start(error.to_string()))?;
        let known = |name: &SpecName| share.plan.selected.iter().any(|spec| spec.name == *name);
        plan.selected.retain(|spec| !known(&spec.name));
        Ok(plan)
    }

    /// What a share's machine did not come to the end of: the round, and by call the specs.
    fn unfinished(&self, share: &Share<'_>) -> Option<(u32, Vec<Vec<SpecName>>)> {
        let parts = share.parts.of(share.shard);
        let round = parts.last()?.round;
        let lane = &self.planned.lane.id;
        let ended: Vec<SpecName> = parts
            .iter()
            .filter(|part| part.round == round)
            .filter_map(|part| {
                let folder = EvidenceDir::at(self.folder.file(&part.folder));
                LaneState::of_attempt(&folder, lane.clone(), 1).ok()
            })
            .flat_map(|state| state.finished.into_iter().map(|spec| spec.name))
            .collect();
        let calls = share.calls.iter().map(|call| {
            let left = call.iter().filter(|name| !ended.contains(name));
            left.cloned().collect::<Vec<_>>()
        });
        let calls: Vec<Vec<SpecName>> = calls.filter(|call| !call.is_empty()).collect();
        (!calls.is_empty()).then_some((round, calls))
    }
}
