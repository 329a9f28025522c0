//! The stage of one spec: pods, containers and looks into the guest, each written to the spec's transcript.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use camino::Utf8PathBuf;
use tokio::{
    sync::{Mutex as AsyncMutex, OnceCell},
    time::Instant,
};

use super::{Node, look};
use crate::{
    machine::MachineError,
    process::quote,
    runtime::{
        Kind,
        cri::{
            Cri, CriError,
            stream::{StreamError, address},
            v1::{
                CgroupDriver, ContainerConfig, ContainerMetadata, ContainerState, ContainerStatus,
                ImageSpec, LinuxContainerConfig, LinuxContainerResources,
                LinuxContainerSecurityContext, LinuxPodSandboxConfig, NamespaceMode,
                NamespaceOption, PodSandboxConfig, PodSandboxMetadata,
            },
        },
    },
};

/// Where containers log in the guest.
const LOGS: &str = "/var/log/bellwether-cri";
/// How often something that takes a moment is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// Why a spec failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Something is not as it must be.
    #[error("{0}")]
    Said(String),
    /// A call failed that must not.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// The guest cannot be looked at.
    #[error("the guest cannot be looked at: {0}")]
    Machine(#[from] MachineError),
    /// A stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Fails with these words unless something holds.
pub fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds {
        return Ok(());
    }
    Err(Failed::Said(words()))
}

/// What the specs of one run share.
#[derive(Default)]
pub struct Shared {
    pod: AsyncMutex<Option<Pod>>,
    facts: OnceCell<Facts>,
    forwards: AsyncMutex<BTreeMap<String, Utf8PathBuf>>,
    count: AtomicU32,
}

/// What is the same for all specs.
struct Facts {
    image: String,
    systemd: bool,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its sandbox's id.
    pub id: String,
    /// What it was made with.
    pub config: PodSandboxConfig,
}

/// What a container is made with.
#[derive(Clone, Debug, Default)]
pub struct Wish<'w> {
    /// Its command.
    pub command: &'w [&'w str],
    /// The most memory it may use, in bytes; 0 for any.
    pub memory: i64,
    /// Whether it has a stdin.
    pub stdin: bool,
    /// An image beside the usual one.
    pub image: Option<&'w str>,
    /// Its number of restarts.
    pub attempt: u32,
}

/// One spec's stage.
pub struct Stage<'a> {
    node: Node<'a>,
    shared: &'a Shared,
    began: Instant,
    lines: Mutex<String>,
    pods: Mutex<Vec<String>>,
    containers: Mutex<Vec<String>>,
}

impl<'a> Stage<'a> {
    /// An empty stage.
    pub fn new(node: Node<'a>, shared: &'a Shared) -> Self {
        Self {
            node,
            shared,
            began: Instant::now(),
            lines: Mutex::default(),
            pods: Mutex::default(),
            containers: Mutex::default(),
        }
    }

