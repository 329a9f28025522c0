//! A machine that is a folder and processes on the host, behind the same seam as QEMU.
//!
//! It does what a guest does with what it is given: it applies the Ignition config's files, mounts the payload
//! disks by reading their ext4 images, starts the runtime's unit, and runs scripts under `sh`. It stands in for
//! QEMU, a kernel and systemd; everything before and after it is the product's own code.

use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use bellwether::{
    machine::{
        Ending, Hypervisor, Machine, MachineError, MachineInfo, MachineSpec, Probe, ProbeError,
        Progress,
    },
    model::{Accelerator, EvidenceLine, Phase, StopKind},
    process::{self, Output},
};
use camino::{Utf8Path, Utf8PathBuf};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{mpsc::UnboundedSender, watch},
    task::{JoinHandle, JoinSet},
};

use super::cri;

/// A snapshot's file: the guest's root folder.
pub const MEMORY: &str = "memory";

/// Starts [`FakeMachine`]s.
pub struct FakeHypervisor {
    folder: Utf8PathBuf,
    started: AtomicU32,
    restored: AtomicU32,
    /// So many of the next machines that boot end at once.
    pub boots_dead: AtomicU32,
    /// Whether restored machines end at once.
    pub restores_dead: AtomicBool,
    running: Mutex<Vec<FakeControl>>,
}

/// A test's grip on a fake machine.
#[derive(Clone)]
pub struct FakeControl {
    /// The guest's root folder.
    pub root: Utf8PathBuf,
    power: Arc<watch::Sender<Option<Ending>>>,
}

impl FakeControl {
    /// Ends the machine as if its power were cut.
    pub fn power_off(&self) {
        self.end(Ending {
            kind: StopKind::MachineGone,
            phase: None,
            said: "the guest powered itself off".to_owned(),
            line: None,
        });
    }

    fn end(&self, ending: Ending) {
        self.power.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                *now = Some(ending);
            }
            first
        });
    }
}

