//! The runtime under test: its configuration in the guest, its units, its readiness.
//!
//! Owns: containerd's configuration and units (pure), the import of image tars, the CRI client.
//! Must not: start machines, or judge specs. Readiness is an answered call, never a socket that exists.

pub mod containerd;
pub mod cri;
mod guest;
pub mod identity;
mod sandboxer;

pub use containerd::{ConfigError, RuntimeSpec, config};
pub use guest::{
    KUBERNETES_SERIAL, REQUIRED_UNITS, RUNTIME_SERIAL, guest_files, guest_units, import_script,
    mounted_script,
};
pub use sandboxer::{
    guest_binary, ready_script, required_units, sandboxer_files, sandboxer_units, spec,
};

/// Where the runtime's payload is mounted in the guest: `bin/`, `cni/`, and `images/` that every node has.
pub const RUNTIME_DIR: &str = "/opt/bellwether/runtime";
/// Where Kubernetes' payload is mounted in the guest once it is plugged in: `bin/`, `images/`.
pub const KUBERNETES_DIR: &str = "/opt/bellwether/kubernetes";
/// containerd's CRI socket in the guest.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
