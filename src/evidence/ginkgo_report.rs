//! Ginkgo's JSON report, read as results. A dry run's is refused.

use jiff::Timestamp;

use crate::{
    model::{Failure, SpecName, SpecOutcome, SpecResult},
    suite::{
        SuiteFailure,
        ginkgo::{
            report::{self, RawFailure, RawSpec},
            result_outcome,
        },
        innermost,
    },
};

/// The report cannot be read as results.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GinkgoReportError {
    /// It comes from a dry run, in which selected specs are marked `passed`.
    #[error("{file} comes from a dry run: its `passed` specs never ran")]
    DryRun {
        /// The file.
        file: String,
    },
    /// It is something else.
    #[error("{file} is no Ginkgo report: {why}")]
    NotAReport {
        /// The file.
        file: String,
        /// What is wrong, with line and column if known.
        why: String,
    },
}

/// Results of a real run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GinkgoReport {
    /// Its specs. Those that were not selected, or never got their turn, are not-run.
    pub specs: Vec<SpecResult>,
    /// Suite-level nodes that failed.
    pub failures: Vec<SuiteFailure>,
    /// How many specs it said it would run, of how many.
    pub will_run: Option<(u32, u32)>,
    /// `Suite Timeout Elapsed` and the like.
    pub special: Vec<String>,
    /// Where and why the file broke off; what comes before is kept.
    pub truncated: Option<String>,
}

/// Reads a report. `file` is its name, for messages.
///
/// # Errors
/// When it comes from a dry run, or is no report.
pub fn read(bytes: &[u8], file: &str) -> Result<GinkgoReport, GinkgoReportError> {
    let raw = report::read(bytes);
    let not_a_report = |why: String| GinkgoReportError::NotAReport {
        file: file.to_owned(),
        why,
    };
    if raw.suites.iter().any(|suite| suite.dry_run == Some(true)) {
        return Err(GinkgoReportError::DryRun {
            file: file.to_owned(),
        });
    }
    let unsure = |suite: &report::RawSuite| suite.dry_run.is_none() && !suite.specs.is_empty();
    if raw.suites.iter().any(unsure) {
        return Err(not_a_report(
            "it does not say whether it is a dry run".to_owned(),
        ));
    }
    if let (true, Some(why)) = (raw.suites.is_empty(), &raw.truncated)
        && !bytes.trim_ascii().is_empty()
    {
        return Err(not_a_report(why.clone()));
    }
    let mut result = GinkgoReport {
        truncated: raw.truncated.map(|why| format!("{file}: {why}")),
        ..GinkgoReport::default()
    };
    for suite in raw.suites {
        if let Some(stats) = suite.stats {
            let (selected, total) = result.will_run.unwrap_or_default();
            result.will_run = Some((
                selected + stats.specs_that_will_run,
                total + stats.total_specs,
            ));
        }
        result.special.extend(suite.special_failures);
        for spec in suite.specs {
            if spec.is_spec() {
                result.specs.push(spec_result(spec));
            } else {
                result.failures.extend(suite_failure(&spec));
            }
        }
    }
    Ok(result)
}

fn spec_result(spec: RawSpec) -> SpecResult {
    let said = spec.failure.as_ref().is_some_and(|f| !f.message.is_empty());
    let outcome = match result_outcome(&spec.state) {
        // Not selected, or the suite ended before its turn.
        Some(SpecOutcome::Skipped) if !said => SpecOutcome::NotRun,
        Some(outcome) => outcome,
        None => SpecOutcome::NotRun,
    };
    let ran = outcome != SpecOutcome::NotRun;
    let text = spec.failure.as_ref().map(failure_text).unwrap_or_default();
    SpecResult {
        name: SpecName(spec.name()),
        outcome,
        started_at: time(&spec.start_time).filter(|_| ran),
        ended_at: time(&spec.end_time).filter(|_| ran),
        seconds: if ran { spec.run_time / 1e9 } else { 0.0 },
        process: Some(spec.parallel_process).filter(|process| *process > 0 && ran),
        failure: spec.failure.filter(|_| outcome.is_failure()).map(failure),
        reason: match outcome {
            SpecOutcome::Skipped => Some(innermost(&text)),
            SpecOutcome::NotRun if spec.state != "skipped" => Some(spec.state),
            _ => None,
        },
    }
}

fn suite_failure(node: &RawSpec) -> Option<SuiteFailure> {
    let outcome = result_outcome(&node.state).filter(|outcome| outcome.is_failure())?;
    Some(SuiteFailure {
        node: node.leaf_node_type.clone(),
        outcome,
        seconds: node.run_time / 1e9,
        failure: node.failure.clone().map(failure),
    })
}

fn failure(raw: RawFailure) -> Failure {
    let text = failure_text(&raw);
    Failure {
        message: innermost(&text),
        location: Some(raw.location.text()).filter(|place| !place.is_empty()),
        text,
    }
}

fn failure_text(raw: &RawFailure) -> String {
    match raw.forwarded_panic.as_str() {
        "" => raw.message.clone(),
        panic => format!("{}\n\n{panic}", raw.message),
    }
}

/// Go's zero time means unknown.
fn time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time.as_second() > 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/evidence");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    #[test]
    fn a_report_that_breaks_off_keeps_its_specs() {
        let bytes = fixture("runsc.report.json");
        let whole = read(&bytes, "r").unwrap();
        let mut last = 0;
        for cut in (0..bytes.len() - 3).step_by(997) {
            match read(&bytes[..cut], "r") {
                Ok(report) => {
                    assert!(report.truncated.is_some(), "cut at {cut}");
                    assert!(whole.specs.starts_with(&report.specs), "cut at {cut}");
                    assert!(report.specs.len() >= last, "cut at {cut}");
                    last = report.specs.len();
                }
                Err(error) => panic!("cut at {cut}: {error}"),
            }
        }
        assert!(last > 20);
        for text in [
            "{}",
            "nonsense",
            "[{\"SpecReports\":[{\"LeafNodeType\":\"It\",\"State\":\"passed\"}]}]",
        ] {
            assert!(read(text.as_bytes(), "r").is_err(), "{text}");
        }
    }

    #[test]
    fn a_panic_has_its_value_and_a_skip_its_reason() {
        let report = read(&fixture("every-outcome.report.json"), "r").unwrap();
        let spec = |outcome| {
            report
                .specs
                .iter()
                .find(|spec| spec.outcome == outcome)
                .unwrap()
        };
        let panic = spec(SpecOutcome::Panicked).failure.as_ref().unwrap();
        assert_eq!(panic.message, "Test Panicked: boom");
        assert_eq!(panic.location.as_deref(), Some("/suite/gk_test.go:34"));
        let skip = spec(SpecOutcome::Skipped);
        assert_eq!(skip.reason.as_deref(), Some("needs two nodes"));
        let pending = spec(SpecOutcome::NotRun);
        assert_eq!(pending.reason.as_deref(), Some("pending"));
    }
}
