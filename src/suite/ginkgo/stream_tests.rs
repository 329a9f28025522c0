use std::{io::Read as _, sync::LazyLock};

use flate2::read::GzDecoder;
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::{
    model::{PlannedSpec, SuitePlan},
    suite::ginkgo::{StreamLog, report},
};

const ALL: [&str; 18] = [
    "smoke",
    "runsc",
    "crio",
    "no-route",
    "services-ipv6",
    "youki-killed",
    "every-outcome",
    "every-outcome-2",
    "timeout",
    "timeout-2",
    "before-suite",
    "before-suite-2",
    "top-level",
    "nothing-selected",
    "interrupted",
    "v1-smoke",
    "v1-subset",
    "v1-killed",
];

fn output(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/suite");
    match std::fs::read(format!("{folder}/{name}.log")) {
        Ok(bytes) => bytes,
        Err(_) => {
            let packed = std::fs::read(format!("{folder}/{name}.log.gz")).unwrap();
            let mut bytes = Vec::new();
            GzDecoder::new(packed.as_slice())
                .read_to_end(&mut bytes)
                .unwrap();
            bytes
        }
    }
}

fn raw_report(name: &str) -> report::ReportFile {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/evidence");
    let file = report::read(&std::fs::read(format!("{folder}/{name}.report.json")).unwrap());
    assert_eq!(file.truncated, None);
    file
}

/// What ran, by Ginkgo's own report: name, outcome, seconds as stdout rounds them.
fn truth(name: &str) -> Vec<(String, SpecOutcome, String)> {
    let mut ran: Vec<_> = raw_report(name)
        .suites
        .iter()
        .flat_map(|suite| &suite.specs)
        .filter(|spec| spec.is_spec() && spec.num_attempts > 0)
        .map(|spec| {
            let seconds = format!("{:.3}", spec.run_time / 1e9);
            (
                spec.name(),
                result_line::outcome(&spec.state).unwrap(),
                seconds,
            )
        })
        .collect();
    ran.sort();
    ran
}

fn names(name: &str) -> Names {
    let selected = truth(name)
        .into_iter()
        .map(|(name, ..)| PlannedSpec {
            name: SpecName(name),
            labels: Vec::new(),
            location: String::new(),
            group: None,
        })
        .collect();
    Names::of(&SuitePlan { selected, total: 0 })
}

fn specs(log: &StreamLog) -> Vec<(String, SpecOutcome, String)> {
    log.specs
        .iter()
        .map(|spec| {
            (
                spec.name.0.clone(),
                spec.outcome,
                format!("{:.3}", spec.seconds),
            )
        })
        .collect()
}

#[test]
fn stdout_says_what_the_report_says() {
    for name in [
        "smoke",
        "runsc",
        "crio",
        "no-route",
        "services-ipv6",
        "every-outcome",
        "every-outcome-2",
        "timeout",
        "timeout-2",
        "before-suite",
        "before-suite-2",
        "top-level",
        "nothing-selected",
    ] {
        for names in [names(name), Names::default()] {
            let mut found = specs(&StreamLog::read(&output(name), names));
            found.sort();
            assert_eq!(found, truth(name), "{name}");
        }
    }
}

#[test]
fn failures_have_message_text_and_place() {
    for name in [
        "runsc",
        "every-outcome",
        "every-outcome-2",
        "timeout-2",
        "top-level",
    ] {
        let log = StreamLog::read(&output(name), Names::default());
        let report = raw_report(name);
        for found in log.specs.iter().filter(|spec| spec.outcome.is_failure()) {
            let raw = report
                .suites
                .iter()
                .flat_map(|suite| &suite.specs)
                .find(|spec| spec.name() == found.name.0)
                .unwrap();
            let (failure, raw) = (
                found.failure.as_ref().unwrap(),
                raw.failure.as_ref().unwrap(),
            );
            assert_eq!(failure.location, Some(raw.location.text()), "{name}");
            assert!(
                failure.text.contains(raw.message.trim_end()),
                "{name}: {} has not {}",
                failure.text,
                raw.message
            );
        }
    }
}

