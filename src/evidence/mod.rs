//! Evidence: everything kept of a run and its attempts, written and read.
//!
//! Owns: the run directory, readers and writers of JUnit and Ginkgo reports, their reconciliation,
//! readers of other people's files, redaction of secrets. Must not: judge.

mod attempt;
pub mod collect;
pub mod foreign;
pub mod ginkgo_report;
pub mod junit;
pub mod reconcile;
pub mod redact;
mod rundir;

pub use crate::suite::innermost;
pub use attempt::{AttemptError, AttemptFiles};
pub use collect::{Collected, tidy};
pub use ginkgo_report::GinkgoReport;
pub use junit::{JunitCase, JunitReport};
pub use reconcile::{Parts, Reconciled, reconcile};
pub use redact::Redactor;
pub use rundir::{EvidenceDir, RunDirError};
