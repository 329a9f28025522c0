//! The directories that the index is made from, and their packed documents.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    HistoryError,
    pack::{self, Details},
    packed::{self, PACKER, PackedRun},
};
use crate::{
    evidence::{EvidenceDir, RunDirError},
    model::{Digest, RunId, RunSummary},
};

/// What says when and why the details of a run went.
pub const TOMBSTONE: &str = "pruned.json";

const SUMMARY: &str = "summary.json";

/// A run directory, or a folder of imported results.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: EvidenceDir,
    /// Whether somebody else's results are in it.
    pub imported: bool,
}

/// A folder that is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// Which.
    pub folder: Utf8PathBuf,
    /// Why.
    pub why: String,
}

/// The state folder as history sees it.
#[derive(Debug)]
pub struct Archive {
    state: Utf8PathBuf,
    lists: Mutex<HashMap<Digest, Arc<Vec<String>>>>,
}

impl Archive {
    /// The archive of a state folder.
    #[must_use]
    pub fn at(state: &Utf8Path) -> Self {
        Self {
            state: state.to_owned(),
            lists: Mutex::default(),
        }
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Utf8Path {
        &self.state
    }

    /// The folder of imported results.
    #[must_use]
    pub fn imports(&self) -> Utf8PathBuf {
        self.state.join("imports")
    }

    /// The folder of lists of specs.
    #[must_use]
    pub fn lists(&self) -> Utf8PathBuf {
        self.state.join("specs")
    }

    /// Every folder that may hold a run, oldest first, and those whose name is no run id.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn directories(&self) -> Result<(Vec<Directory>, Vec<Skipped>), HistoryError> {
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        for (folder, imported) in [(self.state.join("runs"), false), (self.imports(), true)] {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            for entry in entries {
                let entry = entry?;
                let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else {
                    continue;
                };
                match path.file_name().map(str::parse) {
                    Some(Ok(run)) => found.push(Directory {
                        run,
                        folder: EvidenceDir::at(path),
                        imported,
                    }),
                    _ => skipped.push(Skipped {
                        folder: path,
                        why: "its name is no run id".to_owned(),
                    }),
                }
            }
        }
        found.sort_by_key(|directory| directory.run);
        skipped.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok((found, skipped))
    }

    /// Tells whether a directory changed since; nothing for a run that is not finished.
    #[must_use]
    pub fn stamp(directory: &Directory) -> Option<String> {
        let file = |name| modified(&directory.folder.file(name));
        let (at, size) = file(SUMMARY).or_else(|| file(packed::FILE))?;
        Some(format!("{at}-{size}"))
    }

    /// Reads what history keeps of a run. One that has all of its documents is packed anew when its packed document is
    /// missing, older than its summary, or an older bellwether's.
    ///
    /// # Errors
    /// When it is torn, or another run's.
    pub fn read(&self, directory: &Directory) -> Result<PackedRun, HistoryError> {
        let folder = &directory.folder;
        let kept = folder.read_json::<PackedRun>(packed::FILE);
        let summary = modified(&folder.file(SUMMARY));
        let only_kept = folder.file(TOMBSTONE).exists() || summary.is_none();
        let fresh = summary.is_none_or(|(at, _)| {
            modified(&folder.file(packed::FILE)).is_some_and(|(packed, _)| packed >= at)
        });
        let run = match kept {
            Ok(kept) if (only_kept || fresh && kept.packer == PACKER) && self.has_lists(&kept) => {
                kept
            }
            // It has no other document, so what is wrong with this one is what there is to say.
            Err(error) if summary.is_none() => return Err(error.into()),
            Ok(_) | Err(_) => match folder.read_json::<RunSummary>(SUMMARY) {
                Ok(summary) => self.pack(folder, &summary)?,
                Err(error) => match folder.read_json::<PackedRun>(packed::FILE) {
                    Ok(kept) => kept,
                    Err(_) => return Err(error.into()),
                },
            },
        };
        if run.run != directory.run {
            return Err(HistoryError::Io(std::io::Error::other(format!(
                "{} holds another run, {}",
                folder.path(),
                run.run
            ))));
        }
        Ok(run)
    }

