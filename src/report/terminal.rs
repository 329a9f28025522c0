//! The summary of a run for a terminal. Pure.
//!
//! Readable at 80 columns and without colour: every colour stands beside a sign and a word.

mod clusters;
mod expected;
mod matrix;

use camino::Utf8PathBuf;
use owo_colors::{OwoColorize as _, Style};

use super::{
    clusters::{Triaged, cluster_of},
    excerpt::plain,
    grid::split_tags,
    words::{self, Look},
};
use crate::model::{
    Candidate, Cause, CellOutcome, CellSummary, ClusterReport, EvidenceLine, Role, RunSummary,
    SpecResult,
};

/// How the summary is shown.
#[derive(Clone, Debug)]
pub struct TerminalOptions {
    /// Columns.
    pub width: usize,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Failures shown for each lane; the rest is counted.
    pub failures: usize,
    /// The run directory, where its files are to be pointed at.
    pub folder: Option<Utf8PathBuf>,
    /// The run's clusters, which lead.
    pub clusters: Vec<ClusterReport>,
}

impl TerminalOptions {
    /// For a log file: wide, plain, everything.
    #[must_use]
    pub const fn log() -> Self {
        Self {
            width: 120,
            colour: false,
            failures: usize::MAX,
            folder: None,
            clusters: Vec::new(),
        }
    }
}

/// Renders the summary.
#[must_use]
pub fn terminal(summary: &RunSummary, options: &TerminalOptions) -> String {
    let mut page = Page {
        out: String::new(),
        width: options.width.clamp(40, 200),
        colour: options.colour,
    };
    head(&mut page, summary);
    clusters::causes(&mut page, &options.clusters, options.failures);
    for candidate in &summary.candidates {
        candidate_block(&mut page, candidate);
    }
    machine(&mut page, summary);
    table(&mut page, summary);
    expected::expectations(&mut page, summary);
    matrix::compared(&mut page, summary);
    for cell in &summary.cells {
        details(&mut page, summary, cell, options);
    }
    foot(&mut page, summary, options);
    page.out
}

/// Renders what `triage` found.
#[must_use]
pub fn triage_terminal(triaged: &Triaged, options: &TerminalOptions) -> String {
    let mut page = Page {
        out: String::new(),
        width: options.width.clamp(40, 200),
        colour: options.colour,
    };
    clusters::triaged(&mut page, triaged, options.failures);
    page.out
}

struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, tone: &str, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            "good" => Style::new().green(),
            "bad" => Style::new().red().bold(),
            "stop" => Style::new().magenta().bold(),
            "warn" => Style::new().yellow(),
            "head" => Style::new().bold(),
            "quiet" => Style::new().dimmed(),
            _ => Style::new(),
        };
        text.style(style).to_string()
    }

    /// A named value under `indent`, wrapped with a hanging indent of its own.
    fn item(&mut self, indent: usize, name: &str, value: &str) {
        let name = format!("{name:<9}");
        let hang = indent + name.len();
        let mut first = true;
        for line in wrap(&plain(value), self.width.saturating_sub(hang)) {
            let lead = if first {
                format!("{:indent$}{}", "", self.paint("quiet", &name))
            } else {
                " ".repeat(hang)
            };
            self.line(&format!("{lead}{line}"));
            first = false;
        }
    }

    fn text(&mut self, indent: usize, text: &str) {
        for line in wrap(&plain(text), self.width.saturating_sub(indent)) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    fn heading(&mut self, text: &str) {
        let text = self.paint("head", text);
        self.line("");
        self.line(&text);
    }
}

fn head(page: &mut Page, summary: &RunSummary) {
    let Look { sign, tone } = words::exit_look(summary.exit);
    let word = words::exit_word(summary.exit).to_uppercase();
    let verdict = page.paint(tone, &format!("{sign} {word}"));
    let run = words::short_run(summary.run);
    page.line(&format!("{verdict}  {}  run {run}", summary.profile));
    page.text(2, &words::standing(summary));
    let started = words::moment(summary.started_at);
    page.text(
        2,
        &match summary.ended_at {
            Some(end) => format!(
                "started {started}, took {}",
                words::duration(words::between(summary.started_at, end))
            ),
            None => format!("started {started}, has not ended"),
        },
    );
}

