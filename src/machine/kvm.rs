//! Whether KVM really runs guests here. A device file proves nothing: some hosts open `/dev/kvm` and then boot no
//! kernel. So a kernel is booted, and a process in it must speak.

use std::{io, process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use super::{args::QEMU, entry::shorten, limits::PROBE, probe_initramfs, sweep::boot_id};
use crate::{
    model::{Accelerator, Digest, DigestBuilder},
    process::{Group, ProcessError, call, command},
};

/// What this host runs guests with, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// KVM, or emulation.
    pub accelerator: Accelerator,
    /// Why, in words.
    pub reason: String,
    /// QEMU's version.
    pub qemu: String,
    /// Whether this host's KVM lets its machines start machines.
    #[serde(default)]
    pub nested: bool,
}

/// The probe could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// QEMU cannot be asked.
    #[error("{0}; install qemu-system-x86")]
    Qemu(#[from] ProcessError),
    /// The host's file system refused.
    #[error("cannot probe KVM: {0}")]
    Io(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Cached {
    key: Digest,
    probe: Probe,
}

/// QEMU's version, such as `7.2.22`.
///
/// # Errors
/// When it is not there.
pub async fn qemu_version() -> Result<String, ProcessError> {
    let output = call(QEMU).arg("--version").run().await?.text();
    Ok(version(&output))
}

fn version(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let number = line.split_once("version ").map_or(line, |(_, rest)| rest);
    number
        .split_whitespace()
        .next()
        .unwrap_or("unknown")
        .to_owned()
}

/// The host's processor, as far as guests see it; nothing under emulation, where all see the same one.
#[must_use]
pub fn guest_processor(accelerator: Accelerator) -> String {
    if accelerator == Accelerator::Tcg {
        return String::new();
    }
    // Of the first core: a host's cores are alike.
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let core = text.lines().take_while(|line| !line.trim().is_empty());
    let seen = core.filter(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        [
            "vendor_id",
            "cpu family",
            "model",
            "model name",
            "stepping",
            "microcode",
            "flags",
        ]
        .contains(&name)
    });
    seen.collect::<Vec<_>>().join("\n")
}

/// Probes KVM with this kernel, once per host boot, QEMU and kernel; the answer is kept in `cache`.
///
/// # Errors
/// When QEMU is not there or the kernel cannot be read.
pub async fn probe(cache: &Utf8Path, kernel: &Utf8Path) -> Result<Probe, ProbeError> {
    let qemu = qemu_version().await?;
    let emulated = |reason: String| Probe {
        accelerator: Accelerator::Tcg,
        reason,
        qemu: qemu.clone(),
        nested: false,
    };
    // Not cached: a person may mend this at any moment.
    if let Some(reason) = closed() {
        return Ok(emulated(reason));
    }
    let metadata = fs::metadata(kernel)?;
    let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH);
    let key = DigestBuilder::new("kvm-probe")
        .field("boot", boot_id())
        .field("qemu", &qemu)
        .field("kernel", kernel.as_str())
        .field("size", metadata.len().to_le_bytes())
        .field(
            "modified",
            modified.unwrap_or_default().as_nanos().to_le_bytes(),
        )
        .finish();
    let file = cache.join("kvm-probe.json");
    if let Ok(text) = fs::read(&file)
        && let Ok(cached) = serde_json::from_slice::<Cached>(&text)
        && cached.key == key
    {
        return Ok(cached.probe);
    }
    let probe = match boots(Accelerator::Kvm, kernel, PROBE).await? {
        Ok(taken) => Probe {
            accelerator: Accelerator::Kvm,
            reason: format!("a kernel booted under KVM in {:.1} s", taken.as_secs_f64()),
            qemu,
            nested: nested(),
        },
        Err(words) => emulated(format!("KVM opened, but {words}")),
    };
    fs::create_dir_all(cache)?;
    let cached = Cached { key, probe };
    fs::write(
        &file,
        serde_json::to_vec_pretty(&cached).map_err(io::Error::from)?,
    )?;
    Ok(cached.probe)
}