    fn has_lists(&self, run: &PackedRun) -> bool {
        let mut cells = run.cells.iter().filter(|cell| cell.specs > 0);
        cells.all(|cell| self.list(&cell.list).is_ok())
    }

    /// Packs a run directory and keeps what came out; a state folder that cannot be written is no obstacle.
    fn pack(&self, folder: &EvidenceDir, summary: &RunSummary) -> Result<PackedRun, HistoryError> {
        let packed = pack::pack(summary, &details(folder, summary)?);
        self.keep(folder, &packed)?;
        Ok(packed.run)
    }

    /// Writes a packed run and its lists.
    pub(super) fn keep(
        &self,
        folder: &EvidenceDir,
        packed: &pack::Packed,
    ) -> Result<(), HistoryError> {
        for names in &packed.lists {
            let written = self.keep_list(names);
            if let Err(error) = written {
                tracing::warn!("cannot keep a list of specs: {error}");
            }
        }
        if let Err(error) = folder.write(packed::FILE, &serde_json::to_vec(&packed.run)?) {
            tracing::warn!("cannot keep {}: {error}", folder.file(packed::FILE));
        }
        Ok(())
    }

    fn keep_list(&self, names: &[String]) -> Result<(), HistoryError> {
        let digest = packed::list_digest(names);
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert(digest.clone(), Arc::new(names.to_vec()));
        drop(lists);
        let file = format!("{digest}.json");
        if !self.lists().join(&file).exists() {
            let folder = EvidenceDir::create(self.lists())?;
            folder.write(&file, &serde_json::to_vec(names)?)?;
        }
        Ok(())
    }

    /// Makes sure that a list of specs is on the disk.
    pub(super) fn list_on_disk(&self, digest: &Digest) -> Result<(), HistoryError> {
        let names = self.list(digest)?;
        self.keep_list(&names)
    }

    /// The names of a list of specs.
    ///
    /// # Errors
    /// When it is not there, or not what its digest says.
    pub fn list(&self, digest: &Digest) -> Result<Arc<Vec<String>>, HistoryError> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = lists.get(digest) {
            return Ok(names.clone());
        }
        let folder = EvidenceDir::at(self.lists());
        let names = folder.read_json::<Vec<String>>(&format!("{digest}.json"));
        let names = names
            .ok()
            .filter(|names| packed::list_digest(names) == *digest);
        let names = Arc::new(names.ok_or_else(|| HistoryError::NoList {
            digest: digest.to_string(),
            folder: self.lists(),
        })?);
        lists.insert(digest.clone(), names.clone());
        Ok(names)
    }
}

fn details(folder: &EvidenceDir, summary: &RunSummary) -> Result<Details, RunDirError> {
    let mut details = Details {
        // Events of a run that is finished say only how long things took: what is torn there is left out.
        events: folder.events().unwrap_or_default(),
        ..Details::default()
    };
    let (mut attempts, mut causes) = (BTreeMap::new(), BTreeMap::new());
    for cell in summary.cells.iter().filter(|cell| cell.attempts > 0) {
        let attempt = folder.attempt(&cell.lane.id, cell.attempts);
        attempts.insert(cell.lane.id.clone(), attempt.events().unwrap_or_default());
        if let Ok(found) = attempt.read_json("causes.json") {
            causes.insert(cell.lane.id.clone(), found);
        }
    }
    details.attempts = attempts;
    details.causes = causes;
    Ok(details)
}

/// When a file was last written, in nanoseconds, and its size.
fn modified(path: &Utf8Path) -> Option<(u128, u64)> {
    let file = fs::metadata(path).ok()?;
    let at = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((at.as_nanos(), file.len()))
}
