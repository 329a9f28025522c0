//! Triage: every failure in one cluster, every cluster with a class and an owner.
//!
//! Owns: the failure record, what is extracted from it, signatures, clusters, statistics, attribution.
//! Pure. Must not: read files, or judge a run (that is `verdict`).

pub mod attribute;
pub mod cluster;
pub mod decisive;
pub mod extract;
mod failure;
pub mod quality;
pub mod stats;
mod told;

pub use cluster::{
    Cluster, Clustering, Explanation, KnownCluster, Reason, Related, Score, Signature, Triage,
    cluster, explain_pair,
};
pub use extract::{Extract, Site, Verb, extract};
pub use failure::{ArtifactLine, Failure, Place, RuleHit};
pub use told::{Seen, attach, tell};
