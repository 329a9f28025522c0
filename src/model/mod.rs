//! The shared nouns: plain data that every station reads or writes as JSON.
//!
//! Owns: ids, revisions, candidates, phases, outcomes, causes, events, summaries. Must not: do IO,
//! read a clock, or know any other module of this crate.

mod candidate;
mod cause;
mod cluster_report;
mod confirm;
mod event;
mod expectation;
pub mod failed;
mod ids;
mod lane;
mod outcome;
mod phase;
mod revision;
mod spec;
mod start;
mod stop;
mod summary;

pub use candidate::{Candidate, NodeImageRevision, SandboxerRevision};
pub use cause::{Blame, Cause, Class, Confidence, EvidenceLine, Filing};
pub use cluster_report::{ClusterReport, RelatedCluster, TestHit};
pub use confirm::{Again, Confirmation, ConfirmedSpec, Rerun};
pub use event::{Event, EventKind, StepOutcome};
pub use expectation::{Expectation, ExpectationUse, Standing, Tracker};
pub use ids::{Digest, DigestBuilder, LaneId, RunId, StepId};
pub use lane::{Lane, Role};
pub use outcome::{CellOutcome, SpecOutcome};
pub use phase::{Phase, SuitePhase};
pub use revision::{Origin, Revision};
pub use spec::{Failure, PlannedSpec, SpecName, SpecResult, SuitePlan};
pub use start::NodeStart;
pub use stop::{Stop, StopKind};
pub use summary::{
    Accelerator, CellSummary, Environment, ExitCode, LaneCounts, RunSummary, SCHEMA_VERSION,
};
