//! What a guest must hold at first boot, before it is an Ignition config.

use serde::{Deserialize, Serialize};

/// A file in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFile {
    /// Absolute path in the guest.
    pub path: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// Its text.
    pub contents: String,
}

impl GuestFile {
    /// A plain file, mode 0644.
    #[must_use]
    pub fn new(path: impl Into<String>, contents: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            contents: contents.into(),
        }
    }
}

/// A systemd unit in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUnit {
    /// Its name, such as `containerd.service`.
    pub name: String,
    /// Its text; absent for a unit that the image has.
    pub contents: Option<String>,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Whether it can never start.
    pub mask: bool,
}

impl GuestUnit {
    /// A unit that starts at boot.
    #[must_use]
    pub fn enabled(name: impl Into<String>, contents: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            contents: Some(contents.into()),
            enabled: true,
            mask: false,
        }
    }

    /// A unit of the image that must not start.
    #[must_use]
    pub fn masked(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            contents: None,
            enabled: false,
            mask: true,
        }
    }
}

/// One node configuration, as its stations describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The guest's host name, also its Kubernetes node name.
    pub hostname: String,
    /// An OpenSSH public key that may enter as root.
    pub ssh_public_key: String,
    /// Files beside those that bellwether's base gives every node.
    pub files: Vec<GuestFile>,
    /// Units beside those that bellwether's base gives every node.
    pub units: Vec<GuestUnit>,
    /// The user's fragments in merge order: name (for errors) and JSON text.
    pub fragments: Vec<(String, String)>,
}
