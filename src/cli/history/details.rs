//! One thing at a time: a run, a lane, a spec, a cluster, a candidate, a comparison, what was found.

use super::tables::{Table, mark, said, seconds, short, sign, table};
use crate::{
    history::{
        ChangeKind, Comparison,
        query::{CandidatePage, ClusterPage, Found, LanePage, RunPage, SpecHistory},
    },
    model::SpecOutcome,
    report::words,
};

pub fn run(page: &RunPage) -> Table {
    let rows = page.lanes.iter().flat_map(|lane| {
        let cell = &lane.cell;
        let first = [
            format!("{} {}", sign(cell.outcome), lane.lane),
            cell.outcome.to_owned(),
            format!("{}/{} passed", cell.counts.passed, cell.counts.planned),
            seconds(cell.ms),
            cell.said.as_deref().map_or_else(String::new, said),
        ];
        let failures = lane.failures.iter().map(|failure| {
            let outcome = failure.outcome.map_or("stopped", SpecOutcome::name);
            [
                format!("  {}", said(&failure.spec)),
                outcome.to_owned(),
                failure.cluster.clone(),
                seconds(failure.ms),
                said(&failure.message),
            ]
        });
        std::iter::once(first).chain(failures).collect::<Vec<_>>()
    });
    table(
        ["LANE, SPEC", "OUTCOME", "SPECS, CLUSTER", "TOOK", "SAID"],
        rows,
    )
}

pub fn lane(page: &LanePage) -> Table {
    let rows = page.specs.iter().map(|spec| {
        let strip = spec.outcomes.iter();
        let strip: String = strip.map(|outcome| outcome.map_or(' ', mark)).collect();
        [
            format!("|{strip}|"),
            format!("{}/{}", spec.failed, spec.ran),
            said(&spec.spec),
        ]
    });
    let mut out = table(["RUNS, NEWEST LAST", "FAILED", "SPEC"], rows);
    let cells: String = page.cells.iter().map(|cell| sign(cell.outcome)).collect();
    out.below = vec![
        format!("{} |{cells}|", page.lane.lane),
        format!(
            "{} of {} specs always passed or were skipped",
            page.quiet, page.total
        ),
    ];
    let stops = page.stops.iter().rev().take(5);
    out.below.extend(stops.map(|stop| {
        format!(
            "{} stopped {}: {}",
            words::moment(stop.at),
            stop.spec,
            said(&stop.message)
        )
    }));
    out
}

pub fn spec(history: &SpecHistory) -> Table {
    let rows = history.lanes.iter().map(|lane| {
        let strip: String = lane.marks.iter().map(|it| mark(it.outcome)).collect();
        // A terminal shows the newest; the JSON has all.
        let skip = strip.chars().count().saturating_sub(60);
        let took: Vec<String> = lane
            .p50_ms
            .iter()
            .map(|(by, ms)| format!("{} ({by})", seconds(*ms)))
            .collect();
        [
            lane.lane.lane.clone(),
            format!("|{}|", strip.chars().skip(skip).collect::<String>()),
            format!("{}/{}", lane.failed, lane.ran),
            lane.first_bad
                .as_ref()
                .map_or_else(String::new, |it| words::moment(it.at)),
            lane.last_good
                .as_ref()
                .map_or_else(|| "never".to_owned(), |it| words::moment(it.at)),
            took.join(", "),
        ]
    });
    let header = [
        "LANE",
        "RUNS, NEWEST LAST",
        "FAILED",
        "FIRST BAD",
        "LAST GOOD",
        "USUALLY",
    ];
    let mut out = table(header, rows);
    out.below.push(said(&history.spec));
    out.below.extend(
        history
            .clusters
            .iter()
            .map(|failure| format!("cluster {}: {}", failure.cluster, said(&failure.message))),
    );
    out
}

pub fn cluster(page: &ClusterPage) -> Table {
    let rows = page.members.iter().take(40).map(|it| {
        [
            words::moment(it.at),
            short(&it.run),
            it.lane.clone(),
            said(&it.spec),
            said(&it.message),
        ]
    });
    let mut out = table(["WHEN", "RUN", "LANE", "SPEC", "SAID"], rows);
    out.below = vec![format!("cluster {}: {}", page.cluster, said(&page.key))];
    if let Some(first) = &page.first {
        let (at, run) = (words::moment(first.at), short(&first.run));
        out.below
            .push(format!("first seen {at} on {} in run {run}", first.lane));
    }
    out
}