fn candidate_block(page: &mut Page, candidate: &Candidate) {
    page.heading(&format!(
        "Candidate {} ({}, {})",
        candidate.pairing,
        candidate.arch,
        candidate.digest().short()
    ));
    let mut rows: Vec<[String; 3]> = candidate
        .revisions
        .iter()
        .map(|(name, revision)| {
            let date = revision.date.map(words::day).unwrap_or_default();
            [name.clone(), revision.version.clone(), date]
        })
        .collect();
    for (name, image) in &candidate.node_images {
        let kernel = image.kernel.clone().unwrap_or_default();
        rows.push([name.clone(), image.version.clone(), kernel]);
    }
    for (name, sandboxer) in &candidate.sandboxers {
        // What a source of the same name says already is not said twice.
        if !candidate.revisions.contains_key(name) {
            let row = [name.clone(), sandboxer.origin.clone(), String::new()];
            rows.push(row);
        }
    }
    for (name, version) in &candidate.toolchains {
        rows.push([name.clone(), version.clone(), String::new()]);
    }
    let column = |at: usize| rows.iter().map(|row| chars(&row[at])).max().unwrap_or(0);
    let (first, second) = (column(0), column(1).min(44));
    for [name, version, rest] in &rows {
        page.line(&format!(
            "  {}  {}  {rest}",
            pad(name, first),
            pad(version, second)
        ));
    }
}

fn machine(page: &mut Page, summary: &RunSummary) {
    let Some(environment) = &summary.environment else {
        return;
    };
    page.line("");
    page.item(
        0,
        "Machine",
        &format!(
            "{}: {}; QEMU {}, {} cores, {}, bellwether {}",
            environment.accelerator,
            environment.accelerator_reason,
            environment.qemu,
            environment.cores,
            words::size(environment.memory),
            environment.bellwether
        ),
    );
    for cell in &summary.cells {
        if let Some(start) = &cell.start {
            let words = format!("{}: {start}", cell.lane.id);
            page.item(0, "Node", &words);
        }
    }
    served(page, summary);
}

/// Who served the pods of the lanes that stand beside no other sandboxer's.
fn served(page: &mut Page, summary: &RunSummary) {
    for (index, cell) in summary.cells.iter().enumerate() {
        if let Some(identity) = &cell.identity
            && !super::matrix::compares(summary, index)
        {
            let lane = &cell.lane;
            let words = format!("{}, handler {}: {identity}", lane.id, lane.handler);
            page.item(0, "Served", &words);
        }
    }
}

/// Columns after the lane's name: outcome, passed, failed, skipped, not-run, time.
const COLUMNS: usize = 2 + 8 + 6 + 6 + 6 + 9 + 10;

fn table(page: &mut Page, summary: &RunSummary) {
    if summary.cells.is_empty() {
        return;
    }
    let names = summary.cells.iter().map(|cell| chars(&name(cell))).max();
    let known = summary.cells.iter().any(|cell| cell.counts.expected > 0);
    let expected = |text: &str| match known {
        true => format!("{text:>10}"),
        false => String::new(),
    };
    let space = page.width.saturating_sub(2 + COLUMNS + expected("").len());
    let column = names.unwrap_or(0).max(4).min(space);
    page.line("");
    let header = format!(
        "  {}  {:<8}{:>6}{:>6}{}{:>6}{:>9}{:>10}",
        pad("lane", column),
        "outcome",
        "pass",
        "fail",
        expected("expected"),
        "skip",
        "not-run",
        "time"
    );
    let header = page.paint("head", &header);
    page.line(&header);
    for cell in &summary.cells {
        let Look { sign, tone } = words::cell_look(&cell.outcome);
        let sign = page.paint(tone, sign);
        let mut lane = name(cell);
        if chars(&lane) > column {
            page.line(&format!("{sign} {lane}"));
            lane = String::new();
        }
        let lead = if lane.is_empty() {
            " ".to_owned()
        } else {
            sign
        };
        let counts = cell.counts;
        page.line(&format!(
            "{lead} {}  {}{:>6}{:>6}{}{:>6}{:>9}{:>10}",
            pad(&lane, column),
            page.paint(tone, &format!("{:<8}", cell.outcome.name())),
            counts.passed,
            counts.failed,
            expected(&counts.expected.to_string()),
            counts.skipped,
            counts.not_run,
            clock(cell.seconds)
        ));
    }
    if summary
        .cells
        .iter()
        .any(|cell| cell.lane.role == Role::Informing)
    {
        page.line("  * informing: always listed, never decides");
    }
}

/// The lane's name; a star marks those that do not decide.
fn name(cell: &CellSummary) -> String {
    let star = if cell.lane.role == Role::Informing {
        "*"
    } else {
        ""
    };
    format!("{}{star}", cell.lane.id)
}

