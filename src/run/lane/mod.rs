//! One attempt at one lane: a machine, its runtime, the suite, and everything they leave.

mod again_here;
mod canary;
mod divide;
mod forward;
mod guest;
mod plug;
mod snapshot;
mod start;
mod stops;

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use camino::Utf8PathBuf;

use self::divide::Share;
use super::{context::Context, evaluate, log::EventLog, state::Scope};
use crate::{
    evidence::EvidenceDir,
    image::NodeImage,
    machine::{Machine, snapshot::Content},
    model::{Accelerator, CellOutcome, CellSummary, EventKind, Phase, Stop, StopKind},
    plan::{self, PlannedLane},
    profile::{Node, Sandboxer, Suite},
    runtime::{self, Kind},
    verdict,
};

/// How much longer everything may take under emulation than with KVM.
pub const EMULATION: u32 = 4;

/// What the steps made for a lane.
#[derive(Clone, Debug)]
pub struct LaneParts {
    /// Its node image.
    pub image: NodeImage,
    /// Its disk of runtime, CNI plugins and sandboxers.
    pub runtime_disk: Utf8PathBuf,
    /// The folders of the builds on it, on the host.
    pub runtime: Vec<Utf8PathBuf>,
    /// The base images' folder on the host.
    pub images: Utf8PathBuf,
    /// Kubernetes, if its suite is Kubernetes' own.
    pub kubernetes: Option<Kubernetes>,
    /// What its node image and its runtime disk are made from.
    pub contents: Vec<Content>,
}

/// What Kubernetes' own suite runs from.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// The disk of Kubernetes and test images.
    pub disk: Utf8PathBuf,
    /// What the disk is made from.
    pub content: Content,
    /// The build's folder on the host.
    pub folder: Utf8PathBuf,
    /// Its version.
    pub version: String,
}

/// A lane whose attempts are lost to the host is tried so often.
const ATTEMPTS: u32 = 2;

/// How an attempt ended early.
enum Early {
    /// A station saw it stop.
    Stop(Stop),
    /// It never started, and why.
    NotRun(String),
}

impl From<Stop> for Early {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Runs a lane and judges it: one attempt, and another one if the first was lost to the host. Never fails: whatever goes
/// wrong is the cell's outcome.
pub async fn run(context: &Context, planned: &PlannedLane, parts: &LaneParts) {
    let lane = &planned.lane;
    for _ in 0..ATTEMPTS {
        let attempt = context.again.own_attempt(&lane.id);
        context.log.add(EventKind::LaneStarted {
            lane: lane.id.clone(),
            attempt,
        });
        let cell = attempt_at(context, planned, parts, attempt, None).await;
        context.log.add(EventKind::LaneFinished {
            lane: lane.id.clone(),
            attempt,
            outcome: cell.outcome.clone(),
        });
        if verdict::lost(&cell).is_none() || context.cancel.is_cancelled() {
            break;
        }
    }
}

/// One more attempt, with another form of the lane's suite. The lane's own outcome does not depend on it.
pub async fn again(
    context: &Context,
    planned: &PlannedLane,
    parts: &LaneParts,
    attempt: u32,
    suite: &Suite,
) -> CellSummary {
    attempt_at(context, planned, parts, attempt, Some(suite)).await
}

async fn attempt_at(
    context: &Context,
    planned: &PlannedLane,
    parts: &LaneParts,
    attempt: u32,
    suite: Option<&Suite>,
) -> CellSummary {
    let lane = &planned.lane;
    let folder = context.log.folder().attempt(&lane.id, attempt);
    let scope = Scope::Attempt {
        lane: lane.id.clone(),
        attempt,
    };
    let early = match EvidenceDir::create(folder.path()) {
        Err(error) => Some(Early::Stop(Stop {
            phase: Phase::Boot,
            kind: StopKind::Failed,
            said: format!("cannot make {}: {error}", folder.path()),
            line: None,
        })),
        Ok(_) => {
            let log = context.log.scoped(scope, folder.clone());
            let attempt = Attempt::new(context, planned, parts, suite, &folder, &log);
            // On the heap: a whole attempt's state is too much for the stacks of those who wait for it.
            Box::pin(attempt.to_end()).await
        }
    };
    let (stop, not_run) = match early {
        None => (None, None),
        Some(Early::Stop(stop)) => (Some(stop), None),
        Some(Early::NotRun(reason)) => (None, Some(reason)),
    };
    let mut cell = evaluate::cell(context.log.folder(), lane, attempt, stop).await;
    if let Some(reason) = not_run {
        cell.outcome = CellOutcome::NotRun { reason };
        evaluate::keep(&folder, &cell);
    }
    cell
}

/// A machine that a suite runs on.
#[derive(Clone, Copy)]
struct On<'a> {
    machine: &'a dyn Machine,
    sandboxer: &'a Sandboxer,
    accelerator: Accelerator,
    /// Where its console and journal grow.
    folder: &'a EvidenceDir,
}

