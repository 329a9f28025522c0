use std::io::Read as _;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::*;
use crate::evidence::ginkgo_report;

/// Fixtures that have both a JUnit file and Ginkgo's own report.
pub const BOTH: [&str; 13] = [
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
];

pub fn bytes(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/evidence");
    match std::fs::read(format!("{folder}/{name}")) {
        Ok(bytes) => bytes,
        Err(_) => {
            let packed = std::fs::read(format!("{folder}/{name}.gz")).unwrap();
            let mut bytes = Vec::new();
            GzDecoder::new(packed.as_slice())
                .read_to_end(&mut bytes)
                .unwrap();
            bytes
        }
    }
}

pub fn fixture(name: &str) -> JunitReport {
    let file = format!("{name}.junit.xml");
    read(&bytes(&file), &file).unwrap()
}

fn one(inner: &str) -> JunitCase {
    let text = format!("<testsuite name='s'><testcase name='a'{inner}</testsuite>");
    let report = read(text.as_bytes(), "x.xml").unwrap();
    assert!(!report.truncated, "{:?}", report.problem);
    report.cases.into_iter().next().unwrap()
}

#[test]
fn junit_says_what_the_report_says() {
    for name in BOTH {
        let junit = fixture(name);
        assert!(!junit.truncated, "{name}: {:?}", junit.problem);
        assert_eq!(junit.properties["DryRun"], "false");
        let file = format!("{name}.report.json");
        let report = ginkgo_report::read(&bytes(&file), &file).unwrap();
        let (specs, failures) = junit.results(&Names::default()).unwrap();
        let ran = |specs: &[SpecResult]| {
            let mut ran: Vec<_> = specs
                .iter()
                .filter(|spec| spec.outcome != SpecOutcome::NotRun)
                .map(|spec| {
                    let message = spec.failure.as_ref().map(|f| f.message.clone());
                    let place = spec.failure.as_ref().and_then(|f| f.location.clone());
                    (
                        spec.name.clone(),
                        spec.outcome,
                        message,
                        place,
                        spec.reason.clone(),
                    )
                })
                .collect();
            ran.sort();
            ran
        };
        assert_eq!(ran(&specs), ran(&report.specs), "{name}");
        assert_eq!(failures.len(), report.failures.len(), "{name}");
    }
}

#[test]
fn a_suite_level_failure_is_no_spec() {
    let (specs, failures) = fixture("services-ipv6").results(&Names::default()).unwrap();
    assert!(specs.is_empty());
    let [failure] = &failures[..] else {
        panic!("{failures:?}")
    };
    assert_eq!(failure.node, "SynchronizedBeforeSuite");
    assert_eq!(
        failure.failure.as_ref().unwrap().message,
        r#"failed to run start command for server "services": exit status 255"#
    );
}

#[test]
fn the_files_of_several_processes_are_one_report() {
    let merged = fixture("v1-subset_01").merge(fixture("v1-subset_02"));
    let (specs, _) = merged.results(&Names::default()).unwrap();
    let passed = specs
        .iter()
        .filter(|s| s.outcome == SpecOutcome::Passed)
        .count();
    let not_run = specs
        .iter()
        .filter(|s| s.outcome == SpecOutcome::NotRun)
        .count();
    assert_eq!((passed, not_run), (93, 242));
}

#[test]
fn a_dry_run_is_refused() {
    let error = fixture("dry-run").results(&Names::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dry-run.junit.xml comes from a dry run: its `passed` specs never ran"
    );
}

#[test]
fn every_cut_keeps_the_complete_cases() {
    let text = bytes("every-outcome.junit.xml");
    let whole = fixture("every-outcome").cases;
    let end = text.len() - "</testsuites>\n".len();
    let mut last = 0;
    for cut in (0..end).step_by(11) {
        let Ok(report) = read(&text[..cut], "x.xml") else {
            panic!("cut at {cut}");
        };
        assert!(report.truncated, "cut at {cut}");
        assert!(whole.starts_with(&report.cases), "cut at {cut}");
        assert!(report.cases.len() >= last, "cut at {cut}");
        last = report.cases.len();
        let complete = String::from_utf8_lossy(&text[..cut])
            .matches("</testcase>")
            .count();
        assert_eq!(report.cases.len(), complete, "cut at {cut}");
    }
    assert_eq!(last, whole.len());
}

