//! What bellwether must know of a runtime: one trait, one file for each kind. Pure.

use std::fmt::Debug;

use super::{ConfigError, RuntimeSpec, containerd::Containerd, crio::Crio};
use crate::{
    ignition::GuestFile,
    profile::{Profile, RuntimeKind},
};

/// A runtime that bellwether can put on a node.
pub trait Kind: Debug + Sync {
    /// Its program's name: the process, the unit without its suffix, the log.
    fn name(&self) -> &'static str;

    /// Its CRI socket in the guest.
    fn socket(&self) -> &'static str;

    /// Packages that the node image needs for it.
    fn packages(&self) -> &'static [&'static str];

    /// Its configuration.
    ///
    /// # Errors
    /// When one of the profile's texts is no TOML.
    fn files(&self, spec: &RuntimeSpec) -> Result<Vec<GuestFile>, ConfigError>;

    /// The unit's section `[Service]`, but for the environment that all of them share.
    fn service(&self) -> String;

    /// A shell function `import` that takes an OCI layout tar whose index names its tags.
    fn import(&self) -> &'static str;

    /// The file name of the monitor that it starts for a runtime type, where the type fixes it.
    fn monitor(&self, runtime_type: &str, binary: &str) -> Option<String>;

    /// What is worth knowing of a profile's lanes before they run, in sentences.
    fn notes(&self, _profile: &Profile) -> Vec<String> {
        Vec::new()
    }

    /// Its unit.
    fn unit(&self) -> String {
        format!("{}.service", self.name())
    }
}

/// The runtime of this kind.
#[must_use]
pub fn kind(kind: RuntimeKind) -> &'static dyn Kind {
    match kind {
        RuntimeKind::Containerd => &Containerd,
        RuntimeKind::Crio => &Crio,
    }
}
