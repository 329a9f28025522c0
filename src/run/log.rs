//! Where events go: to disk first, then to whoever watches.

use std::sync::Arc;

use jiff::Timestamp;

use super::state::Scope;
use crate::{
    clock,
    evidence::EvidenceDir,
    model::{Event, EventKind},
};

/// Told of every event after it is on disk.
pub type Observer = Arc<dyn Fn(&Scope, &Event) + Send + Sync>;

/// The event log of one scope.
#[derive(Clone)]
pub struct EventLog {
    scope: Scope,
    folder: EvidenceDir,
    observer: Observer,
}

impl EventLog {
    /// The log of `scope`, kept in `folder`.
    #[must_use]
    pub fn new(scope: Scope, folder: EvidenceDir, observer: Observer) -> Self {
        Self {
            scope,
            folder,
            observer,
        }
    }

    /// The log of another scope with the same observer.
    #[must_use]
    pub fn scoped(&self, scope: Scope, folder: EvidenceDir) -> Self {
        Self::new(scope, folder, self.observer.clone())
    }

    /// Its folder.
    #[must_use]
    pub const fn folder(&self) -> &EvidenceDir {
        &self.folder
    }

    /// Writes one event. A log that cannot be written is said once by tracing: the run goes on, since the
    /// files of the attempt are evidence too, and stopping would lose more.
    pub fn add(&self, kind: EventKind) {
        self.add_at(clock::now(), kind);
    }

    /// As [`EventLog::add`], with its time.
    pub fn add_at(&self, at: Timestamp, kind: EventKind) {
        let event = Event { at, kind };
        if let Err(error) = self.folder.append(&event) {
            tracing::error!("cannot write {}: {error}", self.folder.file("events.jsonl"));
        }
        (self.observer)(&self.scope, &event);
    }
}
