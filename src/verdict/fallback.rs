//! What is said when no rule knows: the observation itself, and the last lines that mean something.

use super::{Artifact, Artifacts, logs::shorten};
use crate::model::{Blame, Cause, Class, Confidence, EvidenceLine, Phase, Stop, StopKind};

/// The rule name of a cause that somebody asked for.
pub const CANCELLED: &str = "stop-cancelled";
/// The rule name of a kill from outside.
pub const KILLED: &str = "stop-killed";
/// The rule name of a machine that ended without a word.
pub const MACHINE_GONE: &str = "stop-machine-gone";
/// The rule name of a suite that ran into its time limit.
pub const SUITE_TIMEOUT: &str = "stop-suite-timeout";

/// How many lines are quoted when nobody knows which one matters.
const QUOTED: usize = 3;

/// The cause of a stop that no rule explains.
#[must_use]
pub(super) fn cause(stop: &Stop, artifacts: &Artifacts) -> Cause {
    let mut evidence: Vec<EvidenceLine> = stop.line.iter().cloned().collect();
    for line in last_lines(stop.phase, artifacts) {
        if !evidence.contains(&line) {
            evidence.push(line);
        }
    }
    if evidence.is_empty() {
        evidence.extend(stop_event(artifacts));
    }
    let said = sentence(&stop.said);
    let (rule, class, blame, confidence, summary) = match stop.kind {
        StopKind::Cancelled => (
            Some(CANCELLED),
            Class::Infra,
            Blame::Environment,
            Confidence::Certain,
            format!("It was stopped: {said}"),
        ),
        StopKind::Killed => (
            Some(KILLED),
            Class::Infra,
            Blame::Environment,
            Confidence::Likely,
            format!("The suite was killed from outside: {said}"),
        ),
        StopKind::MachineGone => (
            Some(MACHINE_GONE),
            Class::Infra,
            Blame::Environment,
            Confidence::Suspected,
            format!("The machine ended: {said}"),
        ),
        StopKind::Deadline if stop.phase == Phase::Spec => (
            Some(SUITE_TIMEOUT),
            Class::SuiteTimeout,
            Blame::Unknown,
            Confidence::Suspected,
            format!("The suite ran out of time: {said}"),
        ),
        StopKind::Deadline | StopKind::Alarm | StopKind::Failed => {
            let (class, blame) = by_phase(stop.phase);
            (None, class, blame, Confidence::Suspected, said)
        }
    };
    let hint = evidence
        .is_empty()
        .then(|| "No log of this attempt is there; look at the run's own events.jsonl".to_owned());
    Cause {
        phase: stop.phase,
        class: if evidence.is_empty() {
            Class::NoEvidence
        } else {
            class
        },
        blame,
        confidence,
        summary,
        evidence,
        rule: rule.map(str::to_owned),
        hint,
    }
}

/// The line of the attempt's events that records the stop.
#[must_use]
pub(super) fn stop_event(artifacts: &Artifacts) -> Option<EvidenceLine> {
    let events = artifacts.find("events.jsonl")?;
    let stopped = |raw: &str| raw.contains(r#""event":"attempt-stopped""#);
    let line = events.lines().rfind(|line| stopped(line.raw))?;
    Some(line.evidence(&events.name))
}

/// Whose a stop probably is when only its phase is known.
const fn by_phase(phase: Phase) -> (Class, Blame) {
    match phase {
        Phase::Resolve => (Class::Infra, Blame::Environment),
        Phase::Build => (Class::Build, Blame::Unknown),
        Phase::Image | Phase::Provision => (Class::Provision, Blame::NodeImage),
        Phase::Boot => (Class::Infra, Blame::NodeImage),
        Phase::RuntimeReady => (Class::RuntimeDown, Blame::Runtime),
        Phase::SuiteStart | Phase::Spec => (Class::Unknown, Blame::Unknown),
        Phase::Collect | Phase::Teardown => (Class::Infra, Blame::Bellwether),
    }
}

/// The files that most likely tell what happened in a phase, the best first.
const fn primary(phase: Phase) -> &'static [&'static str] {
    match phase {
        Phase::Resolve | Phase::Build | Phase::Image => &["build.log", "image.log", "resolve.log"],
        Phase::Boot | Phase::Provision => &["ignition.journal", "console.log", "journal.log"],
        Phase::RuntimeReady => &["containerd.log", "crio.log", "journal.log", "console.log"],
        Phase::SuiteStart => &[
            "services.log",
            "suite.log",
            "ginkgo.log",
            "kubelet.log",
            "journal.log",
            "console.log",
        ],
        Phase::Spec => &[
            "suite.log",
            "ginkgo.log",
            "kubelet.log",
            "journal.log",
            "console.log",
        ],
        Phase::Collect | Phase::Teardown => &["suite.log", "journal.log", "console.log"],
    }
}

/// The last lines of the phase's first file that has any; else of any log at all.
fn last_lines(phase: Phase, artifacts: &Artifacts) -> Vec<EvidenceLine> {
    let preferred = primary(phase)
        .iter()
        .filter_map(|name| artifacts.find(name));
    let others = artifacts
        .iter()
        .filter(|file| matches!(file.name.extension(), Some("log" | "journal")));
    for file in preferred.chain(others) {
        let lines = meaningful(file);
        if !lines.is_empty() {
            return lines;
        }
    }
    Vec::new()
}

/// Newest first: errors among the last lines, else the last lines themselves.
fn meaningful(file: &Artifact) -> Vec<EvidenceLine> {
    let last: Vec<_> = file
        .lines()
        .rev()
        .filter(|line| {
            let message = line.said().message;
            // Progress dots, rules and braces say nothing.
            message.chars().filter(|c| c.is_alphabetic()).count() >= 8
                && !message.starts_with("SSSS")
        })
        .take(200)
        .collect();
    let bad = |raw: &str| {
        let raw = raw.to_ascii_lowercase();
        [
            "error",
            "fail",
            "fatal",
            "cannot",
            "unable",
            "denied",
            "panic",
            "timed out",
            "killed",
        ]
        .iter()
        .any(|word| raw.contains(word))
    };
    let errors: Vec<_> = last
        .iter()
        .filter(|line| bad(line.raw))
        .take(QUOTED - 1)
        .collect();
    // The very last line always counts: it is what was going on.
    let mut shown: Vec<_> = errors.into_iter().chain(last.first()).collect();
    shown.dedup();
    shown
        .into_iter()
        .take(QUOTED)
        .map(|line| line.evidence(&file.name))
        .collect()
}

fn sentence(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line
        .unwrap_or("nothing more was seen")
        .trim_end_matches('.');
    shorten(line, 400)
}
