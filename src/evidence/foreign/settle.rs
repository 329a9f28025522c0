//! From what single files say to the failures of all of them: whose they are, and what two files both tell. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    found::{Draft, FileRead, Format, Limits, NodeLog, Parsed, Reading, bounded},
    own_run,
    sniff::ProwDocument,
};
use crate::model::{
    Cause, CellSummary, Digest, RunSummary,
    failed::{Failure, Place},
};

/// One file that was understood.
pub(super) struct Item {
    /// Its place in the list of files.
    pub read: usize,
    pub file: String,
    pub what: What,
}

pub(super) enum What {
    Results(Parsed),
    Run(Box<RunSummary>),
    Cell(Box<CellSummary>),
    Prow(ProwDocument),
    NodeLog(Vec<(u64, String)>),
}

/// A Prow job, as its documents tell.
#[derive(Default)]
struct Job {
    job: String,
    build: String,
    passed: Option<bool>,
    finished: Option<i64>,
}

/// Folders that name no lane.
const PLAIN: [&str; 14] = [
    "artifacts",
    "artifact",
    "reports",
    "report",
    "results",
    "test-results",
    "junit",
    "surefire-reports",
    "failsafe-reports",
    "target",
    "build",
    "logs",
    "output",
    "out",
];

pub(super) fn settle(
    items: Vec<Item>,
    mut files: Vec<FileRead>,
    roots: &[String],
    limits: &Limits,
) -> Reading {
    let jobs = jobs(&items);
    let runs: BTreeSet<String> = items
        .iter()
        .filter(|item| matches!(item.what, What::Run(_)))
        .map(|item| folder(&item.file).to_owned())
        .collect();
    let told = told(&items);
    let mut logs = Vec::new();
    let mut cells: BTreeMap<String, (usize, Box<CellSummary>)> = BTreeMap::new();
    let mut summaries = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    let mut own = Vec::new();
    let mut kept = 0;
    let mut results = Vec::new();
    for item in items {
        match item.what {
            What::Cell(cell) => {
                cells.insert(folder(&item.file).to_owned(), (item.read, cell));
            }
            What::Run(summary) => {
                summaries.push((folder(&item.file).to_owned(), item.read, summary))
            }
            What::NodeLog(parts) => {
                let own = enclosing(&runs, &item.file).map(|_| folder(&item.file));
                let root = own
                    .or_else(|| enclosing_job(&jobs, &item.file))
                    .or_else(|| root_of(roots, &item.file))
                    .unwrap_or_default();
                logs.push(NodeLog {
                    root: root.to_owned(),
                    file: item.file,
                    parts,
                });
            }
            What::Prow(_) => {}
            What::Results(parsed) => results.push((item.read, item.file, parsed)),
        }
    }
    for (root, read, summary) in summaries {
        let found = of_run(&root, &summary, &cells);
        files[read].tests = summary
            .cells
            .iter()
            .map(|cell| cell.specs.len() as u64)
            .sum();
        files[read].failures = found.len() as u64;
        own.extend(found);
    }
    own.extend(lonely(&runs, cells, &mut files));
    let mut causes = BTreeMap::new();
    for (failure, cause) in own {
        causes.extend(cause.map(|cause| (failure.id.clone(), cause)));
        failures.push(failure);
    }
    for (read, file, parsed) in results {
        if enclosing(&runs, &file).is_some() {
            files[read].note = Some("the run's summary tells of it".to_owned());
            continue;
        }
        let job_root = enclosing_job(&jobs, &file);
        let job = job_root.and_then(|root| jobs.get(root));
        if let Some(why) = told_elsewhere(&parsed, &file, job_root, job, &told) {
            files[read].note = Some(why);
            continue;
        }
        let before = failures.len();
        let mut left_out = 0;
        for draft in parsed.failures {
            if told.says_better(parsed.format, &file, job_root, &draft.test) {
                left_out += 1;
                continue;
            }
            failures.push(failure(draft, &file, job, roots, limits, &mut kept));
        }
        files[read].failures = (failures.len() - before) as u64;
        if left_out > 0 && files[read].note.is_none() {
            files[read].note = Some(format!("{left_out} of its failures stand in a better file"));
        }
    }
    failures.sort_by(|a, b| {
        let key = |failure: &Failure| (failure.place.file.clone(), failure.place.line);
        key(a).cmp(&key(b))
    });
    identify(&mut failures);
    files.sort_by(|a, b| a.file.cmp(&b.file));
    Reading {
        failures,
        causes,
        files,
        logs,
    }
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn within(file: &str, root: &str) -> bool {
    root.is_empty()
        || file
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folders above a file, nearest first.
fn above(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder(file)), |path| {
        (!path.is_empty()).then(|| folder(path))
    })
}

