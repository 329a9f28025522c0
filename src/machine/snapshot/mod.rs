//! Snapshots: a ready node saved once, and started from again and again in seconds.
//!
//! Owns: what a snapshot fits (its key, pure), whether it is whole and fresh, how a machine is saved without being
//! ended, and how a copy becomes a machine of its own. A snapshot is a folder in the cache: `memory`, the packed
//! `disk.qcow2` on top of the node image, and the logs of the boot.
//! Must not: know what makes a node ready, or when to save one.

mod key;
mod save;
mod seal;
mod wake;

pub use key::{Content, Origin};
pub use seal::{SEAL, Spoiled, check, seal};
pub(super) use wake::{continue_logs, wait, wake};

use camino::Utf8Path;
use fs_err as fs;

use super::{args, watch};

/// The machine's memory and devices, in the snapshot's folder.
pub(super) const MEMORY: &str = "memory";
/// The machine's disk at that moment, packed, on top of the node image; in the snapshot's folder.
pub(super) const DISK: &str = "disk.qcow2";
/// Where [`set_aside`] puts things, in the attempt's folder.
pub const FAILED: &str = "failed-restore";

/// Moves away what a machine that came to nothing wrote, so that the next one starts with clean logs and nobody
/// takes the one's lines for the other's.
///
/// # Errors
/// When a file cannot be moved.
pub fn set_aside(attempt: &Utf8Path) -> std::io::Result<()> {
    let folder = attempt.join(FAILED);
    let ports = args::PORTS.map(|(_, file)| file);
    let own = [
        args::CONSOLE,
        args::COMMAND,
        watch::QMP_LOG,
        watch::QEMU_LOG,
    ];
    for name in ports.into_iter().chain(own) {
        let file = attempt.join(name);
        if file.exists() {
            fs::create_dir_all(&folder)?;
            // Under another name: the verdict knows logs by theirs.
            fs::rename(file, folder.join(format!("{name}.txt")))?;
        }
    }
    Ok(())
}
