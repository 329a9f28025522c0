//! One JUnit document for a run: a suite for each lane. Pure.
//!
//! JUnit has no word for what stopped before its specs, so a lane that is not green without a failed spec gets
//! an error case of its own, such as `[runtime-ready]`: no reader of the file can take it for green. Nor has it one
//! for a failure that is expected: that is a skipped case, whose message is the reason and whose output is what it said.

use junit_report::{Duration, OffsetDateTime, Report, TestCase, TestCaseBuilder, TestSuite};

use super::{ReportError, excerpt::plain, words};
use crate::model::{CellOutcome, CellSummary, Role, RunSummary, SpecOutcome, SpecResult};

/// The whole run.
///
/// # Errors
/// When the document cannot be written.
pub fn junit(summary: &RunSummary) -> Result<String, ReportError> {
    render(summary.cells.iter().map(|cell| suite(summary, cell)))
}

/// One lane.
///
/// # Errors
/// When the document cannot be written.
pub fn lane_junit(summary: &RunSummary, cell: &CellSummary) -> Result<String, ReportError> {
    render([suite(summary, cell)])
}

fn render(suites: impl IntoIterator<Item = TestSuite>) -> Result<String, ReportError> {
    let mut report = Report::new();
    report.add_testsuites(suites);
    let mut bytes = Vec::new();
    report.write_xml(&mut bytes)?;
    bytes.push(b'\n');
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn suite(summary: &RunSummary, cell: &CellSummary) -> TestSuite {
    let started = cell
        .specs
        .iter()
        .filter_map(|spec| spec.started_at)
        .min()
        .unwrap_or(summary.started_at);
    let mut suite = TestSuite::new(cell.lane.id.as_str());
    // Far out years do not fit; the epoch is wrong in a way that everybody sees.
    suite.set_timestamp(
        OffsetDateTime::from_unix_timestamp(started.as_second())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
    );
    let mut add = |mut case: TestCase| {
        case.set_classname(cell.lane.id.as_str());
        suite.add_testcase(case);
    };
    if let Some(case) = own_case(cell) {
        add(case);
    }
    for spec in &cell.specs {
        add(spec_case(spec));
    }
    suite
}

/// What the lane itself says where its specs do not.
fn own_case(cell: &CellSummary) -> Option<TestCase> {
    let seconds = Duration::seconds_f64(cell.seconds.clamp(0.0, 1e9));
    match &cell.outcome {
        CellOutcome::Passed | CellOutcome::Failed => None,
        CellOutcome::Stopped { cause } => {
            let mut lines = vec![text(&cause.summary)];
            lines.push(format!(
                "kind {}, acts {} ({})",
                cause.class, cause.blame, cause.confidence
            ));
            lines.extend(cause.evidence.iter().map(|line| text(&line.to_string())));
            lines.extend(cause.hint.iter().map(|hint| text(&format!("hint: {hint}"))));
            Some(
                TestCaseBuilder::error(
                    &format!("[{}]", cause.phase),
                    seconds,
                    "stopped",
                    &text(&cause.summary),
                )
                .set_trace(&cdata(&lines.join("\n")))
                .build(),
            )
        }
        CellOutcome::NotRun { reason } if cell.lane.role == Role::Informing => Some(
            TestCase::skipped_with_cause("[not-run]", "not-run", &text(reason)),
        ),
        CellOutcome::NotRun { .. } | CellOutcome::Reduced { .. } | CellOutcome::NoTests => {
            let name = cell.outcome.name();
            let reason = words::cell_reason(cell).unwrap_or_default();
            let case = TestCase::error(&format!("[{name}]"), seconds, name, &text(&reason));
            Some(case)
        }
    }
}

fn spec_case(spec: &SpecResult) -> TestCase {
    let name = text(&spec.name.0);
    let seconds = Duration::seconds_f64(spec.seconds.clamp(0.0, 1e9));
    let kind = spec.outcome.name();
    let reason = text(spec.reason.as_deref().unwrap_or_default());
    match spec.outcome {
        SpecOutcome::Passed => TestCase::success(&name, seconds),
        SpecOutcome::UnexpectedPass => {
            let mut case = TestCase::success(&name, seconds);
            case.set_system_out(&cdata(&format!("unexpected-pass: {reason}")));
            case
        }
        SpecOutcome::Skipped | SpecOutcome::NotRun => {
            TestCase::skipped_with_cause(&name, kind, &reason)
        }
        SpecOutcome::ExpectedFailure => {
            let mut case = TestCase::skipped_with_cause(&name, kind, &reason);
            if let Some(failure) = &spec.failure {
                case.set_system_out(&cdata(&text(&failure.message)));
            }
            case
        }
        SpecOutcome::Failed
        | SpecOutcome::TimedOut
        | SpecOutcome::Panicked
        | SpecOutcome::Interrupted => {
            let failure = spec.failure.as_ref();
            let message = failure.map_or(reason, |failure| text(&failure.message));
            let mut trace = failure.map_or(String::new(), |failure| text(&failure.text));
            if let Some(place) = failure.and_then(|failure| failure.location.as_ref()) {
                trace.push_str(&text(&format!("\nat {place}")));
            }
            // Such as an expectation that does not cover it any more.
            if let Some(why) = spec.reason.as_ref().filter(|_| failure.is_some()) {
                trace.push_str(&text(&format!("\n{why}")));
            }
            TestCaseBuilder::failure(&name, seconds, kind, &message)
                .set_trace(&cdata(&trace))
                .build()
        }
    }
}

/// Only characters that XML 1.0 can hold; escape sequences go whole.
fn text(words: &str) -> String {
    plain(words)
        .chars()
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}

/// The writer puts text into CDATA as it is, and `]]>` would end that.
fn cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, events::Event};

    use super::*;
    use crate::report::samples;

    /// Case names with the element inside, read back by another parser.
    fn read(xml: &str) -> Vec<(String, String)> {
        let mut reader = Reader::from_str(xml);
        let mut cases: Vec<(String, String)> = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return cases,
                Event::Start(tag) | Event::Empty(tag) => {
                    let kind = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                    match kind.as_str() {
                        "testcase" => {
                            let name = tag.try_get_attribute("name").unwrap().unwrap();
                            cases.push((
                                name.normalized_value(quick_xml::XmlVersion::Implicit1_0)
                                    .unwrap()
                                    .into_owned(),
                                "passed".to_owned(),
                            ));
                        }
                        "failure" | "error" | "skipped" => cases.last_mut().unwrap().1 = kind,
                        "testsuites" | "testsuite" | "system-out" => {}
                        other => panic!("an element <{other}> that nobody wrote"),
                    }
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_run_with_everything_reads_back() {
        insta::assert_snapshot!(junit(&samples::failed()).unwrap());
    }

    #[test]
    fn an_expected_failure_is_skipped_with_its_reason() {
        let summary = samples::expected();
        let xml = lane_junit(&summary, &summary.cells[1]).unwrap();
        let kinds: Vec<String> = read(&xml).into_iter().map(|(_, kind)| kind).collect();
        let count = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
        assert_eq!(
            (count("failure"), count("skipped"), count("passed")),
            (1, 1, 17)
        );
        for words in [
            "expected: the mode of a tmpfs file is not kept",
            "unexpected-pass: a failure is expected: a guess",
            "no longer expected: the mode of a tmpfs file is not kept",
        ] {
            assert!(xml.contains(words), "{words}\n{xml}");
        }
    }

    #[test]
    fn no_lane_that_is_not_green_reads_as_green() {
        for summary in samples::all() {
            for cell in &summary.cells {
                let cases = read(&lane_junit(&summary, cell).unwrap());
                let red = cases
                    .iter()
                    .any(|(_, kind)| kind == "failure" || kind == "error");
                assert_eq!(red, !cell.outcome.is_green(), "{}", cell.outcome.name());
                assert!(cases.len() >= cell.specs.len(), "every spec is in the file");
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut summary = samples::expected();
        let hostile = "]]><evil a='1'/>\u{1b}[31m\u{0}\u{ffff} & \"<&amp;";
        for cell in &mut summary.cells {
            for spec in &mut cell.specs {
                spec.name.0.push_str(hostile);
                if let Some(failure) = &mut spec.failure {
                    failure.text = hostile.to_owned();
                    failure.message = hostile.to_owned();
                }
                spec.reason = spec.reason.as_ref().map(|_| hostile.to_owned());
            }
        }
        let xml = junit(&summary).unwrap();
        let cases = read(&xml);
        assert!(
            cases
                .iter()
                .any(|(name, _)| name.ends_with("]]><evil a='1'/> & \"<&amp;"))
        );
    }
}
