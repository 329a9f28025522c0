//! A machine that is a folder and processes on the host, behind the same seam as QEMU.
//!
//! It does what a guest does with what it is given: it applies the Ignition config's files, "mounts" the payload
//! disks by reading their ext4 images, starts the runtime's unit, and runs scripts under `sh`. It stands in for
//! QEMU, a kernel and systemd; everything before and after it is the product's own code.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use bellwether::{
    machine::{Ending, Hypervisor, Machine, MachineError, MachineInfo, MachineSpec, Progress},
    model::{Accelerator, Phase, StopKind},
    process::{self, Output},
};
use camino::{Utf8Path, Utf8PathBuf};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::{mpsc::UnboundedSender, watch};

/// Starts [`FakeMachine`]s.
pub struct FakeHypervisor {
    folder: Utf8PathBuf,
    started: AtomicU32,
    /// Told of each machine when it is up: tests break things here.
    pub on_start: Box<dyn Fn(&FakeControl) + Send + Sync>,
}

/// A test's grip on a running fake machine.
#[derive(Clone)]
pub struct FakeControl {
    /// The guest's root folder.
    pub root: Utf8PathBuf,
    power: watch::Sender<Option<Ending>>,
}

impl FakeControl {
    /// Ends the machine as if its power were cut.
    pub fn power_off(&self) {
        let _ = self.power.send(Some(Ending {
            kind: StopKind::MachineGone,
            phase: None,
            said: "the guest powered itself off".to_owned(),
            line: None,
        }));
    }
}

impl FakeHypervisor {
    /// Machines live in folders under `folder`.
    pub fn new(folder: impl Into<Utf8PathBuf>) -> Self {
        Self { folder: folder.into(), started: AtomicU32::new(0), on_start: Box::new(|_| {}) }
    }

    /// How many machines were started.
    pub fn started(&self) -> u32 {
        self.started.load(Ordering::SeqCst)
    }
}

impl Hypervisor for FakeHypervisor {
    fn accelerator<'a>(&'a self, _kernel: Option<&'a Utf8Path>) -> BoxFuture<'a, (Accelerator, String)> {
        async { (Accelerator::Tcg, "a fake machine: processes on the host".to_owned()) }.boxed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a MachineSpec,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>> {
        async move {
            let number = self.started.fetch_add(1, Ordering::SeqCst);
            let root = self.folder.join(format!("guest-{number}"));
            std::fs::create_dir_all(&root)?;
            let _ = progress.send(Progress::Phase(Phase::Boot));
            std::fs::write(spec.folder.join("console.log"), "fake machine: powered on\n")?;
            let _ = progress.send(Progress::Phase(Phase::Provision));
            let config: serde_json::Value =
                serde_json::from_str(&spec.ignition).map_err(std::io::Error::from)?;
            apply_files(&root, &config)?;
            link_ports(&root, spec)?;
            for (serial, image) in &spec.payloads {
                mount(&root, serial, image).await?;
            }
            let runtime = start_runtime(&root, spec)?;
            let info = MachineInfo {
                accelerator: Accelerator::Tcg,
                pid: runtime.as_ref().map_or(0, Child::id),
                ssh_port: 0,
                ssh_command: format!("cd {root}"),
            };
            let _ = progress.send(Progress::Started(info.clone()));
            let (power, _) = watch::channel(None);
            let control = FakeControl { root: root.clone(), power };
            (self.on_start)(&control);
            Ok(Box::new(FakeMachine {
                info,
                control,
                runtime: Mutex::new(runtime),
                kept: AtomicBool::new(false),
            }) as Box<dyn Machine>)
        }
        .boxed()
    }
}

struct FakeMachine {
    info: MachineInfo,
    control: FakeControl,
    runtime: Mutex<Option<Child>>,
    kept: AtomicBool,
}

impl FakeMachine {
    fn end(&self) {
        if self.kept.load(Ordering::SeqCst) {
            return;
        }
        if let Some(mut child) = self.runtime.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The suite runs in a session of its own, as a unit would.
        if let Ok(pid) = std::fs::read_to_string(self.control.root.join("suite.pid")) {
            let _ = Command::new("kill").args(["-9", &format!("-{}", pid.trim())]).status();
        }
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        self.end();
    }
}

impl Machine for FakeMachine {
    fn root(&self) -> &str {
        self.control.root.as_str()
    }

    fn info(&self) -> &MachineInfo {
        &self.info
    }

