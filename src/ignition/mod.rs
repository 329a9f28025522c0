//! Ignition: a node configuration in, a typed and validated Ignition config out.
//!
//! Owns: generation, the user's fragments and their merge, rendering. Pure. Must not: know what a runtime
//! or a suite is; they hand over files and units.

mod node;

pub use node::{GuestFile, GuestUnit, NodeConfig};

/// The Ignition config of a node.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn generate(config: &NodeConfig) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(config)
}
