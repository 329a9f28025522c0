//! Runs of every kind for this module's tests.

use camino::Utf8Path;
use jiff::civil::{Date, date};

use super::{
    Triaged,
    gather::{Found, gather},
    triage,
};
use crate::{
    evidence::{EvidenceDir, foreign},
    model::{
        Blame, Cause, CellOutcome, Class, Confidence, EvidenceLine, ExitCode, Expectation,
        LaneCounts, Phase, PlannedSpec, RunSummary, SpecOutcome, SuitePlan, Tracker,
    },
    profile::Expect,
    verdict::{self, Rules},
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

/// What `triage` finds in a folder of foreign files.
pub fn triaged() -> Triaged {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/triage/foreign");
    let paths = [
        "prow",
        "bats.tap",
        "bats.xml",
        "pytest.xml",
        "failures.jsonl",
    ];
    let paths: Vec<_> = paths.iter().map(|path| root.join(path)).collect();
    let mut reading = foreign::read(&paths, foreign::Limits::default()).unwrap();
    let shorten = |path: &mut String| *path = path.replace(root.as_str(), "x");
    for failure in &mut reading.failures {
        shorten(&mut failure.place.file);
    }
    for log in &mut reading.logs {
        shorten(&mut log.file);
        shorten(&mut log.root);
    }
    for file in &mut reading.files {
        shorten(&mut file.file);
    }
    triage(reading, Rules::shipped())
}

pub fn passed() -> RunSummary {
    let mut summary = failed();
    summary.cells.truncate(1);
    summary.exit = ExitCode::Passed;
    summary
}

/// As the failed one, with entries for its failures: one covers, one is over, one names a spec that passes, one names
/// nothing.
pub fn expected() -> RunSummary {
    let mut summary = failed();
    let entry = |spec: &str, reason: &str, tracker: Tracker, expires: Date| Expect {
        expectation: Expectation {
            spec: spec.to_owned(),
            message: None,
            outcomes: vec![SpecOutcome::Failed],
            reason: reason.to_owned(),
            tracker,
            expires,
        },
        nodes: Vec::new(),
        sandboxers: vec!["gvisor".to_owned()],
        suites: Vec::new(),
        pairings: Vec::new(),
    };
    let issue = || Tracker::Link("https://github.com/google/gvisor/issues/1".to_owned());
    let none = || Tracker::None("nobody was asked yet".to_owned());
    let mode = "the mode of a tmpfs file is not kept";
    let expects = [
        entry(
            r"volumes should support \(root,0644,tmpfs\)",
            mode,
            issue(),
            date(2027, 3, 1),
        ),
        entry("FSGroup is specified", mode, none(), date(2026, 10, 31)),
        entry("Secrets.*Item Mode", "a guess", none(), date(2026, 12, 1)),
        entry("Hostpath", "it is gone", none(), date(2027, 3, 1)),
    ];
    for cell in &mut summary.cells {
        let selected = cell.specs.iter().map(|spec| PlannedSpec {
            name: spec.name.clone(),
            labels: Vec::new(),
            location: String::new(),
            group: None,
        });
        let plan = SuitePlan {
            selected: selected.collect(),
            total: 1200,
        };
        let today = date(2026, 11, 20);
        cell.expectations =
            verdict::expected(&expects, false, &cell.lane, today, &plan, &mut cell.specs);
        if !matches!(cell.outcome, CellOutcome::Stopped { .. }) {
            (cell.outcome, cell.counts) = verdict::cell_outcome(&plan, &cell.specs, None, &[]);
        }
    }
    summary.exit = verdict::exit_code(&summary.cells, &[]);
    summary.cells[1].identity =
        Some("runsc 20261102 (sha256 5f0c1e), by its process tree".to_owned());
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
        expected(),
        reduced(),
        not_run(),
        no_tests(),
        build_failed(),
        unresolved(),
    ]
}
