//! Read-only disks for binaries and image tars: an ext4 file system of a folder tree.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{ImageError, log};
use crate::{
    build::cache::Cache,
    model::{Digest, DigestBuilder},
    process::{self, Call},
};

const RECIPE: &str = "1";
const BLOCK: u64 = 4096;

/// One file or folder of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadPart {
    /// A file or folder on the host.
    pub from: Utf8PathBuf,
    /// Its path on the disk, without a leading `/`.
    pub to: String,
}

/// A finished payload disk, in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The raw disk image.
    pub disk: Utf8PathBuf,
    /// Whether it was made now.
    pub fresh: bool,
}

/// The disk called `name` that holds `parts`, from the cache or made now. `inputs` is the digest of what the parts'
/// contents depend on; the parts themselves are not read to find it.
///
/// # Errors
/// When a part cannot be read or the file system cannot be made.
pub async fn payload(
    name: &str,
    parts: &[PayloadPart],
    inputs: &Digest,
    cache: &Cache,
    log: &Utf8Path,
) -> Result<Payload, ImageError> {
    let mut digest = DigestBuilder::new("payload")
        .field("recipe", RECIPE)
        .field("name", name)
        .field("inputs", inputs.as_str());
    for part in parts {
        digest = digest.field("to", &part.to);
    }
    let what = format!("payload.{name}");
    let (entry, fresh) = cache
        .fill(&digest.finish(), &what, |folder| async move {
            let tree = folder.join("tree");
            for part in parts {
                let to = tree.join(&part.to);
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                place(&part.from, &to)?;
            }
            payload_disk(&tree, name, &folder.join("disk.img"), log).await?;
            fs::remove_dir_all(&tree)?;
            Ok::<_, ImageError>(())
        })
        .await?;
    Ok(Payload {
        disk: entry.folder.join("disk.img"),
        fresh,
    })
}

/// Makes `out` a raw disk image with an ext4 file system that holds what `folder` holds, all owned by root.
/// It is sparse and only as large as it must be.
///
/// # Errors
/// When the folder cannot be read or the file system cannot be made.
pub async fn payload_disk(
    folder: &Utf8Path,
    label: &str,
    out: &Utf8Path,
    log: &Utf8Path,
) -> Result<(), ImageError> {
    fs::create_dir_all(folder)?;
    let (blocks, inodes) = measure(folder)?;
    // Tables and the file system's own blocks; what stays unused is a hole in the sparse file.
    let size = (blocks * BLOCK + inodes * 512) * 21 / 20 + (8 << 20);
    fs::File::create(out)?.set_len(size)?;
    let call = as_root(
        "mkfs.ext4",
        [
            "-q",
            "-F",
            "-b",
            "4096",
            "-m",
            "0",
            "-O",
            "^has_journal,^resize_inode",
            "-E",
            "lazy_itable_init=0,nodiscard,root_owner=0:0",
            "-N",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            (inodes + 64).to_string(),
            // ext4 labels have 16 bytes.
            "-L".to_owned(),
            label.chars().filter(char::is_ascii).take(16).collect(),
            "-d".to_owned(),
            folder.to_string(),
            out.to_string(),
        ]),
    );
    log::run(
        call.limit(Duration::from_secs(300)),
        &format!("payload disk {label}"),
        log,
    )
    .await
}

/// A call in which this user's files appear as root's.
fn as_root(program: &str, arguments: impl IntoIterator<Item = String>) -> Call {
    if rustix::process::geteuid().is_root() {
        return process::call(program).args(arguments);
    }
    process::call("unshare")
        .args(["--user", "--map-root-user", "--", program])
        .args(arguments)
}

/// Blocks of data and number of inodes below a folder.
fn measure(folder: &Utf8Path) -> Result<(u64, u64), ImageError> {
    let (mut blocks, mut inodes) = (1, 1);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if let (true, Ok(path)) = (metadata.is_dir(), Utf8PathBuf::from_path_buf(entry.path())) {
            let (b, i) = measure(&path)?;
            blocks += b;
            inodes += i;
        } else {
            blocks += metadata.len().div_ceil(BLOCK) + 1;
            inodes += 1;
        }
    }
    // A folder's own entries: an upper bound of 264 bytes each.
    Ok((blocks + inodes * 264 / BLOCK, inodes))
}