    fn run<'a>(&'a self, script: &'a str, limit: Duration) -> BoxFuture<'a, Result<Output, MachineError>> {
        async move {
            if let Some(ending) = self.control.power.borrow().clone() {
                return Err(MachineError::Ended(ending));
            }
            let root = &self.control.root;
            let path = format!(
                "{root}/opt/bellwether/runtime/bin:{root}/opt/bellwether/kubernetes/bin:/usr/local/bin:/usr/bin:/bin"
            );
            Ok(process::call("sh")
                .arg("-s")
                .input(script.as_bytes())
                .env("PATH", path)
                .folder(root)
                .limit(limit)
                .output()
                .await?)
        }
        .boxed()
    }

    fn fetch<'a>(&'a self, folder: &'a str, into: &'a Utf8Path) -> BoxFuture<'a, Result<(), MachineError>> {
        async move {
            if let Some(ending) = self.control.power.borrow().clone() {
                return Err(MachineError::Ended(ending));
            }
            let from = format!("{}{folder}/.", self.control.root);
            process::call("cp").args(["-r", &from, into.as_str()]).run().await?;
            Ok(())
        }
        .boxed()
    }

    fn forward<'a>(&'a self, socket: &'a str) -> BoxFuture<'a, Result<Utf8PathBuf, MachineError>> {
        async move { Ok(Utf8PathBuf::from(format!("{}{socket}", self.control.root))) }.boxed()
    }

    fn ended(&self) -> BoxFuture<'_, Ending> {
        let mut power = self.control.power.subscribe();
        async move {
            loop {
                if let Some(ending) = power.borrow_and_update().clone() {
                    return ending;
                }
                if power.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
        .boxed()
    }

    fn keep(self: Box<Self>) {
        self.kept.store(true, Ordering::SeqCst);
    }

    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.end() }.boxed()
    }
}

fn apply_files(root: &Utf8Path, config: &serde_json::Value) -> std::io::Result<()> {
    let files = config["storage"]["files"].as_array().cloned().unwrap_or_default();
    for file in files {
        let path = root.join(file["path"].as_str().unwrap_or_default().trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap())?;
        // Guest paths inside files become paths under the guest's root folder.
        let text = data_url(file["contents"]["source"].as_str().unwrap_or("data:,"));
        let text = ["/opt/bellwether", "/run/containerd", "/var/lib/containerd", "/etc/cni"]
            .iter()
            .fold(text, |text, folder| text.replace(folder, &format!("{root}{folder}")));
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn data_url(url: &str) -> String {
    let (head, body) = url.trim_start_matches("data:").split_once(',').unwrap_or_default();
    let bytes = if head.ends_with("base64") {
        base64::engine::general_purpose::STANDARD.decode(body).unwrap()
    } else {
        percent_encoding::percent_decode_str(body).collect()
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn link_ports(root: &Utf8Path, spec: &MachineSpec) -> std::io::Result<()> {
    let ports: BTreeMap<_, _> = [
        ("bellwether.suite", "suite.log"),
        ("bellwether.status", "status.jsonl"),
        ("bellwether.journal", "journal.log"),
    ]
    .into();
    let folder = root.join("dev/virtio-ports");
    std::fs::create_dir_all(&folder)?;
    for (port, file) in ports {
        let file = spec.folder.join(file);
        std::fs::OpenOptions::new().create(true).append(true).open(&file)?;
        std::os::unix::fs::symlink(file, folder.join(port))?;
    }
    Ok(())
}

async fn mount(root: &Utf8Path, serial: &str, image: &Utf8Path) -> Result<(), MachineError> {
    let at = root.join("opt/bellwether").join(serial);
    std::fs::create_dir_all(&at)?;
    process::call("debugfs").args(["-R", &format!("rdump / {at}"), image.as_str()]).run().await?;
    Ok(())
}

fn start_runtime(root: &Utf8Path, spec: &MachineSpec) -> std::io::Result<Option<Child>> {
    let binary = root.join("opt/bellwether/runtime/bin/containerd");
    if !binary.exists() {
        return Ok(None);
    }
    std::fs::create_dir_all(root.join("run/containerd"))?;
    let journal = std::fs::OpenOptions::new().append(true).open(spec.folder.join("journal.log"))?;
    Command::new(binary)
        .arg("--config")
        .arg(root.join("etc/containerd/config.toml"))
        .env("BELLWETHER_GUEST_ROOT", root)
        .stdin(Stdio::null())
        .stdout(journal.try_clone()?)
        .stderr(journal)
        .spawn()
        .map(Some)
}
