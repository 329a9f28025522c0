//! What a suite must know of its node, and where things are in the guest.

/// The systemd unit that the suite runs as, without its suffix.
pub const UNIT: &str = "bellwether-suite";

/// Facts about the node a suite runs on. Guest paths are without the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Put before every guest path: empty for a real guest, a folder for the tests' fake machine.
    pub root: String,
    /// The CRI endpoint, such as `unix:///run/containerd/containerd.sock`.
    pub runtime_endpoint: String,
    /// The runtime's unit, such as `containerd.service`.
    pub runtime_unit: String,
    /// The CRI runtime handler under test.
    pub handler: String,
    /// The Kubernetes node's name.
    pub node_name: String,
    /// Where the Kubernetes payload is; its binaries are in `bin` below.
    pub kubernetes_dir: String,
    /// More folders of payload binaries, such as the runtime's.
    pub bin_dirs: Vec<String>,
    /// Whether the suite's output goes to the host through the machine's ports; else the host asks for it.
    pub ports: bool,
}

impl NodeFacts {
    /// The folder of kubelet, ginkgo and the suite's binary.
    #[must_use]
    pub fn kubernetes_bin(&self) -> String {
        format!("{}{}/bin", self.root, self.kubernetes_dir)
    }

    /// The runtime's unit without `.service`.
    #[must_use]
    pub fn runtime_name(&self) -> &str {
        self.runtime_unit
            .strip_suffix(".service")
            .unwrap_or(&self.runtime_unit)
    }

    /// `PATH` of the suite: the payload's folders before the system's.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = vec![self.kubernetes_bin()];
        path.extend(
            self.bin_dirs
                .iter()
                .map(|dir| format!("{}{dir}", self.root)),
        );
        path.push("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        path.join(":")
    }
}

/// The suite's folder in the guest: `ws` is where it runs, `out` is what it leaves.
#[must_use]
pub fn folder(root: &str) -> String {
    format!("{root}/var/lib/bellwether/suite")
}

/// The guest folder to fetch when the suite is over.
#[must_use]
pub fn output(root: &str) -> String {
    format!("{}/out", folder(root))
}
