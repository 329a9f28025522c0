//! From a saved machine's memory to a guest with a clock, an identity and random numbers of its own.

use std::io::Read as _;

use camino::Utf8Path;
use fs_err as fs;

use crate::{
    clock,
    machine::{
        Ending, MachineError, args::CONSOLE, entry::Artifact, qemu::QemuMachine, qmp::QmpError,
    },
    model::{Phase, StopKind},
    process::ProcessError,
};

/// How often QEMU is asked whether the guest runs.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// Gives a new attempt the logs of the boot that its machine continues.
///
/// # Errors
/// When they cannot be copied.
pub fn continue_logs(snapshot: &Utf8Path, attempt: &Utf8Path) -> std::io::Result<()> {
    for log in [CONSOLE, Artifact::Journal.file()] {
        fs::copy(snapshot.join(log), attempt.join(log))?;
    }
    Ok(())
}

/// Waits until the memory is read and the guest runs.
///
/// # Errors
/// When QEMU cannot read it, or not in time.
pub async fn wait(machine: &QemuMachine) -> Result<(), MachineError> {
    let limit = machine.limits.restore;
    let runs = async {
        loop {
            match machine.qmp.status().await {
                Ok(status) if status == "running" => return Ok(()),
                // It stood still when it was saved, and does again once it is read.
                Ok(status) if status == "paused" => {
                    machine.qmp.cont().await.map_err(std::io::Error::other)?;
                }
                // A QEMU that is busy reading answers late.
                Ok(_) | Err(QmpError::Silent { .. }) => tokio::time::sleep(LOOK).await,
                Err(QmpError::Closed | QmpError::Io(_)) => {
                    return Err(MachineError::Ended(machine.watched.ended().await));
                }
                Err(error) => return Err(std::io::Error::other(error).into()),
            }
        }
    };
    tokio::select! {
        biased;
        ending = machine.watched.ended() => Err(MachineError::Ended(ending)),
        result = runs => result,
        () = tokio::time::sleep(limit) => Err(MachineError::Ended(Ending {
            kind: StopKind::Deadline,
            phase: Some(Phase::Boot),
            said: format!("the guest's memory was not read within {} s", limit.as_secs()),
            line: None,
        })),
    }
}

/// Makes the guest a machine of its own.
///
/// # Errors
/// When it cannot be entered, or refuses.
pub async fn wake(machine: &QemuMachine) -> Result<(), MachineError> {
    // Before the time is taken, so that it is not old when the guest hears of it.
    tokio::select! {
        biased;
        ending = machine.watched.ended() => return Err(MachineError::Ended(ending)),
        connected = machine.ssh.connect() => connected?,
    }
    let (mut id, mut entropy) = ([0; 16], [0; 64]);
    fs::File::open("/dev/urandom")?.read_exact(&mut entropy)?;
    fs::File::open("/dev/urandom")?.read_exact(&mut id)?;
    // As systemd makes one: a random UUID without dashes.
    let id = uuid::Builder::from_random_bytes(id).into_uuid().simple();
    let now = clock::now().as_millisecond();
    let script = format!(
        "NOW={}.{:03} MACHINE_ID={id} ENTROPY={}\n{}",
        now / 1000,
        now % 1000,
        hex::encode(entropy),
        include_str!("wake.sh")
    );
    let run = machine.ssh.run(&script, machine.limits.restore);
    let output = tokio::select! {
        biased;
        ending = machine.watched.ended() => return Err(MachineError::Ended(ending)),
        output = run => output?,
    };
    if output.status == Some(0) {
        return Ok(());
    }
    Err(MachineError::Process(ProcessError::Failed {
        command: "wake.sh".to_owned(),
        status: output.status_text(),
        stderr: output.stderr,
    }))
}
