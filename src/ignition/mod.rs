//! Ignition: a node configuration in, a typed and validated Ignition config out.
//!
//! Owns: generation, the user's fragments and their merge, rendering. Pure. Must not: know what a runtime
//! or a suite is; they hand over files and units.

mod base;
mod data_url;
mod disks;
mod error;
mod locate;
mod merge;
mod node;
mod parse;
mod validate;

pub use data_url::contents;
pub use disks::mounts;
pub use error::{IgnitionError, Problem};
pub use merge::merge;
pub use node::{GuestFile, GuestUnit, NodeConfig};
pub use parse::{Parsed, parse};
pub use validate::validate;

/// A config of the one spec version that is rendered: the newest that Debian's Ignition (2.14) accepts.
pub type Config = ignition_config::v3_3::Config;

/// A node's finished config.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The config.
    pub config: Config,
    /// What the fragments say that has no effect, or not the one that is likely meant.
    pub warnings: Vec<IgnitionError>,
}

impl Assembled {
    /// Kernel arguments that the config wants to be there. A machine that is booted directly must be given them; the
    /// Debian image's Ignition only checks.
    #[must_use]
    pub fn kernel_arguments(&self) -> Vec<String> {
        let wanted = self.config.kernel_arguments.as_ref();
        wanted
            .and_then(|arguments| arguments.should_exist.clone())
            .unwrap_or_default()
    }

    /// Kernel arguments that the config wants to be absent.
    #[must_use]
    pub fn unwanted_kernel_arguments(&self) -> Vec<String> {
        let wanted = self.config.kernel_arguments.as_ref();
        wanted
            .and_then(|arguments| arguments.should_not_exist.clone())
            .unwrap_or_default()
    }
}

/// The node's config: bellwether's base, under the node's files and units, under the user's fragments.
///
/// # Errors
/// When a fragment does not parse, or anything is invalid.
pub fn assemble(node: &NodeConfig) -> Result<Assembled, IgnitionError> {
    let own = base::node(node)?;
    let mut config = merge(&base::base(node)?, &own)?;
    let mut warnings = Vec::new();
    for (name, text) in &node.fragments {
        let parsed = parse(name, text)?;
        if !parsed.warnings.is_empty() {
            warnings.push(IgnitionError::Invalid {
                name: name.clone(),
                problems: parsed.warnings,
            });
        }
        config = merge(&config, &parsed.config)?;
    }
    // Each part is valid; their sum need not be.
    error::refuse("the merged config", validate(&config), &mut Vec::new())?;
    Ok(Assembled { config, warnings })
}

/// The node's config as JSON, spec 3.3.0.
///
/// # Errors
/// As [`assemble`].
pub fn generate(node: &NodeConfig) -> Result<String, IgnitionError> {
    render(&assemble(node)?.config)
}

/// The config as JSON; equal configs give equal text.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(config: &Config) -> Result<String, IgnitionError> {
    let mut text = serde_json::to_string_pretty(&merge::value(config)?)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