fn enclosing<'a>(roots: &'a BTreeSet<String>, file: &str) -> Option<&'a str> {
    above(file).find_map(|path| roots.get(path).map(String::as_str))
}

fn enclosing_job<'a>(jobs: &'a BTreeMap<String, Job>, file: &str) -> Option<&'a str> {
    above(file).find_map(|path| jobs.get_key_value(path).map(|(root, _)| root.as_str()))
}

fn root_of<'a>(roots: &'a [String], file: &str) -> Option<&'a str> {
    let fits = roots.iter().filter(|root| within(file, root));
    fits.max_by_key(|root| root.len()).map(String::as_str)
}

fn jobs(items: &[Item]) -> BTreeMap<String, Job> {
    let mut jobs: BTreeMap<String, Job> = BTreeMap::new();
    for item in items {
        let What::Prow(document) = &item.what else {
            continue;
        };
        let root = folder(&item.file);
        let job = jobs.entry(root.to_owned()).or_default();
        if !document.spec.job.is_empty() {
            document.spec.job.clone_into(&mut job.job);
        }
        if !document.status.build_id.is_empty() {
            document.status.build_id.clone_into(&mut job.build);
        }
        if item.file.ends_with("finished.json") {
            let result = document.result.as_deref();
            job.passed = document.passed.or_else(|| Some(result? == "SUCCESS"));
            job.finished = document.timestamp;
        }
        // `…/logs/<job>/<build>/finished.json`
        let mut parts = root.rsplit('/');
        let last = parts.next().unwrap_or_default();
        let numbered = last.len() >= 4 && last.bytes().all(|byte| byte.is_ascii_digit());
        if job.build.is_empty() {
            last.clone_into(&mut job.build);
        }
        if job.job.is_empty() && numbered {
            parts.next().unwrap_or_default().clone_into(&mut job.job);
        }
    }
    jobs
}

/// Which tests structured files tell of, by folder.
struct Told(BTreeMap<(u8, String), BTreeSet<String>>);

/// The better a format tells of a test, the lower.
const fn rank(format: Format) -> u8 {
    match format {
        Format::Junit => 0,
        Format::GinkgoJson => 1,
        Format::GoTestJson => 2,
        Format::Tap => 3,
        Format::JsonLines => 0,
        _ => 9,
    }
}

fn told(items: &[Item]) -> Told {
    let mut told = Told(BTreeMap::new());
    for item in items {
        let What::Results(parsed) = &item.what else {
            continue;
        };
        if parsed.weak || parsed.failures.is_empty() {
            continue;
        }
        let key = (rank(parsed.format), folder(&item.file).to_owned());
        let tests = parsed.failures.iter().map(|draft| draft.test.clone());
        told.0.entry(key).or_default().extend(tests);
    }
    told
}

impl Told {
    /// Whether a file of a better format tells of the same test: beside it, or for a log anywhere below it or within
    /// the same job.
    fn says_better(&self, format: Format, file: &str, job: Option<&str>, test: &str) -> bool {
        let (own, here) = (rank(format), folder(file));
        self.0.iter().any(|((rank, there), tests)| {
            let near = match format {
                Format::Log => within(there, job.unwrap_or(here)),
                // Two files of two tools beside each other tell of the same tests only when both are Ginkgo's.
                Format::GinkgoJson => there == here,
                _ => false,
            };
            *rank < own && near && tests.contains(test)
        })
    }

    fn anything(&self, root: &str) -> bool {
        self.0.keys().any(|(_, there)| within(there, root))
    }
}

/// Why the last words of a log count for nothing: the job passed, or tests tell more.
fn told_elsewhere(
    parsed: &Parsed,
    file: &str,
    job_root: Option<&str>,
    job: Option<&Job>,
    told: &Told,
) -> Option<String> {
    if !parsed.weak {
        return None;
    }
    if job.is_some_and(|job| job.passed == Some(true)) {
        return Some("its job passed".to_owned());
    }
    let root = job_root.unwrap_or_else(|| folder(file));
    told.anything(root)
        .then(|| "failed tests beside it tell more".to_owned())
}

/// A run's failures, with whole texts where the attempts' judgements are there, and files as they were given.
fn of_run(
    root: &str,
    summary: &RunSummary,
    cells: &BTreeMap<String, (usize, Box<CellSummary>)>,
) -> Vec<(Failure, Option<Cause>)> {
    let run = summary.run.to_string();
    let mut found = Vec::new();
    for cell in &summary.cells {
        let attempt = format!("{root}/{}/{}", cell.lane.id, cell.attempts);
        let mut whole = cell.clone();
        if let Some((_, judged)) = cells.get(&attempt) {
            // The summary knows more of outcomes, the attempt more of texts.
            for spec in &mut whole.specs {
                let known = judged.specs.iter().find(|known| known.name == spec.name);
                if let Some(failure) = known.and_then(|known| known.failure.clone()) {
                    spec.failure = Some(failure);
                }
            }
        }
        found.extend(own_run::of_cell(&run, &whole));
    }
    for (failure, _) in &mut found {
        failure.place.file = format!("{root}/{}", failure.place.file);
    }
    found
}

