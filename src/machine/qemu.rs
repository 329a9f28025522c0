//! Machines under QEMU: from a spec to a guest that can be entered, and down again.

use std::{net::TcpListener, process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::json;
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender},
    watch,
};

use super::{
    Ending, Hypervisor, Machine, MachineError, MachineInfo, MachineSpec, Progress,
    args::{self, Places, QEMU},
    first_boot,
    kvm::{self, Probe, ProbeError},
    limits::{Limits, limits},
    qmp::{Event, Qmp},
    snapshot,
    ssh::{Ssh, person_command},
    sweep::{Filed, Identity, Record},
    watch::{QEMU_LOG, Subject, Watched, last_line},
};
use crate::{
    model::{Accelerator, Phase, StopKind},
    process::{self, Group, Output, ProcessError, call, kill_group},
};

/// How long QEMU may take until its control socket answers.
const CONTROL: Duration = Duration::from_secs(20);
/// How often another port is tried when somebody else took the free one meanwhile.
const PORTS_TRIED: u32 = 4;

/// Starts machines under QEMU.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// Where records of running machines are kept.
    pub state: Utf8PathBuf,
}

impl Hypervisor for Qemu {
    fn probe<'a>(
        &'a self,
        cache: &'a Utf8Path,
        kernel: Option<&'a Utf8Path>,
    ) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        async move {
            match kernel {
                Some(kernel) => kvm::probe(cache, kernel).await,
                None => Ok(Probe {
                    accelerator: Accelerator::Tcg,
                    reason: "the node image has no kernel of its own to probe KVM with".to_owned(),
                    qemu: kvm::qemu_version().await?,
                    nested: false,
                }),
            }
        }
        .boxed()
    }

    fn refused(&self) -> Option<String> {
        kvm::closed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a MachineSpec,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>> {
        async move {
            let machine = self.power_on(spec, None, &progress).await?;
            first_boot::wait(&machine, spec, &progress).await?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        }
        .boxed()
    }

    fn restore<'a>(
        &'a self,
        spec: &'a MachineSpec,
        saved: &'a Utf8Path,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>> {
        async move {
            let image = (spec.root_disk.clone(), spec.root_format.clone());
            let spec = MachineSpec {
                root_disk: saved.join(snapshot::DISK),
                root_format: "qcow2".to_owned(),
                ..spec.clone()
            };
            fs::create_dir_all(&spec.folder)?;
            snapshot::continue_logs(saved, &spec.folder)?;
            let memory = saved.join(snapshot::MEMORY);
            let mut machine = self.power_on(&spec, Some(&memory), &progress).await?;
            machine.image = Some(image);
            snapshot::wait(&machine).await?;
            snapshot::wake(&machine).await?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        }
        .boxed()
    }
}

/// QEMU's process and what goes with it. Dropping it ends them.
struct Vm {
    pid: u32,
    exited: watch::Receiver<Option<String>>,
    filed: Filed,
    kept: bool,
}

impl Drop for Vm {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if self.exited.borrow().is_none() {
            kill_group(self.pid);
        }
        self.filed.remove();
    }
}

/// A guest under QEMU.
pub struct QemuMachine {
    // Fields drop in this order: the connection first, then the machine with the folder of its sockets.
    pub(super) ssh: Ssh,
    pub(super) qmp: Qmp,
    pub(super) watched: Watched,
    pub(super) limits: Limits,
    /// What its first overlay lies on, and that one's format.
    pub(super) backing: (Utf8PathBuf, String),
    /// The same of the node image, where that is a snapshot's disk.
    pub(super) image: Option<(Utf8PathBuf, String)>,
    /// How many disks are plugged in.
    plugged: Mutex<usize>,
    info: MachineInfo,
    vm: Vm,
}

impl Qemu {
    async fn power_on(
        &self,
        spec: &MachineSpec,
        memory: Option<&Utf8Path>,
        progress: &UnboundedSender<Progress>,
    ) -> Result<QemuMachine, MachineError> {
        // Progress is for people; a start goes on without a listener.
        let _ = progress.send(Progress::Phase(Phase::Boot));
        fs::create_dir_all(&spec.folder)?;
        let mut tried = 0;
        loop {
            tried += 1;
            match self.try_port(spec, memory, progress).await {
                Err(MachineError::Ended(ending))
                    if tried < PORTS_TRIED && ending.said.contains("host forwarding rule") => {}
                other => return other,
            }
        }
    }

