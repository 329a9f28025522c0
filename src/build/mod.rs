//! Builds: a resolved source in, a cache entry of binaries and image tars out.
//!
//! Owns: recipes, the cache by input digest, OCI image tars. Must not: decide what is built (plan does)
//! or touch a machine.

pub mod cache;
mod debian;
mod diagnosis;
mod error;
pub mod images;
mod layer;
mod make;
pub mod oci;
mod recipe;
mod step;
mod toolchain;

use crate::{
    model::{Digest, DigestBuilder, Revision},
    profile::{Build, Recipe},
};

pub use diagnosis::{LogLine, first_error};
pub use error::BuildError;
pub use make::{BuildRequest, Built, base_images, run};
pub use toolchain::{Toolchain, rust, toolchain};

/// The digest of all that a build's outputs depend on: equal digests give equal outputs.
#[must_use]
pub fn digest(build: &Build, revision: &Revision, toolchain: &Toolchain) -> Digest {
    let recipe = build.recipe;
    let mut digest = DigestBuilder::new("build")
        .field("recipe", format!("{recipe:?}"))
        .field("recipe-version", recipe::version(recipe).to_string())
        .field("source", revision.identity())
        // It is stamped into the binaries.
        .field("version", &revision.version)
        .field("go", &toolchain.go)
        .field("arch", goarch());
    if recipe::uses_cc(recipe) {
        digest = digest.field("cc", toolchain.cc.as_deref().unwrap_or_default());
    }
    if recipe == Recipe::KubernetesNode {
        digest = digest.field("images", images::VERSION.to_string());
    }
    if recipe == Recipe::Commands {
        digest = digest.field("rust", toolchain.rust.as_deref().unwrap_or_default());
    }
    for tag in &build.tags {
        digest = digest.field("tag", tag);
    }
    for command in &build.run {
        digest = digest.field("run", command);
    }
    for (to, from) in &build.outputs {
        digest = digest.field("output", to).field("from", from);
    }
    digest.finish()
}

/// This machine's architecture in Go's words.
#[must_use]
pub const fn goarch() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        _ => std::env::consts::ARCH,
    }
}

#[cfg(test)]
mod tests;
