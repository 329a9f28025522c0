//! The lowest layer of an image: files of Debian packages, taken out without installing them.
//!
//! No maintainer script runs, so what a script would have made and a container needs is made here.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{BuildError, cache::Cache, goarch, layer::Layer, make::Log, oci::LayerFile};
use crate::{
    model::{Digest, DigestBuilder},
    process,
};

/// Raised when what is taken out of the packages changes.
const VERSION: u32 = 1;
const SUITE: &str = "trixie";
/// The rootfs' list of its packages; not part of the layer.
const PACKAGES: &str = "packages.txt";

/// A base layer in the cache.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub layer: LayerFile,
    /// A static busybox.
    pub busybox: Utf8PathBuf,
    /// `package version` of each package, sorted.
    pub packages: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    digest: Digest,
    size: u64,
    packages: Vec<String>,
}

/// The base layer with these packages and what they depend on. `busybox-static` must be among them.
pub(super) async fn base(
    name: &str,
    packages: &[&str],
    cache: &Cache,
    log: &Log<'_>,
    work: &Utf8Path,
) -> Result<Base, BuildError> {
    let digest = DigestBuilder::new("image-base")
        .field("version", VERSION.to_string())
        .field("suite", SUITE)
        .field("arch", goarch())
        .field("packages", packages.join(","))
        .finish();
    let make = |out: Utf8PathBuf| make(packages, log, work.join(format!("{name}-base")), out);
    let (entry, _) = cache
        .fill(&digest, &format!("image-base.{name}"), make)
        .await?;
    let stored: Stored = serde_json::from_slice(&fs::read(entry.folder.join("base.json"))?)
        .map_err(std::io::Error::from)?;
    Ok(Base {
        layer: LayerFile {
            path: entry.folder.join("layer.tar"),
            digest: stored.digest,
            size: stored.size,
        },
        busybox: entry.folder.join("busybox"),
        packages: stored.packages,
    })
}

async fn make(
    packages: &[&str],
    log: &Log<'_>,
    work: Utf8PathBuf,
    out: Utf8PathBuf,
) -> Result<(), BuildError> {
    fs::create_dir_all(&work)?;
    let rootfs = work.join("rootfs.tar");
    // The hook runs while the packages' files are still in apt's cache; their names hold their versions. Without
    // root it runs as another user, who can write into the rootfs alone.
    let hook = format!("ls -1 \"$1\"/var/cache/apt/archives > \"$1\"/{PACKAGES}");
    let call = process::call("mmdebstrap")
        .args(["--variant=extract", "--format=tar"])
        .arg(format!("--extract-hook={hook}"))
        .arg(format!("--include={}", packages.join(",")))
        .args([SUITE, rootfs.as_str()])
        .env("LC_ALL", "C");
    // Without root mmdebstrap works as another user, who may not reach our scratch folder.
    let call = if rustix::process::geteuid().is_root() {
        call.env("TMPDIR", work.as_str())
    } else {
        call
    };
    log.call(call).await?;
    let target = out.clone();
    let packed = tokio::task::spawn_blocking(move || pack(&rootfs, &target)).await;
    let (layer, packages) = packed.map_err(|e| BuildError::Host(e.to_string()))??;
    let stored = Stored {
        digest: layer.digest,
        size: layer.size,
        packages,
    };
    let text = serde_json::to_vec_pretty(&stored).map_err(std::io::Error::from)?;
    fs::write(out.join("base.json"), text)?;
    Ok(fs::remove_dir_all(work)?)
}

fn pack(rootfs: &Utf8Path, out: &Utf8Path) -> Result<(LayerFile, Vec<String>), BuildError> {
    let mut layer = Layer::default();
    layer.take_tar(rootfs, kept)?;
    let mut certificates = Layer::default();
    certificates.take_tar(rootfs, |path| {
        path.starts_with("usr/share/ca-certificates/") && path.ends_with(".crt")
    })?;
    layer.bytes(
        "etc/ssl/certs/ca-certificates.crt",
        0o644,
        certificates.contents()?,
    );
    layer.bytes(
        "etc/nsswitch.conf",
        0o644,
        "passwd: files\ngroup: files\nhosts: files dns\n",
    );
    layer.folder("tmp", 0o1777);
    if layer.contains("usr/bin/nc.openbsd") {
        layer.link("usr/bin/nc", "nc.openbsd");
    }
    let mut busybox = Layer::default();
    busybox.take_tar(rootfs, |path| path == "usr/bin/busybox")?;
    let bytes = busybox.contents()?;
    if bytes.is_empty() {
        return Err(BuildError::Host(
            "the package busybox-static has no usr/bin/busybox".to_owned(),
        ));
    }
    let path = out.join("busybox");
    fs::write(&path, bytes)?;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let mut list = Layer::default();
    list.take_tar(rootfs, |path| path == PACKAGES)?;
    let packages = packages_of(&String::from_utf8_lossy(&list.contents()?));
    Ok((layer.write_file(&out.join("layer.tar"))?, packages))
}

/// Whether a container could need this file.
fn kept(path: &str) -> bool {
    const LEFT_OUT: [&str; 34] = [
        "boot",
        "dev",
        "etc/apt",
        "etc/cron.d",
        "etc/cron.daily",
        "etc/dpkg",
        "etc/fstab",
        "etc/hostname",
        "etc/init.d",
        "etc/logrotate.d",
        "etc/resolv.conf",
        "etc/skel",
        "etc/systemd",
        "media",
        "mnt",
        "opt",
        "proc",
        "run",
        "srv",
        "sys",
        "usr/games",
        "usr/lib/systemd",
        "usr/share/apport",
        "usr/share/bash-completion",
        "usr/share/bug",
        "usr/share/doc",
        "usr/share/info",
        "usr/share/lintian",
        "usr/share/locale",
        "usr/share/man",
        "usr/share/perl5",
        "usr/share/vim",
        "var/cache",
        "var/lib",
    ];
    let below = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Character sets other than UTF-8, and perl, which only maintainer scripts need.
    let unneeded = path.contains("/gconv/")
        || path.contains("/perl-base/")
        || path.starts_with("usr/bin/perl");
    path != PACKAGES && !unneeded && !LEFT_OUT.iter().any(|folder| below(folder))
}

/// `curl 8.14.1-2` of `curl_8.14.1-2_amd64.deb`.
fn packages_of(archives: &str) -> Vec<String> {
    let named = archives.lines().filter_map(|line| {
        let mut parts = line.trim().strip_suffix(".deb")?.split('_');
        let (name, version) = (parts.next()?, parts.next()?);
        Some(format!("{name} {}", version.replace("%3a", ":")))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_name_their_versions() {
        let archives = "bash_5.2.37-2+b10_amd64.deb\nbusybox-static_1%3a1.37.0-6+b9_amd64.deb\nlock\npartial\n";
        assert_eq!(
            packages_of(archives),
            ["bash 5.2.37-2+b10", "busybox-static 1:1.37.0-6+b9"]
        );
    }

    #[test]
    fn documentation_goes_and_what_only_sounds_like_it_stays() {
        for path in [
            "usr/share/doc/bash/README",
            "dev/null",
            "dev",
            "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
            "var/lib/dpkg",
        ] {
            assert!(!kept(path), "{path}");
        }
        for path in [
            "usr/bin/dig",
            "usr/share/documents/x",
            "usr/bin/docker",
            "etc/development",
            "usr/lib/x86_64-linux-gnu/libc.so.6",
        ] {
            assert!(kept(path), "{path}");
        }
    }
}
