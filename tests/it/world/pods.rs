//! The pods of a fake machine: what a runtime, its shim and the kernel would leave on a node when a pod is run.
//!
//! The handler's own binary is really called, and what it leaves is its own. The kernel's trace and the processes are
//! made up from what was called.

use std::{fs, io, process::Command};

use bellwether::runtime::cri::v1::{
    ContainerStatusRequest, ContainerStatusResponse, CreateContainerRequest,
    CreateContainerResponse, ExecSyncRequest, ExecSyncResponse, ImageStatusRequest,
    ImageStatusResponse, PodSandboxStatusRequest, PodSandboxStatusResponse,
    RemovePodSandboxRequest, RemovePodSandboxResponse, RunPodSandboxRequest, RunPodSandboxResponse,
    StartContainerRequest, StartContainerResponse, StopPodSandboxRequest, StopPodSandboxResponse,
};
use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};
use tonic::Status;

const SHIM: &str = "/opt/bellwether/runtime/bin/containerd-shim-runc-v2";
const STATE: &str = "run/containerd/runc/k8s.io";
const POD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const CONTAINER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
/// No process of a host has such ids.
const SHIM_PID: u32 = 90_000_001;
const POD_PID: u32 = 90_000_002;

/// Serves the calls about pods for the machine in a folder.
#[derive(Clone, Debug)]
pub struct Pods {
    root: Utf8PathBuf,
}

