//! The opt-in label: from a hint, a fresh snapshot and the ledger to a decision. Pure.
//!
//! A webhook is only a hint to look: deliveries come late, doubled, out of order or never. The one thing that is taken from
//! a signed delivery is the head at the moment of labelling, because GitHub's own record of a label has no commit.

mod decide;
mod snapshot;

#[cfg(test)]
mod tests;

pub use decide::{Decision, Pin, Why, decide};
pub use snapshot::{
    Active, Actor, ActorKind, Config, Counts, Done, Grant, Hint, Ledger, Limits, Role, Snapshot,
    Wish,
};
