//! The units that mount a node's disks. Pure.

use crate::profile::NodeDisk;

use super::GuestUnit;

/// A mount unit for each disk; the runtime starts after all of them.
#[must_use]
pub fn mounts(disks: &[NodeDisk]) -> Vec<GuestUnit> {
    let mount = |disk: &NodeDisk| {
        let NodeDisk { name, mount, .. } = disk;
        let text = format!(
            "[Unit]
Description=Disk {name}
Before=containerd.service crio.service

[Mount]
What=/dev/disk/by-id/virtio-{name}
Where={mount}
Type=ext4

[Install]
WantedBy=multi-user.target
"
        );
        GuestUnit::enabled(unit_name(mount), text)
    };
    disks.iter().map(mount).collect()
}

/// systemd's name for the unit that mounts something on `path`.
fn unit_name(path: &str) -> String {
    let mut name = String::new();
    for (n, c) in path.trim_matches('/').char_indices() {
        match c {
            '/' => name.push('-'),
            '.' if n == 0 => name.push_str("\\x2e"),
            '-' => name.push_str("\\x2d"),
            other => name.push(other),
        }
    }
    name + ".mount"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_as_systemd_names_them() {
        assert_eq!(unit_name("/var/lib/containerd"), "var-lib-containerd.mount");
        assert_eq!(unit_name("/srv/a-b_c.d"), "srv-a\\x2db_c.d.mount");
        assert_eq!(unit_name("/.x"), "\\x2ex.mount");
    }

    #[test]
    fn a_disk_is_mounted_before_the_runtime_starts() {
        let disks = [NodeDisk {
            name: "images".into(),
            size: 1 << 30,
            mount: "/var/lib/images".into(),
        }];
        let units = mounts(&disks);
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].name, "var-lib-images.mount");
        let text = units[0].contents.as_deref().unwrap();
        assert!(text.contains("What=/dev/disk/by-id/virtio-images\nWhere=/var/lib/images\n"));
        assert!(text.contains("Before=containerd.service"));
    }
}
