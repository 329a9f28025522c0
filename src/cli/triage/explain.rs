//! `triage explain`: why a failure is where it is, or why two are together or apart.

use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use super::triage;
use crate::{
    cli::{CliError, Globals},
    model::{ClusterReport, ExitCode, failed::Failure},
    report::Triaged,
    triage::{Explanation, explain_pair},
};

/// Failures that one is compared with at most.
const MOST: usize = 5;

/// Say why a failure is in its cluster, or why two are together or apart, with the scores
///
/// Give one or two ids (of failures, as --json lists them, or of clusters), then what was triaged.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// One or two ids, then files, folders and archives
    #[arg(required = true, num_args = 2.., value_name = "ID|PATH")]
    words: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Comparison {
    one: String,
    other: String,
    other_test: String,
    #[serde(flatten)]
    explained: Explanation,
}

/// Runs the subcommand.
///
/// # Errors
/// When a path cannot be read or an id names nothing.
pub(super) fn run(args: &ExplainArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let (paths, ids): (Vec<_>, Vec<_>) = args
        .words
        .iter()
        .map(Utf8PathBuf::from)
        .partition(|word| word.exists());
    if paths.is_empty() || ids.is_empty() || ids.len() > 2 {
        return Err(CliError::Form {
            text: args.words.join(" "),
            form: "ID [ID] PATH…, with one or two ids and paths that are there",
        });
    }
    let triaged = triage(&paths)?;
    let found: Vec<&Failure> = ids
        .iter()
        .map(|id| find(&triaged, id.as_str()))
        .collect::<Result<_, _>>()?;
    let comparisons = match found.as_slice() {
        [one, other] => vec![compare(one, other)],
        [one] => neighbours(&triaged, one),
        _ => Vec::new(),
    };
    let printer = globals.printer();
    if printer.json {
        printer.document(&comparisons)?;
        return Ok(ExitCode::Passed);
    }
    let mut out = String::new();
    for failure in &found {
        out.push_str(&shown(&triaged, failure));
    }
    if comparisons.is_empty() {
        out.push_str("It is alone: no other failure is like it.\n");
    }
    for comparison in &comparisons {
        out.push_str(&words(comparison, found.len() == 1));
    }
    printer.data(&out)?;
    Ok(ExitCode::Passed)
}

/// The failure of this id, or the first of the cluster of this id.
fn find<'t>(triaged: &'t Triaged, id: &str) -> Result<&'t Failure, CliError> {
    let of_cluster = |cluster: &'t ClusterReport| cluster.failures.first().map(String::as_str);
    let wanted = triaged
        .clusters
        .iter()
        .find(|cluster| cluster.id == id)
        .and_then(of_cluster)
        .unwrap_or(id);
    let exact = triaged.failures.iter().find(|failure| failure.id == wanted);
    let begins = || {
        let mut fits = triaged.failures.iter().filter(|f| f.id.starts_with(wanted));
        fits.next().filter(|_| fits.next().is_none())
    };
    exact.or_else(begins).ok_or_else(|| CliError::NoFailure {
        id: id.to_owned(),
        some: triaged
            .failures
            .iter()
            .take(3)
            .map(|f| f.id.clone())
            .collect(),
    })
}

fn cluster_of<'t>(triaged: &'t Triaged, failure: &Failure) -> Option<&'t ClusterReport> {
    let mut clusters = triaged.clusters.iter();
    clusters.find(|cluster| cluster.failures.contains(&failure.id))
}

/// Others of its cluster, then the nearest of those that are kept apart.
fn neighbours(triaged: &Triaged, one: &Failure) -> Vec<Comparison> {
    let Some(own) = cluster_of(triaged, one) else {
        return Vec::new();
    };
    let first = |id: &String| triaged.failures.iter().find(|failure| failure.id == *id);
    let together = own.failures.iter().filter(|id| **id != one.id).take(MOST);
    let related = own.related.iter().filter_map(|other| {
        let cluster = triaged.clusters.iter().find(|c| c.id == other.id)?;
        cluster.failures.first()
    });
    together
        .chain(related.take(MOST))
        .filter_map(first)
        .map(|other| compare(one, other))
        .collect()
}

fn compare(one: &Failure, other: &Failure) -> Comparison {
    Comparison {
        one: one.id.clone(),
        other: other.id.clone(),
        other_test: other.test.clone(),
        explained: explain_pair(one, other),
    }
}

fn shown(triaged: &Triaged, failure: &Failure) -> String {
    let place = &failure.place;
    let mut text = format!("{}  {}\n", failure.id, failure.test);
    text.push_str(&format!("  at       {}:{}\n", place.file, place.line));
    if let Some(cluster) = cluster_of(triaged, failure) {
        let (id, count, class) = (&cluster.id, cluster.count, cluster.class);
        text.push_str(&format!("  cluster  {id}, {count} failures, {class}\n"));
        text.push_str(&format!("  cause    {}\n", cluster.summary));
    }
    text
}

fn words(comparison: &Comparison, name: bool) -> String {
    let explained = &comparison.explained;
    let mut text = String::from("\n");
    if name {
        text.push_str(&format!(
            "{}  {}\n",
            comparison.other, comparison.other_test
        ));
    }
    text.push_str(&format!("  {}\n", explained.words));
    for score in &explained.scores {
        let bound = score.bound;
        let bound = bound.map_or(String::new(), |bound| format!("  joins from {bound:.2}"));
        text.push_str(&format!("  {:<12} {:.3}{bound}\n", score.what, score.value));
    }
    text
}
