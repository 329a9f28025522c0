//! The clusters of a run or of anybody's files, in words: what every report leads with.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        EvidenceDir,
        foreign::{self, FileRead, Reading},
    },
    model::{CellOutcome, ClusterReport, LaneId, RunSummary, SpecName, failed::Failure},
    triage::{Seen, attach, tell},
    verdict::{self, Artifact, Artifacts, LaneCauses, Rules},
};

/// Why an attempt's specs failed, in its folder.
const CAUSES: &str = "causes.json";
/// The verdict of a run, which holds its clusters.
const VERDICT: &str = "verdict.json";

/// The causes behind some failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Triaged {
    /// The clusters, those with the most failures first.
    pub clusters: Vec<ClusterReport>,
    /// Every failure, with the lines of node logs that belong to it.
    pub failures: Vec<Failure>,
    /// Every file that was looked at.
    pub files: Vec<FileRead>,
}

#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    clusters: Option<Vec<ClusterReport>>,
}

/// The clusters of a run: those that its verdict holds, else found anew.
#[must_use]
pub fn clusters(run: &EvidenceDir, summary: &RunSummary) -> Vec<ClusterReport> {
    match run.read_json::<Kept>(VERDICT) {
        Ok(Kept {
            clusters: Some(clusters),
        }) => clusters,
        _ => find(run, summary, Rules::shipped()),
    }
}

/// Clusters the failures of a run across its lanes. Logs that are gone are left out.
#[must_use]
pub fn find(run: &EvidenceDir, summary: &RunSummary, rules: &Rules) -> Vec<ClusterReport> {
    let mut of_lane: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for (failure, cause) in foreign::failures_of(summary) {
        let lane = failure.place.lane.clone();
        let seen = Seen { failure, cause };
        of_lane.entry(lane).or_default().push(seen);
    }
    let mut seen = Vec::new();
    for cell in &summary.cells {
        let Some(mut here) = of_lane.remove(cell.lane.id.as_str()) else {
            continue;
        };
        let attempt = run.attempt(&cell.lane.id, cell.attempts.max(1));
        let causes: LaneCauses = attempt.read_json(CAUSES).unwrap_or_default();
        for seen in &mut here {
            let name = SpecName(seen.failure.test.clone());
            let known = causes.specs.iter().find(|cause| cause.spec == name);
            if let (Some(known), None) = (known, &seen.cause) {
                seen.cause = Some(known.cause.clone());
            }
        }
        let failed = !matches!(cell.outcome, CellOutcome::Stopped { .. });
        if failed && let Ok(artifacts) = verdict::load(attempt.path()) {
            attach(&mut here, &artifacts, rules);
        }
        let folder = folder(&cell.lane.id, cell.attempts.max(1));
        for line in here.iter_mut().flat_map(|seen| &mut seen.failure.lines) {
            if !line.file.starts_with("steps/") && cell.attempts > 0 {
                line.file = format!("{folder}/{}", line.file);
            }
        }
        seen.extend(here);
    }
    tell(&seen, rules)
}

fn folder(lane: &LaneId, attempt: u32) -> String {
    format!("{lane}/{attempt}")
}

/// Clusters what was read from anybody's files.
#[must_use]
pub fn triage(reading: Reading, rules: &Rules) -> Triaged {
    let Reading {
        failures,
        mut causes,
        files,
        logs,
    } = reading;
    let mut seen: Vec<Seen> = failures
        .into_iter()
        .map(|failure| Seen {
            cause: causes.remove(&failure.id),
            failure,
        })
        .collect();
    let mut of_root: BTreeMap<String, Vec<Artifact>> = BTreeMap::new();
    for log in logs {
        of_root.entry(log.root).or_default().push(Artifact {
            name: Utf8PathBuf::from(log.file),
            parts: log.parts,
        });
    }
    for (root, logs) in of_root {
        let below = |seen: &Seen| {
            let file = &seen.failure.place.file;
            root.is_empty() || file.starts_with(&format!("{root}/"))
        };
        let (mut here, rest): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(below);
        attach(&mut here, &Artifacts::new(logs), rules);
        seen = rest;
        seen.extend(here);
    }
    seen.sort_by(|a, b| {
        let key = |seen: &Seen| (seen.failure.place.file.clone(), seen.failure.place.line);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.failure.id.cmp(&b.failure.id))
    });
    let clusters = tell(&seen, rules);
    Triaged {
        clusters,
        failures: seen.into_iter().map(|seen| seen.failure).collect(),
        files,
    }
}

impl Triaged {
    /// One sentence on how much was read.
    #[must_use]
    pub fn words(&self) -> String {
        let read: Vec<&FileRead> = self.files.iter().filter(|f| f.format.is_some()).collect();
        let tests: u64 = read.iter().map(|file| file.tests).sum();
        let skipped = self.files.len() - read.len();
        let mut text = format!(
            "{} from {}",
            counted(self.failures.len(), "failure"),
            counted(read.len(), "file")
        );
        if tests > 0 {
            text.push_str(&format!(" with {}", counted(tests, "test")));
        }
        if skipped > 0 {
            text.push_str(&format!("; {} not read", counted(skipped, "file")));
        }
        text
    }
}

/// `1 failure`, `3 failures`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// `3 tests on 2 lanes`.
#[must_use]
pub fn reach(cluster: &ClusterReport) -> String {
    let tests = counted(cluster.tests.len(), "test");
    match cluster.lanes.len() {
        0 => tests,
        lanes => format!("{tests} on {}", counted(lanes, "lane")),
    }
}

/// Who acts, and who looks after it.
#[must_use]
pub fn acts(cluster: &ClusterReport) -> String {
    let owner = cluster.owner.as_ref();
    let owner = owner.map_or(String::new(), |owner| format!("; owner {owner}"));
    format!("{} ({}){owner}", cluster.blame, cluster.confidence)
}

/// The cluster of a lane's failed spec, or with an empty name of its stop.
#[must_use]
pub fn cluster_of<'c>(
    clusters: &'c [ClusterReport],
    lane: &LaneId,
    test: &str,
) -> Option<&'c ClusterReport> {
    clusters.iter().find(|cluster| {
        cluster.tests.iter().any(|hit| {
            let named = match test {
                "" => hit.test.starts_with('[') && !hit.test.contains("] "),
                test => hit.test == test,
            };
            named && hit.lanes.iter().any(|known| known == lane.as_str())
        })
    })
}
