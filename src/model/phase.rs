//! Where in a run something happens.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an attempt is, in the order in which an attempt goes through them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Sources, packages and toolchains are being turned into exact revisions.
    Resolve,
    /// Binaries and image tars are being built.
    Build,
    /// The node image is being made.
    Image,
    /// The machine is starting: firmware, kernel, initramfs.
    Boot,
    /// Ignition is applying the node's config, and the first boot's units run.
    Provision,
    /// The runtime is starting, images are imported; ends when CRI answers.
    RuntimeReady,
    /// The suite validates the node, starts its services and waits for the node to be Ready.
    SuiteStart,
    /// Specs are running.
    Spec,
    /// Files are being fetched from the machine.
    Collect,
    /// The machine is being taken down.
    Teardown,
}

impl Phase {
    /// The phase's name as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Build => "build",
            Self::Image => "image",
            Self::Boot => "boot",
            Self::Provision => "provision",
            Self::RuntimeReady => "runtime-ready",
            Self::SuiteStart => "suite-start",
            Self::Spec => "spec",
            Self::Collect => "collect",
            Self::Teardown => "teardown",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a suite is, inside the phases suite-start, spec and collect.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SuitePhase {
    /// The suite checks the node's kernel and packages.
    Validate,
    /// Its API server and etcd are starting.
    Services,
    /// It waits for the kubelet's node to be Ready.
    Ready,
    /// Specs are running.
    Specs,
    /// Specs are over; services stop, reports are written.
    After,
}
