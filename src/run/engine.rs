//! One run from its first event to its last document.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::{
    CTRL_C, Finished, Host, PlanOnlyError, Planned, Request, RunError, changed, confirm,
    context::Context,
    finish,
    graph::{self, End, Node},
    lane::{self, Kubernetes, LaneParts},
    log::{EventLog, Observer},
    offer::{self, Offer},
    past::Past,
    record::{self, RunRecord},
    resolve::{self, Resolved},
    state::{RunState, Scope, seconds_between},
    steps::{self, Outputs},
    store::Store,
    unchanged::{self, Before, Standing},
};
use crate::{
    build::cache::Cache,
    clock,
    evidence::EvidenceDir,
    machine::snapshot::Content,
    model::{
        Candidate, Cause, CellOutcome, Digest, EventKind, ExitCode, LaneId, SCHEMA_VERSION, StepId,
        StepOutcome,
    },
    plan::{self, Plan, PlanError, PlannedLane, Step},
    profile::{Profile, Recipe},
};

/// What a run would do, without doing it.
///
/// # Errors
/// With the cause when something cannot be resolved.
pub async fn plan_only(host: &Host, profile: &Profile) -> Result<Planned, PlanOnlyError> {
    let cache = Cache::open(&host.cache)?;
    let resolved = resolve::resolve(host, profile, &cache)
        .await
        .map_err(PlanOnlyError::Resolve)?;
    let plan = make_plan(profile, &resolved.candidates, &cache, resolved.offer)?;
    Ok(Planned {
        candidates: resolved.candidates,
        notes: resolved.notes,
        plan,
    })
}

fn make_plan(
    profile: &Profile,
    candidates: &[Candidate],
    cache: &Cache,
    offer: Offer,
) -> Result<Plan, PlanError> {
    plan::plan(&plan::Inputs {
        profile,
        candidates,
        build_digest: &resolve::build_digest,
        cached: &|digest| cache.get(digest).is_some(),
        unmet: &|sandboxer, node| offer.unmet(sandboxer, node),
    })
}

/// Runs a profile to its end.
///
/// # Errors
/// Only when the run cannot be recorded at all.
pub async fn run(
    host: &Host,
    request: Request,
    observer: Observer,
    cancel: CancellationToken,
) -> Result<Finished, RunError> {
    let store = Store::open(&host.state)?;
    let cache = Cache::open(&host.cache)?;
    let id = request.id.unwrap_or_else(clock::new_run_id);
    let folder = EvidenceDir::create_run(&store.runs_folder(), id)?;
    let lock = store.lock(&folder)?;
    let mut record = RunRecord {
        schema: SCHEMA_VERSION,
        run: id,
        started_at: clock::now(),
        command: request.command,
        lanes: plan::lanes_of(&request.profile),
        profile: request.profile.clone(),
        candidates: Vec::new(),
        notes: Vec::new(),
        plan: None,
        environment: None,
    };
    folder.write_json(record::FILE, &record)?;
    let past = Past::read(&store, &record.profile.name, id);
    let context = Context {
        log: EventLog::new(Scope::Run, folder.clone(), observer),
        profile: request.profile,
        cancel,
        hypervisor: host.hypervisor.clone(),
        cache,
        cache_root: host.cache.clone(),
        store,
        leases: host.leases.clone(),
        turn: Mutex::new(()),
        keep: request.keep,
        cold: request.cold,
        until_failure: request.until_failure,
        confirm: request.confirm,
        again: Arc::default(),
        past: Arc::new(past),
        changed: OnceLock::new(),
        probe: OnceCell::new(),
    };
    context.log.add(EventKind::RunStarted {
        run: id,
        profile: record.profile.name.clone(),
        pid: std::process::id(),
    });
    let result = Engine {
        host,
        context: Arc::new(context),
        folder,
        record: &mut record,
    }
    .drive(request.if_changed, request.candidates)
    .await;
    drop(lock);
    result
}

struct Engine<'a> {
    host: &'a Host,
    context: Arc<Context>,
    folder: EvidenceDir,
    record: &'a mut RunRecord,
}