impl FakeHypervisor {
    /// Machines live in folders under `folder`.
    pub fn new(folder: impl Into<Utf8PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            started: AtomicU32::new(0),
            restored: AtomicU32::new(0),
            boots_dead: AtomicU32::new(0),
            restores_dead: AtomicBool::new(false),
            running: Mutex::default(),
        }
    }

    /// How many machines were started.
    pub fn started(&self) -> u32 {
        self.started.load(Ordering::SeqCst)
    }

    /// All machines that came up.
    pub fn controls(&self) -> Vec<FakeControl> {
        self.running.lock().unwrap().clone()
    }

    /// How many of them were restored from a snapshot.
    pub fn restored(&self) -> u32 {
        self.restored.load(Ordering::SeqCst)
    }

    fn power_on(
        &self,
        spec: &MachineSpec,
        progress: &UnboundedSender<Progress>,
    ) -> Result<FakeMachine, MachineError> {
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        let root = self.folder.join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("run"))?;
        std::fs::create_dir_all(root.join("var"))?;
        std::os::unix::fs::symlink("../run", root.join("var/run"))?;
        let _ = progress.send(Progress::Phase(Phase::Boot));
        let (power, _) = watch::channel(None);
        let control = FakeControl {
            root,
            power: Arc::new(power),
        };
        let machine = FakeMachine::power_on(spec, control)?;
        let _ = progress.send(Progress::Started(machine.info.clone()));
        std::fs::write(
            spec.folder.join("console.log"),
            "fake machine: powered on\n",
        )?;
        Ok(machine)
    }

    /// The guest's files as they were saved, its ports at this attempt's files, and its runtime anew: processes
    /// cannot be saved.
    async fn wake(
        &self,
        spec: &MachineSpec,
        snapshot: &Utf8Path,
        progress: &UnboundedSender<Progress>,
    ) -> Result<FakeMachine, MachineError> {
        self.restored.fetch_add(1, Ordering::SeqCst);
        let mut machine = self.power_on(spec, progress)?;
        let root = machine.control.root.clone();
        process::call("tar")
            .args(["-xf", snapshot.join(MEMORY).as_str(), "-C", root.as_str()])
            .run()
            .await?;
        link_ports(&root, spec)?;
        let config: Value = serde_json::from_str(&spec.ignition).map_err(std::io::Error::from)?;
        let unit = entries(&config["systemd"]["units"])
            .filter_map(|unit| unit["contents"].as_str())
            .find(|text| is_runtime(text))
            .unwrap_or_default();
        machine.start_runtime(unit, spec)?;
        if self.restores_dead.load(Ordering::SeqCst) {
            machine.control.power_off();
        }
        machine.first_boot_is_over().await;
        self.running.lock().unwrap().push(machine.control.clone());
        Ok(machine)
    }

    async fn boot(
        &self,
        spec: &MachineSpec,
        progress: &UnboundedSender<Progress>,
    ) -> Result<FakeMachine, MachineError> {
        let mut machine = self.power_on(spec, progress)?;
        let root = &machine.control.root;
        let _ = progress.send(Progress::Phase(Phase::Provision));
        let config: Value = serde_json::from_str(&spec.ignition).map_err(std::io::Error::from)?;
        apply_files(root, &config)?;
        link_ports(root, spec)?;
        let units: Vec<(&str, &str)> = entries(&config["systemd"]["units"])
            .filter_map(|unit| Some((unit["name"].as_str()?, unit["contents"].as_str()?)))
            .collect();
        for (serial, image) in &spec.payloads {
            machine.plug(serial, image).await?;
        }
        let runtime = units.iter().find(|(_, text)| is_runtime(text));
        let (_, text) =
            runtime.ok_or_else(|| std::io::Error::other("the config starts no runtime"))?;
        machine.start_runtime(text, spec)?;
        let ordering = Ordering::SeqCst;
        let dead = (self.boots_dead).fetch_update(ordering, ordering, |left| left.checked_sub(1));
        if dead.is_ok() {
            machine.control.power_off();
        }
        machine.first_boot_is_over().await;
        self.running.lock().unwrap().push(machine.control.clone());
        Ok(machine)
    }
}

impl Hypervisor for FakeHypervisor {
    fn probe<'a>(
        &'a self,
        _cache: &'a Utf8Path,
        _kernel: Option<&'a Utf8Path>,
    ) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        let probe = Probe {
            // Deadlines are not scaled.
            accelerator: Accelerator::Kvm,
            reason: "a fake machine: processes on the host".to_owned(),
            qemu: "none".to_owned(),
            nested: false,
        };
        async { Ok(probe) }.boxed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a MachineSpec,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>> {
        async move {
            let machine = self.boot(spec, &progress).await?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        }
        .boxed()
    }

    fn restore<'a>(
        &'a self,
        spec: &'a MachineSpec,
        snapshot: &'a Utf8Path,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>> {
        async move {
            let machine = self.wake(spec, snapshot, &progress).await?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        }
        .boxed()
    }
}

struct FakeMachine {
    info: MachineInfo,
    control: FakeControl,
    /// Ends the guest's processes when its stdin ends.
    power: Child,
    runtime: Option<JoinHandle<()>>,
    /// Where the guest mounts a disk, by its serial.
    mounts: BTreeMap<String, String>,
    /// What leads into the guest; none of it outlives a save.
    forwards: Mutex<JoinSet<()>>,
}

/// Leads who connects to `from` on to `to`. Ends with its connections.
async fn lead(from: UnixListener, to: Utf8PathBuf) {
    let mut connections = JoinSet::new();
    while let Ok((mut host, _)) = from.accept().await {
        let to = to.clone();
        connections.spawn(async move {
            if let Ok(mut guest) = UnixStream::connect(&to).await {
                // A connection that breaks is its two ends' affair.
                let _ = tokio::io::copy_bidirectional(&mut host, &mut guest).await;
            }
        });
    }
}

