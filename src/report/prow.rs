//! The two documents around a Prow job's artifacts, so that Spyglass and TestGrid can show our runs. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{CellSummary, ExitCode, LaneCounts, Origin, Revision, RunSummary};

/// `started.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Started {
    /// Seconds since 1970.
    pub timestamp: i64,
    /// Repository to revision, of the first pairing.
    pub repos: BTreeMap<String, String>,
    /// The revision that heads TestGrid's column.
    #[serde(rename = "repo-commit", skip_serializing_if = "Option::is_none")]
    pub repo_commit: Option<String>,
}

/// `finished.json`. It is written only for a run that ended: without it Prow shows the run as unfinished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Seconds since 1970.
    pub timestamp: i64,
    /// Whether every blocking lane passed.
    pub passed: bool,
    /// `SUCCESS`, `FAILURE` or `ABORTED`.
    pub result: &'static str,
    /// Whatever else is known, as text.
    pub metadata: BTreeMap<String, String>,
}

/// The run's start.
#[must_use]
pub fn started(summary: &RunSummary) -> Started {
    let first = summary.candidates.first();
    let revisions = first.map(|candidate| &candidate.revisions);
    Started {
        timestamp: summary.started_at.as_second(),
        repos: revisions
            .into_iter()
            .flatten()
            .map(|(_, revision)| (repo(revision), at(revision)))
            .collect(),
        repo_commit: revisions
            .and_then(|revisions| revisions.get("kubernetes").or(revisions.values().next()))
            .map(commit),
    }
}

/// The run's end, if it ended.
#[must_use]
pub fn finished(summary: &RunSummary) -> Option<Finished> {
    let ended = summary.ended_at?;
    let mut metadata = BTreeMap::from([
        ("run".to_owned(), summary.run.to_string()),
        ("profile".to_owned(), summary.profile.clone()),
        ("exit-code".to_owned(), summary.exit.code().to_string()),
    ]);
    for candidate in &summary.candidates {
        for (name, revision) in &candidate.revisions {
            let key = format!("{}.{name}", candidate.pairing);
            metadata.insert(key, revision.version.clone());
        }
    }
    if let Some(environment) = &summary.environment {
        let accelerator = environment.accelerator.to_string();
        metadata.insert("accelerator".to_owned(), accelerator);
    }
    let sum = |get: fn(&LaneCounts) -> u32| -> u32 {
        summary.cells.iter().map(|cell| get(&cell.counts)).sum()
    };
    for (name, count) in [
        ("expected-failures", sum(|counts| counts.expected)),
        ("unexpected-passes", sum(|counts| counts.unexpected)),
    ] {
        if count > 0 {
            metadata.insert(name.to_owned(), count.to_string());
        }
    }
    Some(Finished {
        timestamp: ended.as_second(),
        passed: summary.exit == ExitCode::Passed,
        result: match summary.exit {
            ExitCode::Passed => "SUCCESS",
            ExitCode::Interrupted => "ABORTED",
            ExitCode::Failed
            | ExitCode::Usage
            | ExitCode::Infra
            | ExitCode::Build
            | ExitCode::Incomplete => "FAILURE",
        },
        metadata,
    })
}

/// The name of a lane's JUnit file. TestGrid reads `junit_<context>_<number>.xml`, where the context
/// holds no underscore; the number keeps two lanes apart that differ in nothing else.
#[must_use]
pub fn junit_name(index: usize, cell: &CellSummary) -> String {
    let context = cell.lane.id.as_str().replace('_', "-");
    format!("junit_{context}_{:02}.xml", index + 1)
}

/// `org/repo` as Prow writes it, where it is GitHub's.
fn repo(revision: &Revision) -> String {
    match &revision.origin {
        Origin::Git { url, .. } => {
            let path = url
                .split_once("://")
                .map_or(url.as_str(), |(_, rest)| rest)
                .trim_end_matches(".git");
            path.strip_prefix("github.com/").unwrap_or(path).to_owned()
        }
        Origin::GoModule { module, .. } => module.clone(),
        Origin::Crate { name, .. } => name.clone(),
        Origin::Path { path, .. } => path.clone(),
    }
}

/// `ref:commit` as Prow writes it, or the version alone.
fn at(revision: &Revision) -> String {
    match &revision.origin {
        Origin::Git {
            reference, commit, ..
        } => format!("{reference}:{commit}"),
        Origin::GoModule { version, .. } | Origin::Crate { version, .. } => version.clone(),
        Origin::Path { digest, .. } => digest.clone(),
    }
}

fn commit(revision: &Revision) -> String {
    match &revision.origin {
        Origin::Git { commit, .. } => commit.clone(),
        Origin::GoModule { version, .. } | Origin::Crate { version, .. } => version.clone(),
        Origin::Path { digest, .. } => digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn both_documents_are_what_prow_reads() {
        let summary = samples::failed();
        insta::assert_json_snapshot!((started(&summary), finished(&summary)));
    }

    #[test]
    fn a_run_that_did_not_end_has_no_finish() {
        let mut summary = samples::failed();
        summary.ended_at = None;
        assert_eq!(finished(&summary), None);
    }

    #[test]
    fn only_a_passed_run_is_a_success() {
        for summary in samples::all() {
            let finished = finished(&summary).unwrap();
            assert_eq!(finished.passed, summary.exit == ExitCode::Passed);
            assert_eq!(finished.result == "SUCCESS", finished.passed);
        }
    }

    #[test]
    fn two_lanes_never_share_a_file() {
        let mut summary = samples::failed();
        summary.cells[0].lane.id.0 = "a.b_c".to_owned();
        summary.cells[1].lane.id.0 = "a.b-c".to_owned();
        assert_ne!(
            junit_name(0, &summary.cells[0]),
            junit_name(1, &summary.cells[1])
        );
        assert_eq!(junit_name(0, &summary.cells[0]), "junit_a.b-c_01.xml");
    }
}
