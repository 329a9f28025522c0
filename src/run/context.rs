//! What every part of one run shares.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::{confirm::Ledger, log::EventLog, past::Past, store::Store};
use crate::{
    build::cache::Cache,
    machine::{Hypervisor, Probe, ProbeError},
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
    /// Whether failed specs run again.
    pub confirm: bool,
    /// Which of them did.
    pub again: Arc<Ledger>,
    /// What earlier runs of the profile say.
    pub past: Arc<Past>,
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
            confirm: self.confirm,
            again: self.again.clone(),
            past: self.past.clone(),
            probe: OnceCell::new_with(self.probe.get().cloned()),
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
