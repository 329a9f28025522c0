//! The only place that reads the clock.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::RunId;

/// The time now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new run's id.
#[must_use]
pub fn new_run_id() -> RunId {
    RunId(Uuid::now_v7())
}
