//! What may go: details of old runs, by age and size. What is of interest stays, and what history knows always does.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{
    Archive, HistoryError, Index, TOMBSTONE,
    archive::Directory,
    pack::is_kept,
    packed::{self, PackedRun},
    query::Window,
    vector,
};
use crate::{
    evidence::EvidenceDir,
    model::{RunSummary, SpecName, SpecResult},
};

/// What pins a run.
pub const PIN: &str = "pin.json";

/// What stays of a run whose details went.
const STAYS: [&str; 6] = [
    "summary.json",
    packed::FILE,
    TOMBSTONE,
    PIN,
    "verdict.json",
    ".lock",
];

/// How long details are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Details older than this go.
    pub days: u32,
    /// Beyond this size the oldest details go too.
    pub bytes: Option<u64>,
}

/// Why a run's details must stay, whoever said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Why, such as the issue that links to it.
    pub why: String,
    /// Since when.
    pub at: Timestamp,
}

/// When and why the details of a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
    /// How many bytes that freed.
    pub bytes: u64,
}

/// What is known of one run directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its folder.
    pub folder: Utf8PathBuf,
    /// The run.
    pub run: String,
    /// When it started.
    pub started: Timestamp,
    /// Bytes of what could go.
    pub bytes: u64,
    /// Why it must stay; nothing for one that may go.
    pub stays: Option<String>,
    /// Why its details went, when that was begun and not finished.
    pub begun: Option<String>,
}

/// A run whose details go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doomed {
    /// The run.
    pub run: String,
    /// Its folder.
    pub folder: Utf8PathBuf,
    /// When it started.
    pub started: Timestamp,
    /// What that frees.
    pub bytes: u64,
    /// Why.
    pub why: String,
}

/// Which details go at `now`, oldest first. Pure.
#[must_use]
pub fn plan(facts: &[Facts], policy: Policy, now: Timestamp) -> Vec<Doomed> {
    let mut facts: Vec<&Facts> = facts.iter().filter(|it| it.bytes > 0).collect();
    facts.sort_by(|a, b| (a.started, &a.run).cmp(&(b.started, &b.run)));
    let mut total: u64 = facts.iter().map(|it| it.bytes).sum();
    let limit = SignedDuration::from_hours(24 * i64::from(policy.days));
    let mut doomed = Vec::new();
    for it in facts {
        if it.stays.is_some() {
            continue;
        }
        let why = if let Some(begun) = &it.begun {
            begun.clone()
        } else if now.duration_since(it.started) > limit {
            format!("older than {} days", policy.days)
        } else if let Some(most) = policy.bytes
            && total > most
        {
            format!("details of all runs took {total} of {most} bytes")
        } else {
            continue;
        };
        total = total.saturating_sub(it.bytes);
        doomed.push(Doomed {
            run: it.run.clone(),
            folder: it.folder.clone(),
            started: it.started,
            bytes: it.bytes,
            why,
        });
    }
    doomed
}

/// Looks at every run directory. What is of interest follows from the index: of each lane its newest run, its last green
/// one, and the first that was red since.
///
/// # Errors
/// When the index or a folder cannot be read.
pub fn survey(
    index: &Index,
    archive: &Archive,
    now: Timestamp,
) -> Result<Vec<Facts>, HistoryError> {
    let mut interest: BTreeMap<String, String> = BTreeMap::new();
    for lane in index.lane_health(None, Window::last(1, now), now)? {
        let name = &lane.lane.lane;
        let marks = [
            (lane.red_since, "first red"),
            (lane.last_green, "last green"),
            (lane.last, "newest"),
        ];
        for (cell, what) in marks {
            if let Some(cell) = cell {
                let why = || format!("it is the {what} run of {name}");
                interest.entry(cell.run).or_insert_with(why);
            }
        }
    }
    let mut facts = Vec::new();
    for directory in archive.directories()?.0 {
        // Imported results have no details; a run that is not finished is not history yet.
        if directory.imported || Archive::stamp(&directory).is_none() {
            continue;
        }
        let folder = &directory.folder;
        let run = directory.run.to_string();
        let pin = folder.read_json::<Pin>(PIN).ok();
        let stays = pin.map(|pin| pin.why).or_else(|| interest.remove(&run));
        let known = index.find_run(&run);
        let stays = match (&known, hold(folder)?) {
            (_, None) => Some("a living process holds it".to_owned()),
            (Err(_), _) => Some("the index does not know it".to_owned()),
            _ => stays,
        };
        facts.push(Facts {
            folder: folder.path().to_owned(),
            started: known.map_or(now, |run| run.started_at),
            bytes: details(folder.path())?,
            stays,
            begun: folder
                .read_json::<Tombstone>(TOMBSTONE)
                .ok()
                .map(|it| it.why),
            run,
        });
    }
    Ok(facts)
}

/// Bytes of all that could go.
fn details(folder: &Utf8Path) -> Result<u64, HistoryError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !stays(&entry.file_name()) {
            bytes += size(&entry)?;
        }
    }
    Ok(bytes)
}

fn stays(name: &std::ffi::OsStr) -> bool {
    STAYS.iter().any(|stays| name == *stays)
}

fn size(entry: &fs::DirEntry) -> Result<u64, HistoryError> {
    // Links are not followed: what they lead to is not the run's.
    if !entry.file_type()?.is_dir() {
        return Ok(entry.metadata()?.len());
    }
    let mut bytes = 0;
    for inner in fs::read_dir(entry.path())? {
        bytes += size(&inner?)?;
    }
    Ok(bytes)
}

