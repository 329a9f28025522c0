//! Answers as rows of text. What guests said is made plain before it reaches a terminal.

use crate::{
    history::query::{
        CandidateRow, Cell, ClusterRow, Compatibility, Flake, Grid, LaneHealth, RunRow, Trend,
    },
    model::SpecOutcome,
    report::{plain, words},
};

/// Rows with their header, and what is said below them.
pub struct Table {
    pub rows: Vec<Vec<String>>,
    pub below: Vec<String>,
}

pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Table {
    let mut all = vec![header.map(str::to_owned).to_vec()];
    all.extend(rows.map(|row| row.to_vec()));
    let below = if all.len() == 1 {
        vec!["nothing of this kind in these nights".to_owned()]
    } else {
        Vec::new()
    };
    Table { rows: all, below }
}

/// A cell's sign: no two outcomes share one.
pub(super) fn sign(outcome: &str) -> char {
    match outcome {
        "passed" => '✓',
        "failed" => '✗',
        "reduced" => '◐',
        "no-tests" => '∅',
        "stopped" => '■',
        _ => '–',
    }
}

/// A spec's sign: no two outcomes share one.
pub(super) const fn mark(outcome: SpecOutcome) -> char {
    match outcome {
        SpecOutcome::Passed => '.',
        SpecOutcome::Failed => 'F',
        SpecOutcome::TimedOut => 'T',
        SpecOutcome::Panicked => 'P',
        SpecOutcome::Interrupted => 'I',
        SpecOutcome::Skipped => 's',
        SpecOutcome::NotRun => '-',
        SpecOutcome::ExpectedFailure => 'e',
        SpecOutcome::UnexpectedPass => 'u',
    }
}

pub(super) fn seconds(ms: u64) -> String {
    words::duration(ms as f64 / 1000.0)
}

pub(super) fn short(run: &str) -> String {
    run.parse()
        .map_or_else(|_| run.to_owned(), words::short_run)
}

