//! The causes: what the summary leads with, and all that `triage` shows.

use super::{Page, split_tags};
use crate::{
    model::ClusterReport,
    report::clusters::{Triaged, acts, counted, reach},
};

/// Tests named of one cluster; the rest is counted.
const TESTS: usize = 4;
/// Files that were not read, by name; the rest is counted.
const SKIPPED: usize = 8;

/// The clusters, at most `most` of them.
pub(super) fn causes(page: &mut Page, clusters: &[ClusterReport], most: usize) {
    if clusters.is_empty() {
        return;
    }
    let failures: u64 = clusters
        .iter()
        .map(|cluster| u64::from(cluster.count))
        .sum();
    page.heading(&format!(
        "{} behind {}",
        counted(clusters.len(), "cause"),
        counted(failures, "failure")
    ));
    for cluster in clusters.iter().take(most) {
        one(page, cluster);
    }
    if let Some(more) = clusters.len().checked_sub(most).filter(|n| *n > 0) {
        let failures: u64 = clusters.iter().skip(most).map(|c| u64::from(c.count)).sum();
        page.line("");
        page.text(
            2,
            &format!(
                "and {} more behind {}; --all shows them",
                counted(more, "cause"),
                counted(failures, "failure")
            ),
        );
    }
}

fn one(page: &mut Page, cluster: &ClusterReport) {
    page.line("");
    let head = page.paint("bad", &format!("{}×", cluster.count));
    let class = page.paint("head", cluster.class.name());
    let id = page.paint("quiet", &cluster.id);
    page.line(&format!("  {head} {class}  {}  {id}", reach(cluster)));
    page.text(4, &cluster.summary);
    page.item(4, "acts", &acts(cluster));
    if let Some(line) = &cluster.line {
        let place = match line.line {
            0 => line.file.to_string(),
            number => format!("{}:{number}", line.file),
        };
        if !place.is_empty() {
            page.item(4, "seen", &place);
        }
        if !line.text.is_empty() && line.text != cluster.summary {
            page.text(13, &line.text);
        }
    }
    for line in cluster.evidence.iter().take(3) {
        page.item(4, "node", &format!("{}:{}", line.file, line.line));
        page.text(13, &short(&line.text));
    }
    for hit in cluster.tests.iter().take(TESTS) {
        let (text, _) = split_tags(&hit.test);
        let times = match hit.count {
            1 => String::new(),
            count => format!("{count}× "),
        };
        let lanes = match hit.lanes.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one})"),
            [first, rest @ ..] => format!(" ({first} and {} more)", rest.len()),
        };
        page.item(4, "hits", &format!("{times}{text}{lanes}"));
    }
    if let Some(more) = cluster.tests.len().checked_sub(TESTS).filter(|n| *n > 0) {
        page.item(4, "", &format!("and {} more", counted(more, "test")));
    }
    for other in cluster.related.iter().take(2) {
        page.item(4, "like", &format!("{} ({:.2})", other.id, other.score));
    }
    if let Some(hint) = &cluster.hint {
        page.item(4, "do", hint);
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What `triage` found.
pub(super) fn triaged(page: &mut Page, triaged: &Triaged, most: usize) {
    let (sign, tone) = match triaged.clusters.is_empty() {
        true => ("○", "quiet"),
        false => ("✗", "bad"),
    };
    let words = page.paint(tone, &format!("{sign} {}", triaged.words()));
    page.line(&words);
    causes(page, &triaged.clusters, most);
    let noted: Vec<_> = triaged
        .files
        .iter()
        .filter_map(|file| Some((file, file.note.as_ref()?)))
        .collect();
    if noted.is_empty() {
        return;
    }
    page.heading("Not read, or not as a whole");
    for (file, note) in noted.iter().take(SKIPPED) {
        page.text(2, &format!("{}: {note}", file.file));
    }
    if let Some(more) = noted.len().checked_sub(SKIPPED).filter(|n| *n > 0) {
        page.text(
            2,
            &format!("and {} more; --json lists them", counted(more, "file")),
        );
    }
}
