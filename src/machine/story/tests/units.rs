//! Units, disks, and what only looks like their failures.

use super::*;

#[test]
fn a_needed_unit_is_named_by_its_own_last_words() {
    let unit = "containerd.service";
    let cases = [
        (
            journal(
                "containerd",
                700,
                unit,
                "containerd: failed to load TOML: /etc/containerd/config.toml: (3, 5): was expecting token =",
            ),
            "containerd.service failed: containerd: containerd: failed to load TOML: /etc/containerd/config.toml: (3, 5): was expecting token =",
        ),
        (
            journal(
                "(ntainerd)",
                700,
                unit,
                "containerd.service: Failed at step EXEC spawning /opt/bellwether/runtime/bin/containerd: No such file or directory",
            ),
            "containerd.service failed: (ntainerd): containerd.service: Failed at step EXEC spawning /opt/bellwether/runtime/bin/containerd: No such file or directory",
        ),
        (
            journal(
                "systemd",
                1,
                unit,
                "containerd.service: Main process exited, code=exited, status=203/EXEC",
            ),
            "containerd.service failed: systemd: containerd.service: Main process exited, code=exited, status=203/EXEC",
        ),
    ];
    for (own, said) in cases {
        let ending = told(&[
            (
                Journal,
                &journal(
                    "systemd",
                    1,
                    unit,
                    "Starting containerd.service - containerd...",
                ),
            ),
            (
                Journal,
                &journal(
                    "containerd",
                    700,
                    unit,
                    "time=\"x\" level=info msg=\"starting containerd\"",
                ),
            ),
            (Journal, &own),
            (
                Journal,
                &journal(
                    "systemd",
                    1,
                    unit,
                    "containerd.service: Failed with result 'exit-code'.",
                ),
            ),
            (
                Journal,
                &journal(
                    "systemd",
                    1,
                    unit,
                    "Failed to start containerd.service - containerd.",
                ),
            ),
        ])
        .unwrap();
        assert_eq!(ending.said, said);
        assert_eq!(ending.line.unwrap().line, 3);
    }
}

#[test]
fn a_text_journal_tells_the_same() {
    let at = "2026-11-20T11:06:33.831646+00:00 node1";
    let lines = [
        format!("{at} containerd[700]: time=\"x\" level=info msg=\"starting containerd\""),
        format!(
            "{at} (ntainerd)[701]: containerd.service: Failed at step EXEC spawning /opt/x: Exec format error"
        ),
        format!("{at} systemd[1]: containerd.service: Failed with result 'exit-code'."),
        format!("{at} systemd[1]: Failed to start containerd.service - containerd under test."),
        "[    1.000000] Kernel panic - not syncing: the second line of a message".to_owned(),
    ];
    let ending = read(Journal, &lines.join("\n")).unwrap();
    assert!(ending.said.contains("Exec format error"), "{}", ending.said);
    assert_eq!(ending.line.unwrap().line, 2);

    let mount = [
        format!(
            "{at} mount[300]: mount: /opt/bellwether/runtime: wrong fs type, bad option, bad superblock on /dev/vdb"
        ),
        format!(
            "{at} systemd[1]: opt-bellwether-runtime.mount: Mount process exited, code=exited, status=32/n/a"
        ),
        format!("{at} systemd[1]: Failed to mount opt-bellwether-runtime.mount - Payload runtime."),
    ];
    let ending = read(Journal, &mount.join("\n")).unwrap();
    assert!(ending.said.contains("wrong fs type"), "{}", ending.said);
}

#[test]
fn a_missing_disk_is_named_by_its_device() {
    let ending = told(&[
        (Journal, &journal("systemd", 1, r"dev-disk-by\x2did-virtio\x2druntime.device", r"Timed out waiting for device dev-disk-by\x2did-virtio\x2druntime.device - /dev/disk/by-id/virtio-runtime.")),
        (Journal, &journal("systemd", 1, "opt-bellwether-runtime.mount", "Dependency failed for opt-bellwether-runtime.mount - x.")),
        (Journal, &journal("systemd", 1, "containerd.service", "Dependency failed for containerd.service - x.")),
    ])
    .unwrap();
    assert!(
        ending.said.starts_with(
            "opt-bellwether-runtime.mount failed: systemd: Timed out waiting for device"
        ),
        "{}",
        ending.said
    );
    assert!(
        ending.said.contains("/dev/disk/by-id/virtio-runtime"),
        "{}",
        ending.said
    );
}