pub fn candidate(page: &CandidatePage) -> Table {
    let rows = page.cells.iter().map(|(lane, cell)| {
        [
            words::moment(cell.at),
            short(&cell.run),
            format!("{} {lane}", sign(cell.outcome)),
            format!("{}/{} passed", cell.counts.passed, cell.counts.planned),
        ]
    });
    let mut out = table(["WHEN", "RUN", "LANE", "SPECS"], rows);
    out.below = vec![format!(
        "candidate {} ({})",
        page.candidate.digest.short(),
        page.candidate.pairing
    )];
    let versions = page.candidate.revisions.iter();
    out.below
        .extend(versions.map(|(source, revision)| format!("  {source} {}", revision.version)));
    let changes = page.changes.iter();
    out.below
        .extend(changes.map(|it| format!("moved: {} {}", it.source, it.words)));
    out
}

const fn name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::NewFailure => "new failure",
        ChangeKind::Fixed => "fixed",
        ChangeKind::StillFailing => "still failing",
        ChangeKind::Flaky => "flaky",
        ChangeKind::Missing => "missing",
        ChangeKind::Added => "added",
        ChangeKind::Slower => "slower",
    }
}

pub fn compare(all: &Comparison) -> Table {
    let rows = all.groups.iter().flat_map(|group| {
        let changes = group.changes.iter().take(10).map(|it| {
            let what = match it.kind {
                ChangeKind::Slower => {
                    format!("{} → {}", seconds(it.before_ms), seconds(it.after_ms))
                }
                _ if it.other_cause => format!("for another cause: {}", said(&it.message)),
                _ => said(&it.message),
            };
            [
                name(it.kind).to_owned(),
                group.cluster.clone().unwrap_or_default(),
                it.lane.clone(),
                said(&it.spec),
                what,
            ]
        });
        let more = group.changes.len().saturating_sub(10);
        let rest = (more > 0).then(|| {
            let blank = String::new;
            [
                blank(),
                blank(),
                blank(),
                format!("and {more} more"),
                blank(),
            ]
        });
        changes.chain(rest).collect::<Vec<_>>()
    });
    let mut out = table(["CHANGE", "CLUSTER", "LANE", "SPEC", "SAID"], rows);
    if all.groups.is_empty() {
        out.below = vec!["no difference".to_owned()];
    }
    for (pairing, changes) in &all.moved {
        let moved = changes
            .iter()
            .map(|it| format!("{} {}", it.source, it.words));
        let moved: Vec<String> = moved.collect();
        out.below
            .push(format!("moved in {pairing}: {}", moved.join("; ")));
    }
    for lane in &all.times_not_compared {
        out.below.push(format!(
            "{lane}: times are not compared, not the same accelerator"
        ));
    }
    out
}

pub fn search(found: &Found) -> Table {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut add = |kind: &str, what: String, more: String| rows.push([kind.to_owned(), what, more]);
    for lane in &found.lanes {
        add("lane", lane.lane.clone(), lane.profile.clone());
    }
    for spec in &found.specs {
        add("spec", said(spec), String::new());
    }
    for it in &found.messages {
        let (at, lane) = (words::day(it.newest.at), &it.newest.lane);
        add(
            "failure",
            said(&it.newest.message),
            format!("{} on {lane}, {at}", it.newest.cluster),
        );
    }
    for (handle, key) in &found.clusters {
        add("cluster", handle.clone(), said(key));
    }
    for (revision, candidates) in &found.revisions {
        let source = format!("{} {}", revision.source, revision.version);
        add(
            "revision",
            source,
            format!("in {} candidates", candidates.len()),
        );
    }
    for digest in &found.candidates {
        add("candidate", digest.clone(), String::new());
    }
    for run in &found.runs {
        add("run", run.run.clone(), words::moment(run.started_at));
    }
    let mut out = table(["KIND", "WHAT", "WHERE"], rows.into_iter());
    if out.rows.len() == 1 {
        out.below = vec!["nothing found".to_owned()];
    }
    out
}
