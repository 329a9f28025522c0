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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn hostile_words_stay_text_and_nothing_is_fetched() {
        let mut triaged = samples::triaged();
        let evil = "<script>alert(1)</script>\"'><img src=x>{{ title }}";
        for cluster in &mut triaged.clusters {
            cluster.summary = evil.to_owned();
            cluster.hint = Some(evil.to_owned());
            cluster.lanes.push(evil.to_owned());
            for hit in &mut cluster.tests {
                hit.test = evil.to_owned();
                hit.lanes.push(evil.to_owned());
                hit.place = evil.to_owned();
            }
        }
        for file in &mut triaged.files {
            file.file = evil.to_owned();
            file.note = Some(evil.to_owned());
        }
        let page = triage_html(&triaged, evil).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)"));
        for word in [
            "<script>alert",
            "<img",
            "<link",
            "src=x>{{",
            "@import",
            "url(",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        for cluster in &triaged.clusters {
            assert!(page.contains(&cluster.id));
        }
        assert!(triage_html(&Triaged::default(), "nothing").is_ok());
    }
}
