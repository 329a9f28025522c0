//! What every part of one run shares.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::{confirm::Ledger, log::EventLog, past::Past, store::Store};
use crate::{
    build::cache::Cache,
    machine::{Hypervisor, Probe, ProbeError},
    model::{Lane, SuitePlan},
    plan::{self, Known},
    profile::Profile,
};

/// One run's surroundings.
pub struct Context {
    /// The profile, with all overrides applied.
    pub profile: Profile,
    /// The run's own event log.
    pub log: EventLog,
    /// Cancelled when the run must stop.
    pub cancel: CancellationToken,
    /// Starts machines.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// Finished outputs.
    pub cache: Cache,
    /// The cache's folder.
    pub cache_root: Utf8PathBuf,
    /// The state folder.
    pub store: Store,
    /// Where this host's cores and memory are leased.
    pub leases: Utf8PathBuf,
    /// Held by the lane whose machine is next: lanes get their machines in the plan's order.
    pub turn: Mutex<()>,
    /// Whether machines stay up for a person.
    pub keep: bool,
    /// Whether every machine is booted, and none is saved or restored.
    pub cold: bool,
    /// Whether each suite runs until a spec fails.
    pub until_failure: bool,
    /// Whether failed specs run again.
    pub confirm: bool,
    /// Which of them did.
    pub again: Arc<Ledger>,
    /// What earlier runs of the profile say.
    pub past: Arc<Past>,
    /// By pairing, the files that changed since its last run, where that can be known.
    pub changed: OnceLock<BTreeMap<String, Vec<String>>>,
    /// What runs guests here, and why; found out once.
    pub probe: OnceCell<Probe>,
}

impl Context {
    /// The same surroundings with another profile.
    #[must_use]
    pub fn with_profile(&self, profile: Profile) -> Self {
        Self {
            profile,
            log: self.log.clone(),
            cancel: self.cancel.clone(),
            hypervisor: self.hypervisor.clone(),
            cache: self.cache.clone(),
            cache_root: self.cache_root.clone(),
            store: self.store.clone(),
            leases: self.leases.clone(),
            turn: Mutex::new(()),
            keep: self.keep,
            cold: self.cold,
            until_failure: self.until_failure,
            confirm: self.confirm,
            again: self.again.clone(),
            past: self.past.clone(),
            changed: self.changed.clone(),
            probe: OnceCell::new_with(self.probe.get().cloned()),
        }
    }

    /// What earlier runs tell of a lane's specs.
    #[must_use]
    pub fn known(&self, lane: &Lane, plan: &SuitePlan) -> Known {
        let mut first = self.past.failed_last(&lane.id);
        if let Some(changed) = self.changed.get().and_then(|by| by.get(&lane.pairing)) {
            first.extend(plan::touched(&plan.selected, changed));
        }
        Known {
            first,
            seconds: self.past.seconds(&lane.id),
        }
    }

    /// What runs guests here, and why.
    ///
    /// # Errors
    /// When QEMU cannot be asked.
    pub async fn probe(&self, kernel: Option<&Utf8Path>) -> Result<Probe, ProbeError> {
        let probe = self
            .probe
            .get_or_try_init(|| self.hypervisor.probe(&self.cache_root, kernel));
        probe.await.cloned()
    }
}