pub(super) fn said(text: &str) -> String {
    let line = plain(text);
    let line = line.lines().next().unwrap_or_default();
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

pub(super) fn when(cell: Option<&Cell>) -> String {
    cell.map_or_else(|| "never".to_owned(), |cell| words::moment(cell.at))
}

pub fn grid(grid: &Grid) -> Table {
    let rows = grid.lanes.iter().map(|lane| {
        let cells = lane.cells.iter();
        let strip: String = cells
            .map(|cell| cell.as_ref().map_or(' ', |cell| sign(cell.outcome)))
            .collect();
        let last = lane.cells.iter().flatten().next_back();
        [
            lane.lane.lane.clone(),
            lane.role.to_string(),
            format!("|{strip}|"),
            last.map_or_else(String::new, |cell| {
                format!("{}/{} passed", cell.counts.passed, cell.counts.planned)
            }),
        ]
    });
    let mut out = table(["LANE", "ROLE", "NIGHTS, NEWEST LAST", "NEWEST"], rows);
    out.below.push(
        "✓ passed  ✗ failed  ■ stopped  ◐ reduced  ∅ no tests  – not run  blank: no run".to_owned(),
    );
    out
}

pub fn runs(runs: &[RunRow]) -> Table {
    let header = [
        "RUN",
        "PROFILE",
        "STARTED",
        "STATE",
        "GREEN LANES",
        "FAILED",
        "BY",
    ];
    let rows = runs.iter().map(|run| {
        [
            short(&run.run),
            run.profile.clone(),
            words::moment(run.started_at),
            words::exit_word(run.exit).to_owned(),
            format!("{}/{}", run.green, run.cells),
            run.failed.to_string(),
            match (run.imported, run.accelerator) {
                (true, _) => "imported".to_owned(),
                (false, by) => by.map_or_else(String::new, |by| by.to_string()),
            },
        ]
    });
    table(header, rows)
}

pub fn health(lanes: &[LaneHealth]) -> Table {
    let header = [
        "LANE",
        "NOW",
        "RED SINCE",
        "RED FOR",
        "LAST GREEN",
        "INCONCLUSIVE",
        "USUALLY",
    ];
    let rows = lanes.iter().map(|lane| {
        let last = lane.last_conclusive.as_ref();
        [
            lane.lane.lane.clone(),
            last.map_or_else(
                || "? never conclusive".to_owned(),
                |cell| format!("{} {}", sign(cell.outcome), cell.outcome),
            ),
            lane.red_since
                .as_ref()
                .map_or_else(String::new, |cell| words::moment(cell.at)),
            lane.red_seconds
                .map_or_else(String::new, |red| format!("{} days", red / 86_400)),
            when(lane.last_green.as_ref()),
            format!("{}/{}", lane.inconclusive, lane.cells),
            lane.p50_ms.map_or_else(String::new, seconds),
        ]
    });
    table(header, rows)
}

pub fn clusters(clusters: &[ClusterRow]) -> Table {
    let header = [
        "CLUSTER", "RUNS", "FAILURES", "LANES", "SPECS", "FIRST", "LAST", "SAID",
    ];
    let rows = clusters.iter().map(|it| {
        [
            it.cluster.clone(),
            it.runs.to_string(),
            it.failures.to_string(),
            it.lanes.len().to_string(),
            it.specs.len().to_string(),
            words::day(it.first),
            words::day(it.last),
            said(&it.message),
        ]
    });
    table(header, rows)
}

pub fn flakes(flakes: &[Flake]) -> Table {
    let header = ["LANE", "FLAKY/RAN", "RATE", "95 %", "COST", "LAST", "SPEC"];
    let rows = flakes.iter().map(|it| {
        [
            it.lane.lane.clone(),
            format!("{}/{}", it.confirmed + it.mixed, it.ran),
            format!("{:.1} %", it.rate * 100.0),
            format!(
                "{:.1}-{:.1} %",
                it.interval.0 * 100.0,
                it.interval.1 * 100.0
            ),
            seconds(it.cost_ms),
            words::day(it.last),
            said(&it.spec),
        ]
    });
    table(header, rows)
}

pub fn candidates(rows: &[CandidateRow]) -> Table {
    let all = rows.iter().map(|it| {
        let moved: Vec<String> = it
            .changes
            .iter()
            .map(|change| format!("{} {}", change.source, change.words))
            .collect();
        [
            it.candidate.digest.short().to_owned(),
            it.candidate.pairing.clone(),
            words::moment(it.last),
            it.runs.len().to_string(),
            said(&moved.join("; ")),
        ]
    });
    table(["CANDIDATE", "PAIRING", "NEWEST RUN", "RUNS", "MOVED"], all)
}

pub fn compat(all: &Compatibility) -> Table {
    let rows = all.rows.iter().flat_map(|row| {
        let pairs = row.pairs.iter().flatten().map(|pair| {
            let versions: Vec<String> = pair
                .last_good_sources
                .iter()
                .map(|(source, version)| format!("{source} {version}"))
                .collect();
            [
                pair.lane.clone(),
                pair.now.as_ref().map_or_else(
                    || "?".to_owned(),
                    |cell| format!("{} {}", sign(cell.outcome), cell.outcome),
                ),
                pair.broken_since
                    .as_ref()
                    .map_or_else(String::new, |it| words::moment(it.at)),
                when(pair.last_good.as_ref()),
                said(&versions.join(", ")),
            ]
        });
        pairs.collect::<Vec<_>>()
    });
    table(
        [
            "LANE",
            "NOW",
            "BROKEN SINCE",
            "LAST GOOD",
            "LAST GOOD SOURCES",
        ],
        rows,
    )
}

pub fn trends(trends: &[Trend]) -> Table {
    let rows = trends.iter().map(|it| {
        [
            it.measure.clone(),
            it.accelerator.map_or_else(String::new, |by| by.to_string()),
            it.points.len().to_string(),
            seconds(it.p50_ms),
            seconds(it.p95_ms),
            it.points
                .last()
                .map_or_else(String::new, |point| seconds(point.ms)),
        ]
    });
    table(
        [
            "MEASURE",
            "BY",
            "RUNS",
            "HALF BELOW",
            "95 % BELOW",
            "NEWEST",
        ],
        rows,
    )
}
