//! Every deadline of a machine, in one table.

use std::time::Duration;

use crate::model::Accelerator;

/// How long a machine's waits may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From power-on until the first boot is over.
    pub first_boot: Duration,
    /// One small command over ssh.
    pub command: Duration,
    /// From a saved machine's start until it runs, and from then until it has an identity of its own.
    pub restore: Duration,
    /// Writing a machine's memory to the host's disk.
    pub save: Duration,
    /// Copying one folder out of the guest.
    pub fetch: Duration,
    /// From the first sign of an emergency shell until the initramfs's journal must be on the host.
    pub emergency: Duration,
    /// From the line of a failed unit or a missing root until the lines that explain it must be there.
    pub unit: Duration,
    /// How long the initramfs looks for its root disk, in seconds (`rd.retry`).
    pub root_seconds: u32,
}

/// The table: emulation is ten to thirty times slower.
#[must_use]
pub const fn limits(accelerator: Accelerator) -> Limits {
    let seconds = Duration::from_secs;
    match accelerator {
        Accelerator::Kvm => Limits {
            first_boot: seconds(120),
            command: seconds(30),
            restore: seconds(30),
            save: seconds(60),
            fetch: seconds(300),
            emergency: seconds(5),
            unit: seconds(2),
            root_seconds: 10,
        },
        Accelerator::Tcg => Limits {
            first_boot: seconds(600),
            command: seconds(120),
            restore: seconds(60),
            save: seconds(120),
            fetch: seconds(600),
            emergency: seconds(20),
            unit: seconds(3),
            root_seconds: 10,
        },
    }
}

/// How long a kernel may take to boot under KVM before KVM counts as unusable.
pub const PROBE: Duration = Duration::from_secs(10);
