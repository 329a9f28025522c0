//! Evidence: everything kept of a run and its attempts, written and read.
//!
//! Owns: the run directory, readers and writers of JUnit and Ginkgo reports, their reconciliation,
//! redaction of secrets. Must not: judge.

mod rundir;

pub use rundir::{EvidenceDir, RunDirError};
