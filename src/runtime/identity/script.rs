//! The scripts that gather facts in the guest. Pure: text in, text out.
//!
//! Each is one call into the guest, because a call costs more than what it does. `root` stands before every guest path.

use crate::process::quote;

const SUM: &str = include_str!("sum.sh");
const WATCH: &str = include_str!("watch.sh");
const FILES: &str = include_str!("files.sh");
const COLLECT: &str = include_str!("collect.sh");
const DIRECT: &str = include_str!("direct.sh");

/// Looks at the lane's binary before anything has run, and turns the kernel's trace of programs on.
#[must_use]
pub(super) fn watch(root: &str, path: &str) -> String {
    format!(
        "root={}\n{SUM}forget\n{FILES}look {}\n{WATCH}",
        quote(root),
        quote(path)
    )
}

/// Ends the trace, and tells it with the pod's processes and state folders. `unit` is a sandbox controller's.
#[must_use]
pub(super) fn collect(root: &str, ids: &[&str], inside: &[u32], unit: Option<&str>) -> String {
    let pids: Vec<String> = inside.iter().map(u32::to_string).collect();
    format!(
        "root={}\nids={}\npids={}\nunit={}\n{SUM}{COLLECT}",
        quote(root),
        quote(&ids.join(" ")),
        quote(&pids.join(" ")),
        quote(unit.unwrap_or_default()),
    )
}

/// Looks at files: kind, digests, dpkg's record, their own words; and at the lane's own binary once more.
#[must_use]
pub(super) fn files(root: &str, programs: &[String], own: &str) -> String {
    let others = programs.iter().filter(|path| *path != own);
    let looks: String = others
        .map(|path| format!("look {}\n", quote(path)))
        .collect();
    format!(
        "root={}\n{SUM}{FILES}{looks}hold {}\nforget\n",
        quote(root),
        quote(own)
    )
}

/// How a sandboxer is called directly.
pub(super) struct Direct<'a> {
    /// Before every guest path.
    pub root: &'a str,
    /// Its binary; empty where it is no command.
    pub binary: &'a str,
    /// Whether cgroups are systemd's.
    pub systemd: bool,
    /// From how many seconds ago the journal matters.
    pub since: u64,
    /// A sandbox controller's unit, whose journal matters whole.
    pub unit: Option<&'a str>,
}

/// Calls a sandboxer's binary as a shim would, on the smallest bundle there is, and tells what it said; and what the
/// runtime's journal and the shims' own logs say.
#[must_use]
pub(super) fn direct(call: &Direct<'_>) -> String {
    format!(
        "root={}\nbinary={}\nsystemd={}\nsince={}\nunit={}\n{DIRECT}",
        quote(call.root),
        quote(call.binary),
        if call.systemd {
            "--systemd-cgroup"
        } else {
            "''"
        },
        call.since,
        quote(call.unit.unwrap_or_default()),
    )
    .replace("@CONFIG@", &bundle(call.systemd))
}

/// The smallest bundle that asks for what containerd asks for: own namespaces, a cgroup with device rules and weights,
/// masked paths. Its files are the node's own, so that no image is needed.
fn bundle(systemd: bool) -> String {
    let cgroup = if systemd {
        "system.slice:bellwether:canary-direct"
    } else {
        "/bellwether-canary-direct"
    };
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| serde_json::json!({"destination": destination, "type": kind, "source": source, "options": options});
    let namespaces = ["pid", "ipc", "uts", "mount", "network"];
    let capabilities = ["CAP_KILL", "CAP_CHOWN"];
    let config = serde_json::json!({
        "ociVersion": "1.1.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sleep", "60"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs"},
        "hostname": "canary",
        "mounts": [
            mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
            mount("/usr", "bind", "/usr", &["rbind", "ro"]),
        ],
        "linux": {
            "namespaces": namespaces.map(|kind| serde_json::json!({"type": kind})),
            "cgroupsPath": cgroup,
            "resources": {"devices": [{"allow": false, "access": "rwm"}], "cpu": {"shares": 2}},
            "maskedPaths": ["/proc/kcore", "/proc/keys"],
            "readonlyPaths": ["/proc/sys"],
        },
    });
    config.to_string()
}
