//! Node images of Fedora CoreOS and Flatcar, by their stream metadata.

use std::{collections::BTreeMap, time::Duration};

use camino::Utf8Path;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{
    ImageError, NodeImage,
    download::{self, Checksum},
    log,
};
use crate::{
    build::cache::Cache,
    model::{DigestBuilder, NodeImageRevision},
    process::call,
};

/// One disk image as a stream offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Artifact {
    version: String,
    url: String,
    checksum: Checksum,
}

impl Artifact {
    /// The program that unpacks it, by the file name's ending.
    fn unpacker(&self) -> Option<(&'static str, &'static str)> {
        [(".xz", "xz"), (".gz", "gzip"), (".bz2", "bzip2")]
            .into_iter()
            .find(|(ending, _)| self.url.ends_with(ending))
    }
}

/// What the stream offers now.
pub(super) async fn resolve(
    name: &str,
    url: &str,
    stream: &str,
    cache: &Cache,
) -> Result<NodeImageRevision, ImageError> {
    let metadata = |why| ImageError::Metadata {
        url: url.to_owned(),
        why,
    };
    let text = download::text(url).await?;
    let artifact = if text.trim_start().starts_with('{') {
        fedora(&text, stream).map_err(metadata)?
    } else {
        let version = flatcar_version(&text).map_err(metadata)?;
        let image = flatcar_image(url, &version);
        let digests = download::text(&format!("{image}.DIGESTS")).await?;
        Artifact {
            checksum: flatcar_checksum(&digests, &image).map_err(metadata)?,
            version,
            url: image,
        }
    };
    let digest = DigestBuilder::new("node-image")
        .field("checksum", artifact.checksum.to_string())
        .finish();
    // The revision has no place for URL and checksum; they wait here until the image is made.
    let file = cache.folder("streams")?.join(format!("{digest}.json"));
    fs::write(
        file,
        serde_json::to_vec(&artifact).map_err(std::io::Error::from)?,
    )?;
    Ok(NodeImageRevision {
        name: name.to_owned(),
        version: artifact.version,
        packages: Vec::new(),
        kernel: None,
        link: Some(artifact.url),
        digest,
    })
}

/// Downloads, checks and unpacks the disk image of `revision`, or takes it from the cache.
pub(super) async fn make(
    revision: &NodeImageRevision,
    cache: &Cache,
    log: &Utf8Path,
) -> Result<NodeImage, ImageError> {
    let what = format!("image.{} {}", revision.name, revision.version);
    let (streams, downloads) = (cache.folder("streams")?, cache.folder("downloads")?);
    let (entry, fresh) = cache
        .fill(&revision.digest, &what, |folder| async move {
            let text = fs::read(streams.join(format!("{}.json", revision.digest)))?;
            let artifact: Artifact = serde_json::from_slice(&text).map_err(std::io::Error::from)?;
            let file = download::file(&artifact.url, &artifact.checksum, &downloads).await?;
            let Some((ending, program)) = artifact.unpacker() else {
                return Ok(fs::rename(file, folder.join("disk"))?);
            };
            let packed = folder.join(format!("disk{ending}"));
            fs::rename(file, &packed)?;
            let unpack = call(program)
                .args(["-d", packed.as_str()])
                .limit(Duration::from_secs(1800));
            log::run(unpack, &format!("image {}", revision.name), log).await
        })
        .await?;
    Ok(NodeImage {
        root_disk: entry.folder.join("disk"),
        // Both projects' QEMU images are qcow2, whatever they are called.
        root_format: "qcow2".to_owned(),
        kernel: None,
        folder: entry.folder,
        fresh,
    })
}

#[derive(Deserialize)]
struct Stream {
    stream: String,
    architectures: BTreeMap<String, Architecture>,
}

#[derive(Deserialize)]
struct Architecture {
    artifacts: BTreeMap<String, Platform>,
}

#[derive(Deserialize)]
struct Platform {
    release: String,
    formats: BTreeMap<String, BTreeMap<String, Location>>,
}

#[derive(Deserialize)]
struct Location {
    location: String,
    sha256: String,
}

/// The QEMU image of Fedora CoreOS' stream metadata.
fn fedora(text: &str, wanted: &str) -> Result<Artifact, String> {
    let stream: Stream = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if stream.stream != wanted {
        return Err(format!(
            "it is of stream {}, the profile wants {wanted}",
            stream.stream
        ));
    }
    let platform = stream
        .architectures
        .get("x86_64")
        .ok_or("it has no x86_64")?
        .artifacts
        .get("qemu")
        .ok_or("it has no qemu artifact for x86_64")?;
    let disk = ["qcow2.xz", "qcow2.gz", "qcow2"]
        .iter()
        .find_map(|format| platform.formats.get(*format)?.get("disk"))
        .ok_or("its qemu artifact has no qcow2 disk")?;
    Ok(Artifact {
        version: platform.release.clone(),
        url: disk.location.clone(),
        checksum: Checksum::Sha256(hex(&disk.sha256, 64)?),
    })
}

/// The version in Flatcar's `version.txt`.
fn flatcar_version(text: &str) -> Result<String, String> {
    text.lines()
        .find_map(|line| line.strip_prefix("FLATCAR_VERSION="))
        .map(|version| version.trim_matches('"').to_owned())
        .ok_or_else(|| {
            "it is neither stream metadata (JSON) nor a version.txt with FLATCAR_VERSION".to_owned()
        })
}

/// The QEMU image beside a `version.txt`, in the release's own folder rather than `current`, which moves.
fn flatcar_image(url: &str, version: &str) -> String {
    let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
    let folder = match folder.strip_suffix("/current") {
        Some(channel) => format!("{channel}/{version}"),
        None => folder.to_owned(),
    };
    format!("{folder}/flatcar_production_qemu_image.img")
}

/// The strongest checksum of `image` in a `DIGESTS` file.
fn flatcar_checksum(text: &str, image: &str) -> Result<Checksum, String> {
    let file = image.rsplit('/').next().unwrap_or(image);
    let sum = |digits: usize| {
        text.lines().find_map(|line| {
            let (sum, name) = line.split_once(char::is_whitespace)?;
            (name.trim().trim_start_matches('*') == file)
                .then(|| hex(sum, digits).ok())
                .flatten()
        })
    };
    sum(128)
        .map(Checksum::Sha512)
        .or_else(|| sum(64).map(Checksum::Sha256))
        .ok_or_else(|| format!("its DIGESTS has neither SHA-512 nor SHA-256 of {file}"))
}

fn hex(text: &str, digits: usize) -> Result<String, String> {
    if text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("`{text}` is no checksum of {digits} hex digits"))
    }
}

#[cfg(test)]
mod tests;