    async fn try_port(
        &self,
        spec: &MachineSpec,
        memory: Option<&Utf8Path>,
        progress: &UnboundedSender<Progress>,
    ) -> Result<QemuMachine, MachineError> {
        let runtime = runtime_folder()?;
        let places = Places {
            overlay: spec.folder.join("disk.qcow2"),
            ignition: spec.folder.join("ignition.json"),
            qmp: runtime.join("qmp"),
            pid: runtime.join("qemu.pid"),
            ssh_port: free_port()?,
            memory: memory.map(Utf8Path::to_owned),
        };
        let ssh_command = person_command(places.ssh_port, &spec.ssh_key);
        let mut filed = Filed::write(
            &self.state,
            Record {
                name: spec.name.clone(),
                machine: None,
                owner: Identity::own(),
                folder: spec.folder.clone(),
                runtime: runtime.clone(),
                overlay: places.overlay.clone(),
                ssh_command: ssh_command.clone(),
                kept: false,
            },
        )?;
        let prepared = prepare(spec, &places).await;
        let spawned = match prepared {
            Ok(words) => spawn(spec, &words),
            Err(error) => Err(error),
        };
        let (pid, exited) = match spawned {
            Ok(started) => started,
            Err(error) => {
                filed.remove();
                return Err(error);
            }
        };
        filed.record.machine = Identity::of(pid);
        let saved = filed.save();
        // From here on every way out ends the machine.
        let vm = Vm {
            pid,
            exited: exited.clone(),
            filed,
            kept: false,
        };
        saved?;
        let (qmp, events) = connect(spec, &places.qmp, exited.clone()).await?;
        let limits = limits(spec.accelerator);
        let watched = Watched::start(Subject {
            folder: spec.folder.clone(),
            required: spec.required_units.clone(),
            limits,
            events,
            exited,
        });
        let info = MachineInfo {
            accelerator: spec.accelerator,
            pid,
            ssh_port: places.ssh_port,
            ssh_command,
        };
        let _ = progress.send(Progress::Started(info.clone()));
        Ok(QemuMachine {
            ssh: Ssh::new(places.ssh_port, &spec.ssh_key, &runtime),
            qmp,
            watched,
            limits,
            backing: (spec.root_disk.clone(), spec.root_format.clone()),
            image: None,
            plugged: Mutex::new(spec.plugged.len()),
            info,
            vm,
        })
    }
}

/// Writes what QEMU reads, and its command line for people.
async fn prepare(spec: &MachineSpec, places: &Places) -> Result<Vec<String>, MachineError> {
    fs::write(&places.ignition, &spec.ignition)?;
    let backing = fs::canonicalize(&spec.root_disk)?;
    let backing = Utf8PathBuf::try_from(backing).map_err(std::io::Error::other)?;
    call("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F"])
        .arg(&spec.root_format)
        .arg("-b")
        .arg(backing)
        .arg(places.overlay.as_str())
        .arg(spec.disk.to_string())
        .run()
        .await?;
    for (serial, size) in &spec.disks {
        let disk = args::empty_disk(&places.overlay, serial);
        fs::File::create(&disk)?.set_len(*size)?;
        call("mkfs.ext4")
            .args([
                "-q",
                "-F",
                "-E",
                "root_owner=0:0",
                "-L",
                serial.get(..16).unwrap_or(serial),
            ])
            .arg(disk.as_str())
            .run()
            .await?;
    }
    let words = args::arguments(spec, places);
    fs::write(spec.folder.join(args::COMMAND), args::script(&words))?;
    Ok(words)
}

type Started = (u32, watch::Receiver<Option<String>>);

fn spawn(spec: &MachineSpec, words: &[String]) -> Result<Started, MachineError> {
    let log = fs::File::create(spec.folder.join(QEMU_LOG))?.into_parts().0;
    let mut command = if spec.keep {
        process::lasting_command(QEMU)
    } else {
        process::command(QEMU)
    };
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let child = command.spawn().map_err(|source| ProcessError::Start {
        program: QEMU.into(),
        source,
    })?;
    let pid = child
        .id()
        .ok_or_else(|| std::io::Error::other("QEMU ended before it had a process id"))?;
    let (tell, exited) = watch::channel(None);
    let keep = spec.keep;
    tokio::spawn(async move {
        let status = if keep {
            // Not in a group guard: a kept machine outlives the runtime that drops this task.
            let mut child = child;
            child.wait().await
        } else {
            let mut group = Group(child);
            group.0.wait().await
        };
        let words = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tell.send_replace(Some(words));
    });
    Ok((pid, exited))
}

type Events = UnboundedReceiver<(String, Event)>;

