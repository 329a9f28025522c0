//! The canary: a pod of one sleeping container, run through CRI on the lane's handler.

use std::time::Duration;

use super::super::cri::{
    Cri, CriError,
    v1::{
        CgroupDriver, ContainerConfig, ContainerMetadata, ImageSpec, LinuxContainerConfig,
        LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext,
        NamespaceMode, NamespaceOption, PodSandboxConfig, PodSandboxMetadata,
    },
};

/// Both names of the canary's pod; no suite uses such a namespace.
const NAME: &str = "bellwether-canary";

/// What a canary is run with.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The connection to the runtime; its limit is that of each call.
    pub cri: Cri,
    /// The runtime handler.
    pub handler: String,
    /// The image of the container.
    pub image: String,
    /// What it runs; the image's own command when empty.
    pub command: Vec<String>,
    /// Whether cgroups are systemd's.
    pub systemd: bool,
    /// Whether its pod shares the node's network: nothing of a network of its own can then be left behind. Sandboxers
    /// with a kernel of their own would take the node's addresses for it.
    pub host_network: bool,
    /// Tells this canary from others on the same node.
    pub uid: String,
}

/// A canary that runs.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The sandbox's id.
    pub id: String,
    /// The container's id.
    pub container: String,
    /// The process ids that the runtime names as theirs, where it does.
    pub inside: Vec<u32>,
}

/// A canary that could not be run.
#[derive(Debug, thiserror::Error)]
#[error("the canary pod cannot run: {source}")]
pub struct CanaryError {
    /// The pod that was left by the calls that worked.
    pub pod: Option<String>,
    /// The call that failed.
    #[source]
    pub source: CriError,
}

/// Whether cgroups are systemd's, as the runtime says; where it does not, they are.
pub(super) async fn systemd_cgroups(cri: &Cri) -> bool {
    let linux = cri
        .runtime_config()
        .await
        .ok()
        .and_then(|answer| answer.linux);
    linux.is_none_or(|linux| linux.cgroup_driver == CgroupDriver::Systemd as i32)
}

impl Canary {
    fn pod(&self) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: NAME.to_owned(),
                namespace: NAME.to_owned(),
                uid: self.uid.clone(),
                attempt: 0,
            }),
            // In the node's network a pod has the node's name.
            hostname: if self.host_network { "" } else { "canary" }.to_owned(),
            linux: Some(LinuxPodSandboxConfig {
                // A slice that is there anyway: a pod's own would be left behind.
                cgroup_parent: if self.systemd { "system.slice" } else { "" }.to_owned(),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(self.namespaces()),
                    ..LinuxSandboxSecurityContext::default()
                }),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    fn namespaces(&self) -> NamespaceOption {
        let network = if self.host_network {
            NamespaceMode::Node
        } else {
            NamespaceMode::Pod
        };
        NamespaceOption {
            network: network as i32,
            pid: NamespaceMode::Container as i32,
            ..NamespaceOption::default()
        }
    }

    fn container(&self) -> ContainerConfig {
        ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: "canary".to_owned(),
                attempt: 0,
            }),
            image: Some(ImageSpec {
                image: self.image.clone(),
                // CRI-O checks its signature policy against it.
                user_specified_image: self.image.clone(),
                ..ImageSpec::default()
            }),
            command: self.command.clone(),
            // CRI-O wants it to be there.
            linux: Some(LinuxContainerConfig {
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(self.namespaces()),
                    ..LinuxContainerSecurityContext::default()
                }),
                ..LinuxContainerConfig::default()
            }),
            ..ContainerConfig::default()
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// With the call that failed, and the pod that is left of it.
    pub async fn start(&self) -> Result<Pod, CanaryError> {
        let nothing = |source| CanaryError { pod: None, source };
        let id = self
            .cri
            .run_pod_sandbox(self.pod(), &self.handler)
            .await
            .map_err(nothing)?;
        let left = |source| CanaryError {
            pod: Some(id.clone()),
            source,
        };
        let container = self
            .cri
            .create_container(&id, self.container(), self.pod())
            .await
            .map_err(left)?;
        self.cri.start_container(&container).await.map_err(left)?;
        let mut inside = Vec::new();
        // Not every runtime names them; the guest's cgroups do.
        if let Ok(answer) = self.cri.verbose_pod_sandbox_status(&id).await {
            inside.extend(answer.info.get("info").and_then(|info| pid(info)));
        }
        if let Ok(answer) = self.cri.verbose_container_status(&container).await {
            inside.extend(answer.info.get("info").and_then(|info| pid(info)));
        }
        Ok(Pod {
            id,
            container,
            inside,
        })
    }

    /// What the kernel in the container says of itself, and who it says it is.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub async fn ask_kernel(&self, pod: &Pod) -> Result<Vec<String>, CriError> {
        let script = "uname -srv; dmesg 2>/dev/null | head -n 3";
        let answer = self
            .cri
            .exec_sync(
                &pod.container,
                &["sh", "-c", script],
                Duration::from_secs(10),
            )
            .await?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Ends a pod's container at once.
    ///
    /// # Errors
    /// When the runtime does not.
    pub async fn kill(&self, pod: &Pod) -> Result<(), CriError> {
        self.cri
            .stop_container(&pod.container, Duration::ZERO)
            .await
    }

    /// Removes a pod with its container. What is left would disturb the suite's own checks.
    ///
    /// # Errors
    /// When the runtime keeps it.
    pub async fn remove(&self, pod: &str) -> Result<(), CriError> {
        self.cri.stop_pod_sandbox(pod).await?;
        self.cri.remove_pod_sandbox(pod).await
    }
}

/// The process id in what containerd and CRI-O add to a status.
fn pid(info: &str) -> Option<u32> {
    let info: serde_json::Value = serde_json::from_str(info).ok()?;
    u32::try_from(info["pid"].as_u64()?)
        .ok()
        .filter(|pid| *pid > 1)
}
