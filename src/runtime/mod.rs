//! The runtime under test: its configuration in the guest, its units, its readiness.
//!
//! Owns: what each kind of runtime needs (pure; one trait, [`Kind`], and one file a kind), the import of image tars, the
//! CRI client, proof of identity. Must not: start machines, or judge specs. Readiness is an answered call, never a
//! socket that exists.

mod containerd;
pub mod cri;
mod crio;
mod guest;
pub mod identity;
mod kind;
mod sandboxer;
mod tables;

use crate::profile::Shape;

pub use guest::{
    KUBERNETES_SERIAL, RUNTIME_SERIAL, guest_files, guest_units, import_script, mounted_script,
    required_units,
};
pub use kind::{Kind, kind};
pub use sandboxer::{guest_binary, ready_script, sandboxer_files, sandboxer_units, spec};
pub use tables::ConfigError;

/// Where the runtime's payload is mounted in the guest: `bin/`, `cni/`, and `images/` that every node has.
pub const RUNTIME_DIR: &str = "/opt/bellwether/runtime";
/// Where Kubernetes' payload is mounted in the guest once it is plugged in: `bin/`, `images/`.
pub const KUBERNETES_DIR: &str = "/opt/bellwether/kubernetes";
/// The node suite asks for this handler in its RuntimeClass specs; it must be served by what is under test.
const TEST_HANDLER: &str = "test-handler";

/// What a runtime is set up for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSpec {
    /// The CRI runtime handler under test; pods that name no handler get it.
    pub handler: String,
    /// How the runtime reaches what serves it.
    pub shape: Shape,
    /// Its runtime type, in the runtime's own words.
    pub runtime_type: String,
    /// Its binary in the guest.
    pub binary: String,
    /// A sandbox controller's socket in the guest.
    pub socket: Option<String>,
    /// Its options beside the generated ones, as TOML text.
    pub options: Option<String>,
    /// The pause image's full tag.
    pub pause_image: String,
    /// Fragments merged over all of it in this order, as TOML texts with the words for each.
    pub fragments: Vec<(&'static str, String)>,
}
