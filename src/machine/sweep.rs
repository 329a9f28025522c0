//! Records of running machines, and the sweep of what a killed bellwether left behind.
//!
//! A process is known by its id, its start time and the host's boot, so a reused id is never mistaken for it.

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::args::{EMPTY, later_overlay};
use crate::process::kill_group;

/// A process, as it can be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since the host's boot.
    pub start: u64,
    /// The host's boot.
    pub boot: String,
}

impl Identity {
    /// The process that has this id now; absent when there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self {
            pid,
            start: start_time(&stat)?,
            boot: boot_id(),
        })
    }

    /// This process.
    #[must_use]
    pub fn own() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self {
            pid,
            start: 0,
            boot: boot_id(),
        })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// This boot of the host.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The start time in a line of `/proc/<pid>/stat`; absent for a process that is dead and only not reaped.
fn start_time(stat: &str) -> Option<u64> {
    // The program's name may hold spaces and parentheses; the fields after the last one are clean.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// What is written down about a running machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The guest's name.
    pub name: String,
    /// Its QEMU; absent until it runs.
    pub machine: Option<Identity>,
    /// The bellwether that started it.
    pub owner: Identity,
    /// The attempt's folder.
    pub folder: Utf8PathBuf,
    /// The folder of its sockets.
    pub runtime: Utf8PathBuf,
    /// Its disk, which goes with it.
    pub overlay: Utf8PathBuf,
    /// The command by which a person enters.
    pub ssh_command: String,
    /// Whether it was handed over to a person.
    pub kept: bool,
}

impl Record {
    /// The machine's process, if it lives. Before it is written down, QEMU's own pid file tells, and the
    /// command line proves that the id is still QEMU's.
    #[must_use]
    pub fn living(&self) -> Option<Identity> {
        if let Some(machine) = &self.machine {
            return machine.lives().then(|| machine.clone());
        }
        let pid = fs::read_to_string(self.runtime.join("qemu.pid")).ok()?;
        let pid: u32 = pid.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&line)
            .contains(self.runtime.as_str())
            .then(|| Identity::of(pid))?
    }

    fn remove_files(&self) {
        // What is gone already is as it should be; what stays is removed by the next sweep.
        let _ = fs::remove_dir_all(&self.runtime);
        let _ = fs::remove_file(&self.overlay);
        let _ = fs::remove_file(later_overlay(&self.overlay));
        let beside = self
            .overlay
            .parent()
            .and_then(|folder| fs::read_dir(folder).ok());
        for entry in beside.into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(EMPTY) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A record in its file.
#[derive(Clone, Debug)]
pub struct Filed {
    /// What it says.
    pub record: Record,
    path: Utf8PathBuf,
}

impl Filed {
    /// Writes a new record.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(state: &Utf8Path, record: Record) -> io::Result<Self> {
        let folder = state.join("machines");
        fs::create_dir_all(&folder)?;
        let name = record.runtime.file_name().unwrap_or("machine");
        let filed = Self {
            path: folder.join(format!("{name}.json")),
            record,
        };
        filed.save()?;
        Ok(filed)
    }

    /// Writes it again after a change.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn save(&self) -> io::Result<()> {
        let partial = self.path.with_extension("partial");
        fs::write(&partial, serde_json::to_vec_pretty(&self.record)?)?;
        fs::rename(partial, &self.path)
    }

    /// Removes the machine's files, then its record.
    pub fn remove(&self) {
        self.record.remove_files();
        let _ = fs::remove_file(&self.path);
    }
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A machine whose bellwether is gone: ended now.
    Killed(Record),
    /// A machine that had ended, whose files were left.
    Cleaned(Record),
    /// A machine that was handed over to a person, and runs.
    Kept(Record),
}