impl FakeMachine {
    fn power_on(spec: &MachineSpec, control: FakeControl) -> std::io::Result<Self> {
        // Not bound to this process: it notices its death by itself, and has work to do then.
        let power = std::process::Command::new("sh")
            .args([
                "-c",
                include_str!("power.sh"),
                "power",
                control.root.as_str(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let config: Value = serde_json::from_str(&spec.ignition)?;
        let mounts = entries(&config["systemd"]["units"])
            .filter(|unit| {
                unit["name"]
                    .as_str()
                    .unwrap_or_default()
                    .ends_with(".mount")
            })
            .filter_map(|unit| {
                let text = unit["contents"].as_str()?;
                let disk = value(text, "What").strip_prefix("/dev/disk/by-id/virtio-")?;
                Some((disk.to_owned(), value(text, "Where").to_owned()))
            })
            .collect();
        let info = MachineInfo {
            accelerator: spec.accelerator,
            pid: power.id(),
            ssh_port: 0,
            ssh_command: format!("cd {}", control.root),
        };
        Ok(Self {
            info,
            control,
            power,
            runtime: None,
            mounts,
            forwards: Mutex::default(),
        })
    }

    /// Starts the unit's program; the machine is of no use once it ends.
    fn start_runtime(&mut self, unit: &str, spec: &MachineSpec) -> std::io::Result<()> {
        let root = self.control.root.clone();
        let program = format!("{root}{}", value(unit, "ExecStart"));
        let log = spec.folder.join("journal.log");
        let journal = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        let mut runtime = process::command(&program)
            .env("MINI_ROOT", &root)
            .stdin(Stdio::null())
            .stdout(journal.try_clone()?)
            .stderr(journal)
            .spawn()?;
        let pid = runtime.id().unwrap_or_default();
        std::fs::write(root.join("run/runtime.pid"), format!("{pid}\n"))?;
        let control = self.control.clone();
        let name = program.rsplit('/').next().unwrap_or_default().to_owned();
        self.runtime = Some(tokio::spawn(async move {
            let serve = async {
                let run = root.join("run").join(&name);
                while !run.join("up").exists() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                match cri::serve(&root, &run.join(format!("{name}.sock"))) {
                    Ok(server) => Aborted(server).wait().await,
                    Err(error) => panic!("cannot serve CRI below {root}: {error}"),
                }
            };
            tokio::select! {
                () = serve => {}
                status = runtime.wait() => {
                    let text = std::fs::read_to_string(&log).unwrap_or_default();
                    control.end(Ending {
                        kind: StopKind::Alarm,
                        phase: None,
                        said: format!("{name}.service ended: {status:?}"),
                        line: text.lines().last().map(|line| EvidenceLine {
                            file: "journal.log".into(),
                            line: text.lines().count() as u64,
                            text: line.to_owned(),
                        }),
                    });
                }
            }
        }));
        Ok(())
    }

    /// A first boot takes its time, in which a runtime is up, or has ended, or is slow.
    async fn first_boot_is_over(&self) {
        let socket = |name| self.control.root.join(format!("run/{name}/{name}.sock"));
        let sockets = ["containerd", "crio"].map(socket);
        for _ in 0..20 {
            if sockets.iter().any(|socket| socket.exists()) || self.gone().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn gone(&self) -> Option<MachineError> {
        self.control.power.borrow().clone().map(MachineError::Ended)
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.abort();
        }
        drop(self.power.stdin.take());
        let _ = self.power.wait();
    }
}

/// Ends a task when it is dropped.
struct Aborted(JoinHandle<()>);

impl Aborted {
    async fn wait(mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Machine for FakeMachine {
    fn root(&self) -> &str {
        self.control.root.as_str()
    }

    fn info(&self) -> &MachineInfo {
        &self.info
    }

    fn run<'a>(
        &'a self,
        script: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Output, MachineError>> {
        async move {
            if let Some(gone) = self.gone() {
                return Err(gone);
            }
            let call = process::call("sh")
                .arg("-s")
                .input(script)
                .folder(&self.control.root);
            Ok(call.limit(limit).output().await?)
        }
        .boxed()
    }

    fn fetch<'a>(
        &'a self,
        folder: &'a str,
        into: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>> {
        async move {
            if let Some(gone) = self.gone() {
                return Err(gone);
            }
            let from = format!("{}{folder}/.", self.control.root);
            std::fs::create_dir_all(into)?;
            process::call("cp")
                .args(["-r", &from, into.as_str()])
                .output()
                .await?;
            Ok(())
        }
        .boxed()
    }

    fn forward<'a>(&'a self, socket: &'a str) -> BoxFuture<'a, Result<Utf8PathBuf, MachineError>> {
        async move {
            let host = Utf8PathBuf::from(format!("{}.forward", self.control.root));
            let _ = std::fs::remove_file(&host);
            let guest = format!("{}{socket}", self.control.root).into();
            let leads = lead(UnixListener::bind(&host)?, guest);
            self.forwards.lock().unwrap().spawn(leads);
            Ok(host)
        }
        .boxed()
    }

    fn plug<'a>(
        &'a self,
        serial: &'a str,
        image: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>> {
        async move {
            match self.mounts.get(serial) {
                Some(at) => mount(&self.control.root, at, image).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn save<'a>(&'a self, folder: &'a Utf8Path) -> BoxFuture<'a, Result<Duration, MachineError>> {
        async move {
            if let Some(gone) = self.gone() {
                return Err(gone);
            }
            self.forwards.lock().unwrap().abort_all();
            let (root, memory) = (&self.control.root, folder.join(MEMORY));
            // What runs and what leads to the host is no part of the guest's disk.
            let skipped = ["./run/containerd*", "./run/crio", "./dev"]
                .map(|path| format!("--exclude={path}"));
            process::call("tar")
                .args(skipped)
                .args(["-cf", memory.as_str(), "-C", root.as_str(), "."])
                .run()
                .await?;
            Ok(Duration::ZERO)
        }
        .boxed()
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
        std::mem::forget(self);
    }

    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { drop(self) }.boxed()
    }
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A unit's setting.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let find = |line: &'a str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().find_map(find).unwrap_or_default()
}

/// Whether a unit starts what is under test.
fn is_runtime(unit: &str) -> bool {
    ["containerd", "crio"]
        .iter()
        .any(|name| value(unit, "ExecStart") == format!("/opt/bellwether/runtime/bin/{name}"))
}

fn apply_files(root: &Utf8Path, config: &Value) -> std::io::Result<()> {
    for file in entries(&config["storage"]["files"]) {
        let path = root.join(
            file["path"]
                .as_str()
                .unwrap_or_default()
                .trim_start_matches('/'),
        );
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(
            path,
            data_url(file["contents"]["source"].as_str().unwrap_or("data:,")),
        )?;
    }
    Ok(())
}

fn data_url(url: &str) -> Vec<u8> {
    let (head, body) = url
        .trim_start_matches("data:")
        .split_once(',')
        .unwrap_or_default();
    if head.ends_with("base64") {
        base64::engine::general_purpose::STANDARD
            .decode(body)
            .unwrap()
    } else {
        percent_encoding::percent_decode_str(body).collect()
    }
}

/// The guest's ports are the host's files.
fn link_ports(root: &Utf8Path, spec: &MachineSpec) -> std::io::Result<()> {
    let folder = root.join("dev/virtio-ports");
    std::fs::create_dir_all(&folder)?;
    for (port, file) in [
        ("bellwether.suite", "suite.log"),
        ("bellwether.status", "status.jsonl"),
    ] {
        let file = spec.folder.join(file);
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)?;
        std::os::unix::fs::symlink(file, folder.join(port))?;
    }
    Ok(())
}

/// Everything on a disk, at its place in the guest.
async fn mount(root: &Utf8Path, at: &str, image: &Utf8Path) -> Result<(), MachineError> {
    let at = format!("{root}{at}");
    std::fs::create_dir_all(&at)?;
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let dump = process::call("debugfs").args(["-R", &format!("rdump / {at}"), image.as_str()]);
    dump.env("PATH", path).run().await?;
    Ok(())
}
