//! The verdict document.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::outcomes::cause;
use crate::{
    model::{
        Accelerator, Blame, Candidate, CellOutcome, CellSummary, Class, Environment, ExitCode,
        Lane, LaneCounts, Phase, Role, RunId, RunSummary, SCHEMA_VERSION, SpecName, SpecOutcome,
        SpecResult,
    },
    verdict::{GateResult, GateState, LaneCauses, SpecCause, Verdict, schema},
};

pub(super) fn spec(name: &str, outcome: SpecOutcome) -> SpecResult {
    SpecResult {
        name: SpecName(name.to_owned()),
        outcome,
        started_at: None,
        ended_at: None,
        seconds: 1.0,
        process: None,
        failure: None,
        reason: None,
    }
}

pub(super) fn cell(sandboxer: &str, outcome: CellOutcome) -> CellSummary {
    let lane = Lane {
        id: Lane::id_of("main", "plain", sandboxer, "smoke"),
        pairing: "main".to_owned(),
        node: "plain".to_owned(),
        sandboxer: sandboxer.to_owned(),
        handler: sandboxer.to_owned(),
        suite: "smoke".to_owned(),
        role: Role::Blocking,
    };
    CellSummary {
        counts: LaneCounts {
            planned: 1,
            passed: 1,
            ..LaneCounts::default()
        },
        seconds: 90.0,
        suite_seconds: 60.0,
        attempts: 1,
        ..CellSummary::new(lane, outcome)
    }
}

/// A run of 100 s whose cells follow from their specs.
pub(super) fn run(
    n: u128,
    accelerator: Accelerator,
    lanes: &[(&str, &[(&str, SpecOutcome)])],
) -> RunSummary {
    let cells = lanes.iter().map(|(sandboxer, specs)| {
        let failed = specs
            .iter()
            .filter(|(_, outcome)| outcome.is_failure())
            .count();
        let outcome = match (specs.len(), failed) {
            (0, _) => CellOutcome::NoTests,
            (_, 0) => CellOutcome::Passed,
            _ => CellOutcome::Failed,
        };
        let mut cell = cell(sandboxer, outcome);
        cell.counts = LaneCounts {
            planned: specs.len() as u32,
            passed: (specs.len() - failed) as u32,
            failed: failed as u32,
            ..LaneCounts::default()
        };
        cell.specs = specs
            .iter()
            .map(|(name, outcome)| spec(name, *outcome))
            .collect();
        cell
    });
    RunSummary {
        schema: SCHEMA_VERSION,
        run: RunId(Uuid::from_u128(n)),
        profile: "quickstart".to_owned(),
        started_at: format!("2026-11-{:02}T10:00:00Z", n + 1).parse().unwrap(),
        ended_at: Some(format!("2026-11-{:02}T10:01:40Z", n + 1).parse().unwrap()),
        candidates: vec![Candidate {
            pairing: "main".to_owned(),
            revisions: BTreeMap::new(),
            node_images: BTreeMap::new(),
            sandboxers: BTreeMap::new(),
            toolchains: BTreeMap::new(),
            arch: "amd64".to_owned(),
        }],
        environment: Some(Environment {
            qemu: "10.0".to_owned(),
            accelerator,
            accelerator_reason: "probed".to_owned(),
            cores: 2,
            memory: 1 << 34,
            bellwether: "0.1.0".to_owned(),
        }),
        cells: cells.collect(),
        exit: ExitCode::Passed,
    }
}

fn verdict(run: &RunSummary) -> Verdict {
    Verdict::of(run, &BTreeMap::new(), Vec::new())
}

#[test]
fn headlines() {
    use SpecOutcome::{Failed, Passed};
    let mut said = Vec::new();
    let mut say = |run: &RunSummary| {
        let verdict = verdict(run);
        said.push(format!("{} {}", verdict.exit_status, verdict.headline));
    };
    let kvm = Accelerator::Kvm;
    let mut two = run(
        1,
        kvm,
        &[("runc", &[("a", Passed)]), ("crun", &[("a", Failed)])],
    );
    say(&two);
    two.cells[0].outcome = CellOutcome::Reduced {
        reason: "1 of 8 planned specs did not run".to_owned(),
    };
    say(&two);
    two.exit = ExitCode::Interrupted;
    say(&two);
    let stopped = cause(Phase::Provision, Class::Provision, Blame::NodeImage, None);
    two = run(1, kvm, &[("runc", &[("a", Passed)])]);
    two.cells[0].outcome = CellOutcome::Stopped {
        cause: Box::new(stopped),
    };
    say(&two);
    two.cells[0].lane.role = Role::Informing;
    say(&two);
    say(&run(1, kvm, &[("runc", &[("a", Passed)])]));
    say(&run(
        1,
        kvm,
        &[("runc", &[("a", Passed)]), ("crun", &[("a", Passed)])],
    ));
    let mut pairings = run(
        1,
        kvm,
        &[
            ("runc", &[("a", Failed), ("b", Failed)]),
            ("runc", &[("a", Failed)]),
        ],
    );
    pairings.cells[1].lane.pairing = "control".to_owned();
    pairings.cells[1].lane.id = Lane::id_of("control", "plain", "runc", "smoke");
    say(&pairings);
    say(&run(1, kvm, &[]));
    insta::assert_snapshot!("headlines", said.join("\n"));
}

#[test]
fn the_whole_document() {
    use SpecOutcome::{Failed, Passed};
    let mut run = run(
        7,
        Accelerator::Tcg,
        &[
            ("runc", &[("a", Passed), ("b", Passed)]),
            ("crun", &[("a", Failed), ("b", Passed)]),
            ("youki", &[("a", Failed)]),
        ],
    );
    run.cells[2].lane.role = Role::Informing;
    run.cells[1].disagreements = vec!["JUnit has 2 cases, stdout 3".to_owned()];
    let found = cause(Phase::Spec, Class::Assertion, Blame::Unknown, None);
    let causes = LaneCauses {
        common: None,
        specs: vec![SpecCause {
            spec: SpecName("a".to_owned()),
            cause: found,
        }],
    };
    let causes = BTreeMap::from([(run.cells[1].lane.id.clone(), causes)]);
    let gate = GateResult {
        name: "pass-rate".to_owned(),
        value: Some(0.75),
        n: 1,
        window: 1,
        state: GateState::Missed,
        words: "pass-rate: 0.75 over 1 runs, missed (at least 1)".to_owned(),
    };
    let verdict = Verdict::of(&run, &causes, vec![gate]);
    insta::assert_json_snapshot!("document", verdict);
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}

#[test]
fn the_schema_names_every_field_of_the_document() {
    let schema = serde_json::to_value(schema()).unwrap();
    let verdict = verdict(&run(
        1,
        Accelerator::Kvm,
        &[("runc", &[("a", SpecOutcome::Failed)])],
    ));
    let document = serde_json::to_value(verdict).unwrap();
    for field in document.as_object().unwrap().keys() {
        let property = &schema["properties"][field];
        assert!(
            property["description"].is_string() || property["$ref"].is_string(),
            "{field}"
        );
    }
    for defined in [
        "LaneVerdict",
        "SpecVerdict",
        "GateResult",
        "Cause",
        "EvidenceLine",
    ] {
        assert!(schema["$defs"][defined].is_object(), "{defined}");
    }
}
