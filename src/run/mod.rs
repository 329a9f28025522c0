//! The run engine: resolve, plan, steps, lanes, verdict.
//!
//! Owns: events and their fold, the order of work, cancelling, recovery of what a killed run left.
//! Must not: print, or know how any station does its work.

mod changed;
pub mod confirm;
mod context;
mod engine;
mod evaluate;
pub mod finish;
mod follow;
mod graph;
mod host_run;
mod lane;
mod log;
mod node;
mod offer;
mod parts;
pub mod past;
pub mod record;
mod recover;
mod resolve;
pub mod state;
mod steps;
pub mod store;
mod suite_run;
mod unchanged;

use std::sync::Arc;

use camino::Utf8PathBuf;
pub use engine::{plan_only, run};
pub use log::Observer;
pub use recover::recover;
pub use resolve::node_packages;

use self::{finish::FinishError, store::StoreError};
use crate::{
    build::cache::CacheError,
    evidence::{EvidenceDir, RunDirError},
    machine::Hypervisor,
    model::{Candidate, Cause, ExitCode, RunId, RunSummary},
    plan::{Plan, PlanError},
    profile::Profile,
};

/// Why a run was interrupted, when a person did it.
pub const CTRL_C: &str = "stopped by Ctrl-C";

/// A run could not be started or finished. What fails inside a run is not an error but its outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The run directory cannot be written.
    #[error("cannot write the run directory: {0}")]
    RunDir(#[from] RunDirError),
    /// The profile's parts do not make a run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The run's documents cannot be written.
    #[error(transparent)]
    Finish(#[from] FinishError),
}

/// The folders and machines of this host.
pub struct Host {
    /// The state folder.
    pub state: Utf8PathBuf,
    /// The cache folder.
    pub cache: Utf8PathBuf,
    /// Where all bellwethers of this host lease its cores and memory.
    pub leases: Utf8PathBuf,
    /// Starts machines.
    pub hypervisor: Arc<dyn Hypervisor>,
}

/// What is asked of one run.
pub struct Request {
    /// The profile, with all overrides applied.
    pub profile: Profile,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Whether machines stay up for a person.
    pub keep: bool,
    /// Whether every machine is booted, and none is saved or restored.
    pub cold: bool,
    /// Whether each lane's suite runs again and again until a spec fails.
    pub until_failure: bool,
    /// Whether failed specs run again.
    pub confirm: bool,
    /// The candidates of an earlier run, to be taken as they are if all that they are built from is still in the cache;
    /// else the profile's sources are resolved.
    pub candidates: Option<Vec<Candidate>>,
    /// Whether to do nothing when the last run, finished, had the same profile and the same candidates.
    pub if_changed: bool,
    /// The run's id; a new one if there is none.
    pub id: Option<RunId>,
}

/// How a run ended.
pub enum Finished {
    /// It ran.
    Ran {
        /// Its folder.
        folder: EvidenceDir,
        /// Its summary, failure texts included.
        summary: Box<RunSummary>,
    },
    /// Nothing moved since an earlier run, whose verdict stands.
    Unchanged {
        /// That run's folder.
        folder: EvidenceDir,
        /// That run's exit code.
        exit: ExitCode,
    },
}

/// A plan with what it is for.
pub struct Planned {
    /// By pairing.
    pub candidates: Vec<Candidate>,
    /// What the resolution noticed.
    pub notes: Vec<String>,
    /// The plan.
    pub plan: Plan,
}

/// A plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanOnlyError {
    /// Something cannot be resolved.
    #[error("{}", .0.summary)]
    Resolve(Box<Cause>),
    /// The profile's parts do not make a run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}
