//! `verdict.json`: what a run says, with the evidence it rests on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ExpectationVerdict, GateResult, GateState, LaneCauses, SpecCause, exit_code, exit_of,
    expectations,
};
use crate::model::{
    Cause, CellOutcome, CellSummary, ClusterReport, Confirmation, ConfirmedSpec, ExitCode, Lane,
    LaneCounts, LaneId, Rerun, Role, RunId, RunSummary, SCHEMA_VERSION, SpecName, SpecOutcome,
};

/// A run's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The version of this document.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// Its profile's name.
    pub profile: String,
    /// One sentence: `1 of 2 blocking lanes failed: crun: 1 spec`.
    pub headline: String,
    /// What the run exits with.
    pub exit: ExitCode,
    /// The same as a number.
    pub exit_status: u8,
    /// The causes behind the failures of all lanes, the largest first; absent in verdicts older than clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<ClusterReport>>,
    /// Lanes that decide, in the plan's order.
    pub blocking: Vec<LaneVerdict>,
    /// Lanes that are listed and never decide.
    pub informing: Vec<LaneVerdict>,
    /// Every gate of the profile.
    pub gates: Vec<GateResult>,
    /// Every failure that the profile expects, those first that need somebody.
    #[serde(default)]
    pub expectations: Vec<ExpectationVerdict>,
    /// Every contradiction in the evidence, with its lane.
    pub disagreements: Vec<String>,
}

/// One lane of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneVerdict {
    /// Which.
    pub lane: Lane,
    /// How it ended; a stop holds its cause with the evidence.
    pub outcome: CellOutcome,
    /// Specs by outcome.
    pub counts: LaneCounts,
    /// The outcome in one clause: `2 of 19 specs failed`.
    pub words: String,
    /// The one cause that all failed specs share, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<Cause>,
    /// Every spec that counts against the lane, and why.
    pub failures: Vec<SpecVerdict>,
    /// Contradictions in its evidence.
    pub disagreements: Vec<String>,
}

/// One failed spec of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpecVerdict {
    /// Which.
    pub spec: SpecName,
    /// How it ended.
    pub outcome: SpecOutcome,
    /// Why, where that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Sandboxers on which the same spec passed in this run, same pairing, node and suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_on: Vec<String>,
    /// What the failure turned out to be, where failed specs ran again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// Its further tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reruns: Vec<Rerun>,
}

impl Verdict {
    /// The verdict over a run whose cells are final. `causes` holds what [`super::explain_all`] found, by lane.
    #[must_use]
    pub fn of(
        run: &RunSummary,
        causes: &BTreeMap<LaneId, LaneCauses>,
        gates: Vec<GateResult>,
    ) -> Self {
        // A Ctrl-C or a usage error decides over any lane; everything else follows from the lanes.
        let exit = match run.exit {
            ExitCode::Interrupted | ExitCode::Usage => run.exit,
            _ => exit_code(&run.cells, &gates),
        };
        let nothing = LaneCauses::default();
        let lane = |cell: &CellSummary| {
            lane_verdict(run, cell, causes.get(&cell.lane.id).unwrap_or(&nothing))
        };
        let of_role = |role: Role| -> Vec<LaneVerdict> {
            let cells = run.cells.iter().filter(|cell| cell.lane.role == role);
            cells.map(lane).collect()
        };
        let said = run.cells.iter().flat_map(|cell| {
            let id = &cell.lane.id;
            cell.disagreements
                .iter()
                .map(move |what| format!("{id}: {what}"))
        });
        Self {
            schema: SCHEMA_VERSION,
            run: run.run,
            profile: run.profile.clone(),
            headline: headline(run, &gates, exit),
            exit,
            exit_status: exit.code(),
            clusters: None,
            blocking: of_role(Role::Blocking),
            informing: of_role(Role::Informing),
            disagreements: said.collect(),
            gates,
            expectations: expectations(run),
        }
    }
}

/// The JSON Schema of `verdict.json`.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Verdict)
}

fn lane_verdict(run: &RunSummary, cell: &CellSummary, causes: &LaneCauses) -> LaneVerdict {
    let failures = cell.specs.iter().filter(|spec| spec.outcome.is_failure());
    LaneVerdict {
        lane: cell.lane.clone(),
        outcome: cell.outcome.clone(),
        counts: cell.counts,
        words: words(cell),
        common: causes.common.clone(),
        failures: failures
            .map(|spec| SpecVerdict {
                spec: spec.name.clone(),
                outcome: spec.outcome,
                cause: cause_of(&causes.specs, &spec.name),
                passed_on: passed_on(run, cell, &spec.name),
                confirmation: confirmed(cell, &spec.name).map(|c| c.confirmation.clone()),
                reruns: confirmed(cell, &spec.name).map_or(Vec::new(), |c| c.reruns.clone()),
            })
            .collect(),
        disagreements: cell.disagreements.clone(),
    }
}

fn cause_of(causes: &[SpecCause], spec: &SpecName) -> Option<Cause> {
    let found = causes.iter().find(|cause| cause.spec == *spec)?;
    Some(found.cause.clone())
}

