//! What a Debian node is made of: packages, and the files that make it Ignition's. Pure.

use crate::{
    model::{Digest, DigestBuilder},
    process::quote,
};

/// What every node needs; a runtime and its sandboxers bring their own.
const PACKAGES: [&str; 23] = [
    "apt",
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "dracut",
    "dracut-network",
    "e2fsprogs",
    "ethtool",
    "gdisk",
    "ignition",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-cloud-amd64",
    "nftables",
    "openssh-server",
    "passwd",
    "procps",
    "socat",
    // The node suite's cleanup calls it.
    "sudo",
    "systemd-sysv",
    "udev",
];

/// Files of ours in the image, laid down before the packages: path, mode, contents.
const SEED: [(&str, u32, &str); 10] = [
    (
        "etc/dracut.conf.d/50-bellwether.conf",
        0o644,
        include_str!("seed/dracut.conf"),
    ),
    (
        "etc/selinux/config",
        0o644,
        include_str!("seed/selinux.conf"),
    ),
    ("usr/sbin/setfiles", 0o755, include_str!("seed/nothing.sh")),
    (
        "etc/kernel/postinst.d/dracut",
        0o755,
        include_str!("seed/nothing.sh"),
    ),
    (
        "etc/ssh/sshd_config.d/10-bellwether.conf",
        0o644,
        include_str!("seed/sshd.conf"),
    ),
    (
        "usr/lib/dracut/modules.d/80bellwether/module-setup.sh",
        0o755,
        include_str!("seed/module-setup.sh"),
    ),
    (
        "usr/lib/dracut/modules.d/80bellwether/bellwether-ignition-journal.service",
        0o644,
        include_str!("seed/bellwether-ignition-journal.service"),
    ),
    (
        "usr/lib/dracut/modules.d/80bellwether/ignition-kargs-helper.sh",
        0o755,
        include_str!("seed/ignition-kargs-helper.sh"),
    ),
    (
        "usr/lib/systemd/system-preset/50-bellwether.preset",
        0o644,
        include_str!("seed/default.preset"),
    ),
    (
        "usr/lib/bellwether/finish",
        0o755,
        include_str!("seed/finish.sh"),
    ),
];

/// Runs mmdebstrap and makes its tree the root disk, its kernel and its package list.
pub(super) const SCRIPT: &str = include_str!("make.sh");

const DPKG_OPTIONS: [&str; 7] = [
    "force-unsafe-io",
    "force-confold",
    // The initramfs is made once, at the end, by the recipe.
    "path-exclude=/etc/kernel/postinst.d/dracut",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
];

/// All packages to ask apt for.
pub(in crate::image) fn wanted<'a>(more: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut wanted: Vec<String> = PACKAGES.iter().map(|&name| name.to_owned()).collect();
    wanted.push("?essential".to_owned());
    wanted.extend(more.cloned());
    wanted.sort();
    wanted.dedup();
    wanted
}

/// SHA-256 over everything here that decides what the image holds beside its packages.
pub(super) fn digest() -> Digest {
    let mut digest = DigestBuilder::new("debian-recipe")
        .field("script", SCRIPT)
        .field("dpkg", DPKG_OPTIONS.join("\n"));
    for (path, mode, contents) in SEED {
        digest = digest
            .field("path", path)
            .field("mode", mode.to_le_bytes())
            .field("contents", contents);
    }
    digest.finish()
}

/// The seed files as a tar.
pub(super) fn seed_tar() -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, contents) in SEED {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(contents.len() as u64);
        header.set_mtime(0);
        tar.append_data(&mut header, path, contents.as_bytes())?;
    }
    tar.into_inner()
}

/// mmdebstrap's arguments.
pub(super) fn arguments(
    suite: &str,
    packages: &[String],
    proxies: &[String],
    folder: &str,
) -> Vec<String> {
    let mut arguments = vec![
        "--mode=root".to_owned(),
        "--variant=apt".to_owned(),
        "--format=directory".to_owned(),
        "--architectures=amd64".to_owned(),
        format!("--include={}", packages.join(",")),
        "--aptopt=APT::Install-Recommends \"false\"".to_owned(),
        format!(
            "--essential-hook=tar-in {} /",
            quote(&format!("{folder}/seed.tar"))
        ),
        "--customize-hook=chroot \"$1\" /usr/lib/bellwether/finish".to_owned(),
    ];
    arguments.extend(DPKG_OPTIONS.map(|option| format!("--dpkgopt={option}")));
    arguments.extend(
        proxies
            .iter()
            .map(|proxy| format!("--aptopt={}", proxy.trim_end_matches(';'))),
    );
    arguments.extend([
        suite.to_owned(),
        "tmp/rootfs".to_owned(),
        format!("{folder}/sources.list"),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_packages_are_sorted_and_named_once() {
        let more = ["crun", "curl"].map(str::to_owned);
        let wanted = wanted(more.iter());
        assert!(wanted.is_sorted());
        assert_eq!(wanted.iter().filter(|name| *name == "curl").count(), 1);
        assert!(wanted.contains(&"crun".to_owned()));
        assert!(!wanted.contains(&"containerd".to_owned()));
    }

    #[test]
    fn the_seed_holds_every_file_with_its_mode() {
        let bytes = seed_tar().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let modes: Vec<(String, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        assert_eq!(modes.len(), SEED.len());
        assert!(modes.contains(&("usr/lib/bellwether/finish".to_owned(), 0o755)));
    }

    #[test]
    fn mmdebstrap_gets_exact_versions() {
        let packages = ["apt=3.0.3", "crun=1.21-1"].map(str::to_owned);
        let proxies = ["Acquire::http::Proxy \"http://proxy:3128\";".to_owned()];
        insta::assert_snapshot!(
            arguments("trixie", &packages, &proxies, "/cache/par tial").join("\n")
        );
    }
}
