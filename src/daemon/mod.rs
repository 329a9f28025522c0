//! The daemon: starts `bellwether run` by schedule and by request, and follows its events.
//!
//! Owns: the schedule, the queue, children, `state.db`. Must not: run a lane itself, or judge one.

pub mod beat;
pub mod runs;
pub mod schedule;
pub mod state;

#[cfg(test)]
mod tests;