/// Connects to the control socket, or says why QEMU did not start.
async fn connect(
    spec: &MachineSpec,
    socket: &Utf8Path,
    mut exited: watch::Receiver<Option<String>>,
) -> Result<(Qmp, Events), MachineError> {
    let refused = |status: String| {
        let line = last_line(&spec.folder, QEMU_LOG);
        let words = line.as_ref().map_or(status, |line| line.text.clone());
        MachineError::Ended(Ending {
            kind: StopKind::Failed,
            phase: Some(Phase::Boot),
            said: format!("QEMU did not start: {words}"),
            line,
        })
    };
    let attempts = async {
        loop {
            match Qmp::connect(socket).await {
                Ok(connected) => return connected,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let ended = async {
        match exited.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    };
    tokio::select! {
        connected = attempts => Ok(connected),
        status = ended => Err(refused(format!("it ended with {status}"))),
        () = tokio::time::sleep(CONTROL) => {
            Err(refused(format!("its control socket did not answer within {} s", CONTROL.as_secs())))
        }
    }
}

/// A short private folder for sockets: a unix socket's path has room for about a hundred bytes.
fn runtime_folder() -> std::io::Result<Utf8PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let session = format!("/run/user/{user}");
    let parent = if fs::metadata(&session).is_ok() {
        session
    } else {
        "/tmp".to_owned()
    };
    let folder = tempfile::Builder::new().prefix("bw-").tempdir_in(parent)?;
    Utf8PathBuf::try_from(folder.keep()).map_err(std::io::Error::other)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl QemuMachine {
    /// Its first overlay.
    pub(super) fn overlay(&self) -> &Utf8Path {
        &self.vm.filed.record.overlay
    }

    /// Waits for a call to the guest, or for the end of the guest's answering.
    async fn or_silent<T>(
        &self,
        call: impl Future<Output = Result<T, MachineError>>,
    ) -> Result<T, MachineError> {
        tokio::select! {
            biased;
            result = call => match result {
                Ok(value) => Ok(value),
                // A dying machine cuts its connections a moment before its end is seen.
                Err(error) => match tokio::time::timeout(Duration::from_secs(2), self.watched.silent()).await {
                    Ok(ending) => Err(MachineError::Ended(ending)),
                    Err(_) => Err(error),
                },
            },
            ending = self.watched.silent() => Err(MachineError::Ended(ending)),
        }
    }
}

impl Machine for QemuMachine {
    fn root(&self) -> &'static str {
        ""
    }

    fn info(&self) -> &MachineInfo {
        &self.info
    }

    fn run<'a>(
        &'a self,
        script: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Output, MachineError>> {
        self.or_silent(self.ssh.run(script, limit)).boxed()
    }

    fn fetch<'a>(
        &'a self,
        folder: &'a str,
        into: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>> {
        self.or_silent(self.ssh.fetch(folder, into, self.limits.fetch))
            .boxed()
    }

    fn forward<'a>(&'a self, socket: &'a str) -> BoxFuture<'a, Result<Utf8PathBuf, MachineError>> {
        // ssh parts the two ends of a forward at colons.
        let name = socket.rsplit('/').next().unwrap_or("socket");
        let name = name.replace([':', '[', ']'], "-");
        async move { self.or_silent(self.ssh.forward(socket, &name)).await }.boxed()
    }

    fn plug<'a>(
        &'a self,
        serial: &'a str,
        image: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>> {
        async move {
            let mut plugged = self.plugged.lock().await;
            let n = *plugged;
            let disk = json!({
                "driver": "raw",
                "node-name": args::plugged(n),
                "read-only": true,
                "file": {"driver": "file", "filename": image.as_str(), "read-only": true, "locking": "off"},
            });
            let device = json!({
                "driver": "virtio-blk-pci",
                "drive": args::plugged(n),
                "serial": serial,
                "bus": args::slot(n),
            });
            for (command, arguments) in [("blockdev-add", disk), ("device_add", device)] {
                let done = self.qmp.execute_with(command, arguments);
                let done = async { done.await.map_err(|error| std::io::Error::other(error).into()) };
                self.or_silent(done).await?;
            }
            *plugged += 1;
            Ok(())
        }
        .boxed()
    }

    fn save<'a>(&'a self, folder: &'a Utf8Path) -> BoxFuture<'a, Result<Duration, MachineError>> {
        self.or_silent(self.save_to(folder)).boxed()
    }

    fn ended(&self) -> BoxFuture<'_, Ending> {
        self.watched.ended().boxed()
    }

    fn keep(mut self: Box<Self>) {
        self.vm.filed.record.kept = true;
        // Without its mark the machine would be swept as left behind: then it is better ended now.
        self.vm.kept = self.vm.filed.save().is_ok();
    }

    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            self.watched.expect_end();
            let down = async {
                if self.vm.exited.borrow().is_some() {
                    return;
                }
                // Its disk goes with it, so nothing is worth an orderly end, whose lines in the logs would look
                // like a guest that powers itself off.
                let _ = self.qmp.quit().await;
            };
            let _ = tokio::time::timeout(Duration::from_secs(2), down).await;
            let mut exited = self.vm.exited.clone();
            let gone = async move { drop(exited.wait_for(Option::is_some).await) };
            if tokio::time::timeout(Duration::from_secs(1), gone)
                .await
                .is_err()
            {
                kill_group(self.vm.pid);
            }
        }
        .boxed()
    }
}