    /// The runtime.
    pub const fn cri(&self) -> &'a Cri {
        self.node.cri
    }

    /// The handler under test.
    pub const fn handler(&self) -> &'a str {
        self.node.handler
    }

    /// The kind of runtime under test.
    pub const fn runtime(&self) -> &'a dyn Kind {
        self.node.runtime
    }

    /// What stands before every guest path.
    pub fn root(&self) -> &str {
        self.node.machine.root()
    }

    /// A time with KVM, as it is here.
    pub fn scaled(&self, time: Duration) -> Duration {
        time * self.node.scale
    }

    /// Adds to the transcript.
    pub fn note(&self, words: impl fmt::Display) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.began.elapsed().as_secs_f64();
        // A String takes everything.
        let _ = writeln!(lines, "{at:8.3} s  {words}");
    }

    /// The transcript so far.
    pub fn transcript(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }

    /// What was done last.
    pub fn last_line(&self) -> String {
        let lines = self.transcript();
        lines.lines().last().unwrap_or("nothing").trim().to_owned()
    }

    /// Does something under a name, and notes how it went.
    pub async fn act<T, E: fmt::Display>(
        &self,
        what: impl fmt::Display,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.note(format_args!("{what} …"));
        let result = work.await;
        match &result {
            Ok(_) => self.note("  done"),
            Err(error) => self.note(format_args!("  {error}")),
        }
        result
    }

    /// Runs a script in the guest and returns what it printed.
    pub async fn sh(&self, what: &str, script: &str) -> Result<String, Failed> {
        let limit = self.scaled(Duration::from_secs(15));
        let output = self.node.machine.run(script, limit).await?;
        let text = output.text();
        self.note(format_args!("guest: {what}"));
        for line in text.lines().take(40) {
            self.note(format_args!("  | {line}"));
        }
        ensure(output.status == Some(0), || {
            let said = output.stderr.trim();
            format!("{what}: {}: {said}", output.status_text())
        })?;
        Ok(text)
    }

    /// Where a URL's server can be reached on this host.
    pub async fn reach(&self, url: &str) -> Result<Utf8PathBuf, Failed> {
        let address = address(url)?;
        let mut forwards = self.shared.forwards.lock().await;
        if let Some(socket) = forwards.get(address) {
            return Ok(socket.clone());
        }
        let forward = self.node.machine.forward(address);
        let what = format!("a way to {address} in the guest");
        let socket = self.act(what, forward).await?;
        forwards.insert(address.to_owned(), socket.clone());
        Ok(socket)
    }

    async fn facts(&self) -> Result<&'a Facts, Failed> {
        self.shared
            .facts
            .get_or_try_init(|| async {
                let images = self.cri().list_images().await?;
                let tag = images
                    .iter()
                    .flat_map(|image| &image.repo_tags)
                    .filter(|tag| tag.contains("/busybox:"))
                    .max()
                    .cloned();
                let image = tag.ok_or_else(|| {
                    Failed::Said("no busybox image is there: the specs run its commands".to_owned())
                })?;
                // As the kubelet does: the runtime says which driver it has.
                let config = self.cri().runtime_config().await?.linux;
                let systemd = config
                    .is_none_or(|config| config.cgroup_driver == CgroupDriver::Systemd as i32);
                let folder = quote(&format!("{}{LOGS}", self.root()));
                self.sh("a folder for logs", &format!("mkdir -p {folder}"))
                    .await?;
                Ok(Facts { image, systemd })
            })
            .await
    }

    /// The image whose commands containers run.
    pub async fn image(&self) -> Result<&'a str, Failed> {
        Ok(&self.facts().await?.image)
    }

    fn serial(&self) -> u32 {
        self.shared.count.fetch_add(1, Ordering::Relaxed)
    }

    /// A pod of this spec's own; it is removed when the spec is over.
    pub async fn pod(&self) -> Result<Pod, Failed> {
        let pod = self.run_pod().await?;
        self.pods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pod.id.clone());
        Ok(pod)
    }

    async fn run_pod(&self) -> Result<Pod, Failed> {
        let facts = self.facts().await?;
        let serial = self.serial();
        // A cgroup of its own for each pod, named as the kubelet names them.
        let cgroup_parent = match facts.systemd {
            true => format!("/bellwether.slice/bellwether-pod{serial}.slice"),
            false => format!("/bellwether/pod{serial}"),
        };
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: format!("pod{serial}"),
                uid: format!("bellwether-{serial}"),
                namespace: "bellwether".to_owned(),
                attempt: 0,
            }),
            hostname: format!("pod{serial}"),
            log_directory: format!("{}{LOGS}", self.root()),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent,
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        };
        let what = format!("RunPodSandbox pod{serial} on {}", self.handler());
        let run = self.cri().run_pod_sandbox(config.clone(), self.handler());
        let id = self.act(what, run).await?;
        self.note(format_args!("  pod {id}"));
        Ok(Pod { id, config })
    }

    /// The pod that specs share which only need one to be there.
    pub async fn shared_pod(&self) -> Result<Pod, Failed> {
        let mut shared = self.shared.pod.lock().await;
        if let Some(pod) = &*shared {
            self.note(format_args!("in the shared pod {}", pod.id));
            return Ok(pod.clone());
        }
        let pod = self.run_pod().await?;
        *shared = Some(pod.clone());
        Ok(pod)
    }

    /// Removes the shared pod; the next spec that needs one gets another.
    pub async fn discard_shared(&self) {
        if let Some(pod) = self.shared.pod.lock().await.take() {
            // Noted in the transcript; it is not this spec's.
            let _ = self.remove_pod(&pod.id).await;
        }
    }

    /// Stops and removes a pod.
    pub async fn remove_pod(&self, id: &str) -> Result<(), Failed> {
        let what = format!("StopPodSandbox {id}");
        self.act(what, self.cri().stop_pod_sandbox(id)).await?;
        let what = format!("RemovePodSandbox {id}");
        self.act(what, self.cri().remove_pod_sandbox(id)).await?;
        Ok(())
    }

    /// Creates a container; it is removed when the spec is over.
    pub async fn create(&self, pod: &Pod, wish: Wish<'_>) -> Result<String, CriError> {
        let image = match (wish.image, self.shared.facts.get()) {
            (Some(image), _) => image.to_owned(),
            (None, facts) => facts.map(|facts| facts.image.clone()).unwrap_or_default(),
        };
        let config = self.config(&wish, image);
        self.create_as(pod, config).await
    }

    /// What a container is made with.
    pub fn config(&self, wish: &Wish<'_>, image: String) -> ContainerConfig {
        let serial = self.serial();
        ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: format!("c{serial}"),
                attempt: wish.attempt,
            }),
            image: Some(ImageSpec {
                user_specified_image: image.clone(),
                image,
                ..ImageSpec::default()
            }),
            command: wish.command.iter().map(|word| (*word).to_owned()).collect(),
            log_path: format!("c{serial}.log"),
            stdin: wish.stdin,
            linux: Some(LinuxContainerConfig {
                resources: Some(LinuxContainerResources {
                    memory_limit_in_bytes: wish.memory,
                    ..LinuxContainerResources::default()
                }),
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(NamespaceOption {
                        pid: NamespaceMode::Container as i32,
                        ..NamespaceOption::default()
                    }),
                    ..LinuxContainerSecurityContext::default()
                }),
            }),
            ..ContainerConfig::default()
        }
    }

    /// Creates a container with this configuration.
    pub async fn create_as(&self, pod: &Pod, config: ContainerConfig) -> Result<String, CriError> {
        let what = format!("CreateContainer {:?}", config.command);
        let create = self
            .cri()
            .create_container(&pod.id, config, pod.config.clone());
        let id = self.act(what, create).await?;
        self.note(format_args!("  container {id}"));
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id.clone());
        Ok(id)
    }

    /// Creates and starts a container.
    pub async fn start(&self, pod: &Pod, wish: Wish<'_>) -> Result<String, Failed> {
        let id = self.create(pod, wish).await?;
        let start = self.cri().start_container(&id);
        self.act("StartContainer", start).await?;
        Ok(id)
    }

    /// Starts a container that stays, in the shared pod.
    pub async fn sleeper(&self) -> Result<(Pod, String), Failed> {
        let pod = self.shared_pod().await?;
        let wish = Wish {
            command: &["sleep", "600"],
            ..Wish::default()
        };
        let id = self.start(&pod, wish).await?;
        Ok((pod, id))
    }

    /// How a container is.
    pub async fn status(&self, id: &str) -> Result<ContainerStatus, Failed> {
        let status = self.cri().container_status(id).await?;
        self.note(format_args!(
            "ContainerStatus: {:?}, exit code {}, reason `{}`, message `{}`",
            status.state(),
            status.exit_code,
            status.reason,
            status.message
        ));
        Ok(status)
    }

    /// Waits until a container has ended; the spec's limit ends the wait.
    pub async fn ended(&self, id: &str) -> Result<ContainerStatus, Failed> {
        loop {
            let status = self.cri().container_status(id).await?;
            if status.state() == ContainerState::ContainerExited {
                return self.status(id).await;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Asks again until an answer is right, or a time is over; returns the last one.
    pub async fn until<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        limit: Duration,
        mut ask: impl FnMut() -> F,
        right: impl Fn(&T) -> bool,
    ) -> Result<T, Failed> {
        let deadline = Instant::now() + self.scaled(limit);
        loop {
            let answer = ask().await?;
            if right(&answer) || Instant::now() >= deadline {
                return Ok(answer);
            }
            tokio::time::sleep(AGAIN * 3).await;
        }
    }

    /// Fails when something of an id is still in the guest after a moment.
    pub async fn no_trace(&self, id: &str) -> Result<(), Failed> {
        let script = look::traces(self.root(), id);
        let found = self
            .until(
                Duration::from_secs(3),
                || async { self.sh(&format!("traces of {id}"), &script).await },
                |found| found.trim().is_empty(),
            )
            .await?;
        ensure(found.trim().is_empty(), || {
            format!("left behind of {id}: {}", found.trim().replace('\n', "; "))
        })
    }

    /// Removes what the spec made.
    pub async fn clear(&self) -> Result<(), Failed> {
        let take = |list: &Mutex<Vec<String>>| {
            std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let mut result = Ok(());
        for id in take(&self.containers) {
            // As the kubelet does: not every runtime ends at once what it is told to remove.
            let _ = self.cri().stop_container(&id, Duration::ZERO).await;
            let what = format!("RemoveContainer {id}");
            let removed = self.act(what, self.cri().remove_container(&id)).await;
            result = result.and(removed.map_err(Failed::from));
        }
        for id in take(&self.pods) {
            result = result.and(self.remove_pod(&id).await);
        }
        result
    }
}
