//! Saves a running machine: it stands still while its memory is written, and goes on upon a new overlay, so that the
//! disk it had stays as it was at that moment.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::json;
use tokio::time::Instant;

use super::{DISK, MEMORY};
use crate::{
    machine::{
        Ending, MachineError,
        args::{self, CONSOLE},
        entry::Artifact,
        qemu::QemuMachine,
        qmp::{Qmp, QmpError},
    },
    model::StopKind,
    process::{call, quote},
};

/// What the guest does before: nothing that can be read again needs to be in the snapshot.
const PREPARE: &str =
    "sync; echo 3 > /proc/sys/vm/drop_caches; echo 1 > /proc/sys/vm/compact_memory; :";
/// The guest's kernel tells of unused pages every two seconds; its sshd ends our session meanwhile.
const SETTLE: Duration = Duration::from_secs(5);
/// How often QEMU is asked how far it is.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes a second: more than any disk takes.
const UNLIMITED: u64 = 1 << 40;

impl QemuMachine {
    /// Saves it into an empty folder, and lets it go on. Returns how long it stood still.
    pub(in crate::machine) async fn save_to(
        &self,
        folder: &Utf8Path,
    ) -> Result<Duration, MachineError> {
        self.ssh.run(PREPARE, self.limits.command).await?;
        // A connection that lives on in the saved guest would have no other end.
        self.ssh.close().await;
        tokio::time::sleep(SETTLE).await;
        let stood = Instant::now();
        self.qmp.stop().await.map_err(refused)?;
        let saved = self.write(folder).await;
        // Whatever became of the snapshot, the machine goes on.
        self.qmp.cont().await.map_err(stuck)?;
        let stood = stood.elapsed();
        saved?;
        self.pack_disk(&folder.join(DISK)).await?;
        Ok(stood)
    }

    /// The frozen disk, packed: most of it is images that are there twice, as they came and unpacked.
    async fn pack_disk(&self, to: &Utf8Path) -> Result<(), MachineError> {
        let (backing, format) = real(&self.backing)?;
        call("qemu-img")
            .args(["convert", "-q", "-c", "-W", "-O", "qcow2"])
            .args(["-o", "compression_type=zstd", "-F", &format, "-B"])
            .args([backing.as_str(), self.overlay().as_str(), to.as_str()])
            .limit(self.limits.save)
            .run()
            .await?;
        // What came out of a snapshot must not need that one: it may be removed first.
        if let Some(image) = &self.image {
            let (image, format) = real(image)?;
            call("qemu-img")
                .args(["rebase", "-q", "-F", &format, "-b"])
                .args([image.as_str(), to.as_str()])
                .limit(self.limits.save)
                .run()
                .await?;
        }
        Ok(())
    }

    async fn write(&self, folder: &Utf8Path) -> Result<(), MachineError> {
        let frozen = self.overlay();
        let after = args::later_overlay(frozen);
        let snapshot =
            json!({"device": "root", "snapshot-file": after.as_str(), "format": "qcow2"});
        let taken = self.qmp.execute_with("blockdev-snapshot-sync", snapshot);
        taken.await.map_err(refused)?;
        memory(&self.qmp, &folder.join(MEMORY), self.limits.save).await?;
        let attempt = frozen.parent().unwrap_or(frozen);
        for log in [CONSOLE, Artifact::Journal.file()] {
            fs::copy(attempt.join(log), folder.join(log))?;
        }
        Ok(())
    }
}

/// A disk at its real place, and its format.
fn real((disk, format): &(Utf8PathBuf, String)) -> Result<(Utf8PathBuf, String), MachineError> {
    let disk = Utf8PathBuf::try_from(fs::canonicalize(disk)?).map_err(std::io::Error::other)?;
    Ok((disk, format.clone()))
}

/// Writes the memory of a machine that stands still.
async fn memory(qmp: &Qmp, file: &Utf8Path, limit: Duration) -> Result<(), MachineError> {
    let partial = Utf8PathBuf::from(format!("{file}.partial"));
    let (from, to) = (quote(partial.as_str()), quote(file.as_str()));
    // The new name appears when the last byte is written, which is after QEMU has handed it over.
    let uri = format!("exec:cat > {from} && mv {from} {to}");
    let wait = async {
        let parameters = json!({"max-bandwidth": UNLIMITED});
        qmp.execute_with("migrate-set-parameters", parameters)
            .await?;
        qmp.execute_with("migrate", json!({"uri": uri})).await?;
        loop {
            let status = qmp.execute("query-migrate").await?;
            match status["status"].as_str() {
                Some("completed") if file.exists() => return Ok(()),
                Some("failed" | "cancelled") => {
                    let said = status["error-desc"].as_str();
                    let said = said.unwrap_or("the memory could not be written");
                    return Err(QmpError::Refused {
                        command: "migrate".to_owned(),
                        said: said.to_owned(),
                    });
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    };
    match tokio::time::timeout(limit, wait).await {
        Ok(written) => written.map_err(refused),
        Err(_) => {
            // What goes wrong here shows when the machine is to go on.
            let _ = qmp.execute("migrate_cancel").await;
            let command = "migrate".to_owned();
            Err(refused(QmpError::Silent { command, limit }))
        }
    }
}

/// A machine that stands still for ever is of no use.
fn stuck(error: QmpError) -> MachineError {
    MachineError::Ended(Ending {
        kind: StopKind::Failed,
        phase: None,
        said: format!("the machine did not go on after it was saved: {error}"),
        line: None,
    })
}

fn refused(error: QmpError) -> MachineError {
    MachineError::Io(std::io::Error::other(error))
}
