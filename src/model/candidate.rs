//! Everything that can move, resolved once before anything is built.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, DigestBuilder, Revision};

/// A node image, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeImageRevision {
    /// The image's name in the profile, such as `debian-13`.
    pub name: String,
    /// The archive's or stream's own version: a Release date, an FCOS build id, a file's digest.
    pub version: String,
    /// `package=version` of every package, sorted; empty where the image is taken whole.
    pub packages: Vec<String>,
    /// The kernel's version, if it is known beforehand.
    pub kernel: Option<String>,
    /// A page that shows it, if one is known.
    pub link: Option<String>,
    /// SHA-256 over what decides the image: its packages or its checksum, and the recipe. An archive that moves without
    /// touching a package changes the version and not this.
    pub digest: Digest,
}

/// A sandboxer's binary, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxerRevision {
    /// The sandboxer's name in the profile.
    pub name: String,
    /// Where its binary comes from, for people: `Debian package crun 1.21-1`, `source runc v1.5.2`.
    pub origin: String,
    /// Its version.
    pub version: String,
}

/// One pairing's exact inputs. QEMU and the accelerator are environment, not candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The pairing's name.
    pub pairing: String,
    /// By source name.
    pub revisions: BTreeMap<String, Revision>,
    /// By image name.
    pub node_images: BTreeMap<String, NodeImageRevision>,
    /// By sandboxer name.
    pub sandboxers: BTreeMap<String, SandboxerRevision>,
    /// Tool name to version, such as `go` to `go1.26.8`.
    pub toolchains: BTreeMap<String, String>,
    /// The machine architecture in Go's words: `amd64`.
    pub arch: String,
}

impl Candidate {
    /// One digest over the whole candidate: equal digests mean that nothing moved.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut digest = DigestBuilder::new("candidate").field("arch", &self.arch);
        for (name, revision) in &self.revisions {
            digest = digest.field(name, revision.identity());
        }
        for (name, image) in &self.node_images {
            digest = digest.field(name, image.digest.as_str());
        }
        for (name, sandboxer) in &self.sandboxers {
            digest = digest
                .field(name, &sandboxer.origin)
                .field("version", &sandboxer.version);
        }
        for (name, version) in &self.toolchains {
            digest = digest.field(name, version);
        }
        digest.finish()
    }
}
