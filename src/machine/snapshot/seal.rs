//! Whether a snapshot is whole, and still fits the disks it was made on.

use std::{io, time::UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::machine::MachineSpec;

/// The seal, in the snapshot's folder.
pub const SEAL: &str = "snapshot.json";

/// A snapshot that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Spoiled {
    /// Its seal cannot be read.
    #[error("its {SEAL} cannot be read: {0}")]
    Unsealed(io::Error),
    /// A part of it is not what was saved.
    #[error("its {name} is not what was saved: {seen}")]
    Part {
        /// The part.
        name: String,
        /// What was seen.
        seen: String,
    },
    /// A disk or kernel was made again since: the guest's memory knows the old one.
    #[error("{path} is not what it was saved with: {seen}")]
    Stale {
        /// The file.
        path: Utf8PathBuf,
        /// What was seen.
        seen: String,
    },
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    path: Utf8PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    parts: Vec<Known>,
    disks: Vec<Known>,
}

impl Known {
    fn of(base: &Utf8Path, path: &Utf8Path) -> io::Result<Self> {
        let metadata = fs::metadata(base.join(path))?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified: modified.unwrap_or_default().as_nanos(),
        })
    }

    /// What is different now.
    fn difference(&self, base: &Utf8Path) -> Option<String> {
        match Self::of(base, &self.path) {
            Ok(now) if now == *self => None,
            Ok(now) if now.bytes != self.bytes => {
                Some(format!("{} bytes instead of {}", now.bytes, self.bytes))
            }
            Ok(_) => Some("it was written since".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Whatever the machine reads beside its snapshot.
fn disks(spec: &MachineSpec) -> impl Iterator<Item = &Utf8Path> {
    let kernel = (spec.kernel.iter()).flat_map(|(kernel, initramfs)| [kernel, initramfs]);
    std::iter::once(&spec.root_disk)
        .chain(kernel)
        .chain(
            spec.payloads
                .iter()
                .chain(&spec.plugged)
                .map(|(_, image)| image),
        )
        .map(Utf8PathBuf::as_path)
}

/// Writes down what a filled folder holds and what it stands on, and brings it all to the disk: a host that loses
/// its power must not leave a snapshot that only looks whole.
///
/// # Errors
/// When the file system refuses.
pub fn seal(folder: &Utf8Path, spec: &MachineSpec) -> io::Result<()> {
    let mut parts = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        fs::File::open(entry.path())?.sync_all()?;
        parts.push(Known::of(folder, Utf8Path::new(entry.file_name()))?);
    }
    let nowhere = Utf8Path::new("");
    let disks = disks(spec).map(|path| Known::of(nowhere, path));
    let seal = Seal {
        parts,
        disks: disks.collect::<io::Result<_>>()?,
    };
    fs::write(folder.join(SEAL), serde_json::to_vec_pretty(&seal)?)
}

/// Whether the snapshot in `folder` is whole and fits this machine's disks.
///
/// # Errors
/// When it is not, with what was seen.
pub fn check(folder: &Utf8Path, spec: &MachineSpec) -> Result<(), Spoiled> {
    let text = fs::read(folder.join(SEAL)).map_err(Spoiled::Unsealed)?;
    let seal: Seal =
        serde_json::from_slice(&text).map_err(|error| Spoiled::Unsealed(error.into()))?;
    for part in &seal.parts {
        if let Some(seen) = part.difference(folder) {
            let name = part.path.to_string();
            return Err(Spoiled::Part { name, seen });
        }
    }
    for path in disks(spec) {
        let known = seal.disks.iter().find(|known| known.path == path);
        let seen = match known {
            Some(known) => known.difference(Utf8Path::new("")),
            None => Some("it was elsewhere".to_owned()),
        };
        if let Some(seen) = seen {
            let path = path.to_owned();
            return Err(Spoiled::Stale { path, seen });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Accelerator;

    fn spec(folder: &Utf8Path) -> MachineSpec {
        for name in ["root.img", "runtime.img"] {
            fs::write(folder.join(name), name).unwrap();
        }
        MachineSpec {
            name: "node".into(),
            folder: folder.join("attempt"),
            accelerator: Accelerator::Tcg,
            cpus: 1,
            memory: 1 << 30,
            root_disk: folder.join("root.img"),
            root_format: "raw".into(),
            disk: 1 << 30,
            kernel: None,
            kernel_arguments: Vec::new(),
            payloads: vec![("runtime".into(), folder.join("runtime.img"))],
            plugged: Vec::new(),
            ignition: String::new(),
            ssh_key: folder.join("key"),
            required_units: Vec::new(),
            keep: false,
        }
    }

    fn said(folder: &Utf8Path, spec: &MachineSpec) -> String {
        check(folder, spec).unwrap_err().to_string()
    }

    #[test]
    fn a_snapshot_is_whole_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let snapshot = folder.join("snapshot");
        let spec = spec(folder);
        fs::create_dir(&snapshot).unwrap();
        assert!(said(&snapshot, &spec).contains("snapshot.json cannot be read"));
        fs::write(snapshot.join("memory"), "0123456789").unwrap();
        seal(&snapshot, &spec).unwrap();
        check(&snapshot, &spec).unwrap();

        let memory = fs::OpenOptions::new()
            .write(true)
            .open(snapshot.join("memory"));
        memory.unwrap().set_len(4).unwrap();
        let words = said(&snapshot, &spec);
        assert_eq!(
            words,
            "its memory is not what was saved: 4 bytes instead of 10"
        );
        fs::write(snapshot.join("memory"), "9876543210").unwrap();
        assert!(said(&snapshot, &spec).contains("it was written since"));
        fs::remove_file(snapshot.join("memory")).unwrap();
        assert!(said(&snapshot, &spec).contains("its memory is not"));
    }

    #[test]
    fn a_disk_that_was_made_again_makes_it_stale() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let snapshot = folder.join("snapshot");
        let mut spec = spec(folder);
        fs::create_dir(&snapshot).unwrap();
        seal(&snapshot, &spec).unwrap();
        fs::write(folder.join("runtime.img"), "runtime.two").unwrap();
        let words = said(&snapshot, &spec);
        assert!(
            words.ends_with("runtime.img is not what it was saved with: it was written since"),
            "{words}"
        );
        spec.payloads[0].1 = folder.join("root.img");
        check(&snapshot, &spec).unwrap();
        spec.root_disk = folder.join("other.img");
        assert!(said(&snapshot, &spec).contains("it was elsewhere"));
    }
}
