//! Leases of the host's cores and memory, held across all bellwethers of one state folder.
//!
//! A lease is a locked file. The lock goes with the process that holds it, however it ends, so a lease is
//! never left behind; its file is removed by whoever sees it next.

use std::{fs::File, io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::MachineSpec;
use crate::{clock, model::Accelerator};

/// A lease could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The file system refused.
    #[error("cannot keep leases in {folder}: {source}")]
    Io {
        /// The leases' folder.
        folder: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This host will never have so much.
    #[error(
        "{what} needs {} MiB of memory, and this host can give at most {} MiB; \
         ask for less memory in the profile's node, or take a larger host",
        .needs >> 20, .has >> 20
    )]
    TooLarge {
        /// Who asked.
        what: String,
        /// For how many bytes.
        needs: u64,
        /// What the host could give with nothing else running.
        has: u64,
    },
}

/// What somebody wants of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who, for people.
    pub what: String,
    /// Cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory: u64,
}

impl Claim {
    /// What a machine takes: under emulation at least two cores and the translated code's memory too.
    #[must_use]
    pub fn machine(spec: &MachineSpec) -> Self {
        let (cores, extra) = match spec.accelerator {
            Accelerator::Tcg => (spec.cpus.max(2), 1280 << 20),
            Accelerator::Kvm => (spec.cpus.div_ceil(2), 256 << 20),
        };
        Self {
            what: spec.name.clone(),
            cores,
            memory: spec.memory + extra,
        }
    }
}

/// What the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory: u64,
    /// Memory that is free or can be made free, in bytes.
    pub available: u64,
}

/// Memory that is never leased: bellwether, the page cache of what it reads, the host's own services.
const RESERVE: u64 = 512 << 20;

impl Host {
    /// Reads it from the kernel.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read.
    pub fn read() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/meminfo")?;
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Ok(Self {
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            memory: meminfo(&text, "MemTotal"),
            available: meminfo(&text, "MemAvailable"),
        })
    }
}

fn meminfo(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib << 10)
}

/// Why a claim has to wait; absent when it fits. Pure.
#[must_use]
pub fn obstacle(claim: &Claim, held: &[Claim], host: &Host) -> Option<String> {
    let names = || {
        let list: Vec<&str> = held.iter().map(|held| held.what.as_str()).collect();
        list.join(", ")
    };
    let cores: u32 = held.iter().map(|held| held.cores).sum();
    // A claim larger than the host runs, but alone.
    if cores + claim.cores > host.cores && cores > 0 {
        return Some(format!(
            "{} of {} cores are in use by {}",
            cores,
            host.cores,
            names()
        ));
    }
    let memory: u64 = held.iter().map(|held| held.memory).sum();
    if memory + claim.memory + RESERVE > host.memory {
        return Some(format!(
            "{} MiB of memory are leased to {}",
            memory >> 20,
            names()
        ));
    }
    (claim.memory + RESERVE > host.available).then(|| {
        format!(
            "{} MiB of memory are needed, {} MiB are free on this host",
            (claim.memory + RESERVE) >> 20,
            host.available >> 20
        )
    })
}

/// The host's leases.
#[derive(Clone, Debug)]
pub struct Leases {
    folder: Utf8PathBuf,
    host: Option<Host>,
}

/// A share of the host, given back when dropped.
#[derive(Debug)]
pub struct Lease {
    path: Utf8PathBuf,
    _lock: File,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whoever comes next removes it otherwise.
        let _ = fs::remove_file(&self.path);
    }
}

/// How often a waiting claim looks again.
const AGAIN: Duration = Duration::from_millis(500);

