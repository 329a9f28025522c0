//! Recorded attempts, mutated copies of them, and clean ones.

use regex::{Captures, Regex};

use super::{artifacts, sample, stop};
use crate::{
    model::{Blame, Cause, Class, Confidence, EvidenceLine, Phase, StopKind},
    verdict::{Artifacts, KILLED, Rules, classify, classify::judge, fatal, matches},
};

const CLEAN: [&str; 3] = ["smoke-1.20", "smoke-1.36", "smoke-crio"];

/// Other times, dates, process ids and node names; every line that `keep` does not name moves.
fn mutated(files: &[(String, String)], keep: &str, names: &[(&str, &str)]) -> Artifacts {
    let change = |pattern: &str, text: String, with: &dyn Fn(&Captures<'_>) -> String| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(&text, with)
            .into_owned()
    };
    let files = files.iter().map(|(file, text)| {
        let mut text = text.clone();
        for (from, to) in names {
            text = text.replace(from, to);
        }
        text = text.replace("node1", "worker-b").replace("vm1", "worker-b");
        text = change(r"\b\d\d:\d\d:\d\d", text, &|_| "23:59:58".to_owned());
        text = change(r"(?m)^(\s*[IWEF])\d{4} ", text, &|m| {
            format!("{}0301 ", &m[1])
        });
        text = change(r"\.(\d{6}) +(\d+) ", text, &|m| {
            format!(".{}   70{} ", &m[1], &m[2])
        });
        let (kept, mut moved): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.contains(keep));
        moved.reverse();
        let at = moved.len() / 2;
        moved.splice(at..at, kept);
        (file.clone(), moved.join("\n"))
    });
    Artifacts::from_pairs(files.collect::<Vec<_>>())
}

fn line(artifacts: &Artifacts, at: &EvidenceLine) -> String {
    let file = artifacts.iter().find(|file| file.name == at.file).unwrap();
    let line = file.lines().find(|line| line.number == at.line).unwrap();
    line.said().message.into_owned()
}

#[test]
fn suite_services_that_found_no_address() {
    let stop = stop(
        Phase::SuiteStart,
        StopKind::Failed,
        "the suite ended with exit status 1",
    );
    let cases = [
        (
            "services-ipv6",
            "services-ip-family",
            "fec0::5054:ff:fe12:3456",
        ),
        (
            "services-no-route",
            "services-no-default-route",
            "no default route",
        ),
    ];
    for (name, rule, words) in cases {
        let files = sample(name);
        let plain = artifacts(&files);
        let moved = mutated(&files, "Failed to run e2e services", &[]);
        for artifacts in [&plain, &moved] {
            let cause = classify(&stop, artifacts);
            assert_eq!(cause.rule.as_deref(), Some(rule));
            assert_eq!(
                (cause.phase, cause.class, cause.blame, cause.confidence),
                (
                    Phase::SuiteStart,
                    Class::Environment,
                    Blame::NodeImage,
                    Confidence::Certain
                )
            );
            assert!(cause.summary.contains(words), "{}", cause.summary);
            assert_eq!(cause.evidence[0].file, "services.log");
            assert!(line(artifacts, &cause.evidence[0]).starts_with('F'));
        }
        let last = plain
            .find("services.log")
            .unwrap()
            .lines()
            .rfind(|line| line.raw.trim().starts_with("F1"))
            .unwrap();
        assert_eq!(classify(&stop, &plain).evidence[0].line, last.number);
        // The same line said by anything less than a fatal one is no cause.
        let near: Vec<_> = files
            .iter()
            .map(|(file, text)| (file.clone(), text.replace("F1120", "W1120")))
            .collect();
        let cause = classify(&stop, &artifacts(&near));
        assert_eq!(
            (cause.rule, cause.class),
            (None, Class::Unknown),
            "{}",
            cause.summary
        );
        assert!(!cause.evidence.is_empty());
    }
}

#[test]
fn an_unseen_fatal_line_of_the_services_is_still_the_cause() {
    let files: Vec<_> = sample("services-ipv6")
        .into_iter()
        .map(|(file, text)| {
            let end = text
                .rfind("Failed to run e2e services")
                .unwrap_or(text.len());
            let text = if file == "services.log" {
                format!(
                    "{}Failed to run e2e services: the moon is in the wrong house\n",
                    &text[..end]
                )
            } else {
                text
            };
            (file, text)
        })
        .collect();
    let cause = classify(
        &stop(Phase::SuiteStart, StopKind::Failed, "x"),
        &artifacts(&files),
    );
    assert_eq!(cause.rule.as_deref(), Some("services-fatal"));
    assert_eq!(
        (cause.blame, cause.confidence),
        (Blame::Kubernetes, Confidence::Suspected)
    );
    assert_eq!(
        cause.summary,
        "The suite's services ended: the moon is in the wrong house"
    );
}