/// Whether the loaded KVM module passes virtualisation on to its guests.
fn nested() -> bool {
    ["kvm_intel", "kvm_amd"].iter().any(|module| {
        let set = fs::read_to_string(format!("/sys/module/{module}/parameters/nested"));
        set.is_ok_and(|set| matches!(set.trim(), "Y" | "1"))
    })
}

/// Why `/dev/kvm` cannot be opened; absent when it can.
pub(super) fn closed() -> Option<String> {
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    match opened {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some("this host has no /dev/kvm".to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(
            "/dev/kvm may not be opened; add your user to the group kvm and log in again"
                .to_owned(),
        ),
        Err(error) => Some(format!("/dev/kvm cannot be opened: {error}")),
    }
}

/// Boots a kernel until a process in it speaks, and says how long that took, or in words what happened instead.
///
/// # Errors
/// When QEMU cannot be started, or no temporary file can be written.
pub async fn boots(
    accelerator: Accelerator,
    kernel: &Utf8Path,
    limit: Duration,
) -> Result<Result<Duration, String>, ProbeError> {
    let folder = tempfile::Builder::new().prefix("bw-probe-").tempdir()?;
    let initramfs =
        Utf8PathBuf::try_from(folder.path().join("initramfs")).map_err(io::Error::other)?;
    fs::write(&initramfs, probe_initramfs::archive())?;
    let cpu = match accelerator {
        Accelerator::Kvm => "host",
        Accelerator::Tcg => "Nehalem",
    };
    let mut qemu = command(QEMU);
    qemu.args(["-machine", "q35", "-accel", accelerator.name(), "-cpu", cpu])
        .args(["-m", "512M", "-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        .args(["-kernel", kernel.as_str(), "-initrd", initramfs.as_str()])
        .args([
            "-append",
            "console=ttyS0 panic=-1 rdinit=/init mitigations=off",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = std::time::Instant::now();
    let mut group = Group(qemu.spawn().map_err(|source| ProcessError::Start {
        program: QEMU.into(),
        source,
    })?);
    let (Some(mut console), Some(mut words)) = (group.0.stdout.take(), group.0.stderr.take())
    else {
        return Err(io::Error::other("QEMU has no output").into());
    };
    let mut seen = Vec::new();
    let spoke = tokio::time::timeout(limit, async {
        let mut piece = [0; 4096];
        loop {
            let n = console.read(&mut piece).await?;
            seen.extend_from_slice(&piece[..n]);
            if contains(&seen, probe_initramfs::MARKER.as_bytes()) {
                return Ok::<_, io::Error>(true);
            }
            if n == 0 {
                return Ok(false);
            }
        }
    })
    .await;
    let taken = start.elapsed();
    drop(group);
    let last = last_words(&seen);
    Ok(match spoke {
        Ok(Ok(true)) => Ok(taken),
        Ok(Ok(false)) => {
            let mut said = Vec::new();
            // Only for the message.
            let _ = words.read_to_end(&mut said).await;
            let said = last_words(&said);
            Err(format!(
                "QEMU gave up after {:.1} s: {said}{last}",
                taken.as_secs_f64()
            ))
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => {
            let last = if last.is_empty() {
                "it printed nothing".to_owned()
            } else {
                format!("its last line: {last}")
            };
            Err(format!("no kernel booted in {} s; {last}", limit.as_secs()))
        }
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn last_words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    shorten(line.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_qemu_versions() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(version(text), "7.2.22");
        assert_eq!(version(""), "unknown");
    }

    #[test]
    fn last_words_skip_empty_lines() {
        assert_eq!(last_words(b"one\ntwo  words\r\n\n"), "two words");
        assert_eq!(last_words(b""), "");
    }
}
