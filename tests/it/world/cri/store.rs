//! Pods and containers in memory, with just as much of them in the guest's folder as one can look for there.

use std::{
    collections::BTreeMap,
    io,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bellwether::{process, runtime::cri::v1::*};
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tonic::Status;

use super::served::Served;

const BUSYBOX: &str = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1";
const CGROUPS: &str = "sys/fs/cgroup/bellwether";

type Answer<T> = Result<T, Status>;

#[derive(Default)]
struct Pod {
    config: PodSandboxConfig,
    handler: String,
    stopped: bool,
    shim: u32,
}

#[derive(Clone, Default)]
struct Container {
    status: ContainerStatus,
    pod: String,
    config: ContainerConfig,
    pid: u32,
}

/// All of one runtime.
pub struct Store {
    root: Utf8PathBuf,
    served: Served,
    pods: Mutex<BTreeMap<String, Pod>>,
    containers: Mutex<BTreeMap<String, Container>>,
    clock: AtomicI64,
}

impl Store {
    pub fn new(root: &Utf8Path) -> io::Result<Arc<Self>> {
        let store = Self {
            root: root.to_owned(),
            served: Served::new(root)?,
            pods: Mutex::default(),
            containers: Mutex::default(),
            clock: AtomicI64::new(1),
        };
        store.file("proc/1/mountinfo", "1 0 0:1 / / rw\n")?;
        store.file("proc/2/comm", "containerd\n")?;
        store.file("proc/2/fd/0", "")?;
        store.file("proc/2/stat", "1 (containerd) S 1\n")?;
        store.file(&format!("{CGROUPS}/pids.max"), "max\n")?;
        store.file("run/netns/cni-0", "")?;
        Ok(Arc::new(store))
    }

    fn file(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, text)
    }

    fn gone(&self, name: &str) {
        let _ = std::fs::remove_dir_all(self.root.join(name));
    }

    /// Whether the fixture's runtime misbehaves so.
    fn misbehaves(&self, how: &str) -> bool {
        self.root.join("run/containerd").join(how).exists()
    }

    fn tick(&self) -> i64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}{:012x}", self.tick() + 0x00f0_0000_0000)
    }

    pub async fn version(&self, _: VersionRequest) -> Answer<VersionResponse> {
        Ok(VersionResponse {
            version: "0.1.0".into(),
            runtime_name: "containerd".into(),
            runtime_version: "v2.2.0".into(),
            runtime_api_version: "v1".into(),
        })
    }

    pub async fn status(&self, _: StatusRequest) -> Answer<StatusResponse> {
        let conditions = ["RuntimeReady", "NetworkReady"].map(|name| RuntimeCondition {
            r#type: name.into(),
            status: name != "NetworkReady" || !self.misbehaves("no-network"),
            message: "cni plugin not initialized".into(),
            ..RuntimeCondition::default()
        });
        Ok(StatusResponse {
            status: Some(RuntimeStatus {
                conditions: conditions.into(),
            }),
            ..StatusResponse::default()
        })
    }

    pub async fn runtime_config(&self, _: RuntimeConfigRequest) -> Answer<RuntimeConfigResponse> {
        Ok(RuntimeConfigResponse::default())
    }

    pub async fn run_pod(
        self: Arc<Self>,
        ask: RunPodSandboxRequest,
    ) -> Answer<RunPodSandboxResponse> {
        let id = self.id("pod");
        // A process of the host, so that it can be killed as a shim can.
        let mut shim = process::command("sleep").arg("1000").spawn()?;
        let pid = shim.id().unwrap_or_default();
        self.file(
            &format!("proc/{pid}/cmdline"),
            &format!("shim\0-id\0{id}\0"),
        )?;
        self.file(&format!("proc/{pid}/fd/0"), "")?;
        self.file(&format!("run/shim/{id}/pid"), "")?;
        if let Err(error) = self.served.pod(&ask.runtime_handler, &id, pid) {
            let _ = shim.start_kill();
            self.served.end(pid);
            self.served.gone(&id);
            self.gone(&format!("proc/{pid}"));
            self.gone(&format!("run/shim/{id}"));
            return Err(error);
        }
        let pod = Pod {
            config: ask.config.unwrap_or_default(),
            handler: ask.runtime_handler,
            stopped: false,
            shim: pid,
        };
        self.pods.lock().unwrap().insert(id.clone(), pod);
        let (store, watched) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let _ = shim.wait().await;
            store.gone(&format!("proc/{pid}"));
            store.end_pod(&watched).await;
        });
        Ok(RunPodSandboxResponse { pod_sandbox_id: id })
    }

    /// Everything in a pod ends.
    async fn end_pod(&self, id: &str) {
        if let Some(pod) = self.pods.lock().unwrap().get_mut(id) {
            pod.stopped = true;
            process::kill_group(pod.shim);
        }
        for container in self.of_pod(id) {
            process::kill_group(container.pid);
        }
    }

    fn of_pod(&self, id: &str) -> Vec<Container> {
        let containers = self.containers.lock().unwrap();
        let inside = containers.values().filter(|known| known.pod == id);
        inside.filter(|known| known.pid > 0).cloned().collect()
    }

    pub async fn stop_pod(&self, ask: StopPodSandboxRequest) -> Answer<StopPodSandboxResponse> {
        self.end_pod(&ask.pod_sandbox_id).await;
        Ok(StopPodSandboxResponse {})
    }

    pub async fn remove_pod(
        &self,
        ask: RemovePodSandboxRequest,
    ) -> Answer<RemovePodSandboxResponse> {
        let id = ask.pod_sandbox_id;
        self.end_pod(&id).await;
        let pod = self.pods.lock().unwrap().remove(&id);
        if !self.misbehaves("leaves-state") {
            self.gone(&format!("run/shim/{id}"));
        }
        let mut containers = self.containers.lock().unwrap();
        for (id, _) in containers.extract_if(.., |_, known| known.pod == id) {
            self.gone(&format!("{CGROUPS}/{id}"));
            self.served.gone(&id);
        }
        self.served.gone(&id);
        if let Some(pod) = pod {
            self.served.end(pod.shim);
        }
        Ok(RemovePodSandboxResponse {})
    }

    pub async fn pod_status(
        &self,
        ask: PodSandboxStatusRequest,
    ) -> Answer<PodSandboxStatusResponse> {
        let pods = self.pods.lock().unwrap();
        let pod = pods.get(&ask.pod_sandbox_id);
        let pod = pod.ok_or_else(|| Status::not_found("no such pod"))?;
        Ok(PodSandboxStatusResponse {
            status: Some(PodSandboxStatus {
                id: ask.pod_sandbox_id,
                metadata: pod.config.metadata.clone(),
                state: i32::from(pod.stopped),
                network: Some(PodSandboxNetworkStatus {
                    ip: "10.88.0.2".into(),
                    ..PodSandboxNetworkStatus::default()
                }),
                runtime_handler: pod.handler.clone(),
                ..PodSandboxStatus::default()
            }),
            info: info(pod.shim),
            ..PodSandboxStatusResponse::default()
        })
    }

    pub async fn list_pods(&self, ask: ListPodSandboxRequest) -> Answer<ListPodSandboxResponse> {
        let wanted = ask.filter.unwrap_or_default().id;
        let pods = self.pods.lock().unwrap();
        let items = pods.keys().filter(|id| wanted.is_empty() || **id == wanted);
        let items = items.map(|id| PodSandbox {
            id: id.clone(),
            ..PodSandbox::default()
        });
        Ok(ListPodSandboxResponse {
            items: items.collect(),
        })
    }

    pub async fn create(&self, ask: CreateContainerRequest) -> Answer<CreateContainerResponse> {
        let mut config = ask.config.unwrap_or_default();
        let image = config.image.clone().unwrap_or_default().image;
        if !is_there(&image) {
            return Err(Status::not_found(format!("image {image:?}: not found")));
        }
        if is_pause(&image) {
            config.command = ["sleep", "3600"].map(str::to_owned).into();
        }
        let id = self.id("con");
        let pods = self.pods.lock().unwrap();
        if let Some(pod) = pods.get(&ask.pod_sandbox_id) {
            self.served.container(&pod.handler, &id)?;
        }
        drop(pods);
        let container = Container {
            status: ContainerStatus {
                id: id.clone(),
                metadata: config.metadata.clone(),
                created_at: self.tick(),
                log_path: config.log_path.clone(),
                ..ContainerStatus::default()
            },
            pod: ask.pod_sandbox_id,
            config,
            pid: 0,
        };
        let mut containers = self.containers.lock().unwrap();
        containers.insert(id.clone(), container);
        Ok(CreateContainerResponse { container_id: id })
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Container) -> T) -> Answer<T> {
        let mut containers = self.containers.lock().unwrap();
        let container = containers.get_mut(id);
        let container = container.ok_or_else(|| Status::not_found("no such container"))?;
        Ok(change(container))
    }

    pub async fn start(
        self: Arc<Self>,
        ask: StartContainerRequest,
    ) -> Answer<StartContainerResponse> {
        let id = ask.container_id;
        let container = self.change(&id, |container| container.clone())?;
        let command = &container.config.command;
        let (program, words) = command
            .split_first()
            .ok_or_else(|| Status::invalid_argument("no command"))?;
        let linux = container.config.linux.unwrap_or_default();
        let memory = linux.resources.unwrap_or_default().memory_limit_in_bytes;
        self.file(
            &format!("{CGROUPS}/{id}/memory.max"),
            &format!("{memory}\n"),
        )?;
        self.change(&id, |container| container.status.started_at = self.tick())?;
        // What goes over its limit must not run on this host; it waits for the exec of `touch`.
        if words.iter().any(|word| word.contains("bs=256M")) {
            self.change(&id, |container| {
                container.status.state = ContainerState::ContainerRunning as i32;
            })?;
            return Ok(StartContainerResponse {});
        }
        let mut child = match process::command(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
        {
            Ok(child) => child,
            Err(error) => {
                self.end(&id, 128, "StartError");
                return Err(Status::unknown(format!("exec {program}: {error}")));
            }
        };
        self.change(&id, |container| {
            container.status.state = ContainerState::ContainerRunning as i32;
            container.pid = child.id().unwrap_or_default();
        })?;
        let pods = self.pods.lock().unwrap();
        let folder = pods
            .get(&container.pod)
            .map(|pod| pod.config.log_directory.clone());
        drop(pods);
        let log = Utf8PathBuf::from(folder.unwrap_or_default()).join(&container.config.log_path);
        let output = child.stdout.take();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output.unwrap()).lines();
            let mut text = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&format!("2026-11-20T12:00:00Z stdout F {line}\n"));
                let _ = std::fs::write(&log, &text);
            }
            let status = child.wait().await.ok();
            let code = status.and_then(|status| status.code()).unwrap_or(137);
            self.end(&id, code, if code == 0 { "Completed" } else { "Error" });
        });
        Ok(StartContainerResponse {})
    }

    fn end(&self, id: &str, code: i32, reason: &str) {
        let _ = self.change(id, |container| {
            container.status.state = ContainerState::ContainerExited as i32;
            container.status.finished_at = self.tick();
            container.status.exit_code = code;
            container.status.reason = reason.to_owned();
            container.pid = 0;
        });
        self.gone(&format!("{CGROUPS}/{id}"));
    }

    pub async fn stop(&self, ask: StopContainerRequest) -> Answer<StopContainerResponse> {
        let pid = self.change(&ask.container_id, |container| container.pid)?;
        if pid == 0 {
            return Ok(StopContainerResponse {});
        }
        let term = process::call("kill").args(["-s", "TERM", &pid.to_string()]);
        if ask.timeout > 0 {
            let _ = term.output().await;
        }
        let grace = Duration::from_secs(ask.timeout.unsigned_abs());
        if tokio::time::timeout(grace, self.dead(&ask.container_id))
            .await
            .is_err()
        {
            process::kill_group(pid);
            self.dead(&ask.container_id).await;
        }
        Ok(StopContainerResponse {})
    }

    async fn dead(&self, id: &str) {
        while self
            .change(id, |container| container.pid)
            .is_ok_and(|pid| pid > 0)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn remove(&self, ask: RemoveContainerRequest) -> Answer<RemoveContainerResponse> {
        let id = ask.container_id;
        if let Ok(pid) = self.change(&id, |container| container.pid)
            && pid > 0
        {
            process::kill_group(pid);
            self.dead(&id).await;
        }
        self.containers.lock().unwrap().remove(&id);
        self.served.gone(&id);
        Ok(RemoveContainerResponse {})
    }

    pub async fn container_status(
        &self,
        ask: ContainerStatusRequest,
    ) -> Answer<ContainerStatusResponse> {
        let status = self.change(&ask.container_id, |container| container.status.clone())?;
        Ok(ContainerStatusResponse {
            status: Some(status),
            ..ContainerStatusResponse::default()
        })
    }

    pub async fn list_containers(
        &self,
        ask: ListContainersRequest,
    ) -> Answer<ListContainersResponse> {
        let filter = ask.filter.unwrap_or_default();
        let containers = self.containers.lock().unwrap();
        let fits = |known: &&Container| {
            (filter.id.is_empty() || known.status.id == filter.id)
                && (filter.pod_sandbox_id.is_empty() || known.pod == filter.pod_sandbox_id)
        };
        let list =
            containers
                .values()
                .filter(fits)
                .map(|known| bellwether::runtime::cri::v1::Container {
                    id: known.status.id.clone(),
                    state: known.status.state,
                    ..Default::default()
                });
        Ok(ListContainersResponse {
            containers: list.collect(),
        })
    }

    pub async fn update(
        &self,
        ask: UpdateContainerResourcesRequest,
    ) -> Answer<UpdateContainerResourcesResponse> {
        let limit = ask.linux.clone().unwrap_or_default().memory_limit_in_bytes;
        let file = format!("{CGROUPS}/{}/memory.max", ask.container_id);
        self.file(&file, &format!("{limit}\n"))?;
        self.change(&ask.container_id, |container| {
            container.status.resources = Some(ContainerResources {
                linux: ask.linux,
                windows: None,
            });
        })?;
        Ok(UpdateContainerResourcesResponse {})
    }

    pub async fn exec_sync(&self, ask: ExecSyncRequest) -> Answer<ExecSyncResponse> {
        if ask.cmd.first().is_some_and(|program| program == "touch") {
            let oom = !self.misbehaves("never-says-oom");
            self.end(
                &ask.container_id,
                137,
                if oom { "OOMKilled" } else { "Error" },
            );
            return Ok(ExecSyncResponse::default());
        }
        if self.change(&ask.container_id, |container| container.pid)? == 0 {
            return Err(Status::failed_precondition("container is not running"));
        }
        if self.misbehaves("leaks-namespaces") {
            self.file(&format!("run/netns/cni-{}", self.tick()), "")?;
        }
        let (program, words) = ask.cmd.split_first().unwrap();
        let limit = Duration::from_secs(ask.timeout.unsigned_abs());
        let call = process::call(program).args(words).limit(limit);
        match call.output().await {
            Ok(output) => Ok(ExecSyncResponse {
                stdout: output.stdout.clone(),
                stderr: output.stderr.clone().into_bytes(),
                exit_code: output.status.unwrap_or(137),
            }),
            Err(error) => Err(Status::deadline_exceeded(format!(
                "timeout exceeded: {error}"
            ))),
        }
    }

    pub async fn list_images(&self, _: ListImagesRequest) -> Answer<ListImagesResponse> {
        Ok(ListImagesResponse {
            images: vec![Image {
                id: "sha256:1".into(),
                repo_tags: vec![BUSYBOX.into()],
                size: 7,
                ..Image::default()
            }],
        })
    }

    pub async fn image_status(&self, ask: ImageStatusRequest) -> Answer<ImageStatusResponse> {
        let id = ask.image.unwrap_or_default().image;
        Ok(ImageStatusResponse {
            image: is_there(&id).then(|| Image {
                id,
                ..Image::default()
            }),
            ..ImageStatusResponse::default()
        })
    }

    pub async fn pull(&self, ask: PullImageRequest) -> Answer<PullImageResponse> {
        let image = ask.image.unwrap_or_default().image;
        Err(Status::unknown(format!(
            "failed to pull {image}: connection refused"
        )))
    }
}

/// Every busybox is the host's, and a pause image only waits.
fn is_there(image: &str) -> bool {
    image.contains("/busybox:") || is_pause(image)
}

fn is_pause(image: &str) -> bool {
    image.contains("/pause:")
}

/// What containerd adds for who asks for more.
fn info(shim: u32) -> BTreeMap<String, String> {
    let pid = Served::inside(shim);
    BTreeMap::from([("info".to_owned(), format!("{{\"pid\":{pid}}}"))])
}
