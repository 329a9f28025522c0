//! The page of a run: one file that needs nothing else, and shows everything without JavaScript. Pure.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tera::{Context, Tera};

use super::{ReportContext, ReportError};

// The suffix is what turns escaping on.
const NAME: &str = "report.html";
const TEMPLATE: &str = include_str!("../../templates/report.html.tera");
const PARTS: &str = include_str!("../../templates/parts.html.tera");
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

/// Renders the page. Every value is escaped; the only script that a browser will run is ours, by its digest.
///
/// # Errors
/// When the template does not fit the context.
pub fn html(context: &ReportContext) -> Result<String, ReportError> {
    page(NAME, TEMPLATE, context)
}

/// A page of any template, with the parts, the style and the script that all pages share.
pub(super) fn page(
    name: &'static str,
    template: &'static str,
    context: &impl Serialize,
) -> Result<String, ReportError> {
    let mut tera = Tera::new();
    tera.add_raw_templates([("parts.html", PARTS), (name, template)])?;
    let mut page = Context::from_serialize(context)?;
    page.insert("style", STYLE);
    page.insert("script", SCRIPT);
    let digest = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    page.insert("script_digest", &digest);
    Ok(tera.render(name, &page)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{compose, gather::Found, samples};

    #[test]
    fn the_context_of_a_failed_run() {
        let (summary, found) = samples::failed_run();
        insta::assert_json_snapshot!(compose(&summary, &found));
    }

    #[test]
    fn the_page_of_a_failed_run() {
        let (summary, found) = samples::failed_run();
        let page = html(&compose(&summary, &found)).unwrap();
        // Style and script are read in their own files.
        let page = page.replace(STYLE, "…").replace(SCRIPT, "…");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn expected_failures_have_their_reason_and_their_link() {
        let summary = samples::expected();
        let context = compose(&summary, &Found::default());
        insta::assert_json_snapshot!((&context.expectations, &context.matrices));
        let page = html(&context).unwrap();
        assert!(page.contains("href=\"https://github.com/google/gvisor/issues/1\""));
        assert!(page.contains("the mode of a tmpfs file is not kept"));
    }

    #[test]
    fn every_kind_of_run_has_a_page() {
        for summary in samples::all() {
            let page = html(&compose(&summary, &Found::default())).unwrap();
            for cell in &summary.cells {
                assert!(page.contains(cell.lane.id.as_str()));
                assert!(page.contains(cell.outcome.name()));
            }
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let (summary, found) = samples::failed_run();
        let page = html(&compose(&summary, &found)).unwrap();
        for word in [
            "<link", "src=", "@import", "url(", "fetch(", "XMLHttp", "onclick",
        ] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn hostile_names_stay_text() {
        let (mut summary, found) = samples::failed_run();
        let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ run }}";
        summary.profile = evil.to_owned();
        for candidate in &mut summary.candidates {
            candidate.pairing.push_str(evil);
            for revision in candidate.revisions.values_mut() {
                revision.version = evil.to_owned();
                revision.link = Some("javascript:alert(3)".to_owned());
            }
            for image in candidate.node_images.values_mut() {
                image.packages.push(evil.to_owned());
            }
        }
        for cell in &mut summary.cells {
            cell.disagreements.push(evil.to_owned());
            cell.lane.sandboxer.push_str(evil);
            for spec in &mut cell.specs {
                spec.name.0.push_str(evil);
                spec.reason = Some(evil.to_owned());
                if let Some(failure) = &mut spec.failure {
                    failure.message = evil.to_owned();
                    failure.text = format!("{evil} text");
                    failure.location = Some(evil.to_owned());
                }
            }
            if let crate::model::CellOutcome::Stopped { cause } = &mut cell.outcome {
                cause.summary = evil.to_owned();
                cause.hint = Some(evil.to_owned());
            }
        }
        let page = html(&compose(&summary, &found)).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("<img"));
        assert!(!page.contains("javascript:"));
        assert_eq!(page.matches("<script>").count(), 1, "our own");
        // Nothing breaks out of an attribute: every quote of a value is escaped.
        assert!(!page.contains("\"'><"));
    }
}
