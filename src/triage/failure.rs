//! The failure record. It lives in the model, since the readers of files, which triage must not know, make it.

pub use crate::model::failed::{ArtifactLine, Failure, Place, RuleHit};
