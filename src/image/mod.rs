//! Node images: a profile's image in, a root disk with its kernel out; and the payload disks beside it.
//!
//! Owns: the Debian recipe and its exact package list, downloads with their checksums, file systems of
//! payload. Must not: start machines, or know what a runtime needs beside its packages.

mod debian;
mod download;
mod error;
mod file;
mod log;
mod payload;
mod stream;

use camino::{Utf8Path, Utf8PathBuf};

pub use error::ImageError;
pub use payload::{Payload, PayloadPart, payload, payload_disk};

use crate::{build::cache::Cache, model::NodeImageRevision, profile::Image};

/// A finished node image, in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    /// The folder that holds it.
    pub folder: Utf8PathBuf,
    /// The root disk; never written, machines get overlays.
    pub root_disk: Utf8PathBuf,
    /// Its format as QEMU names it: `raw` or `qcow2`.
    pub root_format: String,
    /// Kernel and initramfs for direct boot; absent for images with a boot loader.
    pub kernel: Option<(Utf8PathBuf, Utf8PathBuf)>,
    /// Whether it was made now.
    pub fresh: bool,
}

/// What an image is right now. `packages` are wanted beside the image's own, such as the sandboxers'.
///
/// # Errors
/// When the archive or the stream cannot be reached, or has not what is asked for.
pub async fn resolve(
    name: &str,
    image: &Image,
    packages: &[String],
    cache: &Cache,
) -> Result<NodeImageRevision, ImageError> {
    match image {
        Image::Debian {
            suite,
            packages: own,
        } => {
            let wanted = debian::wanted(own.iter().chain(packages));
            debian::resolve(name, &debian::Archive::new(suite), &wanted, cache).await
        }
        Image::File {
            path,
            sha256,
            format,
        } => {
            no_packages(name, packages)?;
            file::resolve(name, path, sha256, format)
        }
        Image::CoreosStream { url, stream } => {
            no_packages(name, packages)?;
            stream::resolve(name, url, stream, cache).await
        }
    }
}

/// Makes the image that `revision` names, or takes it from the cache. What its tools say is appended to `log`.
///
/// # Errors
/// When it cannot be made exactly as resolved.
pub async fn make(
    revision: &NodeImageRevision,
    image: &Image,
    cache: &Cache,
    log: &Utf8Path,
) -> Result<NodeImage, ImageError> {
    match image {
        Image::Debian { suite, .. } => {
            debian::make(revision, &debian::Archive::new(suite), cache, log).await
        }
        Image::File {
            path,
            sha256,
            format,
        } => file::make(revision, path, sha256, format, cache).await,
        Image::CoreosStream { .. } => stream::make(revision, cache, log).await,
    }
}

/// The kernel with which the image's machines boot, where the cache holds it already.
#[must_use]
pub fn cached_kernel(
    revision: &NodeImageRevision,
    image: &Image,
    cache: &Cache,
) -> Option<Utf8PathBuf> {
    let Image::Debian { .. } = image else {
        return None;
    };
    let kernel = cache.get(&revision.digest)?.folder.join(debian::KERNEL);
    kernel.exists().then_some(kernel)
}

fn no_packages(name: &str, packages: &[String]) -> Result<(), ImageError> {
    match packages.first() {
        Some(package) => Err(ImageError::TakenWhole {
            image: name.to_owned(),
            package: package.clone(),
        }),
        None => Ok(()),
    }
}
