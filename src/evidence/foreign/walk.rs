//! From paths to readings: the only file here, beside `archive`, that touches the file system.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    archive::{self, At},
    found::{FileRead, Format, Limits, Reading},
    node_log, own_run,
    settle::{self, Item},
    sniff::{self, Content},
};
use crate::model::RunSummary;

/// A path that was given cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    Path {
        /// The path as given.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads files, folders and archives. What cannot be read or understood is listed in the reading with the reason.
///
/// # Errors
/// When one of `paths` itself is not there.
pub fn read(paths: &[Utf8PathBuf], limits: Limits) -> Result<Reading, ForeignError> {
    let mut collector = Collector::new(limits);
    let mut roots = Vec::new();
    for path in paths {
        let refused = |source: io::Error| ForeignError::Path {
            path: path.clone(),
            source,
        };
        // A path that a person gave may be a link.
        let metadata = fs::metadata(path).map_err(refused)?;
        let name = path.as_str().trim_end_matches('/').to_owned();
        let name = if name.is_empty() {
            "/".to_owned()
        } else {
            name
        };
        if metadata.is_dir() {
            collector.folder(path, &name, 0);
        } else {
            collector.open(path, &name, true).map_err(refused)?;
        }
        roots.push(name);
    }
    Ok(settle::settle(
        collector.items,
        collector.files,
        &roots,
        &limits,
    ))
}

/// What was read so far.
pub(super) struct Collector {
    pub limits: Limits,
    /// Bytes that may still be read.
    pub left: u64,
    entries: usize,
    log_bytes: usize,
    items: Vec<Item>,
    files: Vec<FileRead>,
}

impl Collector {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            left: limits.total,
            entries: 0,
            log_bytes: 0,
            items: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Counts an entry; says no when there were too many.
    pub(super) fn count(&mut self, name: &str) -> bool {
        self.entries += 1;
        if self.entries == self.limits.entries + 1 {
            let most = self.limits.entries;
            self.skip(
                name,
                format!("more than {most} files; the rest is not read"),
            );
        }
        self.entries <= self.limits.entries
    }

    /// A file that is not read.
    pub(super) fn skip(&mut self, name: &str, why: String) {
        self.files.push(FileRead {
            file: name.to_owned(),
            note: Some(why),
            ..FileRead::default()
        });
    }

    /// Something about a file that is read all the same.
    pub(super) fn remark(&mut self, name: &str, what: String) {
        self.skip(name, what);
    }

    /// Reads a file's content.
    pub(super) fn parse(&mut self, name: &str, bytes: &[u8], explicit: bool) {
        let content = match sniff::read(name, bytes, explicit, &self.limits) {
            Ok(content) => content,
            Err(why) => return self.skip(name, why),
        };
        let mut read = FileRead {
            file: name.to_owned(),
            ..FileRead::default()
        };
        let content = match content {
            Content::NodeLog(text) => {
                read.format = Some(Format::NodeLog);
                if self.log_bytes + text.len().min(32 << 20) > self.limits.logs {
                    let why = "the node logs are together larger than what is kept";
                    return self.skip(name, why.to_owned());
                }
                let parts = node_log::parts(&text, 32 << 20);
                self.log_bytes += parts.iter().map(|(_, text)| text.len()).sum::<usize>();
                settle::What::NodeLog(parts)
            }
            Content::Prow(document) => {
                read.format = Some(Format::Prow);
                settle::What::Prow(document)
            }
            Content::Run(summary) => {
                read.format = Some(Format::OwnRun);
                settle::What::Run(summary)
            }
            Content::Cell(cell) => {
                read.format = Some(Format::OwnRun);
                settle::What::Cell(cell)
            }
            Content::Results(parsed) => {
                read.format = Some(parsed.format);
                (read.tests, read.note) = (parsed.tests, parsed.note.clone());
                settle::What::Results(parsed)
            }
        };
        self.items.push(Item {
            read: self.files.len(),
            file: name.to_owned(),
            what: content,
        });
        self.files.push(read);
    }

    fn open(&mut self, path: &Utf8Path, name: &str, explicit: bool) -> io::Result<()> {
        let mut file = fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            self.skip(name, "it is no file".to_owned());
            return Ok(());
        }
        let at = At {
            name,
            explicit,
            nested: 0,
        };
        let mut head = [0; 4];
        let read = file.read(&mut head)?;
        file.seek(io::SeekFrom::Start(0))?;
        if archive::is_zip(head.get(..read).unwrap_or_default()) {
            archive::unzip(self, at, io::BufReader::new(file));
        } else {
            archive::take(self, at, &mut file);
        }
        Ok(())
    }

    fn folder(&mut self, path: &Utf8Path, name: &str, depth: usize) {
        if depth > self.limits.depth {
            let most = self.limits.depth;
            return self.skip(name, format!("more than {most} folders inside each other"));
        }
        let mut entries: Vec<(String, std::fs::FileType)> = match fs::read_dir(path) {
            Ok(entries) => entries
                .filter_map(Result::ok)
                .filter_map(|entry| {
                    let kind = entry.file_type().ok()?;
                    Some((entry.file_name().to_string_lossy().into_owned(), kind))
                })
                .collect(),
            Err(error) => return self.skip(name, error.to_string()),
        };
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let has = |wanted: &str| entries.iter().any(|(name, _)| name == wanted);
        if has("summary.json") && has("events.jsonl") && self.own_run(path, name) {
            return;
        }
        for (base, kind) in entries {
            let (path, name) = (path.join(&base), format!("{name}/{base}"));
            if !self.count(&name) {
                return;
            }
            if kind.is_dir() {
                self.folder(&path, &name, depth + 1);
            } else if !kind.is_file() {
                self.skip(&name, "it is a link or a device".to_owned());
            } else if let Some(why) = sniff::unwanted(&base, false) {
                self.skip(&name, why);
            } else if let Err(error) = self.open(&path, &name, false) {
                self.skip(&name, error.to_string());
            }
        }
    }

    /// Reads a run directory: its summary, and of the lanes that failed their judgement and their logs.
    fn own_run(&mut self, path: &Utf8Path, name: &str) -> bool {
        let Some(summary) = fs::read(path.join("summary.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<RunSummary>(&bytes).ok())
        else {
            return false;
        };
        let failed: BTreeSet<String> = summary
            .cells
            .iter()
            .filter(|cell| cell.attempts > 0 && !own_run::of_cell("", cell).is_empty())
            .map(|cell| format!("{}/{}", cell.lane.id, cell.attempts))
            .collect();
        let _ = self.open(
            &path.join("summary.json"),
            &format!("{name}/summary.json"),
            false,
        );
        for folder in failed {
            let Ok(entries) = fs::read_dir(path.join(&folder)) else {
                continue;
            };
            let mut names: Vec<String> = entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|base| base == "cell.json" || node_log::is_node_log(base))
                .collect();
            names.sort();
            for base in names {
                let file = path.join(&folder).join(&base);
                let shown = format!("{name}/{folder}/{base}");
                if let Err(error) = self.open(&file, &shown, false) {
                    self.skip(&shown, error.to_string());
                }
            }
        }
        true
    }
}
