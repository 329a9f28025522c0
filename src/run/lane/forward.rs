//! A part's events, as its lane tells them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{
    evidence::EvidenceDir,
    model::{EventKind, Phase, SpecName},
    run::{
        log::{EventLog, Observer},
        state::Scope,
    },
};

/// What a divided lane has told of its parts.
#[derive(Default)]
struct Told {
    phase: Option<Phase>,
    machine: bool,
    ready: bool,
    specs: BTreeSet<SpecName>,
}

/// Makes the logs of a lane's parts. Every event is in its part's own log; the lane's tells the specs as they end, each
/// first result and every failure, what it waits for, and the furthest phase.
pub(super) struct Forward {
    lane: EventLog,
    scope: Scope,
    told: Arc<Mutex<Told>>,
    /// Whether the first machine has got so far that its snapshot serves others.
    pub(super) saved: Arc<watch::Sender<bool>>,
}

impl Forward {
    pub(super) fn new(lane: EventLog, scope: Scope) -> Self {
        Self {
            lane,
            scope,
            told: Arc::default(),
            saved: Arc::new(watch::channel(false).0),
        }
    }

    /// The log of one part; `name` is said with what it waits for.
    pub(super) fn log(&self, folder: &EvidenceDir, name: String) -> EventLog {
        let (lane, told, saved) = (self.lane.clone(), self.told.clone(), self.saved.clone());
        let observer: Observer = Arc::new(move |_, event| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let tell = match &event.kind {
                EventKind::PhaseStarted { phase } => {
                    if *phase >= Phase::SuiteStart {
                        saved.send_replace(true);
                    }
                    let further = *phase < Phase::Collect && Some(*phase) > told.phase;
                    if further {
                        told.phase = Some(*phase);
                    }
                    further.then(|| event.kind.clone())
                }
                EventKind::Waiting { what } => Some(EventKind::Waiting {
                    what: format!("{name}: {what}"),
                }),
                EventKind::MachineStarted { .. } => {
                    (!std::mem::replace(&mut told.machine, true)).then(|| event.kind.clone())
                }
                EventKind::NodeReady { .. } => {
                    (!std::mem::replace(&mut told.ready, true)).then(|| event.kind.clone())
                }
                EventKind::SpecFinished { result } => {
                    let first = told.specs.insert(result.name.clone());
                    (first || result.outcome.is_failure()).then(|| event.kind.clone())
                }
                EventKind::SpecStarted { .. } | EventKind::NodeSaved { .. } => {
                    Some(event.kind.clone())
                }
                EventKind::AttemptStopped { .. } => {
                    saved.send_replace(true);
                    None
                }
                _ => None,
            };
            if let Some(kind) = tell {
                lane.add_at(event.at, kind);
            }
        });
        EventLog::new(self.scope.clone(), folder.clone(), observer)
    }
}
