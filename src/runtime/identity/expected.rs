//! What a lane says serves its pods. Pure.

use super::family::{self, Family};
use crate::profile::Shape;

/// What tells the true content of the binary, independent of the file that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Bellwether built it, and this is its SHA-256 on the host.
    Build {
        /// The build's name.
        build: String,
        /// The digest, in hexadecimal.
        sha256: String,
    },
    /// A package of the node image brought it; dpkg holds its digest.
    Package {
        /// The package.
        package: String,
    },
    /// Nothing holds a digest; it is known by its behaviour alone.
    Unknown,
}

/// What a lane says serves its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The sandboxer's name.
    pub sandboxer: String,
    /// The CRI runtime handler.
    pub handler: String,
    /// Where it stands.
    pub shape: Shape,
    /// Its binary in the guest; for a shim of its own that of the sandbox's process, where it has one.
    pub path: String,
    /// The file name of the shim or monitor, where the shape fixes it.
    pub shim: Option<String>,
    /// Where its content is known from.
    pub origin: Origin,
}

impl Expected {
    /// The known runtime that its binary should be: by the binary's file name, for any path may lead to it.
    #[must_use]
    pub fn family(&self) -> Option<&'static Family> {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        family::named(file).or_else(|| family::named(&self.sandboxer))
    }

    /// How it is called in a sentence: `crun`, or `packaged (crun)`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.family() {
            Some(family) if family.name != self.sandboxer => {
                format!("{} ({})", self.sandboxer, family.name)
            }
            _ => self.sandboxer.clone(),
        }
    }

    /// In words, where its content is known from.
    #[must_use]
    pub fn origin_words(&self) -> Option<String> {
        match &self.origin {
            Origin::Build { build, .. } => Some(format!("what the build {build} made")),
            Origin::Package { package } => Some(format!("what the package {package} brought")),
            Origin::Unknown => None,
        }
    }
}