/// Failures of attempts whose run has no summary: of each lane those of its last attempt.
fn lonely(
    runs: &BTreeSet<String>,
    cells: BTreeMap<String, (usize, Box<CellSummary>)>,
    files: &mut [FileRead],
) -> Vec<(Failure, Option<Cause>)> {
    let mut last: BTreeMap<String, (usize, Box<CellSummary>, String)> = BTreeMap::new();
    for (path, (read, cell)) in cells {
        if enclosing(runs, &format!("{path}/cell.json")).is_some() {
            continue;
        }
        let lane = folder(&path).to_owned();
        let newer = last
            .get(&lane)
            .is_none_or(|(_, known, _)| known.attempts < cell.attempts);
        if newer {
            last.insert(lane, (read, cell, path));
        }
    }
    let mut found = Vec::new();
    for (lane, (read, cell, path)) in last {
        let run = folder(&lane).rsplit('/').next().unwrap_or_default();
        let mut of_cell = own_run::of_cell(run, &cell);
        for (failure, _) in &mut of_cell {
            let base = failure.place.file.rsplit('/').next().unwrap_or_default();
            failure.place.file = format!("{path}/{base}");
        }
        files[read].tests = cell.specs.len() as u64;
        files[read].failures = of_cell.len() as u64;
        found.extend(of_cell);
    }
    found
}

fn failure(
    draft: Draft,
    file: &str,
    job: Option<&Job>,
    roots: &[String],
    limits: &Limits,
    kept: &mut usize,
) -> Failure {
    let finished = job
        .and_then(|job| job.finished)
        .and_then(|at| jiff::Timestamp::from_second(at).ok());
    let mut failure = Failure {
        id: draft.id.unwrap_or_default(),
        suite: draft.suite,
        test: draft.test,
        message: draft.message,
        output: draft.output,
        began: draft.began,
        at: draft.at.or(finished),
        place: Place {
            run: job.map_or(String::new(), |job| job.build.clone()),
            lane: job
                .map(|job| job.job.clone())
                .filter(|job| !job.is_empty())
                .unwrap_or_else(|| lane_of(file, roots)),
            file: file.to_owned(),
            line: draft.line,
            ..Place::default()
        },
        lines: Vec::new(),
        rule: None,
    };
    if *kept > limits.kept {
        failure.message = bounded(&failure.message, 16 << 10);
        failure.output = bounded(&failure.output, 1 << 10);
    }
    *kept += failure.message.len() + failure.output.len() + failure.test.len();
    failure
}

/// The folders below what was given that may name a lane: `v1.31/artifacts/junit.xml` is of `v1.31`.
fn lane_of(file: &str, roots: &[String]) -> String {
    let root = root_of(roots, file).unwrap_or_default();
    let below = folder(file).strip_prefix(root).unwrap_or_default();
    let parts: Vec<&str> = below
        .split('/')
        .filter(|part| !part.is_empty() && !PLAIN.contains(&part.to_ascii_lowercase().as_str()))
        .collect();
    if parts.is_empty() && roots.len() > 1 {
        let name = root.rsplit('/').next().unwrap_or(root);
        return name.split('.').next().unwrap_or(name).to_owned();
    }
    parts.join("/")
}

/// Gives every failure an id of its own: the one that its file gives, or one that depends on nothing but its file, its
/// test, and how many of that name come before it there.
fn identify(failures: &mut [Failure]) {
    let mut given: BTreeMap<String, u32> = BTreeMap::new();
    for failure in failures.iter() {
        if !failure.id.is_empty() {
            *given.entry(failure.id.clone()).or_default() += 1;
        }
    }
    let mut seen: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for failure in failures {
        if given.get(&failure.id) == Some(&1) && taken.insert(failure.id.clone()) {
            continue;
        }
        let place = &failure.place;
        let key = (place.file.clone(), failure.test.clone(), failure.id.clone());
        let number = seen.entry(key).or_default();
        loop {
            *number += 1;
            let words = format!("{}\0{}\0{}\0{number}", place.file, failure.test, failure.id);
            let id = Digest::of(words.as_bytes()).short().to_owned();
            if taken.insert(id.clone()) {
                failure.id = id;
                break;
            }
        }
    }
}
