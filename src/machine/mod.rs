//! Machines: one VM each, from power-on to gone.
//!
//! Owns: QEMU arguments (pure), the KVM probe, QMP, the watch over console, journal and Ignition's failure
//! channel, ssh, leases of cores and memory, the sweep of what a killed bellwether left.
//! Must not: know what runs in the guest.

mod guest;

pub use guest::{Ending, Hypervisor, Machine, MachineError, MachineInfo, MachineSpec, Progress};
