//! Failed specs run again on the node on which they failed, before it is taken down.

use std::{io, io::Read as _, io::Seek as _};

use camino::Utf8Path;
use fs_err as fs;

use super::{Attempt, On, scale};
use crate::{
    evidence::EvidenceDir,
    model::{Again, CellOutcome, CellSummary, EventKind, Phase, SpecName, Stop, SuitePlan},
    run::{
        confirm::{Told, narrowed},
        evaluate,
        state::{LaneState, Scope},
        suite_run::Feed,
    },
    runtime::cri::Ready,
    verdict,
};

/// What a machine writes all the time, and a later suite on it has a part of.
const RUNNING: [&str; 2] = ["journal.log", "console.log"];

impl Attempt<'_> {
    /// Runs what the verdict chooses among this attempt's failed specs, as a further attempt of the lane.
    pub(super) async fn try_again_here(
        &self,
        on: &On<'_>,
        ready: &Ready,
        plan: &SuitePlan,
        folders: &[EvidenceDir],
    ) {
        let ledger = &self.context.again;
        let run = self.context.log.folder();
        let chosen = match self.failures(plan, folders).await {
            Some((cell, causes)) => ledger.choose_at_end(run, &cell, causes),
            None => return,
        };
        let (lane, Some(left)) = (&self.planned.lane, ledger.left()) else {
            return;
        };
        let Ok(suite) = self.suite() else { return };
        if chosen.is_empty() {
            return;
        }
        self.wait(format!("{} failed specs to run again here", chosen.len()));
        let _spending = ledger.spend();
        let told = Told::start(self.context, &lane.id, &chosen);
        let attempt = told.attempt;
        let folder = run.attempt(&lane.id, attempt);
        let stop = match EvidenceDir::create(folder.path()) {
            Ok(_) => {
                let scope = Scope::Attempt {
                    lane: lane.id.clone(),
                    attempt,
                };
                let log = self.context.log.scoped(scope, folder.clone());
                let suite = narrowed(suite, &chosen, left / scale(on.accelerator));
                let again = Attempt {
                    suite: Some(&suite),
                    ..Attempt::new(self.context, self.planned, self.parts, None, &folder, &log)
                };
                let plan = only(plan, &chosen);
                // On the heap, as the attempt that waits for it.
                Box::pin(again.call(on, ready, &plan)).await
            }
            Err(error) => Some(self.failed(&error)),
        };
        let cell = evaluate::cell(run, lane, attempt, stop).await;
        ledger.learn(run, &lane.id, &chosen, Again::SameNode, &cell, None);
        told.end(&cell.outcome);
    }

    /// What the suite said of its failed specs. The machine still writes, so nothing is put in order yet.
    async fn failures(
        &self,
        plan: &SuitePlan,
        folders: &[EvidenceDir],
    ) -> Option<(CellSummary, verdict::LaneCauses)> {
        let lane = self.planned.lane.clone();
        let (folders, run) = (folders.to_vec(), self.context.log.folder().clone());
        let plan = plan.clone();
        let read = move || {
            let mut cell = CellSummary::new(lane.clone(), CellOutcome::Failed);
            let mut causes = verdict::LaneCauses::default();
            for folder in folders {
                let state = LaneState::of_attempt(&folder, lane.id.clone(), 1).ok()?;
                let mut specs = state.finished.clone();
                evaluate::expected(&run, &lane, &state, &plan, &mut specs);
                if specs.iter().any(|spec| spec.outcome.is_failure()) {
                    let artifacts = verdict::load(folder.path()).ok()?;
                    causes
                        .specs
                        .extend(verdict::explain_all(&specs, &artifacts).specs);
                }
                cell.specs.extend(specs);
            }
            // In rounds a spec has several results; one failure is enough, and once.
            cell.specs.sort_by_key(|spec| !spec.outcome.is_failure());
            let mut seen = std::collections::BTreeSet::new();
            cell.specs.retain(|spec| seen.insert(spec.name.clone()));
            let failed = cell.specs.iter().any(|spec| spec.outcome.is_failure());
            failed.then_some((cell, causes))
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// One more suite on a machine that had one, with evidence of its own. Returns how it was cut short.
    pub(super) async fn call(&self, on: &On<'_>, ready: &Ready, plan: &SuitePlan) -> Option<Stop> {
        let before = RUNNING.map(|name| (name, length(&on.folder.file(name))));
        let result = async {
            self.keep_plan(plan)?;
            let result = self.suite_on(on, ready, plan, Feed::Asked).await;
            self.enter(Phase::Collect);
            result.and(self.collect(on.machine).await)
        }
        .await;
        for (name, from) in before {
            if let Err(error) = copy_from(&on.folder.file(name), from, &self.folder.file(name)) {
                tracing::warn!("cannot keep a part of {name}: {error}");
            }
        }
        if let Err(stop) = &result {
            self.log
                .add(EventKind::AttemptStopped { stop: stop.clone() });
        }
        self.enter(Phase::Teardown);
        result.err()
    }
}

/// The plan of these specs alone.
pub(super) fn only(plan: &SuitePlan, specs: &[SpecName]) -> SuitePlan {
    let selected = plan.selected.iter();
    SuitePlan {
        selected: selected
            .filter(|spec| specs.contains(&spec.name))
            .cloned()
            .collect(),
        total: plan.total,
    }
}

fn length(file: &Utf8Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Copies what a file has gained after its first `from` bytes.
fn copy_from(file: &Utf8Path, from: u64, to: &Utf8Path) -> io::Result<()> {
    let mut file = match fs::File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    file.seek(io::SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    fs::write(to, bytes)
}
