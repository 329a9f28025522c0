//! Results that somebody else's run left as JUnit.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Archive, HistoryError,
    pack::{Details, pack},
};
use crate::{
    evidence::{EvidenceDir, junit},
    model::{
        Candidate, CellOutcome, CellSummary, DigestBuilder, ExitCode, Lane, LaneCounts, LaneId,
        Origin, Revision, Role, RunId, RunSummary, SCHEMA_VERSION, SpecName, SpecOutcome,
        SpecResult,
    },
    suite::ginkgo::Names,
};

/// Files of one foreign lane of one night, and what is known of them.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The JUnit files.
    pub files: Vec<Utf8PathBuf>,
    /// The profile that they are filed under.
    pub profile: String,
    /// The lane: `<pairing>.<node>.<sandboxer>.<suite>`, or any name.
    pub lane: String,
    /// When it ran.
    pub at: Timestamp,
    /// Revision by source.
    pub revisions: BTreeMap<String, String>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The id it got: the same for the same files, lane, date and revisions.
    pub run: RunId,
    /// Where it lies.
    pub folder: Utf8PathBuf,
    /// How many specs ran.
    pub specs: usize,
    /// How many failed.
    pub failed: usize,
    /// What is wrong with the files, in words.
    pub problems: Vec<String>,
}

/// Reads the files and files them as a run.
///
/// # Errors
/// When a file cannot be read or is no JUnit, or none holds a result.
pub fn import(archive: &Archive, foreign: &Foreign) -> Result<Imported, HistoryError> {
    let mut merged = junit::JunitReport::default();
    let mut digest = DigestBuilder::new("import").field("lane", &foreign.lane);
    let mut problems = Vec::new();
    for file in &foreign.files {
        let refused = |why: String| HistoryError::Import {
            file: file.clone(),
            why,
        };
        let bytes = fs::read(file).map_err(|error| refused(error.to_string()))?;
        let report = junit::read(&bytes, file.as_str());
        let report = report.map_err(|error| refused(error.to_string()))?;
        if report.dry_run {
            return Err(refused("it comes from a dry run: nothing ran".to_owned()));
        }
        if report.truncated {
            let why = report.problem.as_deref().unwrap_or("it ends early");
            problems.push(format!("{file}: {why}"));
        }
        merged = merged.merge(report);
        digest = digest.field("file", &bytes);
    }
    for (source, revision) in &foreign.revisions {
        digest = digest.field(source, revision);
    }
    let run = run_id(foreign.at, digest.finish().as_str());
    let refused = |why: String| HistoryError::Import {
        file: foreign.files.first().cloned().unwrap_or_default(),
        why,
    };
    let results = merged.results(&Names::default());
    let (specs, suite) = results.map_err(|error| refused(error.to_string()))?;
    let suite = suite.into_iter().map(|node| SpecResult {
        name: SpecName(format!("[{}]", node.node)),
        outcome: node.outcome,
        started_at: None,
        ended_at: None,
        seconds: node.seconds,
        process: None,
        failure: node.failure,
        reason: None,
    });
    let (specs, flaky) = once_each(specs.into_iter().chain(suite));
    if specs.is_empty() {
        return Err(refused(
            "it holds no result: every case is one that was not run".to_owned(),
        ));
    }
    let summary = summary(foreign, run, specs, problems.first());
    let mut packed = pack(&summary, &Details::default());
    packed.run.imported = true;
    let failures = packed
        .run
        .cells
        .iter_mut()
        .flat_map(|cell| &mut cell.failures);
    for failure in failures.filter(|failure| flaky.contains(&failure.spec)) {
        failure.confirmation = Some("flaky".to_owned());
    }
    let folder = EvidenceDir::create(archive.imports().join(run.to_string()))?;
    archive.keep(&folder, &packed)?;
    let counts = packed
        .run
        .cells
        .first()
        .map_or_else(LaneCounts::default, |cell| cell.counts);
    Ok(Imported {
        run,
        folder: folder.path().to_owned(),
        specs: counts.planned as usize,
        failed: counts.failed as usize,
        problems,
    })
}

