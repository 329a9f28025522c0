//! What every part of one run shares.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::{log::EventLog, store::Store};
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
    /// Whether failed specs run once more.
    pub confirm: bool,
    /// What runs guests here, and why; found out once.
    pub probe: OnceCell<Probe>,
}

impl Context {
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
