//! Proof of identity: which program really served a pod, as the node shows it from outside.
//!
//! Owns: the canary pod, the facts that the guest gives about it, their judgement, and the diagnosis of a canary that
//! fails. Must not: decide what a stop means for a cell, or believe a name. A path, a config line and a socket prove
//! nothing; what was executed, what it holds, what it calls itself and what it left behind do.

mod canary;
mod check;
mod disk;
mod execs;
mod expected;
mod facts;
mod family;
mod judge;
mod script;
mod words;

pub use canary::{Canary, CanaryError, Pod};
pub use check::{Check, Checked};
pub use execs::{Exec, Execs};
pub use expected::{Expected, Origin};
pub use facts::{Facts, FileFact, Noted, ProcessFact, StateFact};
pub use family::{Family, family_of_state, family_of_words, named};
pub use judge::{Identity, Mismatch, Program, Proof, judge};
pub use words::{LastWords, last_words};

/// What the guest said of the canary, in the attempt's folder.
pub const CANARY_FILE: &str = "canary.log";
/// Who served the pods, in the attempt's folder.
pub const IDENTITY_FILE: &str = "identity.json";

/// The JSON Schema of `identity.json`.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Identity)
}

#[cfg(test)]
mod tests;