/// Each spec once, by name: the worst result counts, and one that also passed is flaky. Cases that were not selected, of
/// which every process's file is full, are left out.
fn once_each(results: impl Iterator<Item = SpecResult>) -> (Vec<SpecResult>, Vec<String>) {
    let mut by_name: BTreeMap<SpecName, SpecResult> = BTreeMap::new();
    let mut flaky = Vec::new();
    let rank = |outcome: SpecOutcome| match outcome {
        outcome if outcome.is_failure() => 2,
        SpecOutcome::Passed => 1,
        _ => 0,
    };
    for result in results.filter(|it| it.outcome != SpecOutcome::NotRun) {
        match by_name.get_mut(&result.name) {
            None => {
                by_name.insert(result.name.clone(), result);
            }
            Some(known) => {
                if rank(known.outcome).max(rank(result.outcome)) == 2
                    && rank(known.outcome).min(rank(result.outcome)) == 1
                {
                    flaky.push(result.name.0.clone());
                }
                if rank(result.outcome) > rank(known.outcome) {
                    *known = result;
                }
            }
        }
    }
    (by_name.into_values().collect(), flaky)
}

fn summary(
    foreign: &Foreign,
    run: RunId,
    specs: Vec<SpecResult>,
    problem: Option<&String>,
) -> RunSummary {
    let count = |wanted: fn(SpecOutcome) -> bool| {
        let fits = specs.iter().filter(|spec| wanted(spec.outcome));
        u32::try_from(fits.count()).unwrap_or(u32::MAX)
    };
    let counts = LaneCounts {
        planned: count(|_| true),
        passed: count(|it| it == SpecOutcome::Passed),
        failed: count(SpecOutcome::is_failure),
        skipped: count(|it| it == SpecOutcome::Skipped),
        ..LaneCounts::default()
    };
    let outcome = match problem {
        _ if counts.failed > 0 => CellOutcome::Failed,
        Some(problem) => CellOutcome::Reduced {
            reason: problem.clone(),
        },
        None if counts.passed == 0 => CellOutcome::NoTests,
        None => CellOutcome::Passed,
    };
    let exit = match &outcome {
        CellOutcome::Passed => ExitCode::Passed,
        CellOutcome::Failed => ExitCode::Failed,
        _ => ExitCode::Incomplete,
    };
    let seconds: f64 = specs.iter().map(|spec| spec.seconds).sum();
    let lane = lane(&foreign.lane);
    let revisions = foreign.revisions.iter().map(|(source, revision)| {
        let known = Revision {
            source: source.clone(),
            origin: Origin::Git {
                url: String::new(),
                reference: String::new(),
                commit: revision.clone(),
            },
            version: revision.clone(),
            date: None,
            link: None,
        };
        (source.clone(), known)
    });
    RunSummary {
        schema: SCHEMA_VERSION,
        run,
        profile: foreign.profile.clone(),
        started_at: foreign.at,
        ended_at: None,
        candidates: vec![Candidate {
            pairing: lane.pairing.clone(),
            revisions: revisions.collect(),
            node_images: BTreeMap::new(),
            sandboxers: BTreeMap::new(),
            toolchains: BTreeMap::new(),
            arch: String::new(),
        }],
        environment: None,
        cells: vec![CellSummary {
            counts,
            seconds,
            suite_seconds: seconds,
            attempts: 1,
            specs,
            ..CellSummary::new(lane, outcome)
        }],
        exit,
    }
}

fn lane(name: &str) -> Lane {
    let parts: Vec<&str> = name.split('.').collect();
    let (pairing, node, sandboxer, suite) = match parts.as_slice() {
        [pairing, node, sandboxer, suite] => (*pairing, *node, *sandboxer, *suite),
        _ => ("imported", "", "", name),
    };
    Lane {
        id: LaneId(name.to_owned()),
        pairing: pairing.to_owned(),
        node: node.to_owned(),
        sandboxer: sandboxer.to_owned(),
        handler: sandboxer.to_owned(),
        suite: suite.to_owned(),
        role: Role::Informing,
    }
}

/// An id that sorts by the date like every run's, and is the same for the same results.
fn run_id(at: Timestamp, digest: &str) -> RunId {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let mut random = [0_u8; 10];
    for (to, from) in random.iter_mut().zip(digest.as_bytes().chunks(2)) {
        let text = std::str::from_utf8(from).unwrap_or("00");
        *to = u8::from_str_radix(text, 16).unwrap_or(0);
    }
    RunId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
