//! Runs of every kind for this module's tests.

use camino::Utf8Path;

use super::gather::{Found, gather};
use crate::{
    evidence::EvidenceDir,
    model::{
        Blame, Cause, CellOutcome, Class, Confidence, EvidenceLine, ExitCode, LaneCounts, Phase,
        RunSummary, SpecOutcome,
    },
};

/// One lane passed, one failed two specs, one stopped: from real logs.
pub fn failed_run() -> (RunSummary, Found) {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report/run-failed");
    let run = EvidenceDir::at(folder);
    let summary = run.read_json("summary.json").unwrap();
    let found = gather(&run, &summary).unwrap();
    (summary, found)
}

pub fn failed() -> RunSummary {
    failed_run().0
}

pub fn passed() -> RunSummary {
    let mut summary = failed();
    summary.cells.truncate(1);
    summary.exit = ExitCode::Passed;
    summary
}

/// The machine was powered off after seven specs.
pub fn reduced() -> RunSummary {
    let mut summary = passed();
    let cell = &mut summary.cells[0];
    let reason = "the guest powered off while specs ran".to_owned();
    for spec in cell.specs.iter_mut().skip(7) {
        spec.outcome = SpecOutcome::NotRun;
        (spec.started_at, spec.ended_at, spec.seconds) = (None, None, 0.0);
        spec.reason = Some(reason.clone());
    }
    cell.outcome = CellOutcome::Reduced { reason };
    cell.counts = LaneCounts {
        planned: 19,
        passed: 7,
        not_run: 12,
        ..LaneCounts::default()
    };
    cell.disagreements = vec!["suite.log names 8 finished specs, junit.xml 7".to_owned()];
    summary.exit = ExitCode::Incomplete;
    summary
}

pub fn not_run() -> RunSummary {
    let mut summary = passed();
    let cell = &mut summary.cells[0];
    cell.specs.clear();
    cell.counts = LaneCounts::default();
    (cell.seconds, cell.suite_seconds, cell.attempts) = (0.0, 0.0, 0);
    cell.outcome = CellOutcome::NotRun {
        reason: "it requires kvm, and this host has none".to_owned(),
    };
    summary.exit = ExitCode::Incomplete;
    summary
}

pub fn no_tests() -> RunSummary {
    let mut summary = not_run();
    summary.cells[0].outcome = CellOutcome::NoTests;
    summary
}

pub fn build_failed() -> RunSummary {
    let mut summary = not_run();
    let cause = Cause {
        phase: Phase::Build,
        class: Class::Build,
        blame: Blame::Kubernetes,
        confidence: Confidence::Likely,
        summary: "kubernetes v1.36.3 does not compile".to_owned(),
        evidence: vec![EvidenceLine {
            file: "steps/build.kubernetes.releases.log".into(),
            line: 211,
            text: "pkg/kubelet/kubelet.go:2913:6: undefined: handleProbeSync".to_owned(),
        }],
        rule: Some("go-compile-error".to_owned()),
        hint: None,
    };
    summary.cells[0].outcome = CellOutcome::Stopped {
        cause: Box::new(cause),
    };
    summary.exit = ExitCode::Build;
    summary
}

/// It ended before there was a candidate, a machine or a lane.
pub fn unresolved() -> RunSummary {
    let mut summary = not_run();
    summary.candidates.clear();
    summary.cells.clear();
    (summary.environment, summary.exit) = (None, ExitCode::Infra);
    summary
}

pub fn all() -> Vec<RunSummary> {
    vec![
        passed(),
        failed(),
        reduced(),
        not_run(),
        no_tests(),
        build_failed(),
        unresolved(),
    ]
}
