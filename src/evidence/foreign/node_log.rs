//! Logs of a node, by their names, and what is kept of a large one. Pure.

/// How such files are called, without their endings.
const NAMES: [&str; 26] = [
    "kubelet",
    "containerd",
    "crio",
    "cri-o",
    "docker",
    "dockerd",
    "journal",
    "journalctl",
    "systemd",
    "console",
    "serial",
    "dmesg",
    "kern",
    "kernel",
    "syslog",
    "messages",
    "services",
    "cloud-init",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "node-problem-detector",
    "runtime",
    "sandboxer",
];

/// Whether a file of this name is such a log: `kubelet.log`, `serial-1.log`, `kube-apiserver-audit.log`.
pub(super) fn is_node_log(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let Some((stem, ending)) = name.split_once('.') else {
        return false;
    };
    let log = ["log", "txt", "json", "jsonl"]
        .contains(&ending.rsplit('.').next().unwrap_or_default())
        && !ending.contains("xml");
    log && NAMES.iter().any(|known| {
        stem.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    })
}

/// The text in parts, each with the number of its first line: everything, or the first and the last half of `most`.
pub(super) fn parts(text: &str, most: usize) -> Vec<(u64, String)> {
    if text.len() <= most {
        return vec![(1, text.to_owned())];
    }
    let end = |at: usize| {
        let at = text.floor_char_boundary(at);
        text[at..]
            .find('\n')
            .map_or(text.len(), |more| at + more + 1)
    };
    let head = end(most / 2);
    let tail = end(text.len() - most / 2).max(head);
    let first = 1 + text[..tail].bytes().filter(|byte| *byte == b'\n').count() as u64;
    vec![
        (1, text[..head].to_owned()),
        (first, text[tail..].to_owned()),
    ]
}
