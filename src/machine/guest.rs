//! The seam between the run and its machines: QEMU implements it, and so does the tests' fake machine.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use super::kvm::{Probe, ProbeError};
use crate::{
    model::{Accelerator, EvidenceLine, Phase, Stop, StopKind},
    process::{Output, ProcessError},
};

/// Everything one machine is started from.
#[derive(Clone, Debug)]
pub struct MachineSpec {
    /// The guest's name, for messages.
    pub name: String,
    /// The attempt's folder: `qemu.cmd`, `console.log`, `journal.log`, `suite.log`, `ignition.journal` grow here.
    pub folder: Utf8PathBuf,
    /// KVM or TCG.
    pub accelerator: Accelerator,
    /// Guest cores.
    pub cpus: u32,
    /// Guest memory, in bytes.
    pub memory: u64,
    /// The node image's root disk, never written: the machine gets an overlay.
    pub root_disk: Utf8PathBuf,
    /// Its format as QEMU names it: `raw` or `qcow2`.
    pub root_format: String,
    /// Size of the overlay, in bytes.
    pub disk: u64,
    /// Empty disks beside it: serial (seen as `/dev/disk/by-id/virtio-<serial>`) and size in bytes. Each gets an ext4 file
    /// system at each start.
    pub disks: Vec<(String, u64)>,
    /// Kernel and initramfs for direct boot; absent for images with a boot loader.
    pub kernel: Option<(Utf8PathBuf, Utf8PathBuf)>,
    /// Kernel arguments beside the machine's own.
    pub kernel_arguments: Vec<String>,
    /// Read-only disks: serial (seen as `/dev/disk/by-id/virtio-<serial>`) and raw image.
    pub payloads: Vec<(String, Utf8PathBuf)>,
    /// More of them, that were plugged in later by [`Machine::plug`]: a machine that was saved with them comes back with
    /// them. At most [`SLOTS`](super::SLOTS).
    pub plugged: Vec<(String, Utf8PathBuf)>,
    /// The rendered Ignition config.
    pub ignition: String,
    /// The private key that fits the config's public key.
    pub ssh_key: Utf8PathBuf,
    /// Guest units without which the node is of no use: when one fails, so does the machine.
    pub required_units: Vec<String>,
    /// Whether the machine may be handed over to a person by [`Machine::keep`]. Such a machine does not
    /// die with bellwether's process; a later start sweeps it unless it was kept.
    pub keep: bool,
}

/// What a machine says while it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It entered a phase: boot, then provision.
    Phase(Phase),
    /// What it waits for, and what it last saw.
    Waiting(String),
    /// Its process runs.
    Started(MachineInfo),
}

/// Facts about a running machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineInfo {
    /// KVM or TCG.
    pub accelerator: Accelerator,
    /// The machine's process id on the host.
    pub pid: u32,
    /// The host's port of the guest's ssh; 0 when there is none.
    pub ssh_port: u16,
    /// The command by which a person enters.
    pub ssh_command: String,
}

/// Why a machine is of no use any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// What ended it.
    pub kind: StopKind,
    /// The phase the evidence points to, where it is not simply the one the attempt is in.
    pub phase: Option<Phase>,
    /// What was seen, in words.
    pub said: String,
    /// The log line that showed it.
    pub line: Option<EvidenceLine>,
}

impl Ending {
    /// The stop of an attempt that was in `phase`.
    #[must_use]
    pub fn stop(self, phase: Phase) -> Stop {
        Stop {
            phase: self.phase.unwrap_or(phase),
            kind: self.kind,
            said: self.said,
            line: self.line,
        }
    }
}

/// Talking to a machine failed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The machine ended, or showed that it is of no use.
    #[error("{}", .0.said)]
    Ended(Ending),
    /// The machine is there, but this call failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The host's file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Starts machines.
pub trait Hypervisor: Send + Sync {
    /// What this host runs guests with, and why. `kernel` is booted to find out; without one it is emulation.
    /// The answer may be kept in the folder `cache`.
    fn probe<'a>(
        &'a self,
        cache: &'a Utf8Path,
        kernel: Option<&'a Utf8Path>,
    ) -> BoxFuture<'a, Result<Probe, ProbeError>>;

    /// Why no guest can run under KVM whatever its kernel, where that is known without booting one.
    fn refused(&self) -> Option<String> {
        None
    }

    /// Starts a machine and waits until it can be entered and its first boot is over. Fails as soon as
    /// the evidence shows that it never will be; dropping the future ends the machine.
    fn start<'a>(
        &'a self,
        spec: &'a MachineSpec,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>>;

    /// Starts a copy of the machine that was saved into the folder `snapshot`, from the same spec, and waits until it
    /// runs, with a clock, an identity and random numbers of its own. Fails as [`Hypervisor::start`].
    fn restore<'a>(
        &'a self,
        spec: &'a MachineSpec,
        snapshot: &'a Utf8Path,
        progress: UnboundedSender<Progress>,
    ) -> BoxFuture<'a, Result<Box<dyn Machine>, MachineError>>;
}

/// A running machine. Dropping it ends it.
pub trait Machine: Send + Sync {
    /// Put before every guest path: empty for a real guest, a folder for the tests' fake machine.
    fn root(&self) -> &str;

    /// Facts about it.
    fn info(&self) -> &MachineInfo;

    /// Runs a POSIX shell script as root in the guest, to its end.
    fn run<'a>(
        &'a self,
        script: &'a str,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Output, MachineError>>;

    /// Copies what the guest's folder holds into a host folder. What cannot be read is left out.
    fn fetch<'a>(
        &'a self,
        folder: &'a str,
        into: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>>;

    /// A unix socket on the host that leads to `socket` in the guest: a unix socket's path, or the address and port
    /// of a server that listens on the guest's own interfaces, such as `127.0.0.1:40001`.
    fn forward<'a>(&'a self, socket: &'a str) -> BoxFuture<'a, Result<Utf8PathBuf, MachineError>>;

    /// Gives the running guest one more read-only disk, with a serial as in [`MachineSpec::payloads`]. The guest sees it
    /// a moment later.
    fn plug<'a>(
        &'a self,
        serial: &'a str,
        image: &'a Utf8Path,
    ) -> BoxFuture<'a, Result<(), MachineError>>;

    /// Saves it into an empty folder for [`Hypervisor::restore`], and goes on; connections into it end. Returns how long
    /// it stood still.
    fn save<'a>(&'a self, folder: &'a Utf8Path) -> BoxFuture<'a, Result<Duration, MachineError>>;

    /// Ends when the machine is gone, or when a log shows that going on is useless. Can be awaited many times.
    fn ended(&self) -> BoxFuture<'_, Ending>;

    /// Leaves it running after bellwether ends.
    fn keep(self: Box<Self>);

    /// Takes it down at once: what is wanted of its disk has been fetched.
    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()>;
}
