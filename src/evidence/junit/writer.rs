//! A JUnit file of a suite that bellwether ran itself. Pure. What is written here is read back by [`super::read`] as
//! it was.

use junit_report::{Duration, Report, ReportBuilder, TestCase, TestCaseBuilder, TestSuite};

use crate::model::{SpecOutcome, SpecResult};

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the JUnit file cannot be written: {0}")]
pub struct WriteError(String);

/// Finished specs as one suite.
///
/// # Errors
/// When the text cannot be written as XML.
pub fn write(suite: &str, specs: &[SpecResult]) -> Result<Vec<u8>, WriteError> {
    let mut cases = TestSuite::new(suite);
    cases.add_testcases(specs.iter().map(case));
    let report: Report = ReportBuilder::new().add_testsuite(cases).build();
    let mut bytes = Vec::new();
    report
        .write_xml(&mut bytes)
        .map_err(|error| WriteError(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn case(spec: &SpecResult) -> TestCase {
    let name = text(&spec.name.0);
    let seconds = Duration::seconds_f64(spec.seconds.clamp(0.0, 1e9));
    if !spec.outcome.is_failure() {
        return TestCase::success(&name, seconds);
    }
    // Ginkgo's words, which the reader knows.
    let kind = match spec.outcome {
        SpecOutcome::TimedOut => "timedout",
        outcome => outcome.name(),
    };
    let failure = spec.failure.as_ref();
    let message = failure.map_or(String::new(), |failure| text(&failure.message));
    let whole = failure.map_or(String::new(), |failure| text(&failure.text));
    TestCaseBuilder::failure(&name, seconds, kind, &message)
        // The library puts this into CDATA as it is.
        .set_trace(&whole.replace("]]>", "]]]]><![CDATA[>"))
        .build()
}

/// Only characters that XML 1.0 can hold.
fn text(words: &str) -> String {
    words
        .chars()
        .filter(|c| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::junit,
        model::{Failure, SpecName},
        suite::ginkgo::Names,
    };

    #[test]
    fn what_is_written_is_read_back() {
        let spec = |name: &str, outcome, failure: Option<&str>| SpecResult {
            name: SpecName(name.to_owned()),
            outcome,
            started_at: None,
            ended_at: None,
            seconds: 1.5,
            process: None,
            failure: failure.map(|text| Failure {
                message: text.lines().next().unwrap().to_owned(),
                text: text.to_owned(),
                location: None,
            }),
            reason: None,
        };
        let specs = [
            spec("[cri-lifecycle] one passes", SpecOutcome::Passed, None),
            spec(
                "[cri-lifecycle] one fails",
                SpecOutcome::Failed,
                Some("it is <b>\"not\"</b> & so\n\n  0.001 s  line ]]> two"),
            ),
            spec(
                "[cri-lifecycle] one hangs",
                SpecOutcome::TimedOut,
                Some("no end"),
            ),
        ];
        let bytes = write("cri-lifecycle", &specs).unwrap();
        let report = junit::read(&bytes, "junit_cri_01.xml").unwrap();
        assert!(!report.truncated, "{:?}", report.problem);
        let (read, failures) = report.results(&Names::default()).unwrap();
        assert!(failures.is_empty());
        for (was, is) in specs.iter().zip(&read) {
            assert_eq!((&was.name, was.outcome), (&is.name, is.outcome));
            let texts = |of: &SpecResult| of.failure.as_ref().map(|f| f.text.clone());
            assert_eq!(texts(was), texts(is));
        }
        assert_eq!(read.len(), 3);
    }
}