/// One try at a lane, a part of one, or a further try of some of its specs.
struct Attempt<'a> {
    context: &'a Context,
    planned: &'a PlannedLane,
    parts: &'a LaneParts,
    /// Instead of the lane's whole suite.
    suite: Option<&'a Suite>,
    /// Of a divided lane, what this machine has to do; the suite is the first call's.
    share: Option<&'a Share<'a>>,
    folder: &'a EvidenceDir,
    log: &'a EventLog,
    phase: Mutex<Phase>,
    /// Whether its suite, or of a share the first call, is over.
    over: AtomicBool,
}

impl<'a> Attempt<'a> {
    const fn new(
        context: &'a Context,
        planned: &'a PlannedLane,
        parts: &'a LaneParts,
        suite: Option<&'a Suite>,
        folder: &'a EvidenceDir,
        log: &'a EventLog,
    ) -> Self {
        // Until there is a machine, what can fail is the suite's own plan.
        Self {
            context,
            planned,
            parts,
            suite,
            share: None,
            folder,
            log,
            phase: Mutex::new(Phase::SuiteStart),
            over: AtomicBool::new(false),
        }
    }

    /// Runs to the end; returns how it was cut short, if it was.
    async fn to_end(&self) -> Option<Early> {
        let early = tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Some(Early::Stop(self.stop(
                StopKind::Cancelled,
                "the run was stopped by Ctrl-C or by its parent",
            ))),
            result = Box::pin(self.drive()) => result.err(),
        };
        // What ends a further call is in that call's log, and the first one's is complete.
        let over = self.share.is_some() && self.over.load(Ordering::Relaxed);
        if let Some(Early::Stop(stop)) = &early
            && !over
        {
            self.log
                .add(EventKind::AttemptStopped { stop: stop.clone() });
        }
        early
    }

    async fn drive(&self) -> Result<(), Early> {
        let (node, sandboxer) = (self.node()?, self.sandboxer()?);
        self.wait("its turn for a machine");
        let turn = self.context.turn.lock().await;
        let plan = match self.share {
            Some(share) => self.first_call(share)?,
            None => self.plan_suite().await?,
        };
        if self.suite.is_none() {
            let suite = self.suite()?;
            if let Some(division) = self.division(suite, &plan) {
                drop(turn);
                return self.divided(suite, &plan, division).await;
            }
        }
        let kernel = self
            .parts
            .image
            .kernel
            .as_ref()
            .map(|(kernel, _)| kernel.as_path());
        let probe = self
            .context
            .probe(kernel)
            .await
            .map_err(|error| self.failed(&error))?;
        let (requires, nested) = (&sandboxer.requires, probe.nested);
        if let Some(reason) = plan::unmet(requires, probe.accelerator, nested, node.memory) {
            return Err(Early::NotRun(reason));
        }
        let spec = self
            .machine_spec(node, sandboxer, probe.accelerator)
            .await?;
        let _lease = self.lease(&spec).await?;
        drop(turn);
        let (machine, start) = self.start(&spec, &probe).await?;
        let on = On {
            machine: machine.as_ref(),
            sandboxer,
            accelerator: probe.accelerator,
            folder: self.folder,
        };
        let result = self.on_machine(&on, &start, &plan).await;
        if result.is_ok() {
            // What this call has to say is said: whatever ends the machine from here on is nothing to it.
            self.over.store(true, Ordering::Relaxed);
            self.enter(Phase::Teardown);
        }
        let result = match (result, self.share) {
            (Ok(ready), Some(share)) => {
                let folders = self.further_calls(share, &on, &ready).await;
                folders.map(|folders| (ready, folders))
            }
            (result, _) => result.map(|ready| (ready, vec![self.folder.clone()])),
        };
        if let Ok((ready, folders)) = &result
            && (self.suite.is_none() || self.share.is_some())
            && self.context.confirm
            && !self.context.keep
        {
            let plan = self.share.map_or(&plan, |share| share.plan);
            self.try_again_here(&on, ready, plan, folders).await;
        }
        if self.context.keep {
            self.wait(format!("kept; enter with: {}", machine.info().ssh_command));
            machine.keep();
        } else {
            if self.phase() != Phase::Teardown {
                self.enter(Phase::Teardown);
            }
            machine.shutdown().await;
        }
        result?;
        Ok(())
    }

    /// The kind of runtime under test.
    fn runtime(&self) -> &'static dyn Kind {
        runtime::kind(self.context.profile.runtime.kind)
    }

    fn suite(&self) -> Result<&'a Suite, Stop> {
        let name = &self.planned.lane.suite;
        let whole = || self.context.profile.suite(name);
        self.part(self.suite.or_else(whole), name)
    }

    fn node(&self) -> Result<&'a Node, Stop> {
        let name = &self.planned.lane.node;
        self.part(self.context.profile.node(name), name)
    }

    fn sandboxer(&self) -> Result<&'a Sandboxer, Stop> {
        let name = &self.planned.lane.sandboxer;
        self.part(self.context.profile.sandboxer(name), name)
    }

    /// The plan is made from the profile, so this fails only for a `run.json` that somebody edited.
    fn part<T>(&self, found: Option<&'a T>, name: &str) -> Result<&'a T, Stop> {
        found.ok_or_else(|| self.stop(StopKind::Failed, format!("the profile has no `{name}`")))
    }
}

/// The factor on all deadlines.
#[must_use]
pub const fn scale(accelerator: Accelerator) -> u32 {
    match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => EMULATION,
    }
}