#[test]
fn ignition_that_missed_a_group() {
    let files = sample("ignition-failed-group");
    let stop = stop(Phase::Boot, StopKind::Alarm, "Ignition's journal arrived");
    let cause = classify(&stop, &artifacts(&files));
    assert_eq!(cause.phase, Phase::Provision);
    assert_eq!(
        (cause.class, cause.blame),
        (Class::Provision, Blame::NodeImage)
    );
    assert_eq!(
        cause.summary,
        "Ignition could not create user probe: group nosuchgroup does not exist"
    );
    assert_eq!(
        (cause.evidence[0].file.as_str(), cause.evidence[0].line),
        ("ignition.journal", 711)
    );
    assert!(
        cause.evidence[0]
            .text
            .starts_with("CRITICAL : Ignition failed")
    );
    let names = [("probe", "zoe"), ("nosuchgroup", "wheel-2")];
    let moved = mutated(&files, "CRITICAL", &names);
    assert_eq!(
        classify(&stop, &moved).summary,
        "Ignition could not create user zoe: group wheel-2 does not exist"
    );
    // Without the journal the console still tells the stage.
    let console: Vec<_> = files
        .iter()
        .filter(|(name, _)| name == "console.log")
        .cloned()
        .collect();
    let cause = classify(&stop, &artifacts(&console));
    assert_eq!(cause.rule.as_deref(), Some("ignition-stage-failed"));
    assert_eq!(cause.summary, "Ignition's stage files failed");
    // What Ignition merely tries is no failure.
    let near: Vec<_> = files
        .iter()
        .filter(|(name, _)| name != "console.log")
        .map(|(name, text)| (name.clone(), text.replace("CRITICAL :", "INFO     :")))
        .collect();
    assert!(
        fatal(Rules::shipped(), &artifacts(&near))
            .iter()
            .all(|found| found.rule.id != "ignition-group-missing")
    );
}

#[test]
fn a_kill_is_its_own_cause() {
    for (name, last) in [("killed-1.20", "ginkgo.log"), ("killed-youki", "suite.log")] {
        let files = sample(name);
        let stop = stop(
            Phase::Spec,
            StopKind::Killed,
            "the suite ended with signal 9",
        );
        let plain = artifacts(&files);
        for artifacts in [&plain, &mutated(&files, "SSSS", &[("youki", "crun")])] {
            let cause = classify(&stop, artifacts);
            assert_eq!(cause.rule.as_deref(), Some(KILLED));
            assert_eq!((cause.phase, cause.class), (Phase::Spec, Class::Infra));
            assert!(cause.summary.ends_with("signal 9"));
            assert_eq!(cause.evidence[0].file, last);
        }
    }
}

#[test]
fn a_suite_that_waited_for_a_broken_sandboxer_blames_it() {
    let files = sample("killed-youki");
    let stop = stop(Phase::Spec, StopKind::Deadline, "the suite ran for 60 min");
    let cause = classify(&stop, &artifacts(&files));
    assert_eq!(cause.rule.as_deref(), Some("sandbox-create-failed"));
    assert_eq!(
        (cause.class, cause.blame),
        (Class::RuntimeDown, Blame::Sandboxer)
    );
    assert!(
        cause
            .summary
            .contains("youki did not terminate successfully: exit status 1"),
        "{}",
        cause.summary
    );
}

#[test]
fn clean_nodes_give_no_fatal_line_and_no_cause() {
    for name in CLEAN.into_iter().chain(["runsc"]) {
        let artifacts = artifacts(&sample(name));
        let found = matches(Rules::shipped(), &artifacts);
        let fatal: Vec<String> = found
            .iter()
            .filter(|found| found.rule.fatal)
            .map(|found| format!("{}: {}", found.rule.id, found.line))
            .collect();
        assert!(fatal.is_empty(), "{name}: {fatal:?}");
        for phase in [
            Phase::Boot,
            Phase::Provision,
            Phase::RuntimeReady,
            Phase::SuiteStart,
            Phase::Spec,
            Phase::Collect,
        ] {
            for kind in [StopKind::Deadline, StopKind::Failed, StopKind::Killed] {
                let stop = stop(phase, kind, "something was seen");
                let cause = judge(Rules::shipped(), &found, &stop, &artifacts);
                let builtin = cause
                    .rule
                    .as_deref()
                    .is_none_or(|rule| rule.starts_with("stop-"));
                assert!(
                    builtin,
                    "{name} {phase} {kind:?}: {:?} {:?}",
                    cause.rule, cause.evidence
                );
                assert!(!cause.evidence.is_empty(), "{name} {phase}");
                assert!(cause.confidence < Confidence::Certain);
            }
        }
    }
}

#[test]
fn without_any_file_there_is_no_evidence() {
    let cause: Cause = classify(
        &stop(
            Phase::SuiteStart,
            StopKind::Deadline,
            "no answer for 180 s.",
        ),
        &Artifacts::default(),
    );
    assert_eq!(cause.class, Class::NoEvidence);
    assert_eq!(cause.summary, "no answer for 180 s");
    assert!(cause.evidence.is_empty());
}

#[test]
fn what_the_observer_heard_counts_too() {
    let events = r#"{"at":"2026-11-20T11:00:00Z","event":"attempt-stopped","stop":{}}"#;
    let files = Artifacts::from_pairs([("events.jsonl", events)]);
    let said = "`write suite` ended with exit status 1: sh: 1: cannot create /var/lib/x: No space left on device";
    let cause = classify(&stop(Phase::SuiteStart, StopKind::Failed, said), &files);
    assert_eq!(cause.rule.as_deref(), Some("disk-full"));
    assert_eq!(
        (cause.evidence[0].file.as_str(), cause.evidence[0].line),
        ("events.jsonl", 1)
    );
}

#[test]
fn a_large_log_is_read_once_and_fast() {
    let (_, kubelet) = sample("smoke-1.36")
        .into_iter()
        .find(|(name, _)| name == "kubelet.log")
        .unwrap();
    let artifacts = Artifacts::from_pairs([("kubelet.log", kubelet.clone())]);
    let started = std::time::Instant::now();
    assert!(fatal(Rules::shipped(), &artifacts).is_empty());
    let (took, size) = (started.elapsed(), kubelet.len());
    println!("{size} bytes in {took:?}");
    // Unoptimised and on a shared machine; optimised it is some fifty times faster.
    assert!(took.as_secs() < 60, "{size} bytes took {took:?}");
}