/// How long a killed machine may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// Ends the machines whose bellwether is gone and removes what they left. Machines that were kept, and those of
/// living bellwethers, stay.
///
/// # Errors
/// When the state folder cannot be read.
pub async fn sweep(state: &Utf8Path) -> io::Result<Vec<Swept>> {
    let mut swept = Vec::new();
    for filed in records(state)? {
        let living = filed.record.living();
        match (filed.record.kept, living) {
            (true, Some(_)) => swept.push(Swept::Kept(filed.record)),
            (false, _) if filed.record.owner.lives() => {}
            (false, Some(machine)) => {
                kill_group(machine.pid);
                let gone = async {
                    while machine.lives() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                if tokio::time::timeout(GONE, gone).await.is_ok() {
                    filed.remove();
                }
                swept.push(Swept::Killed(filed.record));
            }
            (_, None) => {
                filed.remove();
                swept.push(Swept::Cleaned(filed.record));
            }
        }
    }
    Ok(swept)
}

/// The running machine of this attempt; of one that has several, the first.
///
/// # Errors
/// When the state folder cannot be read.
pub fn find(state: &Utf8Path, attempt: &Utf8Path) -> io::Result<Option<Record>> {
    let found = records(state)?
        .into_iter()
        .map(|filed| filed.record)
        .find(|record| record.folder.starts_with(attempt) && record.living().is_some());
    Ok(found)
}

fn records(state: &Utf8Path) -> io::Result<Vec<Filed>> {
    let folder = state.join("machines");
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut list = Vec::new();
    for entry in entries {
        let path = entry?.into_path();
        if path.extension() != Some("json") {
            continue;
        }
        // A record that another sweep removed meanwhile, or that is no record, is none.
        if let Ok(text) = fs::read(&path)
            && let Ok(record) = serde_json::from_slice(&text)
        {
            list.push(Filed { record, path });
        }
    }
    list.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Group, command};

    fn gone() -> Identity {
        Identity {
            start: 1,
            ..Identity::own()
        }
    }

    fn record(state: &Utf8Path, name: &str, machine: Option<Identity>, owner: Identity) -> Filed {
        let runtime = state.join(name);
        fs::create_dir_all(&runtime).unwrap();
        let overlay = state.join(format!("{name}.qcow2"));
        fs::write(&overlay, "").unwrap();
        let record = Record {
            name: name.into(),
            machine,
            owner,
            folder: state.join("attempt").join(name),
            runtime,
            overlay,
            ssh_command: "ssh".into(),
            kept: false,
        };
        Filed::write(state, record).unwrap()
    }

    fn sleeper(word: &str) -> Group {
        let mut command = command("sh");
        command.args(["-c", "sleep 60; :", word]);
        Group(command.spawn().unwrap())
    }

    #[test]
    fn start_times_survive_odd_names() {
        let line = "42 (a) b) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        assert_eq!(start_time(line), Some(777));
        assert_eq!(start_time(&line.replace(" S ", " Z ")), None);
        assert!(Identity::own().lives());
        assert!(!gone().lives());
    }

    #[tokio::test]
    async fn only_what_nobody_owns_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        let mut orphan = sleeper("orphan");
        let owned = sleeper("owned");
        let orphan_id = Identity::of(orphan.0.id().unwrap()).unwrap();
        let owned_id = Identity::of(owned.0.id().unwrap()).unwrap();
        record(state, "a-orphan", Some(orphan_id), gone());
        record(state, "b-owned", Some(owned_id.clone()), Identity::own());
        // Its process id belongs to somebody else now.
        let reused = Identity {
            start: 2,
            ..owned_id.clone()
        };
        record(state, "c-reused", Some(reused), gone());
        let mut kept = record(state, "d-kept", Some(owned_id.clone()), gone());
        kept.record.kept = true;
        kept.save().unwrap();

        let swept = sweep(state).await.unwrap();
        let names: Vec<String> = swept
            .iter()
            .map(|swept| match swept {
                Swept::Killed(record) => format!("killed {}", record.name),
                Swept::Cleaned(record) => format!("cleaned {}", record.name),
                Swept::Kept(record) => format!("kept {}", record.name),
            })
            .collect();
        assert_eq!(
            names,
            ["killed a-orphan", "cleaned c-reused", "kept d-kept"]
        );
        assert!(orphan.0.wait().await.unwrap().code().is_none());
        assert!(owned_id.lives());
        assert!(!state.join("a-orphan").exists());
        assert!(!state.join("a-orphan.qcow2").exists());
        let found = find(state, &state.join("attempt/d-kept")).unwrap().unwrap();
        assert!(found.kept);
        assert_eq!(find(state, &state.join("attempt/a-orphan")).unwrap(), None);
    }

    #[tokio::test]
    async fn a_machine_is_found_before_it_was_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        let filed = record(state, "early", None, gone());
        let sleeper = sleeper(filed.record.runtime.as_str());
        let pid = sleeper.0.id().unwrap();
        fs::write(filed.record.runtime.join("qemu.pid"), format!("{pid}\n")).unwrap();
        assert_eq!(filed.record.living().unwrap().pid, pid);
        // Some other process with that id is not it.
        let own = std::process::id();
        fs::write(filed.record.runtime.join("qemu.pid"), format!("{own}\n")).unwrap();
        assert_eq!(filed.record.living(), None);
    }
}
