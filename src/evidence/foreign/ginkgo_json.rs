//! Ginkgo's `report.json`. Pure.

use super::found::{Draft, Format, Limits, Parsed, bounded};
use crate::evidence::ginkgo_report::{self, GinkgoReportError};

pub(super) fn read(bytes: &[u8], file: &str, limits: &Limits) -> Result<Parsed, String> {
    let mut parsed = Parsed::of(Format::GinkgoJson);
    let report = match ginkgo_report::read(bytes, file) {
        Ok(report) => report,
        Err(GinkgoReportError::DryRun { .. }) => {
            parsed.note = Some("it comes from a dry run; nothing in it ran".to_owned());
            return Ok(parsed);
        }
        Err(error) => return Err(error.to_string()),
    };
    parsed.tests = report.specs.len() as u64;
    parsed.note = report.truncated;
    for spec in report.specs.iter().filter(|s| s.outcome.is_failure()) {
        let said = spec.failure.as_ref().map(|failure| {
            let place = failure.location.as_ref();
            let place = place.map_or(String::new(), |at| format!("\nIn [It] at: {at}"));
            format!("{}{place}", failure.text)
        });
        parsed.failures.push(Draft {
            test: spec.name.0.clone(),
            message: bounded(&said.unwrap_or_default(), limits.message),
            began: spec.started_at,
            at: spec.ended_at.or(spec.started_at),
            ..Draft::default()
        });
    }
    for node in report.failures {
        let text = node.failure.map(|failure| failure.text).unwrap_or_default();
        parsed.failures.push(Draft {
            test: format!("[{}]", node.node),
            message: bounded(&text, limits.message),
            ..Draft::default()
        });
    }
    if parsed.failures.is_empty() {
        for reason in report.special {
            parsed.failures.push(Draft {
                test: "the whole suite".to_owned(),
                message: reason,
                ..Draft::default()
            });
        }
    }
    Ok(parsed)
}