impl Engine<'_> {
    async fn drive(
        self,
        if_changed: bool,
        given: Option<Vec<Candidate>>,
    ) -> Result<Finished, RunError> {
        let cancel = self.context.cancel.clone();
        let resolved = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            resolved = self.candidates(given) => Some(resolved),
        };
        match resolved {
            None => {}
            Some(Err(cause)) => self.stop_all(&cause),
            Some(Ok(resolved)) => {
                self.record.notes = resolved.notes;
                let before = if_changed
                    .then(|| self.same_again(&resolved.candidates))
                    .flatten();
                match before {
                    Some((folder, exit, Standing::Stands)) => {
                        // A run that found nothing to do leaves nothing.
                        if let Err(error) = fs_err::remove_dir_all(self.folder.path()) {
                            tracing::warn!("{error}");
                        }
                        return Ok(Finished::Unchanged { folder, exit });
                    }
                    Some((folder, _, Standing::Void(reason))) => {
                        let run = folder.path().file_name().unwrap_or_default();
                        let note = format!("nothing moved since {run}, and yet it ran: {reason}");
                        self.record.notes.push(note);
                    }
                    Some((_, _, Standing::Moved)) | None => {}
                }
                self.record.candidates = resolved.candidates;
                for candidate in &self.record.candidates {
                    self.context.log.add(EventKind::CandidateResolved {
                        pairing: candidate.pairing.clone(),
                        digest: candidate.digest(),
                    });
                }
                let (profile, candidates) = (&self.context.profile, &self.record.candidates);
                let cache = &self.context.cache;
                let plan = make_plan(profile, candidates, cache, resolved.offer)?;
                let running = plan.lanes.iter().map(|lane| &lane.lane);
                let out = plan.left_out.iter().map(|out| &out.lane);
                self.context.log.add(EventKind::Planned {
                    lanes: running.chain(out).map(|lane| lane.id.clone()).collect(),
                    steps: plan.steps.iter().map(|step| step.id.clone()).collect(),
                });
                self.record.plan = Some(plan.clone());
                self.save()?;
                for out in &plan.left_out {
                    let reason = out.reason.clone();
                    lane_ended(&self.context, &out.lane.id, CellOutcome::NotRun { reason });
                }
                let candidates = &self.record.candidates;
                let context = &self.context;
                let files = changed::changed(&context.past, candidates, &context.cache_root).await;
                let _ = context.changed.set(files);
                self.work(plan).await;
            }
        }
        self.finish().await
    }

    /// The given candidates where nothing would have to be built for them, else those that the profile means now.
    async fn candidates(&self, given: Option<Vec<Candidate>>) -> Result<Resolved, Box<Cause>> {
        let context = &self.context;
        if let Some(candidates) = given {
            let images = candidates
                .iter()
                .flat_map(|candidate| candidate.node_images.clone())
                .collect();
            let offer = offer::offer(self.host, &context.profile, &images, &context.cache).await;
            let plan = make_plan(&context.profile, &candidates, &context.cache, offer);
            let mut steps = plan.iter().flat_map(|plan| &plan.steps);
            let missing = steps.find(|step| step.work.takes_long() && !step.cached);
            match (&plan, missing) {
                (Ok(_), None) => {
                    return Ok(Resolved {
                        candidates,
                        notes: Vec::new(),
                        offer,
                    });
                }
                (Ok(_), Some(step)) => tracing::info!("{} is not in the cache", step.what),
                (Err(error), _) => tracing::info!("{error}"),
            }
        }
        resolve::resolve(self.host, &context.profile, &context.cache).await
    }

    fn save(&self) -> Result<(), RunError> {
        Ok(self.folder.write_json(record::FILE, &*self.record)?)
    }

    /// Ends every lane with one cause, before anything started.
    fn stop_all(&self, cause: &Cause) {
        for lane in &self.record.lanes {
            lane_not_started(&self.context, &lane.id, cause.clone());
        }
    }

    /// The profile's last run with what it is worth for these candidates.
    fn same_again(&self, candidates: &[Candidate]) -> Option<(EvidenceDir, ExitCode, Standing)> {
        let (folder, summary) = finish::past(&self.context.store, &self.record.profile.name, 1)
            .into_iter()
            .find(|(_, summary)| summary.run != self.record.run)?;
        let record: RunRecord = folder.read_json(record::FILE).ok()?;
        let before = Before {
            profile: &record.profile,
            summary: &summary,
            interrupted: RunState::load(folder.path()).ok()?.interrupted.is_some(),
        };
        let profile = &self.record.profile;
        let version = env!("CARGO_PKG_VERSION");
        let standing = unchanged::standing(&before, profile, candidates, version, clock::now());
        Some((folder, summary.exit, standing))
    }

    /// Steps and lanes, side by side where they can be.
    async fn work(&self, plan: Plan) {
        let shared = Arc::new(Shared {
            context: self.context.clone(),
            candidates: self.record.candidates.clone(),
            digests: plan.steps.iter().map(digest_of).collect(),
            outputs: Outputs::default(),
            causes: Causes::default(),
        });
        let mut nodes: Vec<Node> = plan
            .steps
            .into_iter()
            .map(|step| step_node(&shared, step))
            .collect();
        let lanes = plan.lanes.clone();
        nodes.extend(plan.lanes.into_iter().map(|lane| lane_node(&shared, lane)));
        graph::run(nodes).await;
        // A machine that is kept holds the memory that another attempt would need.
        if shared.context.confirm && !shared.context.keep {
            let lanes: Vec<_> = lanes
                .into_iter()
                .filter_map(|lane| parts(&shared, &lane).map(|parts| (lane, parts)))
                .collect();
            confirm::confirm(&shared.context, &lanes, &shared.candidates).await;
        }
    }

    async fn finish(self) -> Result<Finished, RunError> {
        let context = &self.context;
        if let Some(probe) = context.probe.get() {
            self.record.environment = Some(finish::environment(probe));
            self.save()?;
        }
        if context.cancel.is_cancelled() {
            context.log.add(EventKind::RunInterrupted {
                reason: CTRL_C.to_owned(),
            });
        }
        let summary = finish::all(&self.folder, &context.store, Some(&context.log)).await?;
        Ok(Finished::Ran {
            folder: self.folder,
            summary: Box::new(summary),
        })
    }
}

