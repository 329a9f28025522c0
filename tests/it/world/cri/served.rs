//! What the kernel, a shim and the handler's own binary leave on a node when a pod is run.
//!
//! The binary is really called, and what it leaves is its own. The kernel's trace and the processes are made up from what
//! was called.

use std::{fs, io, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};
use tonic::Status;

/// What stands between a runtime and the handler's binary, and where that keeps its state.
const CONTAINERD: (&str, &str) = (
    "/opt/bellwether/runtime/bin/containerd-shim-runc-v2",
    "run/containerd/runc/k8s.io",
);
const CRIO: (&str, &str) = ("/usr/bin/conmon", "run/runc");
const CRIO_CONFIG: &str = "etc/crio/crio.conf.d/90-bellwether.conf";
const TRACE: &str = "sys/kernel/tracing/instances/bellwether";
/// No process of a host has such ids.
const MADE_UP: u32 = 90_000_000;

/// What serves the pods of the machine in a folder.
#[derive(Debug)]
pub struct Served {
    root: Utf8PathBuf,
    monitor: &'static str,
    state: &'static str,
}

impl Served {
    /// For the machine in `root`, with a kernel that traces.
    pub fn new(root: &Utf8Path) -> io::Result<Self> {
        for event in ["sched_process_exec", "sched_process_fork"] {
            fs::create_dir_all(root.join(format!("{TRACE}/events/sched/{event}")))?;
        }
        let crio = root.join(CRIO_CONFIG).exists();
        let (monitor, state) = if crio { CRIO } else { CONTAINERD };
        Ok(Self {
            root: root.to_owned(),
            monitor,
            state,
        })
    }

    /// The process of a pod, below its shim.
    pub const fn inside(shim: u32) -> u32 {
        MADE_UP + shim
    }

    /// A pod is made by a handler's binary, which a shim calls.
    pub fn pod(&self, handler: &str, id: &str, shim: u32) -> Result<(), Status> {
        let binary = self.binary(handler)?;
        let call = Self::inside(shim) + 1;
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
        let trace = [
            fork(1, shim),
            exec(shim, self.monitor),
            fork(shim, call),
            exec(call, &binary),
        ];
        fs::write(self.root.join(format!("{TRACE}/trace")), trace.concat())?;
        for (pid, parent) in [(shim, 1), (Self::inside(shim), shim)] {
            let folder = self.root.join(format!("proc/{pid}"));
            fs::create_dir_all(&folder)?;
            fs::write(
                folder.join("status"),
                format!("Name:\tx\nPPid:\t{parent}\n"),
            )?;
            fs::write(
                folder.join("cgroup"),
                format!("0::/system.slice/cri-{id}.scope\n"),
            )?;
            if pid != shim {
                fs::write(folder.join("cmdline"), "x\0")?;
            }
            let exe = format!("{}{}", self.root, self.monitor);
            std::os::unix::fs::symlink(exe, folder.join("exe"))?;
        }
        self.call(&binary, "create", id)
    }

    /// A container is made by the same binary.
    pub fn container(&self, handler: &str, id: &str) -> Result<(), Status> {
        self.call(&self.binary(handler)?, "create", id)
    }

    /// Nothing of a pod or a container stays.
    pub fn gone(&self, id: &str) {
        let _ = fs::remove_dir_all(self.root.join(self.state).join(id));
        // Kept only while somebody's state is in it.
        let _ = fs::remove_dir(self.root.join(self.state));
    }

    /// The process of a pod ends.
    pub fn end(&self, shim: u32) {
        let _ = fs::remove_dir_all(self.root.join(format!("proc/{}", Self::inside(shim))));
    }

    /// What the runtime's configuration names for a handler.
    fn binary(&self, handler: &str) -> Result<String, Status> {
        let parsed = |file: &str| -> Result<Table, Status> {
            let text = fs::read_to_string(self.root.join(file))?;
            text.parse().map_err(|_| Status::internal("no TOML"))
        };
        let (runtimes, default, path) = if self.monitor == CRIO.0 {
            let config = parsed(CRIO_CONFIG)?;
            let runtime = config["crio"]["runtime"].clone();
            (runtime, "default_runtime", ["runtime_path"].as_slice())
        } else {
            let config = parsed("etc/containerd/config.toml")?;
            let runtime = config["plugins"]["io.containerd.cri.v1.runtime"]["containerd"].clone();
            let path = ["options", "BinaryName"].as_slice();
            (runtime, "default_runtime_name", path)
        };
        let handler = match handler {
            "" => runtimes[default].as_str().unwrap_or_default(),
            named => named,
        };
        let entry = runtimes["runtimes"]
            .get(handler)
            .ok_or_else(|| Status::unknown(format!("no runtime for {handler:?} is configured")))?;
        let binary = path
            .iter()
            .try_fold(entry, |entry, key| entry.get(key))
            .and_then(Value::as_str);
        Ok(binary.unwrap_or("runc").to_owned())
    }

    /// Calls the handler's binary as its shim would.
    fn call(&self, binary: &str, step: &str, id: &str) -> Result<(), Status> {
        let state = self.root.join(self.state);
        fs::create_dir_all(&state)?;
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
            "failed to start sandbox {id:?}: failed to create containerd task: failed to create shim task: OCI runtime create failed: {binary} did not terminate successfully: {}",
            output.status
        )))
    }
}