/// Puts `from` at `to`: by hard link where that works, else by copy. Links stay links.
fn place(from: &Utf8Path, to: &Utf8Path) -> Result<(), ImageError> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            // The cache's own manifest is no part of what was built.
            if name != ".bellwether.json" {
                place(&from.join(&*name), &to.join(&*name))?;
            }
        }
        fs::set_permissions(
            to,
            std::os::unix::fs::PermissionsExt::from_mode(metadata.mode()),
        )?;
    } else if metadata.is_symlink() {
        let target = fs::read_link(from)?;
        fs_err::os::unix::fs::symlink(target, to)?;
    } else if let Err(error) = fs::hard_link(from, to) {
        // Copying onto a link would write through it, into the cache entry behind it.
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Err(error.into());
        }
        fs::copy(from, to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `debugfs` says about one file of a disk image.
    async fn stat(disk: &Utf8Path, path: &str) -> String {
        let ask = format!("stat {path}");
        let output = process::call("debugfs")
            .args(["-R", &ask, disk.as_str()])
            .run()
            .await
            .unwrap();
        output.text()
    }

    #[tokio::test]
    async fn a_disk_holds_the_parts_as_roots_and_only_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache::open(folder.join("cache")).unwrap();
        let built = folder.join("built");
        fs::create_dir_all(built.join("bin")).unwrap();
        fs::write(built.join(".bellwether.json"), "{}").unwrap();
        fs::write(built.join("bin/kubelet"), vec![7; 3 << 20]).unwrap();
        fs_err::os::unix::fs::symlink("kubelet", built.join("bin/hyperkube")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(built.join("bin/kubelet"), executable).unwrap();
        for number in 0..300 {
            fs::write(built.join(format!("small-{number}")), "x").unwrap();
        }
        let parts = [
            PayloadPart {
                from: built.clone(),
                to: "kubernetes".to_owned(),
            },
            PayloadPart {
                from: built.join("small-0"),
                to: "images/pause.tar".to_owned(),
            },
        ];
        let (inputs, log) = (Digest::of(b"inputs"), folder.join("log"));
        let made = payload("kubernetes", &parts, &inputs, &cache, &log)
            .await
            .unwrap();
        let kubelet = stat(&made.disk, "/kubernetes/bin/kubelet").await;
        assert!(kubelet.contains("Mode:  0755"), "{kubelet}");
        assert!(kubelet.contains("User:     0   Group:     0"), "{kubelet}");
        assert!(kubelet.contains("Size: 3145728"), "{kubelet}");
        assert!(
            stat(&made.disk, "/kubernetes/bin/hyperkube")
                .await
                .contains("symlink")
        );
        assert!(
            stat(&made.disk, "/images/pause.tar")
                .await
                .contains("Size: 1")
        );
        assert!(
            !stat(&made.disk, "/kubernetes/.bellwether.json")
                .await
                .contains("Inode")
        );
        let size = fs::metadata(&made.disk).unwrap().len();
        assert!(size < 16 << 20, "{size} bytes for 5 MiB");
        let again = payload("kubernetes", &parts, &inputs, &cache, &log)
            .await
            .unwrap();
        assert!(made.fresh && !again.fresh);
        let other = payload("kubernetes", &parts, &Digest::of(b"others"), &cache, &log).await;
        assert_ne!(other.unwrap().disk, made.disk);
    }

    #[tokio::test]
    async fn two_parts_at_one_path_do_not_write_through_to_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache::open(folder.join("cache")).unwrap();
        let parts = ["one", "two"].map(|name| {
            fs::write(folder.join(name), name).unwrap();
            PayloadPart {
                from: folder.join(name),
                to: "bin/x".to_owned(),
            }
        });
        let result = payload("x", &parts, &Digest::of(b""), &cache, &folder.join("log")).await;
        assert!(result.is_err());
        assert_eq!(fs::read_to_string(folder.join("one")).unwrap(), "one");
    }
}
