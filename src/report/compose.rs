//! A run's summary and what was found in its directory, as the page's context. Pure.

use super::{
    cluster_view,
    context::{
        CandidateView, CauseView, Counts, EvidenceView, Fact, FailureView, FileLink, Headline,
        LaneView, Packages, Part, ReportContext, Share,
    },
    excerpt::{Excerpt, plain},
    expected,
    gather::{Found, FoundLane},
    grid::{failure_anchor, grid, lane_anchor},
    links::{code_link, file_link, web_link},
    matrix::matrices,
    timeline::{lane_phases, processes, timeline},
    words,
};
use crate::model::{
    Candidate, Cause, CellOutcome, CellSummary, Environment, LaneCounts, RunSummary, SpecResult,
};

/// The page's context.
#[must_use]
pub fn compose(summary: &RunSummary, found: &Found) -> ReportContext {
    let look = words::exit_look(summary.exit);
    let lanes = summary
        .cells
        .iter()
        .enumerate()
        .map(|(index, cell)| lane(summary, found, index, cell))
        .collect();
    ReportContext {
        run: summary.run.to_string(),
        short_run: words::short_run(summary.run),
        profile: summary.profile.clone(),
        headline: Headline {
            word: words::exit_word(summary.exit).to_owned(),
            sign: look.sign.to_owned(),
            tone: look.tone.to_owned(),
            standing: words::standing(summary),
            code: summary.exit.code(),
            meaning: words::exit_meaning(summary.exit).to_owned(),
        },
        started: words::moment(summary.started_at),
        ended: summary.ended_at.map(words::moment),
        duration: summary
            .ended_at
            .map(|end| words::duration(words::between(summary.started_at, end))),
        candidates: summary.candidates.iter().map(candidate).collect(),
        environment: summary.environment.as_ref().map_or(Vec::new(), environment),
        clusters_title: cluster_view::title(&found.clusters),
        clusters: cluster_view::of_run(summary, found),
        lanes,
        timeline: timeline(summary, found),
        matrices: matrices(summary),
        grid: grid(summary),
        failures: failures(summary, found),
        expectations: expected::views(summary),
        bellwether: summary.environment.as_ref().map_or_else(
            || env!("CARGO_PKG_VERSION").to_owned(),
            |e| e.bellwether.clone(),
        ),
    }
}

fn candidate(candidate: &Candidate) -> CandidateView {
    let part = |kind, name: &str, version: &str, origin: String| Part {
        kind,
        name: name.to_owned(),
        version: version.to_owned(),
        origin,
        date: None,
        link: None,
    };
    let mut parts = Vec::new();
    for (name, revision) in &candidate.revisions {
        parts.push(Part {
            date: revision.date.map(words::day),
            link: web_link(revision.link.as_deref()),
            ..part(
                "source",
                name,
                &revision.version,
                words::origin_words(revision),
            )
        });
    }
    for (name, image) in &candidate.node_images {
        let kernel = image
            .kernel
            .as_ref()
            .map(|kernel| format!("kernel {kernel}"));
        parts.push(Part {
            link: web_link(image.link.as_deref()),
            ..part(
                "node image",
                name,
                &image.version,
                kernel.unwrap_or_default(),
            )
        });
    }
    for (name, sandboxer) in &candidate.sandboxers {
        let origin = sandboxer.origin.clone();
        parts.push(part("sandboxer", name, &sandboxer.version, origin));
    }
    for (name, version) in &candidate.toolchains {
        parts.push(part("toolchain", name, version, String::new()));
    }
    CandidateView {
        pairing: candidate.pairing.clone(),
        digest: candidate.digest().short().to_owned(),
        arch: candidate.arch.clone(),
        parts,
        packages: candidate
            .node_images
            .values()
            .filter(|image| !image.packages.is_empty())
            .map(|image| Packages {
                image: image.name.clone(),
                list: image.packages.clone(),
            })
            .collect(),
    }
}

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact {
        name: name.to_owned(),
        value: value.into(),
    }
}

fn environment(environment: &Environment) -> Vec<Fact> {
    vec![
        fact(
            "accelerator",
            format!(
                "{}: {}",
                environment.accelerator, environment.accelerator_reason
            ),
        ),
        fact("QEMU", &environment.qemu),
        fact(
            "host",
            format!(
                "{} cores, {}",
                environment.cores,
                words::size(environment.memory)
            ),
        ),
        fact("bellwether", &environment.bellwether),
    ]
}

fn lane(summary: &RunSummary, found: &Found, index: usize, cell: &CellSummary) -> LaneView {
    let look = words::cell_look(&cell.outcome);
    let nothing = FoundLane::default();
    let here = found.lanes.get(&cell.lane.id).unwrap_or(&nothing);
    let cause = match &cell.outcome {
        CellOutcome::Stopped { cause } => Some(cause_view(cause, &here.cause)),
        _ => None,
    };
    let files = here.files.iter().map(|(name, bytes)| FileLink {
        name: name.clone(),
        href: file_link(&format!("{}/{name}", here.folder)),
        size: words::size(*bytes),
    });
    LaneView {
        anchor: lane_anchor(index),
        id: cell.lane.id.to_string(),
        pairing: cell.lane.pairing.clone(),
        node: cell.lane.node.clone(),
        sandboxer: cell.lane.sandboxer.clone(),
        handler: cell.lane.handler.clone(),
        suite: cell.lane.suite.clone(),
        role: cell.lane.role.to_string(),
        outcome: cell.outcome.name(),
        sign: look.sign,
        tone: look.tone,
        reason: words::cell_reason(cell),
        counts: counts(cell.counts),
        time: words::duration(cell.seconds),
        start: cell.start.as_ref().map(ToString::to_string),
        identity: cell.identity.clone(),
        suite_time: (cell.suite_seconds > 0.0).then(|| words::duration(cell.suite_seconds)),
        attempts: cell.attempts,
        folder: file_link(&format!("{}/", here.folder)),
        cause,
        common: here
            .causes
            .common
            .as_ref()
            .map(|cause| cause_view(cause, &here.common)),
        disagreements: cell.disagreements.clone(),
        notes: cell.notes.clone(),
        phases: lane_phases(cell, found, summary),
        processes: processes(cell),
        files: files.collect(),
    }
}