#[test]
fn status_and_children_together() {
    use SpecOutcome::*;
    for (inner, outcome) in [
        ("/>", Passed),
        (" status='passed'/>", Passed),
        (" status='run'/>", Passed),
        (" status='timedout'/>", TimedOut),
        (" status='panicked'><error/></testcase>", Panicked),
        (" status='aborted'/>", Interrupted),
        (" status='passed'><failure/></testcase>", Failed),
        ("><error type='panicked'/></testcase>", Panicked),
        (
            "><failure type='AssertionError'/><skipped/></testcase>",
            Failed,
        ),
        ("><skipped/></testcase>", NotRun),
        ("><skipped message='skipped'/></testcase>", NotRun),
        ("><skipped message='skipped - no KVM'/></testcase>", Skipped),
        (
            " status='skipped'><skipped message='no KVM'/></testcase>",
            Skipped,
        ),
        (
            " status='pending'><skipped message='pending'/></testcase>",
            NotRun,
        ),
        (" status='notrun'/>", NotRun),
    ] {
        assert_eq!(one(inner).outcome(), outcome, "{inner}");
    }
}

#[test]
fn odd_but_readable() {
    for (inner, name, seconds, text) in [
        (" time='x'/>", "a", None, ""),
        (" time='-1'/>", "a", None, ""),
        (" time='NaN'/>", "a", None, ""),
        (" time='1,234.5'/>", "a", Some(1234.5), ""),
        (" time='1e-3' name='b'/>", "b", Some(0.001), ""),
        (
            "><failure>a&#xA;b &lt;c&gt; &amp;&nbsp;&bad</failure></testcase>",
            "a",
            None,
            "a\nb <c> &&nbsp;&bad",
        ),
        (
            "><failure><![CDATA[<x> & ]]>y</failure></testcase>",
            "a",
            None,
            "<x> & y",
        ),
        (
            "><system-out><![CDATA[</system-out>]]></system-out><failure>z</failure></testcase>",
            "a",
            None,
            "z",
        ),
        (
            "><system-out>deep <testcase name='no'/></system-out></testcase>",
            "a",
            None,
            "",
        ),
        (
            "><properties><property name='p' value='v'/></properties></testcase>",
            "a",
            None,
            "",
        ),
    ] {
        let case = one(inner);
        assert_eq!(
            (case.name.as_str(), case.seconds, case.text.as_str()),
            (name, seconds, text),
            "{inner}"
        );
    }
    let bom = b"\xef\xbb\xbf<?xml version='1.0'?><!-- c --><testsuite><testcase name='\xff'/></testsuite>";
    assert_eq!(read(bom, "x").unwrap().cases[0].name, "\u{fffd}");
    let nested = "<testsuites><testsuite name='a'>\n<testsuite name='b'><testcase name='1'/></testsuite>\n<testcase name='2'/></testsuite></testsuites>";
    let nested = read(nested.as_bytes(), "x").unwrap();
    let places: Vec<_> = nested
        .cases
        .iter()
        .map(|c| (c.suite.as_str(), c.line))
        .collect();
    assert_eq!(places, [("a / b", 2), ("a", 3)]);
}

#[test]
fn output_is_kept_only_when_asked_for() {
    let text = b"<testsuite><testcase name='a'><system-out>one &lt;</system-out><system-err>two</system-err></testcase></testsuite>";
    assert_eq!(read(text, "x").unwrap().cases[0].output, "");
    let limits = Limits {
        output: true,
        ..Limits::default()
    };
    assert_eq!(
        read_with(text, "x", limits).unwrap().cases[0].output,
        "one <two"
    );
}

#[test]
fn entities_are_not_expanded() {
    let text = b"<!DOCTYPE t [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]><testsuite><testcase name='&b;'><failure>&b;&f;</failure></testcase></testsuite>";
    let case = read(text, "x").unwrap().cases.remove(0);
    assert_eq!((case.name.as_str(), case.text.as_str()), ("&b;", "&b;&f;"));
}