#[test]
fn what_samples_say() {
    for name in [
        "smoke",
        "runsc",
        "youki-killed",
        "services-ipv6",
        "every-outcome",
        "interrupted",
        "v1-smoke",
    ] {
        let mut stream = Stream::new(Names::default());
        let mut events = stream.push(&output(name));
        events.extend(stream.finish());
        let lines: Vec<String> = events
            .iter()
            .map(|event| match event {
                StreamEvent::SpecFinished(spec) => format!(
                    "{} {} {:.3}{}",
                    spec.outcome,
                    spec.name,
                    spec.seconds,
                    spec.failure
                        .as_ref()
                        .map(|f| &f.message)
                        .or(spec.reason.as_ref())
                        .map_or(String::new(), |said| format!(": {said}"))
                ),
                StreamEvent::SuiteFailed(node) => format!(
                    "{} {} {:.3}: {}",
                    node.outcome,
                    node.node,
                    node.seconds,
                    node.failure.as_ref().map_or("", |f| &f.message)
                ),
                other => format!("{other:?}"),
            })
            .collect();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}

#[test]
fn old_suites_show_their_progress() {
    for (name, specs, failed) in [
        ("v1-smoke", 7, 0),
        ("v1-subset", 93, 0),
        ("v1-killed", 65, 1),
    ] {
        let log = StreamLog::read(&output(name), Names::default());
        let bad: Vec<_> = log
            .specs
            .iter()
            .filter(|s| s.outcome.is_failure())
            .collect();
        assert_eq!((log.specs.len(), bad.len()), (specs, failed), "{name}");
        for spec in bad {
            let failure = spec.failure.as_ref().unwrap();
            assert!(
                failure.message.ends_with(r#"to be running, got "Pending""#),
                "{failure:?}"
            );
            assert_eq!(
                failure.location.as_deref(),
                Some(
                    "_output/local/go/src/k8s.io/kubernetes/test/e2e_node/mirror_pod_grace_period_test.go:51"
                )
            );
        }
    }
    // Every name that the stream gives is one of the JUnit files' names.
    let killed = StreamLog::read(&output("v1-killed"), Names::default());
    assert_eq!(killed.unfinished.len(), 1);
    assert!(
        killed.unfinished[0]
            .0
            .starts_with("[sig-storage] Projected secret should be consumable")
    );
}

/// An oracle that knows lines only: whole results of Ginkgo 2 in a whole or cut output.
fn whole_results(text: &str) -> usize {
    static ALONE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)(?:[•↺]|^S+)(?: \[[A-Z0-9 -]+\])? \[\d+\.\d{3} seconds\]\n").unwrap()
    });
    static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)(?:^[•↺]|^S+)(?: \[[A-Z0-9 -]+\])? \[\d+\.\d{3} seconds\]\n[^\n]+\n")
            .unwrap()
    });
    let rule = match text.contains("\nRunning in parallel across") {
        true => &BLOCK,
        false => &ALONE,
    };
    rule.find_iter(text).count()
}

#[test]
fn every_cut_keeps_what_was_whole_and_invents_nothing() {
    for name in [
        "every-outcome",
        "every-outcome-2",
        "timeout",
        "before-suite-2",
    ] {
        let bytes = output(name);
        let all = specs(&StreamLog::read(&bytes, Names::default()));
        // Every byte of the short ones.
        for cut in (0..=bytes.len()).step_by(1 + bytes.len() / 3000) {
            check_cut(name, &bytes, cut, &all);
        }
    }
}