fn details(page: &mut Page, summary: &RunSummary, cell: &CellSummary, options: &TerminalOptions) {
    if cell.outcome.is_green() && cell.disagreements.is_empty() && cell.notes.is_empty() {
        return;
    }
    let Look { sign, tone } = words::cell_look(&cell.outcome);
    let title = page.paint(tone, &format!("{sign} {}", cell.lane.id));
    page.line("");
    match &cell.outcome {
        CellOutcome::Stopped { cause } => {
            page.line(&format!("{title} stopped in {}", cause.phase));
            match cluster_of(&options.clusters, &cell.lane.id, "") {
                Some(known) => page.item(2, "cause", &known.id),
                None => stopped(page, cell, cause),
            }
        }
        _ => {
            page.line(&format!("{title} {}", cell.outcome.name()));
            if let Some(reason) = words::cell_reason(cell) {
                page.text(2, &reason);
            }
        }
    }
    for note in &cell.notes {
        page.item(2, "note", note);
    }
    for disagreement in &cell.disagreements {
        page.item(2, "differs", disagreement);
    }
    let failed: Vec<_> = words::failures(cell).collect();
    for spec in failed.iter().take(options.failures) {
        failure(page, summary, cell, spec, &options.clusters);
    }
    if let Some(more) = failed
        .len()
        .checked_sub(options.failures)
        .filter(|n| *n > 0)
    {
        page.line("");
        page.text(
            2,
            &format!("and {more} more failed specs; the report has them all"),
        );
    }
}

fn stopped(page: &mut Page, cell: &CellSummary, cause: &Cause) {
    page.text(2, &cause.summary);
    page.item(
        2,
        "acts",
        &format!("{} ({}, {})", cause.blame, cause.confidence, cause.class),
    );
    for line in &cause.evidence {
        page.item(2, "seen", &place(cell, line));
        page.text(11, &line.text);
    }
    if let Some(hint) = &cause.hint {
        page.item(2, "do", hint);
    }
}

/// Where the line is within the run directory: in the last attempt's folder, or among the steps' logs.
fn place(cell: &CellSummary, line: &EvidenceLine) -> String {
    if cell.attempts == 0 || line.file.starts_with("steps") {
        format!("{}:{}", line.file, line.line)
    } else {
        format!("{}{}:{}", folder(cell), line.file, line.line)
    }
}

/// The last attempt's folder within the run directory.
fn folder(cell: &CellSummary) -> String {
    format!("{}/{}/", cell.lane.id, cell.attempts.max(1))
}

fn failure(
    page: &mut Page,
    summary: &RunSummary,
    cell: &CellSummary,
    spec: &SpecResult,
    clusters: &[ClusterReport],
) {
    page.line("");
    let look = words::spec_look(spec.outcome);
    let (text, tags) = split_tags(&spec.name.0);
    let outcome = page.paint(look.tone, &format!("{} {}", look.sign, spec.outcome));
    page.line(&format!("  {outcome}, {}", words::duration(spec.seconds)));
    page.text(4, &text);
    if !tags.is_empty() {
        page.text(4, &format!("[{}]", tags.join("] [")));
    }
    if let Some(failure) = &spec.failure {
        page.item(4, "said", &failure.message);
        if let Some(place) = &failure.location {
            page.item(4, "at", place);
        }
        if let Some(reason) = &spec.reason {
            page.item(4, "note", reason);
        }
    }
    if let Some(known) = cluster_of(clusters, &cell.lane.id, &spec.name.0) {
        page.item(4, "cause", &known.id);
    }
    if let Some(confirmed) = words::confirmed(cell, &spec.name) {
        page.item(4, "rerun", &confirmed);
    }
    page.item(4, "log", &format!("{}suite.log", folder(cell)));
    let again = words::repro_command(summary.run, &cell.lane.id, &spec.name);
    page.item(4, "again", &again);
}

fn foot(page: &mut Page, summary: &RunSummary, options: &TerminalOptions) {
    page.line("");
    if let Some(folder) = &options.folder {
        page.item(0, "Files", folder.as_str());
        page.item(0, "Report", folder.join("report.html").as_str());
    }
    page.item(
        0,
        "Exit",
        &format!(
            "{}: {}",
            summary.exit.code(),
            words::exit_meaning(summary.exit)
        ),
    );
}

/// `6:52`, `1:05:00`.
fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and `as` saturates"
    )]
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole % 3600 / 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// Words in lines of at most `width` characters. A word that is longer stays whole, so that paths and
/// commands can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && chars(&line) + 1 + chars(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests;
