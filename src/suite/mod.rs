//! Suites: what is run on a node, and how its output becomes events while it runs.
//!
//! Owns: the command line, the guest scripts, the plan, the live stream and the exit status; one trait
//! ([`Kind`]), one folder a kind. Must not: talk to a machine, read evidence from files, or judge.

mod event;
mod exit;
mod facts;
pub mod ginkgo;
mod innermost;

use std::time::Duration;

use crate::{
    model::SuitePlan,
    profile::{Preset, SuiteKind},
};

pub use event::{LiveStream, Ran, StreamEvent, SuiteFailure};
pub use exit::{ExitClass, ExitError, SuiteExit};
pub use facts::{NodeFacts, UNIT, folder, output};
pub use ginkgo::FlagsError;
pub use innermost::innermost;

/// One kind of suite.
pub trait Kind: Send + Sync {
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

    /// The reports that the suite leaves in its output folder when it ends by itself; a `*` stands for any text.
    fn reports(&self) -> Vec<&'static str>;
}

/// The kind that a profile asks for.
#[must_use]
pub fn kind(kind: &SuiteKind) -> Box<dyn Kind> {
    match kind {
        SuiteKind::Ginkgo(settings) => match settings.preset {
            Preset::E2eNode => Box::new(ginkgo::E2eNode::new(settings.clone())),
        },
    }
}