fn check_cut(name: &str, bytes: &[u8], cut: usize, all: &[(String, SpecOutcome, String)]) {
    let log = StreamLog::read(&bytes[..cut], Names::default());
    let found = specs(&log);
    assert!(
        all.starts_with(&found),
        "{name} cut at {cut} invents {:?}",
        found.last()
    );
    if !name.starts_with("v1") {
        let whole = whole_results(&String::from_utf8_lossy(&bytes[..cut]));
        assert!(
            found.len() >= whole,
            "{name} cut at {cut}: {} of {whole}",
            found.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn samples_can_be_cut_anywhere(which in 0..ALL.len(), at in 0.0..1.0f64) {
        let name = ALL[which];
        let bytes = output(name);
        let all = specs(&StreamLog::read(&bytes, Names::default()));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length")]
        let cut = (bytes.len() as f64 * at) as usize;
        check_cut(name, &bytes, cut, &all);
    }

    #[test]
    fn pieces_do_not_matter(which in 0..ALL.len(), sizes in prop::collection::vec(1..5000usize, 1..40)) {
        let bytes = output(ALL[which]);
        let whole = StreamLog::read(&bytes, Names::default());
        let (mut stream, mut log, mut rest) = (Stream::new(Names::default()), StreamLog::default(), bytes.as_slice());
        let mut sizes = sizes.into_iter().cycle();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            log.extend(stream.push(piece));
            rest = tail;
        }
        log.extend(stream.finish());
        prop_assert_eq!(log, whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), text in "(• |\\[FAILED\\]|\\[0.001 seconds\\]|-{30}|\n|  |a.go:3|[a-zS\x1b\\[\r ]){0,200}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            for spec in StreamLog::read(input, Names::default()).specs {
                prop_assert!(!spec.name.0.is_empty() && !spec.name.0.contains('\n'));
            }
        }
    }
}

#[test]
fn colours_and_carriage_returns_do_not_matter() {
    for name in ["smoke", "runsc", "every-outcome-2"] {
        let plain = output(name);
        let text = String::from_utf8(plain.clone()).unwrap();
        let dressed = text
            .replace("• ", "\u{1b}[38;5;10m• \u{1b}[1m")
            .replace("[FAILED]", "\u{1b}[38;5;9m[FAILED]\u{1b}[0m")
            .replace('\n', "\u{1b}[0m\r\n");
        assert_eq!(
            specs(&StreamLog::read(dressed.as_bytes(), Names::default())),
            specs(&StreamLog::read(&plain, Names::default())),
            "{name}"
        );
    }
}

#[test]
fn a_line_of_megabytes_neither_grows_nor_hides_a_result() {
    let mut stream = Stream::new(Names::default());
    stream.push(format!("{DELIMITER}\n[sig-node] Pods should print\na.go:1\n").as_bytes());
    for _ in 0..64 {
        stream.push(&[b'x'; 64 << 10]);
        assert!(stream.line.capacity() < 1 << 20);
    }
    let events = stream.push("• [1.500 seconds]\n".as_bytes());
    assert!(
        matches!(&events[..], [StreamEvent::SpecFinished(spec)] if spec.name.0 == "[sig-node] Pods should print"),
        "{events:?}"
    );
}

#[test]
fn a_block_without_its_delimiter_ends_with_the_next_result() {
    // A guest that was reset goes on in the same file, from its beginning.
    let text = "Running in parallel across 2 processes\n• [FAILED] [1.000 seconds]\nA [It] b [x, y]\na.go:1\n\n  [FAILED] no\n  In [It] at: a.go:2 @ t\n• [2.000 seconds]\nC d [x, y]\n";
    let log = StreamLog::read(text.as_bytes(), Names::default());
    assert_eq!(
        specs(&log),
        [
            ("A b".to_owned(), SpecOutcome::Failed, "1.000".to_owned()),
            ("C d".to_owned(), SpecOutcome::Passed, "2.000".to_owned()),
        ]
    );
    assert_eq!(log.specs[0].failure.as_ref().unwrap().message, "no");
}
