//! The exact state of a source.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a revision came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A commit of a git repository.
    Git {
        /// The URL as the profile gives it.
        url: String,
        /// The ref that was asked for: a branch, a tag, `refs/pull/N/head`, or the commit itself.
        reference: String,
        /// The full commit id.
        commit: String,
    },
    /// A version of a Go module.
    GoModule {
        /// The module path.
        module: String,
        /// The version, with its leading `v`.
        version: String,
        /// The `h1:` sum of the module zip.
        sum: String,
    },
    /// A version of a published Rust crate.
    Crate {
        /// The crate's name.
        name: String,
        /// The version.
        version: String,
        /// The SHA-256 that the registry's index has for it.
        checksum: String,
    },
    /// A local folder.
    Path {
        /// The folder, absolute.
        path: String,
        /// SHA-256 over its files' names, modes and contents.
        digest: String,
    },
}

/// One source, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// The source's name in the profile, such as `kubernetes`.
    pub source: String,
    /// Where it is from.
    pub origin: Origin,
    /// For people and version stamps: `v1.36.3`, `v1.37.0-alpha.1-23-gabcdef012`.
    pub version: String,
    /// When it was committed or published, if known.
    #[schemars(with = "Option<String>")]
    pub date: Option<Timestamp>,
    /// A page that shows it, if one is known.
    pub link: Option<String>,
}

impl Revision {
    /// What a build of this revision depends on: the commit, the module's or crate's sum, or the tree's digest.
    #[must_use]
    pub fn identity(&self) -> &str {
        match &self.origin {
            Origin::Git { commit, .. } => commit,
            Origin::GoModule { sum, .. } => sum,
            Origin::Crate { checksum, .. } => checksum,
            Origin::Path { digest, .. } => digest,
        }
    }
}