impl Pods {
    /// For the machine in `root`, with a kernel that traces.
    pub fn new(root: &Utf8Path) -> io::Result<Self> {
        for event in ["sched_process_exec", "sched_process_fork"] {
            fs::create_dir_all(root.join(format!("{TRACE}/events/sched/{event}")))?;
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub fn image(&self, ask: ImageStatusRequest) -> ImageStatusResponse {
        use bellwether::runtime::cri::v1::Image;
        let id = ask.image.map(|image| image.image).unwrap_or_default();
        ImageStatusResponse {
            image: Some(Image {
                id,
                ..Image::default()
            }),
            ..ImageStatusResponse::default()
        }
    }

    pub fn run(&self, ask: RunPodSandboxRequest) -> Result<RunPodSandboxResponse, Status> {
        let binary = self.binary(&ask.runtime_handler)?;
        self.shim(&binary)?;
        self.call(&binary, "create", POD)?;
        Ok(RunPodSandboxResponse {
            pod_sandbox_id: POD.to_owned(),
        })
    }

    pub fn create(&self, ask: CreateContainerRequest) -> Result<CreateContainerResponse, Status> {
        assert_eq!(ask.pod_sandbox_id, POD);
        let binary = fs::read_to_string(self.root.join("run/binary")).map_err(lost)?;
        self.call(&binary, "create", CONTAINER)?;
        Ok(CreateContainerResponse {
            container_id: CONTAINER.to_owned(),
        })
    }

    pub fn start(&self, _: StartContainerRequest) -> StartContainerResponse {
        StartContainerResponse {}
    }

    pub fn pod(&self, _: PodSandboxStatusRequest) -> PodSandboxStatusResponse {
        PodSandboxStatusResponse {
            info: info(),
            ..PodSandboxStatusResponse::default()
        }
    }

    pub fn container(&self, _: ContainerStatusRequest) -> ContainerStatusResponse {
        ContainerStatusResponse {
            info: info(),
            ..ContainerStatusResponse::default()
        }
    }

    /// Its containers share the host's kernel.
    pub fn exec(&self, ask: ExecSyncRequest) -> Result<ExecSyncResponse, Status> {
        let output = Command::new(&ask.cmd[0])
            .args(&ask.cmd[1..])
            .output()
            .map_err(lost)?;
        Ok(ExecSyncResponse {
            stdout: output.stdout,
            stderr: output.stderr,
            exit_code: 0,
        })
    }

    pub fn stop(&self, _: StopPodSandboxRequest) -> StopPodSandboxResponse {
        StopPodSandboxResponse {}
    }

    pub fn remove(&self, _: RemovePodSandboxRequest) -> Result<RemovePodSandboxResponse, Status> {
        for folder in [STATE, "proc"] {
            fs::remove_dir_all(self.root.join(folder)).map_err(lost)?;
        }
        Ok(RemovePodSandboxResponse {})
    }

    /// What the runtime's configuration names for a handler.
    fn binary(&self, handler: &str) -> Result<String, Status> {
        let text =
            fs::read_to_string(self.root.join("etc/containerd/config.toml")).map_err(lost)?;
        let config: Table = text.parse().map_err(|_| Status::internal("no TOML"))?;
        let entry = &config["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"];
        let entry = entry
            .get(handler)
            .ok_or_else(|| Status::unknown(format!("no runtime for {handler:?} is configured")))?;
        let binary = entry
            .get("options")
            .and_then(|options| options.get("BinaryName"));
        Ok(binary.and_then(Value::as_str).unwrap_or("runc").to_owned())
    }

    /// A shim that was started, and the pod's process below it.
    fn shim(&self, binary: &str) -> Result<(), Status> {
        fs::write(self.root.join("run/binary"), binary).map_err(lost)?;
        let fork = |parent: u32, child: u32| {
            format!(
                "  x-{parent} [000] ..... 1.0: sched_process_fork: comm=x pid={parent} child_comm=x child_pid={child}\n"
            )
        };
        let exec = |pid: u32, file: &str| {
            format!(
                "  x-{pid} [000] ..... 1.0: sched_process_exec: filename={file} pid={pid} old_pid={pid}\n"
            )
        };
        let call = SHIM_PID + 10;
        let trace = [
            fork(1, SHIM_PID),
            exec(SHIM_PID, SHIM),
            fork(SHIM_PID, call),
            exec(call, binary),
        ];
        fs::write(self.root.join(format!("{TRACE}/trace")), trace.concat()).map_err(lost)?;
        for (pid, parent) in [(SHIM_PID, 1), (POD_PID, SHIM_PID)] {
            let folder = self.root.join(format!("proc/{pid}"));
            fs::create_dir_all(&folder).map_err(lost)?;
            fs::write(
                folder.join("status"),
                format!("Name:\tx\nPPid:\t{parent}\n"),
            )
            .map_err(lost)?;
            fs::write(
                folder.join("cgroup"),
                format!("0::/system.slice/cri-{POD}.scope\n"),
            )
            .map_err(lost)?;
            fs::write(folder.join("cmdline"), "x\0").map_err(lost)?;
            let exe = format!("{}{SHIM}", self.root);
            let _ = std::os::unix::fs::symlink(exe, folder.join("exe"));
        }
        Ok(())
    }

    /// Calls the handler's binary as its shim would.
    fn call(&self, binary: &str, step: &str, id: &str) -> Result<(), Status> {
        let state = self.root.join(STATE);
        fs::create_dir_all(&state).map_err(lost)?;
        let output = Command::new(format!("{}{binary}", self.root))
            .env("MINI_ROOT", &self.root)
            .args(["--root", state.as_str(), step, "--bundle", "/run/x", id])
            .output()
            .map_err(|error| {
                Status::unknown(format!("failed to create containerd task: failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error (open log.json: no such file or directory): fork/exec {binary}: {error}"))
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Status::unknown(format!(
            "failed to start sandbox {POD:?}: failed to create containerd task: failed to create shim task: OCI runtime create failed: {binary} did not terminate successfully: {}",
            output.status
        )))
    }
}

const TRACE: &str = "sys/kernel/tracing/instances/bellwether";

fn info<M: Default + Extend<(String, String)>>() -> M {
    let mut info = M::default();
    info.extend([("info".to_owned(), format!("{{\"pid\":{POD_PID}}}"))]);
    info
}

fn lost(error: io::Error) -> Status {
    Status::internal(error.to_string())
}
