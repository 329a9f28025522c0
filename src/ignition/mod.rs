//! Ignition: a node configuration in, a typed and validated Ignition config out.
//!
//! Owns: generation, the user's fragments and their merge, rendering. Pure. Must not: know what a runtime
//! or a suite is; they hand over files and units.

mod node;

pub use node::{GuestFile, GuestUnit, NodeConfig};