#[test]
fn what_is_not_junit_says_so() {
    for (text, message) in [
        (
            "\n<html><body/></html>",
            "x.xml:2: this is no JUnit file: <html> instead of <testsuites> or <testsuite>",
        ),
        (
            "not xml",
            "x.xml:1: this is no JUnit file: text instead of <testsuites> or <testsuite>",
        ),
        (
            "<testcase name='a'/>",
            "x.xml:1: this is no JUnit file: <testcase> instead of <testsuites> or <testsuite>",
        ),
    ] {
        assert_eq!(
            read(text.as_bytes(), "x.xml").unwrap_err().to_string(),
            message
        );
    }
    for empty in ["", "\n  \n"] {
        let report = read(empty.as_bytes(), "x.xml").unwrap();
        assert!(report.truncated && report.cases.is_empty());
        assert!(report.problem.unwrap().ends_with("the file is empty"));
    }
    let broken = "<testsuite><testcase name='a'/>\n</wrong><testcase name='b'/></testsuite>";
    let report = read(broken.as_bytes(), "x.xml").unwrap();
    assert_eq!((report.cases.len(), report.truncated), (1, true));
    assert_eq!(
        report.problem.as_deref(),
        Some("x.xml:2: </wrong> ends nothing")
    );
}

#[test]
fn limits_hold() {
    let deep = format!("<testsuite>{}", "<x>".repeat(100));
    let error = read(deep.as_bytes(), "x.xml").unwrap_err().to_string();
    assert_eq!(
        error,
        "x.xml:1: more than 64 elements inside each other; such a file is not read"
    );
    let limits = Limits {
        cases: 2,
        text: 8,
        ..Limits::default()
    };
    let many = format!("<testsuite>\n{}", "<testcase/>\n".repeat(3));
    let error = read_with(many.as_bytes(), "x.xml", limits)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "x.xml:4: more than 2 cases; such a file is not read");
    let long = "<testsuite><testcase><failure>12345&lt;7890</failure></testcase></testsuite>";
    let report = read_with(long.as_bytes(), "x.xml", limits).unwrap();
    assert_eq!(report.cases[0].text, "12345<78");
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#xA;"),
            c => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn what_is_written_is_read(cases in prop::collection::vec(("[ -~éλ\n]{1,40}", "[ -~é\n<&]{0,80}", 0u32..100_000), 0..20)) {
        let mut text = "<?xml version='1.0'?>\n<testsuites>\n<testsuite name='s'>\n".to_owned();
        for (name, failure, milliseconds) in &cases {
            let time = f64::from(*milliseconds) / 1000.0;
            text += &format!("<testcase name='{}' time='{time}'>\n<system-err>{}</system-err><failure>{}</failure>\n</testcase>\n", escape(name), escape(failure), escape(failure));
        }
        text += "</testsuite></testsuites>";
        let report = read(text.as_bytes(), "x").unwrap();
        prop_assert!(!report.truncated);
        prop_assert_eq!(report.cases.len(), cases.len());
        for (case, (name, failure, milliseconds)) in report.cases.iter().zip(&cases) {
            prop_assert_eq!(&case.name, name);
            prop_assert_eq!(&case.text, failure);
            prop_assert_eq!(case.seconds, Some(f64::from(*milliseconds) / 1000.0));
        }
    }

    #[test]
    fn any_soup_is_survived(text in r#"(<testsuite>|</testsuite>|<testcase name="a">|<testcase/>|</testcase>|<failure>|</failure>|<system-out>|</system-out>|<!\[CDATA\[|\]\]>|<!--|-->|&lt;|&#x;|&|<|>|"|'|x|\n){0,40}"#) {
        if let Ok(report) = read(text.as_bytes(), "x") {
            prop_assert_eq!(report.truncated, report.problem.is_some());
            prop_assert!(report.cases.len() <= text.matches("<testcase").count());
        }
    }
}