#[test]
fn full_and_broken_disks_of_the_guest() {
    let full = [
        (Console, "[   40.000000] EXT4-fs (vda): Delayed block allocation failed for inode 131 at logical offset 0 with max blocks 2 with error 28".to_owned()),
        (Journal, journal("systemd-journald", 200, "systemd-journald.service", "Failed to create new system journal: No space left on device")),
        (Journal, journal("containerd", 700, "containerd.service", "time=\"x\" level=error msg=\"failed to write\" error=\"write /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db: no space left on device\"")),
        (Journal, journal("systemd", 1, "tmp.mount", "Failed to create /var/tmp/x: No space left on device")),
    ];
    for (artifact, line) in &full {
        let ending = told(&[(*artifact, line)]).unwrap();
        assert!(
            ending.said.starts_with("the guest's disk is full"),
            "{}",
            ending.said
        );
    }
    let broken = [
        "[   40.000000] EXT4-fs error (device vda): ext4_find_entry:1683: inode #2: comm sh: reading directory lblock 0",
        "[   40.000000] I/O error, dev vda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
    ];
    for line in broken {
        let ending = told(&[(Console, line)]).unwrap();
        assert!(
            ending.said.starts_with("the guest's disk gives errors"),
            "{}",
            ending.said
        );
    }
    let init = "[   40.000000] Out of memory: Killed process 1 (systemd) total-vm:168000kB";
    assert!(told(&[(Console, init)]).unwrap().said.contains("PID 1"));
}

#[test]
fn the_same_words_from_elsewhere_raise_no_alarm() {
    let quiet = [
        // Pods and specs talk about everything.
        (
            Journal,
            journal(
                "kubelet",
                900,
                "kubelet-1.service",
                "E1120 pod_workers.go: write /data/x: No space left on device",
            ),
        ),
        (
            Journal,
            journal(
                "kubelet",
                900,
                "kubelet-1.service",
                "Kernel panic - not syncing: from a test's event",
            ),
        ),
        (
            Journal,
            journal(
                "kubelet",
                900,
                "kubelet-1.service",
                "Failed to start containerd.service - in a message",
            ),
        ),
        (
            Journal,
            journal(
                "e2e_node.test",
                901,
                "suite.service",
                "CRITICAL : Ignition failed: quoted",
            ),
        ),
        (
            Journal,
            journal(
                "containerd",
                700,
                "containerd.service",
                "time=\"x\" level=error msg=\"ExecSync failed\" error=\"write /var/lib/kubelet/pods/1/volumes/x: no space left on device\"",
            ),
        ),
        (
            Journal,
            journal(
                "containerd",
                700,
                "containerd.service",
                "time=\"x\" level=error msg=\"failed\" error=\"mkdir /sys/fs/cgroup/kubepods/x: no space left on device\"",
            ),
        ),
        (
            Journal,
            journal(
                "containerd",
                700,
                "containerd.service",
                "time=\"x\" level=info msg=\"write /var/lib/containerd/x: no space left on device\"",
            ),
        ),
        (
            Journal,
            journal(
                "systemd",
                1,
                "kubepods.slice",
                "Failed to add control inotify watch descriptor for control group /kubepods.slice: No space left on device",
            ),
        ),
        (
            Journal,
            journal(
                "systemd",
                1,
                "e2scrub_reap.service",
                "Failed to start e2scrub_reap.service - Remove Stale Online ext4 Metadata Check Snapshots.",
            ),
        ),
        (
            Journal,
            journal(
                "systemd",
                812,
                "containerd.service",
                "Failed to start containerd.service - by a user's manager.",
            ),
        ),
        (
            Journal,
            journal(
                "kernel",
                0,
                "",
                "Memory cgroup out of memory: Killed process 1 (stress)",
            ),
        ),
        (
            Journal,
            journal(
                "kernel",
                0,
                "",
                "EXT4-fs error (device loop3): ext4_lookup:1855: inode #11",
            ),
        ),
        (
            Journal,
            journal(
                "kernel",
                0,
                "",
                "EXT4-fs (vda): mounted filesystem with ordered data mode",
            ),
        ),
        (
            Journal,
            journal("kernel", 0, "", "Kernel panic is mentioned here"),
        ),
        (
            Journal,
            journal(
                "systemd",
                1,
                "emergency.service",
                "emergency.service: Deactivated successfully.",
            ),
        ),
        (
            Console,
            "node1 login: Kernel panic - not syncing: typed by somebody".into(),
        ),
        (
            Console,
            "[  100.000000] mytest[77]: Kernel panic - not syncing: written to /dev/kmsg".into(),
        ),
        (Console, "echo Entering emergency mode.".into()),
        (
            Journal,
            journal(
                "dracut-initqueue",
                300,
                "",
                "Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks:",
            ),
        ),
    ];
    for (artifact, line) in &quiet {
        assert_eq!(told(&[(*artifact, line)]), None, "{line}");
    }
}
