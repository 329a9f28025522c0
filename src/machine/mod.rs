//! Machines: one VM each, from power-on to gone.
//!
//! Owns: QEMU arguments (pure), the KVM probe, QMP, snapshots, the watch over console, journal and Ignition's failure
//! channel, ssh, leases of cores and memory, the sweep of what a killed bellwether left.
//! Must not: know what runs in the guest.

pub mod alarm;
pub mod args;
pub mod entry;
mod first_boot;
mod guest;
pub mod kvm;
pub mod lease;
pub mod limits;
mod probe_initramfs;
pub mod qemu;
pub mod qmp;
pub mod snapshot;
mod ssh;
pub mod story;
pub mod sweep;
mod unpack;
mod watch;

pub use args::SLOTS;
pub use guest::{Ending, Hypervisor, Machine, MachineError, MachineInfo, MachineSpec, Progress};
pub use kvm::{Probe, ProbeError};
pub use lease::{Claim, Host, Lease, LeaseError, Leases};
pub use qemu::Qemu;
pub use sweep::{Record, Swept, find, sweep};
