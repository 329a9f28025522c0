//! Suites: what is run on a node, and how its output becomes events while it runs.
//!
//! Owns: the command line, the guest scripts, the plan, the live stream and the exit status; one folder a kind. Suites
//! that run in the guest share one trait ([`Kind`]); [`CriLifecycle`] runs on this host. Must not: read evidence from
//! files, or judge.

pub mod cri_lifecycle;
mod event;
mod exit;
mod facts;
pub mod ginkgo;
mod innermost;

use std::time::Duration;

use camino::Utf8Path;
use futures_util::future::BoxFuture;

use crate::{
    model::SuitePlan,
    profile::{Preset, SuiteKind},
};

pub use cri_lifecycle::CriLifecycle;
pub use event::{LiveStream, Ran, StreamEvent, SuiteFailure};
pub use exit::{ExitClass, ExitError, SuiteExit};
pub use facts::{NodeFacts, UNIT, folder, output};
pub use ginkgo::{FlagsError, PlanError};
pub use innermost::innermost;

/// What a suite is asked with, before there is a machine.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The version of the source that the suite is built from.
    pub version: &'a str,
    /// The folder of the suite's binaries on this host, absolute.
    pub bin: &'a Utf8Path,
    /// An empty folder.
    pub scratch: &'a Utf8Path,
    /// How long it may take.
    pub limit: Duration,
}

/// Who drives a suite.
pub enum Driver {
    /// Scripts start it in the guest, and its output tells how it goes.
    Guest(Box<dyn Kind>),
    /// This host, over CRI.
    Host(CriLifecycle),
}

/// One kind of suite that runs in the guest.
pub trait Kind: Send + Sync {
    /// What the suite will run, asked on this host: only for refs that are trusted.
    fn plan<'a>(&'a self, request: PlanRequest<'a>) -> BoxFuture<'a, Result<SuitePlan, PlanError>>;

    /// The script that asks the suite in the guest instead. What it prints is read by [`Kind::read_plan`].
    fn plan_script(&self, facts: &NodeFacts) -> String;

    /// Reads what [`Kind::plan_script`] printed.
    ///
    /// # Errors
    /// When it is no plan, or an empty one.
    fn read_plan(&self, printed: &[u8]) -> Result<SuitePlan, PlanError>;

    /// The script that prepares the suite in the guest and starts it; it returns once the suite runs.
    /// `limit` is the longest the suite may run on this machine, already scaled.
    ///
    /// # Errors
    /// When the profile's settings cannot be turned into a command line.
    fn start_script(&self, facts: &NodeFacts, limit: Duration) -> Result<String, FlagsError>;

    /// The script that stops the suite and what it started. It is fine to run it when nothing runs.
    fn stop_script(&self, root: &str) -> String;

    /// A parser of the suite's output, for a suite that was planned so.
    fn stream(&self, plan: &SuitePlan) -> Box<dyn LiveStream>;

    /// The files that the suite leaves in its output folder when it ends by itself; a `*` stands for any text.
    fn files(&self, facts: &NodeFacts) -> Vec<String>;
}

/// The driver of the kind that a profile asks for.
#[must_use]
pub fn driver(kind: &SuiteKind) -> Driver {
    match kind {
        SuiteKind::Ginkgo(settings) => Driver::Guest(match settings.preset {
            Preset::E2eNode => Box::new(ginkgo::E2eNode::new(settings.clone())),
        }),
        SuiteKind::CriLifecycle(settings) => Driver::Host(CriLifecycle::new(settings.clone())),
    }
}