/// What nodes of the graph share.
struct Shared {
    context: Arc<Context>,
    candidates: Vec<Candidate>,
    /// Of each step's inputs.
    digests: BTreeMap<StepId, Digest>,
    outputs: Outputs,
    causes: Causes,
}

fn digest_of(step: &Step) -> (StepId, Digest) {
    (step.id.clone(), step.digest.clone())
}

/// Why steps did not succeed, so that the lanes they stop can say so.
#[derive(Default)]
struct Causes(std::sync::Mutex<Vec<(StepId, Cause)>>);

impl Causes {
    fn put(&self, step: &StepId, cause: Cause) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push((step.clone(), cause));
    }

    fn of(&self, step: &str) -> Option<Cause> {
        let causes = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        causes
            .iter()
            .find(|(id, _)| id.as_str() == step)
            .map(|(_, cause)| cause.clone())
    }
}

fn step_node(shared: &Arc<Shared>, step: Step) -> Node {
    let (work, skip) = (shared.clone(), shared.clone());
    let id = step.id.clone();
    Node {
        id: step.id.to_string(),
        needs: step.needs.iter().map(ToString::to_string).collect(),
        exclusive: step.work.needs_cores() && !step.cached,
        skip: Box::new(move |culprit| {
            if let Some(cause) = skip.causes.of(culprit) {
                skip.causes.put(&id, cause);
            }
            skip.context.log.add(EventKind::StepFinished {
                step: id,
                outcome: StepOutcome::Skipped {
                    because: format!("{culprit} did not succeed"),
                },
                seconds: 0.0,
            });
        }),
        work: Box::new(move || Box::pin(async move { do_step(&work, &step).await })),
    }
}