fn counts(counts: LaneCounts) -> Counts {
    let whole = counts.passed + counts.failed + counts.skipped + counts.not_run + counts.expected;
    let share = |(tone, word, count): (&'static str, &'static str, u32)| Share {
        tone,
        word,
        count,
        percent: format!("{:.2}", f64::from(count) * 100.0 / f64::from(whole.max(1))),
    };
    Counts {
        planned: counts.planned,
        passed: counts.passed,
        failed: counts.failed,
        skipped: counts.skipped,
        not_run: counts.not_run,
        expected: counts.expected,
        shares: [
            ("bad", "failed", counts.failed),
            (
                "good",
                "passed",
                counts.passed.saturating_sub(counts.unexpected),
            ),
            ("warn", "passed unexpectedly", counts.unexpected),
            ("warn", "failed as expected", counts.expected),
            ("skip", "skipped", counts.skipped),
            ("quiet", "not-run", counts.not_run),
        ]
        .into_iter()
        .filter(|(_, _, count)| *count > 0)
        .map(share)
        .collect(),
    }
}

/// What the verdict says of it, beside its words.
fn judged(cause: &Cause) -> Vec<Fact> {
    let mut facts = vec![
        fact("kind", cause.class.name()),
        fact("acts", cause.blame.name()),
        fact("confidence", cause.confidence.name()),
    ];
    facts.extend(cause.rule.as_ref().map(|rule| fact("rule", rule)));
    facts
}

fn cause_view(cause: &Cause, excerpts: &[Option<Excerpt>]) -> CauseView {
    let mut facts = vec![fact("phase", cause.phase.name())];
    facts.extend(judged(cause));
    let evidence = cause
        .evidence
        .iter()
        .enumerate()
        .map(|(at, line)| EvidenceView {
            place: format!("{}:{}", line.file, line.line),
            text: plain(&line.text),
            excerpt: excerpts.get(at).cloned().flatten(),
        });
    CauseView {
        summary: cause.summary.clone(),
        facts,
        hint: cause.hint.clone(),
        evidence: evidence.collect(),
    }
}

fn failures(summary: &RunSummary, found: &Found) -> Vec<FailureView> {
    let mut views = Vec::new();
    for (index, cell) in summary.cells.iter().enumerate() {
        for (at, spec) in cell.specs.iter().enumerate() {
            if spec.outcome.is_failure() {
                views.push(failure(summary, found, (index, cell), (at, spec)));
            }
        }
    }
    views
}

fn failure(
    summary: &RunSummary,
    found: &Found,
    (index, cell): (usize, &CellSummary),
    (at, spec): (usize, &SpecResult),
) -> FailureView {
    let look = words::spec_look(spec.outcome);
    let said = spec.failure.as_ref();
    let message = said.map_or_else(
        || "it left no message".to_owned(),
        |failure| plain(&failure.message),
    );
    let location = said.and_then(|failure| failure.location.clone());
    let candidate = summary
        .candidates
        .iter()
        .find(|candidate| candidate.pairing == cell.lane.pairing);
    let cause = found.lanes.get(&cell.lane.id).and_then(|lane| {
        let cause = lane.causes.specs.iter().find(|c| c.spec == spec.name)?;
        Some(&cause.cause)
    });
    let elsewhere = summary.cells.iter().filter_map(|other| {
        let same = other.specs.iter().find(|s| s.name == spec.name)?;
        (other.lane.id != cell.lane.id).then(|| fact(other.lane.id.as_str(), same.outcome.name()))
    });
    FailureView {
        anchor: failure_anchor(index, at),
        lane: cell.lane.id.to_string(),
        lane_anchor: lane_anchor(index),
        spec: spec.name.to_string(),
        outcome: spec.outcome.name(),
        sign: look.sign,
        tone: look.tone,
        time: words::duration(spec.seconds),
        text: said
            .map(|failure| plain(failure.text.trim()))
            .filter(|text| !text.is_empty() && *text != message),
        message,
        code: location
            .as_deref()
            .and_then(|place| code_link(place, candidate)),
        location,
        judged: cause.map_or(Vec::new(), judged),
        hint: cause.and_then(|cause| cause.hint.clone()),
        excerpt: found
            .lanes
            .get(&cell.lane.id)
            .and_then(|lane| lane.specs.get(&spec.name))
            .cloned(),
        confirmed: words::confirmed(cell, &spec.name),
        note: said.and(spec.reason.clone()),
        elsewhere: elsewhere.collect(),
        repro: words::repro_command(summary.run, &cell.lane.id, &spec.name),
    }
}
