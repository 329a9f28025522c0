//! The daemon: starts `bellwether run` by schedule and by request, and follows its run directory.
//!
//! Owns: the schedule, the queue, children, `state.db`, orders over HTTP. Must not: run a lane itself, or judge one.

pub mod api;
pub mod beat;
pub mod children;
mod metrics;
pub mod notify;
pub mod runs;
pub mod schedule;
pub mod serve;
pub mod settings;
pub mod state;

#[cfg(test)]
mod tests;
