//! Images as OCI layout tars that `ctr images import` and skopeo read. No registry and no daemon.

use std::io::{self, Write};

use serde_json::{Value, json};
use tar::{EntryType, Header};

pub use super::layer::LayerFile;
use crate::model::Digest;

/// How an image's containers start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments that a pod replaces.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// A user name or id; root where empty.
    pub user: String,
}

/// Writes an image with these layers, lowest first, under each of `tags` (full names). Equal inputs give equal bytes.
///
/// # Errors
/// When a layer cannot be read or `to` cannot be written.
pub fn image_tar(
    layers: &[LayerFile],
    config: &Config,
    tags: &[String],
    arch: &str,
    to: impl Write,
) -> io::Result<()> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| named(&layer.digest)).collect();
    let image = bytes(&json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": arch,
        "os": "linux",
        "config": runtime_config(config),
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": layers.iter().map(|_| json!({ "created": "1970-01-01T00:00:00Z" })).collect::<Vec<_>>(),
    }));
    let described: Vec<_> = layers
        .iter()
        .map(|layer| descriptor("layer.v1.tar", &layer.digest, layer.size))
        .collect();
    let manifest = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &Digest::of(&image), image.len() as u64),
        "layers": described,
    }));
    let manifests: Vec<_> = tags
        .iter()
        .map(|tag| {
            let mut entry = descriptor(
                "manifest.v1+json",
                &Digest::of(&manifest),
                manifest.len() as u64,
            );
            entry["platform"] = json!({ "architecture": arch, "os": "linux" });
            entry["annotations"] = json!({
                "io.containerd.image.name": tag,
                "org.opencontainers.image.ref.name": tag.rsplit(':').next().unwrap_or(tag),
            });
            entry
        })
        .collect();
    let index = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }));

    let mut tar = tar::Builder::new(to);
    for folder in ["blobs/", "blobs/sha256/"] {
        let mut header = plain(EntryType::Directory, 0o755, 0);
        tar.append_data(&mut header, folder, io::empty())?;
    }
    let mut file = |path: &str, size: u64, content: &mut dyn io::Read| {
        tar.append_data(&mut plain(EntryType::Regular, 0o644, size), path, content)
    };
    let layout = bytes(&json!({ "imageLayoutVersion": "1.0.0" }));
    file("oci-layout", layout.len() as u64, &mut layout.as_slice())?;
    file("index.json", index.len() as u64, &mut index.as_slice())?;
    for blob in [&manifest, &image] {
        let path = format!("blobs/sha256/{}", Digest::of(blob));
        file(&path, blob.len() as u64, &mut blob.as_slice())?;
    }
    for (at, layer) in layers.iter().enumerate() {
        let repeated = layers
            .iter()
            .take(at)
            .any(|other| other.digest == layer.digest);
        if !repeated {
            let path = format!("blobs/sha256/{}", layer.digest);
            file(&path, layer.size, &mut fs_err::File::open(&layer.path)?)?;
        }
    }
    tar.into_inner()?.flush()
}

fn runtime_config(config: &Config) -> Value {
    let mut value = json!({});
    for (key, list) in [
        ("Entrypoint", &config.entrypoint),
        ("Cmd", &config.command),
        ("Env", &config.environment),
    ] {
        if !list.is_empty() {
            value[key] = json!(list);
        }
    }
    if !config.user.is_empty() {
        value["User"] = json!(config.user);
    }
    value
}

fn descriptor(kind: &str, digest: &Digest, size: u64) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": named(digest),
        "size": size,
    })
}

fn named(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn plain(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests;