fn confirmed<'c>(cell: &'c CellSummary, spec: &SpecName) -> Option<&'c ConfirmedSpec> {
    cell.confirmed.iter().find(|known| known.spec == *spec)
}

fn passed_on(run: &RunSummary, cell: &CellSummary, spec: &SpecName) -> Vec<String> {
    let sibling = |other: &&CellSummary| {
        let (a, b) = (&other.lane, &cell.lane);
        a.pairing == b.pairing
            && a.node == b.node
            && a.suite == b.suite
            && a.sandboxer != b.sandboxer
    };
    let passed = |other: &&CellSummary| {
        let mut specs = other.specs.iter();
        specs.any(|s| s.name == *spec && s.outcome == SpecOutcome::Passed)
    };
    let others = run.cells.iter().filter(sibling).filter(passed);
    others.map(|other| other.lane.sandboxer.clone()).collect()
}

fn words(cell: &CellSummary) -> String {
    let counts = &cell.counts;
    match &cell.outcome {
        CellOutcome::Passed if counts.expected + counts.unexpected > 0 => {
            let mut text = format!("{} of {} specs passed", counts.passed, counts.planned);
            if counts.expected > 0 {
                text = format!("{text}, {} failed as expected", counts.expected);
            }
            if counts.unexpected > 0 {
                text = format!("{text}, {} passed unexpectedly", counts.unexpected);
            }
            text
        }
        CellOutcome::Passed => format!("all {} specs passed", counts.planned),
        CellOutcome::Failed => format!("{} of {} specs failed", counts.failed, counts.planned),
        CellOutcome::Reduced { reason } => format!("reduced: {reason}"),
        CellOutcome::NoTests => "the suite selected no specs".to_owned(),
        CellOutcome::NotRun { reason } => format!("not run: {reason}"),
        CellOutcome::Stopped { cause } => format!("stopped in {}: {}", cause.phase, cause.summary),
    }
}

fn headline(run: &RunSummary, gates: &[GateResult], exit: ExitCode) -> String {
    let blocking: Vec<&CellSummary> = run
        .cells
        .iter()
        .filter(|cell| cell.lane.role == Role::Blocking)
        .collect();
    let red: Vec<&CellSummary> = blocking
        .iter()
        .copied()
        .filter(|cell| exit_of(cell) != ExitCode::Passed)
        .collect();
    let missed: Vec<&str> = gates
        .iter()
        .filter(|gate| gate.state == GateState::Missed)
        .map(|gate| gate.words.as_str())
        .collect();
    let mut text = match (blocking.len(), red.len()) {
        (0, _) => "Nothing was decided: the run has no blocking lane".to_owned(),
        (1, 0) => "The blocking lane passed".to_owned(),
        (all, 0) => format!("All {all} blocking lanes passed"),
        (all, bad) => format!(
            "{bad} of {all} blocking {} {}: {}",
            lanes(all),
            verb(&red),
            named(&red)
        ),
    };
    if !missed.is_empty() {
        text = format!("{text}; gate {}", missed.join("; gate "));
    }
    let unexpected: u32 = run.cells.iter().map(|cell| cell.counts.unexpected).sum();
    if unexpected > 0 {
        let specs = if unexpected == 1 { "spec" } else { "specs" };
        text = format!("{text}; {unexpected} {specs} passed although a failure is expected");
    }
    if exit == ExitCode::Interrupted {
        text = format!("Interrupted. {text}");
    }
    text
}

const fn lanes(n: usize) -> &'static str {
    if n == 1 { "lane" } else { "lanes" }
}

/// One word when all red lanes ended alike.
fn verb(red: &[&CellSummary]) -> &'static str {
    let first = red.first().map_or("", |cell| cell.outcome.name());
    match first {
        _ if red.iter().any(|cell| cell.outcome.name() != first) => "are not green",
        "failed" => "failed",
        "stopped" => "stopped",
        "reduced" => "ran reduced",
        "not-run" => "did not run",
        "no-tests" => "selected no tests",
        _ => "are not green",
    }
}

/// Each red lane by the shortest name that tells it from the others.
fn named(red: &[&CellSummary]) -> String {
    let same = |get: fn(&Lane) -> &str| {
        red.iter().all(|cell| {
            red.first()
                .is_some_and(|first| get(&first.lane) == get(&cell.lane))
        })
    };
    let simple = same(|l| &l.pairing) && same(|l| &l.node) && same(|l| &l.suite);
    let each = red.iter().map(|cell| {
        let name = if simple {
            cell.lane.sandboxer.as_str()
        } else {
            cell.lane.id.as_str()
        };
        let what = match &cell.outcome {
            CellOutcome::Failed if cell.counts.failed == 1 => "1 spec".to_owned(),
            CellOutcome::Failed => format!("{} specs", cell.counts.failed),
            _ => words(cell),
        };
        format!("{name}: {what}")
    });
    each.collect::<Vec<_>>().join("; ")
}
