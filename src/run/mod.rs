//! The run engine: resolve, plan, steps, lanes, verdict.
//!
//! Owns: events and their fold, the order of work, cancelling, recovery of what a killed run left.
//! Must not: print, or know how any station does its work.

pub mod graph;
pub mod log;
pub mod record;
pub mod state;
pub mod store;
