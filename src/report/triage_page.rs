//! The page of `triage`: one file that needs nothing else. Pure.

use serde::Serialize;

use super::{
    ReportError,
    cluster_view::{self, ClusterView},
    clusters::Triaged,
    html::page,
};

// The suffix is what turns escaping on.
const NAME: &str = "triage.html";
const TEMPLATE: &str = include_str!("../../templates/triage.html.tera");
/// Files listed on the page.
const FILES: usize = 2000;

#[derive(Serialize)]
struct TriageContext {
    title: String,
    sign: &'static str,
    stamp: String,
    tone: &'static str,
    standing: String,
    clusters_title: String,
    clusters: Vec<ClusterView>,
    files: Vec<FileView>,
    more_files: usize,
    bellwether: &'static str,
}

#[derive(Serialize)]
struct FileView {
    file: String,
    format: &'static str,
    tests: u64,
    failures: u64,
    note: String,
}

/// Renders what was found under `title`, which names what was read.
///
/// # Errors
/// When the template does not fit: a bug of bellwether's own.
pub fn triage_html(triaged: &Triaged, title: &str) -> Result<String, ReportError> {
    let none = triaged.clusters.is_empty();
    let context = TriageContext {
        title: title.to_owned(),
        sign: if none { "○" } else { "✗" },
        stamp: super::clusters::counted(triaged.clusters.len(), "cause"),
        tone: if none { "quiet" } else { "bad" },
        standing: triaged.words(),
        clusters_title: cluster_view::title(&triaged.clusters),
        clusters: triaged
            .clusters
            .iter()
            .map(|cluster| cluster_view::view(cluster, None, true, |_, _| None))
            .collect(),
        files: triaged
            .files
            .iter()
            .take(FILES)
            .map(|file| FileView {
                file: file.file.clone(),
                format: file.format.map_or("not read", |format| format.name()),
                tests: file.tests,
                failures: file.failures,
                note: file.note.clone().unwrap_or_default(),
            })
            .collect(),
        more_files: triaged.files.len().saturating_sub(FILES),
        bellwether: env!("CARGO_PKG_VERSION"),
    };
    page(NAME, TEMPLATE, &context)
}