impl Leases {
    /// The leases of one state folder.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn open(state: &Utf8Path) -> Result<Self, LeaseError> {
        let folder = state.join("leases");
        fs::create_dir_all(&folder).map_err(|source| LeaseError::Io {
            folder: folder.clone(),
            source,
        })?;
        Ok(Self { folder, host: None })
    }

    /// The same, for a host of this size instead of the real one.
    #[must_use]
    pub fn on(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Waits until the claim fits. What it waits for goes to `progress`, each time it changes.
    ///
    /// # Errors
    /// When it can never fit, or the folder cannot be used.
    pub async fn acquire(
        &self,
        claim: &Claim,
        progress: Option<&UnboundedSender<String>>,
    ) -> Result<Lease, LeaseError> {
        let mut last = String::new();
        loop {
            match self.try_acquire(claim)? {
                Ok(lease) => return Ok(lease),
                Err(words) => {
                    if words != last
                        && let Some(progress) = progress
                    {
                        // Nobody listening is no reason to stop waiting.
                        let _ = progress.send(format!("{} waits: {words}", claim.what));
                    }
                    last = words;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The lease, or why it has to wait.
    ///
    /// # Errors
    /// As [`Leases::acquire`].
    pub fn try_acquire(&self, claim: &Claim) -> Result<Result<Lease, String>, LeaseError> {
        let failed = |source| LeaseError::Io {
            folder: self.folder.clone(),
            source,
        };
        let host = match self.host {
            Some(host) => host,
            None => Host::read().map_err(failed)?,
        };
        if claim.memory + RESERVE > host.memory {
            return Err(LeaseError::TooLarge {
                what: claim.what.clone(),
                needs: claim.memory,
                has: host.memory.saturating_sub(RESERVE),
            });
        }
        let gate = File::create(self.folder.join("gate")).map_err(failed)?;
        if flock(&gate, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(Err("another bellwether is taking a lease".to_owned()));
        }
        let held = self.held().map_err(failed)?;
        if let Some(words) = obstacle(claim, &held, &host) {
            return Ok(Err(words));
        }
        self.write(claim).map(Ok).map_err(failed)
    }

    fn write(&self, claim: &Claim) -> io::Result<Lease> {
        let path = self.folder.join(format!("{}.json", clock::new_run_id()));
        let file = File::create(&path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::write(&path, serde_json::to_vec(claim)?)?;
        Ok(Lease { path, _lock: file })
    }

    /// The claims that living processes hold; files of dead ones are removed.
    fn held(&self) -> io::Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for entry in self.folder.read_dir_utf8()? {
            let path = entry?.into_path();
            if path.extension() != Some("json") {
                continue;
            }
            let Ok(file) = File::open(&path) else {
                continue;
            };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _ = fs::remove_file(&path);
            } else if let Ok(claim) = serde_json::from_slice(&fs::read(&path)?) {
                claims.push(claim);
            }
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(what: &str, cores: u32, gib: u64) -> Claim {
        Claim {
            what: what.into(),
            cores,
            memory: gib << 30,
        }
    }

    const HOST: Host = Host {
        cores: 2,
        memory: 24 << 30,
        available: 20 << 30,
    };

    #[test]
    fn one_emulated_machine_on_two_cores() {
        assert_eq!(obstacle(&claim("a", 2, 4), &[], &HOST), None);
        let words = obstacle(&claim("b", 2, 4), &[claim("a", 2, 4)], &HOST).unwrap();
        assert_eq!(words, "2 of 2 cores are in use by a");
        assert_eq!(obstacle(&claim("big", 8, 4), &[], &HOST), None);
    }

    #[test]
    fn memory_is_leased_and_must_be_free() {
        let host = Host { cores: 64, ..HOST };
        assert!(obstacle(&claim("b", 2, 8), &[claim("a", 2, 8)], &host).is_none());
        assert!(obstacle(&claim("b", 2, 8), &[claim("a", 2, 16)], &host).is_some());
        let words = obstacle(&claim("b", 2, 20), &[], &host).unwrap();
        assert!(words.contains("20480 MiB are free"), "{words}");
    }

    #[tokio::test]
    async fn a_lease_is_given_back_and_a_dead_one_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        let leases = Leases::open(state).unwrap().on(HOST);
        let first = leases.try_acquire(&claim("a", 2, 4)).unwrap().unwrap();
        assert!(leases.try_acquire(&claim("b", 2, 4)).unwrap().is_err());
        drop(first);
        // A file that nobody locks is what a killed process leaves.
        let dead = serde_json::to_vec(&claim("dead", 2, 4)).unwrap();
        fs::write(state.join("leases/dead.json"), dead).unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let second = leases
            .acquire(&claim("b", 2, 4), Some(&tell))
            .await
            .unwrap();
        assert!(!state.join("leases/dead.json").exists());
        let waiting = {
            let (leases, tell) = (leases.clone(), tell.clone());
            tokio::spawn(async move { leases.acquire(&claim("c", 1, 1), Some(&tell)).await })
        };
        assert_eq!(
            told.recv().await.unwrap(),
            "c waits: 2 of 2 cores are in use by b"
        );
        drop(second);
        waiting.await.unwrap().unwrap();
    }

    #[test]
    fn what_never_fits_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        let leases = Leases::open(state).unwrap().on(HOST);
        let error = leases.try_acquire(&claim("a", 2, 64)).unwrap_err();
        assert!(error.to_string().contains("needs 65536 MiB"), "{error}");
    }
}
