//! The disks of a node beside its root disk.

use super::{Checker, absolute_in_guest};
use crate::profile::{
    raw::{At, RawDisk, Text},
    settings::NodeDisk,
};

/// Unless the profile says otherwise.
const SIZE: u64 = 10 << 30;
/// What virtio keeps of a disk's serial.
const LONGEST: usize = 20;
/// Disks that every machine has.
const TAKEN: [&str; 2] = ["runtime", "kubernetes"];

impl Checker<'_> {
    pub(super) fn disks(&mut self, items: &[&At<RawDisk>]) -> Vec<NodeDisk> {
        let mut out: Vec<NodeDisk> = Vec::new();
        for item in items {
            let disk = item.get();
            let name = disk.name.as_ref();
            let name = self.required(name, item.span(), "name", "name = \"images\"");
            let mount = disk.mount.as_ref();
            let line = "mount = \"/var/lib/containerd\"";
            let mount = self.required(mount, item.span(), "mount", line);
            let size = disk.size.as_ref().and_then(|size| self.size(size));
            let (Some(name), Some(mount)) = (name, mount) else {
                continue;
            };
            self.disk_name(name, &out);
            self.disk_mount(mount, &out);
            out.push(NodeDisk {
                name: name.get().clone(),
                size: size.unwrap_or(SIZE),
                mount: mount.get().clone(),
            });
        }
        out
    }

    fn disk_name(&mut self, name: &Text, others: &[NodeDisk]) {
        let text = name.get().as_str();
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(inner) {
            self.value(
                name.span(),
                format!("`{text}` cannot be the name of a disk"),
            )
            .hint(format!(
                "it becomes the disk's serial: up to {LONGEST} of a-z, 0-9 and `-`"
            ));
        }
        if TAKEN.contains(&text) || others.iter().any(|other| other.name == text) {
            self.value(name.span(), format!("the node has a disk `{text}` already"))
                .hint("give each disk a name of its own");
        }
    }

    fn disk_mount(&mut self, mount: &Text, others: &[NodeDisk]) {
        let text = mount.get().as_str();
        let part = |part: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part != "." && part != ".." && part.chars().all(inner)
        };
        if !absolute_in_guest(text) || !text.split('/').skip(1).all(part) {
            self.value(mount.span(), format!("`{text}` is no folder to mount a disk on"))
                .hint("write an absolute path of letters, digits, `.`, `_`, `-` and without a `/` at its end");
        }
        if others.iter().any(|other| other.mount == text) {
            self.value(mount.span(), format!("two disks are mounted on `{text}`"))
                .hint("give each a folder of its own");
        }
    }
}
