//! Reads what a page shows beside the summary: events, file lists and log excerpts.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    ReportContext, clusters, compose,
    excerpt::{Excerpt, around, failed_spec_line},
    links::file_link,
    words::failures,
};
use crate::{
    evidence::{EvidenceDir, RunDirError},
    model::{
        Cause, CellOutcome, CellSummary, ClusterReport, Event, EvidenceLine, Failure, LaneId,
        RunSummary, SpecName,
    },
    verdict::LaneCauses,
};

/// Why an attempt's specs failed, in its folder.
const CAUSES: &str = "causes.json";
/// Logs above this are not read for excerpts; the link to the file remains.
const LARGEST_LOG: u64 = 256 << 20;
/// Excerpts of spec failures for one lane; a lane in which everything fails says the same again and again.
const MOST_EXCERPTS: usize = 200;

/// What the run directory holds.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The run's events.
    pub events: Vec<Event>,
    /// By lane.
    pub lanes: BTreeMap<LaneId, FoundLane>,
    /// The causes behind the run's failures.
    pub clusters: Vec<ClusterReport>,
    /// For each of them the surroundings of its line.
    pub excerpts: Vec<Option<Excerpt>>,
}

/// What the last attempt of a lane holds.
#[derive(Clone, Debug, Default)]
pub struct FoundLane {
    /// The attempt's folder, relative to the run's.
    pub folder: String,
    /// The attempt's events.
    pub events: Vec<Event>,
    /// Its files and their sizes, sorted.
    pub files: Vec<(String, u64)>,
    /// For each line of evidence of the lane's cause, its surroundings.
    pub cause: Vec<Option<Excerpt>>,
    /// By failed spec, the log around its failure.
    pub specs: BTreeMap<SpecName, Excerpt>,
    /// Why its specs failed, as far as the verdict says.
    pub causes: LaneCauses,
    /// For each line of evidence of the cause that its failed specs share, its surroundings.
    pub common: Vec<Option<Excerpt>>,
}

/// The page's context, with what the run directory holds.
///
/// # Errors
/// When a document of the run directory is there and cannot be read. Logs that are gone are left out.
pub fn context(run_dir: &EvidenceDir, summary: &RunSummary) -> Result<ReportContext, RunDirError> {
    Ok(compose(summary, &gather(run_dir, summary)?))
}

/// Reads events, file lists and excerpts.
///
/// # Errors
/// As [`context`].
pub fn gather(run_dir: &EvidenceDir, summary: &RunSummary) -> Result<Found, RunDirError> {
    let mut found = Found {
        events: run_dir.events()?,
        clusters: clusters::clusters(run_dir, summary),
        ..Found::default()
    };
    // Lines of clusters are named from the run directory.
    let mut logs = Logs {
        root: run_dir.path(),
        attempt: run_dir.path(),
        read: BTreeMap::new(),
    };
    for cluster in &found.clusters {
        let line = cluster.line.as_ref().filter(|line| line.line > 0);
        found.excerpts.push(line.and_then(|line| logs.at(line)));
    }
    for cell in &summary.cells {
        found
            .lanes
            .insert(cell.lane.id.clone(), lane(run_dir, cell)?);
    }
    Ok(found)
}

fn lane(run_dir: &EvidenceDir, cell: &CellSummary) -> Result<FoundLane, RunDirError> {
    let attempt = run_dir.attempt(&cell.lane.id, cell.attempts.max(1));
    let mut logs = Logs {
        root: run_dir.path(),
        attempt: attempt.path(),
        read: BTreeMap::new(),
    };
    let causes: LaneCauses = if attempt.file(CAUSES).exists() {
        attempt.read_json(CAUSES)?
    } else {
        LaneCauses::default()
    };
    let mut excerpts = |cause: &Cause| {
        cause
            .evidence
            .iter()
            .map(|line| logs.at(line))
            .collect::<Vec<_>>()
    };
    let common = causes.common.as_ref().map_or(Vec::new(), &mut excerpts);
    let cause = match &cell.outcome {
        CellOutcome::Stopped { cause } => excerpts(cause),
        _ => Vec::new(),
    };
    let specs = failures(cell)
        .take(MOST_EXCERPTS)
        .filter_map(|spec| {
            let excerpt = logs.failure(&spec.name, spec.failure.as_ref()?)?;
            Some((spec.name.clone(), excerpt))
        })
        .collect();
    let mut files = Vec::new();
    list(attempt.path(), "", &mut files);
    files.sort();
    Ok(FoundLane {
        folder: relative(run_dir.path(), attempt.path()),
        events: attempt.events()?,
        files,
        cause,
        specs,
        causes,
        common,
    })
}

struct Logs<'a> {
    root: &'a Utf8Path,
    attempt: &'a Utf8Path,
    read: BTreeMap<Utf8PathBuf, Option<String>>,
}

impl Logs<'_> {
    fn text(&mut self, path: &Utf8Path) -> Option<&str> {
        self.read
            .entry(path.to_owned())
            .or_insert_with(|| {
                let size = fs::metadata(path).ok()?.len();
                let bytes = (size <= LARGEST_LOG)
                    .then(|| fs::read(path).ok())
                    .flatten()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            })
            .as_deref()
    }

    fn excerpt(&mut self, path: &Utf8Path, line: u64) -> Option<Excerpt> {
        let lines = around(self.text(path)?, line);
        let file = relative(self.root, path);
        (!lines.is_empty()).then(|| Excerpt {
            href: file_link(&file),
            file,
            line,
            lines,
        })
    }

    /// Evidence names its file relative to the attempt's folder, or a step's log to the run's.
    fn at(&mut self, evidence: &EvidenceLine) -> Option<Excerpt> {
        // A path out of the run directory is not ours to show.
        let inside = evidence
            .file
            .components()
            .all(|part| matches!(part, camino::Utf8Component::Normal(_)));
        if !inside {
            return None;
        }
        let folders = [self.attempt.to_owned(), self.root.to_owned()];
        folders.into_iter().find_map(|folder| {
            let excerpt = self.excerpt(&folder.join(&evidence.file), evidence.line)?;
            // The same file name in another folder is another log.
            let words = super::excerpt::plain(evidence.text.trim());
            let start: String = words.chars().take(40).collect();
            excerpt
                .lines
                .iter()
                .any(|line| line.hit && line.text.contains(&start))
                .then_some(excerpt)
        })
    }

    fn failure(&mut self, spec: &SpecName, failure: &Failure) -> Option<Excerpt> {
        // A divided lane's calls have logs of their own.
        let mut folders = vec![self.attempt.to_owned()];
        folders.extend(folders_in(self.attempt));
        folders.into_iter().find_map(|folder| {
            let path = folder.join("suite.log");
            let line = failed_spec_line(self.text(&path)?, &spec.0, &failure.message)?;
            self.excerpt(&path, line)
        })
    }
}

fn folders_in(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = folder.read_dir_utf8().into_iter().flatten();
    let mut folders: Vec<Utf8PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn relative(root: &Utf8Path, path: &Utf8Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string()
}

/// Two levels are enough: an attempt's files and those of the suite's own folder.
fn list(folder: &Utf8Path, prefix: &str, files: &mut Vec<(String, u64)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let (Ok(metadata), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else {
            continue;
        };
        if metadata.is_file() {
            files.push((format!("{prefix}{name}"), metadata.len()));
        } else if metadata.is_dir() && prefix.is_empty() {
            list(&folder.join(&name), &format!("{name}/"), files);
        }
    }
}