async fn do_step(shared: &Shared, step: &Step) -> End {
    let log = &shared.context.log;
    let started = clock::now();
    log.add(EventKind::StepStarted {
        step: step.id.clone(),
        what: step.what.clone(),
    });
    let result = tokio::select! {
        biased;
        () = shared.context.cancel.cancelled() => None,
        result = steps::run(&shared.context, &shared.candidates, &shared.outputs, step) => Some(result),
    };
    let (outcome, end) = match result {
        None => (
            StepOutcome::Skipped {
                because: CTRL_C.to_owned(),
            },
            End::Failed,
        ),
        Some(Ok((output, fresh))) => {
            shared.outputs.put(&step.id, output);
            (
                if fresh {
                    StepOutcome::Built
                } else {
                    StepOutcome::Cached
                },
                End::Done,
            )
        }
        Some(Err(cause)) => {
            shared.causes.put(&step.id, (*cause).clone());
            (StepOutcome::Failed { cause }, End::Failed)
        }
    };
    let seconds = seconds_between(started, clock::now());
    log.add(EventKind::StepFinished {
        step: step.id.clone(),
        outcome,
        seconds,
    });
    end
}

fn lane_node(shared: &Arc<Shared>, planned: PlannedLane) -> Node {
    let (work, skip) = (shared.clone(), shared.clone());
    let id = planned.lane.id.clone();
    Node {
        id: format!("lane {}", planned.lane.id),
        needs: planned.needs().iter().map(ToString::to_string).collect(),
        exclusive: false,
        skip: Box::new(move |culprit| {
            if let Some(cause) = skip.causes.of(culprit) {
                lane_not_started(&skip.context, &id, cause);
            }
        }),
        work: Box::new(move || {
            Box::pin(async move {
                if let Some(parts) = parts(&work, &planned) {
                    lane::run(&work.context, &planned, &parts).await;
                }
                End::Done
            })
        }),
    }
}

fn parts(shared: &Shared, planned: &PlannedLane) -> Option<LaneParts> {
    lane_parts(
        &shared.context.profile,
        &shared.candidates,
        &shared.digests,
        &shared.outputs,
        planned,
    )
}

/// What the steps made for a lane.
pub fn lane_parts(
    profile: &Profile,
    candidates: &[Candidate],
    digests: &BTreeMap<StepId, Digest>,
    outputs: &Outputs,
    planned: &PlannedLane,
) -> Option<LaneParts> {
    let candidate = candidates
        .iter()
        .find(|known| known.pairing == planned.lane.pairing)?;
    let content = |name: &str, step: &StepId| {
        let digest = digests.get(step)?.clone();
        let name = name.to_owned();
        Some(Content { name, digest })
    };
    Some(LaneParts {
        contents: vec![
            content("image", &planned.image)?,
            content("runtime", &planned.runtime_disk)?,
        ],
        image: outputs.image(&planned.image)?,
        runtime_disk: outputs.path(&planned.runtime_disk)?,
        runtime: outputs.on_disk(&planned.runtime_disk),
        images: outputs.path(&planned.images)?,
        kubernetes: match (&planned.kubernetes_disk, &planned.kubernetes_build) {
            (Some(disk), Some(build)) => {
                let mut builds = profile.builds.values();
                let of = builds.find(|build| build.recipe == Recipe::KubernetesNode)?;
                Some(Kubernetes {
                    disk: outputs.path(disk)?,
                    content: content("kubernetes", disk)?,
                    folder: outputs.path(build)?,
                    version: candidate.revisions.get(&of.source)?.version.clone(),
                })
            }
            _ => None,
        },
    })
}

fn lane_not_started(context: &Context, lane: &LaneId, cause: Cause) {
    let cause = Box::new(cause);
    lane_ended(context, lane, CellOutcome::Stopped { cause });
}

/// Ends a lane of which nothing was tried.
fn lane_ended(context: &Context, lane: &LaneId, outcome: CellOutcome) {
    context.log.add(EventKind::LaneFinished {
        lane: lane.clone(),
        attempt: 0,
        outcome,
    });
}