/// Takes a run's lock; nothing when a living process has it.
fn hold(folder: &EvidenceDir) -> Result<Option<std::fs::File>, HistoryError> {
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.file(".lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// Removes a run's details. Before anything goes, what history keeps is written, and then the tombstone; whoever is
/// killed in between goes on the next time.
///
/// # Errors
/// When what history keeps cannot be written, or a file cannot be removed. `Ok(false)` when a living process holds it.
pub fn apply(archive: &Archive, doomed: &Doomed, now: Timestamp) -> Result<bool, HistoryError> {
    let folder = EvidenceDir::at(&doomed.folder);
    let Some(_held) = hold(&folder)? else {
        return Ok(false);
    };
    let run = doomed.run.parse().map_err(|_| HistoryError::Unknown {
        what: "run",
        text: doomed.run.clone(),
        near: Vec::new(),
    })?;
    if !folder.file(TOMBSTONE).exists() {
        let kept = archive.read(&Directory {
            run,
            folder: folder.clone(),
            imported: false,
        })?;
        folder.write(packed::FILE, &serde_json::to_vec(&kept)?)?;
        for cell in kept.cells.iter().filter(|cell| cell.specs > 0) {
            archive.list_on_disk(&cell.list)?;
        }
        let tombstone = Tombstone {
            at: now,
            why: doomed.why.clone(),
            bytes: doomed.bytes,
        };
        folder.write_json(TOMBSTONE, &tombstone)?;
    }
    slim(&folder)?;
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        if stays(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(true)
}

/// Takes those specs out of a summary that its packed document has too.
fn slim(folder: &EvidenceDir) -> Result<(), HistoryError> {
    let Ok(mut summary) = folder.read_json::<RunSummary>("summary.json") else {
        return Ok(());
    };
    for cell in &mut summary.cells {
        cell.specs
            .retain(|spec| is_kept(spec.outcome) || spec.reason.is_some());
    }
    let mut text = serde_json::to_vec(&summary)?;
    text.push(b'\n');
    folder.write("summary.json", &text)?;
    Ok(())
}

impl Archive {
    /// Puts back into a pruned run's summary what its packed document has: every spec, without its moments.
    ///
    /// # Errors
    /// When the packed document is not whole. The summary is as it was then.
    pub fn whole(
        &self,
        folder: &EvidenceDir,
        summary: &mut RunSummary,
    ) -> Result<(), HistoryError> {
        if !folder.file(TOMBSTONE).exists() {
            return Ok(());
        }
        let kept: PackedRun = folder.read_json(packed::FILE)?;
        let mut whole = Vec::new();
        for (cell, packed) in summary.cells.iter().zip(&kept.cells) {
            let broken = |source| HistoryError::Vector {
                lane: packed.lane.id.to_string(),
                source,
            };
            if packed.lane.id != cell.lane.id || packed.specs == 0 {
                whole.push(cell.specs.clone());
                continue;
            }
            let names = self.list(&packed.list)?;
            let (outcomes, durations) = packed.vectors().map_err(broken)?;
            let outcomes = vector::outcomes(&outcomes, packed.specs).map_err(broken)?;
            let millis = vector::millis(&durations, packed.specs).map_err(broken)?;
            let specs = names.iter().zip(outcomes).zip(millis);
            let specs = specs.map(|((name, outcome), ms)| {
                let there = cell.specs.iter().find(|spec| spec.name.0 == *name);
                there.cloned().unwrap_or_else(|| SpecResult {
                    name: SpecName(name.clone()),
                    outcome,
                    started_at: None,
                    ended_at: None,
                    seconds: ms as f64 / 1000.0,
                    process: None,
                    failure: None,
                    reason: None,
                })
            });
            whole.push(specs.collect());
        }
        for (cell, specs) in summary.cells.iter_mut().zip(whole) {
            cell.specs = specs;
        }
        Ok(())
    }
}

/// Pins a run, or takes its pin away.
///
/// # Errors
/// When its folder cannot be written.
pub fn pin(folder: &EvidenceDir, pin: Option<&Pin>) -> Result<(), HistoryError> {
    match pin {
        Some(pin) => folder.write_json(PIN, pin)?,
        None => match fs::remove_file(folder.file(PIN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(day: i64, bytes: u64, stays: Option<&str>) -> Facts {
        Facts {
            folder: format!("/runs/{day}").into(),
            run: format!("{day}"),
            started: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day),
            bytes,
            stays: stays.map(str::to_owned),
            begun: None,
        }
    }

    #[test]
    fn age_size_and_interest() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 100);
        let all = [
            facts(10, 5, None),
            facts(20, 5, Some("last green")),
            facts(80, 40, None),
            facts(90, 40, None),
            facts(99, 40, None),
        ];
        let days = |bytes| {
            let policy = Policy { days: 30, bytes };
            let doomed = plan(&all, policy, now);
            doomed.into_iter().map(|it| it.run).collect::<Vec<_>>()
        };
        assert_eq!(days(None), ["10"], "what is of interest stays");
        assert_eq!(days(Some(100)), ["10", "80"], "the oldest, until it fits");
        assert_eq!(days(Some(0)), ["10", "80", "90", "99"]);
    }

    #[test]
    fn what_was_begun_is_finished() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 100);
        let mut half = facts(99, 7, None);
        half.begun = Some("older than 30 days".to_owned());
        let policy = Policy {
            days: 30,
            bytes: None,
        };
        let doomed = plan(&[half], policy, now);
        assert_eq!(doomed.len(), 1);
        assert_eq!(doomed[0].why, "older than 30 days");
    }
}
