//! Triage: every failure in one cluster, every cluster with a class and an owner.
//!
//! Owns: the failure record, what is extracted from it, signatures, clusters, statistics, attribution.
//! Pure. Must not: read files, or judge a run (that is `verdict`).

pub mod attribute;
pub mod decisive;
mod grouping;
mod told;

pub use crate::model::failed::{ArtifactLine, Failure, Place};
pub use grouping::{Explained, Grouper, Score, together};
pub use told::{Group, Seen, attach, tell};
