//! From a run's summary and events to what history keeps. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    packed::{
        PACKER, PackedAttempt, PackedCandidate, PackedCell, PackedFailure, PackedRun, PackedStep,
        list_digest,
    },
    vector,
};
use crate::{
    model::{
        Candidate, Cause, CellOutcome, CellSummary, Event, EventKind, LaneId, Phase, RunSummary,
        SpecOutcome, SpecResult, StepOutcome,
    },
    verdict::{LaneCauses, normalised, signature},
};

/// Longest message that is kept, in bytes.
const MESSAGE: usize = 400;

/// What a run directory knows besides its summary.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The run's own events.
    pub events: Vec<Event>,
    /// By lane: the events of its last attempt.
    pub attempts: BTreeMap<LaneId, Vec<Event>>,
    /// By lane: why its specs failed.
    pub causes: BTreeMap<LaneId, LaneCauses>,
}

/// A packed run with its lists of specs.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The run.
    pub run: PackedRun,
    /// Each list, in the order of its vectors.
    pub lists: Vec<Vec<String>>,
}

/// Packs a run.
#[must_use]
pub fn pack(summary: &RunSummary, details: &Details) -> Packed {
    let mut lists: Vec<Vec<String>> = Vec::new();
    let cells = summary.cells.iter().map(|cell| {
        let (cell, list) = pack_cell(cell, details);
        if !lists.contains(&list) {
            lists.push(list);
        }
        cell
    });
    let cells = cells.collect();
    let environment = summary.environment.as_ref();
    Packed {
        run: PackedRun {
            packer: PACKER,
            run: summary.run,
            profile: summary.profile.clone(),
            started_at: summary.started_at,
            ended_at: summary.ended_at,
            imported: false,
            accelerator: environment.map(|at| at.accelerator),
            bellwether: environment.map_or_else(String::new, |at| at.bellwether.clone()),
            exit: summary.exit,
            candidates: summary.candidates.iter().map(pack_candidate).collect(),
            steps: steps(&details.events),
            cells,
        },
        lists,
    }
}

fn pack_candidate(candidate: &Candidate) -> PackedCandidate {
    let images = candidate.node_images.iter();
    let sandboxers = candidate.sandboxers.iter();
    PackedCandidate {
        digest: candidate.digest(),
        pairing: candidate.pairing.clone(),
        revisions: candidate.revisions.clone(),
        node_images: images
            .map(|(name, image)| (name.clone(), image.version.clone()))
            .collect(),
        sandboxers: sandboxers
            .map(|(name, it)| (name.clone(), it.version.clone()))
            .collect(),
        arch: candidate.arch.clone(),
    }
}

fn pack_cell(cell: &CellSummary, details: &Details) -> (PackedCell, Vec<String>) {
    let lane = &cell.lane.id;
    // A suite's order changes from run to run, the set of its specs seldom.
    let mut specs: Vec<&SpecResult> = cell.specs.iter().collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    let list: Vec<String> = specs.iter().map(|spec| spec.name.0.clone()).collect();
    let outcomes: Vec<SpecOutcome> = specs.iter().map(|spec| spec.outcome).collect();
    let durations: Vec<u64> = specs.iter().map(|spec| ms(spec.seconds)).collect();
    let nothing = LaneCauses::default();
    let causes = details.causes.get(lane).unwrap_or(&nothing);
    let mut failures: Vec<PackedFailure> = specs
        .iter()
        .filter(|spec| is_kept(spec.outcome))
        .map(|spec| failure(cell, spec, causes))
        .collect();
    let mut outcome = cell.outcome.clone();
    if let CellOutcome::Stopped { cause } = &mut outcome {
        cause.evidence.truncate(1);
        failures.push(stop(cause));
    }
    let events = details.attempts.get(lane).map_or(&[][..], Vec::as_slice);
    let packed = PackedCell {
        lane: cell.lane.clone(),
        outcome,
        counts: cell.counts,
        ms: ms(cell.seconds),
        suite_ms: ms(cell.suite_seconds),
        start: cell.start.clone(),
        identity: cell.identity.clone(),
        attempts: attempts(&details.events, lane),
        phases: phases(events),
        list: list_digest(&list),
        specs: list.len(),
        outcomes: PackedCell::text(&vector::pack_outcomes(&outcomes)),
        durations: PackedCell::text(&vector::pack_millis(&durations)),
        failures,
    };
    (packed, list)
}

/// Whether history keeps more of such a spec than its outcome.
#[must_use]
pub const fn is_kept(outcome: SpecOutcome) -> bool {
    outcome.is_failure()
        || matches!(
            outcome,
            SpecOutcome::ExpectedFailure | SpecOutcome::UnexpectedPass
        )
}

fn failure(cell: &CellSummary, spec: &SpecResult, causes: &LaneCauses) -> PackedFailure {
    let confirmed = cell.confirmed.iter().find(|known| known.spec == spec.name);
    PackedFailure {
        spec: spec.name.0.clone(),
        outcome: Some(spec.outcome),
        ms: ms(spec.seconds),
        message: spec
            .failure
            .as_ref()
            .map_or_else(String::new, |failure| short(&failure.message)),
        signature: short(&signature(spec, &causes.specs)),
        cluster: None,
        confirmation: confirmed.map(|known| known.confirmation.name().to_owned()),
    }
}

fn stop(cause: &Cause) -> PackedFailure {
    let said = normalised(&cause.summary);
    PackedFailure {
        spec: format!("[{}]", cause.phase),
        outcome: None,
        ms: 0,
        message: short(&cause.summary),
        signature: short(&match &cause.rule {
            Some(rule) => format!("{rule}: {said}"),
            None => format!("{}: {said}", cause.phase),
        }),
        cluster: None,
        confirmation: None,
    }
}

/// A text cut to what is kept.
#[must_use]
pub fn short(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE)].to_owned()
}

/// Seconds as milliseconds; what is no time is 0.
#[must_use]
pub fn ms(seconds: f64) -> u64 {
    // A cast saturates, and takes what is no number for 0.
    (seconds * 1000.0).round() as u64
}

fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

fn steps(events: &[Event]) -> Vec<PackedStep> {
    let ended = events.iter().filter_map(|event| match &event.kind {
        EventKind::StepFinished {
            step,
            outcome,
            seconds,
        } => Some(PackedStep {
            step: step.as_str().to_owned(),
            outcome: match outcome {
                StepOutcome::Built => "built",
                StepOutcome::Cached => "cached",
                StepOutcome::Failed { .. } => "failed",
                StepOutcome::Skipped { .. } => "skipped",
            }
            .to_owned(),
            ms: ms(*seconds),
        }),
        _ => None,
    });
    ended.collect()
}

fn attempts(events: &[Event], lane: &LaneId) -> Vec<PackedAttempt> {
    let mut began: BTreeMap<(u32, bool), Timestamp> = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::LaneStarted { lane: of, attempt } if of == lane => {
                began.insert((*attempt, false), event.at);
            }
            EventKind::ConfirmStarted {
                lane: of, attempt, ..
            } if of == lane => {
                began.insert((*attempt, true), event.at);
            }
            EventKind::LaneFinished {
                lane: of,
                attempt,
                outcome,
            } if of == lane => {
                ended.insert((*attempt, false), (event.at, outcome.name()));
            }
            EventKind::ConfirmFinished {
                lane: of,
                attempt,
                outcome,
            } if of == lane => {
                ended.insert((*attempt, true), (event.at, outcome.name()));
            }
            _ => {}
        }
    }
    // One that never ended was cut short; it is kept as not run to its end.
    let all = began.into_iter().map(|((attempt, confirm), start)| {
        let end = ended.get(&(attempt, confirm));
        PackedAttempt {
            attempt,
            confirm,
            outcome: end.map_or("interrupted", |(_, outcome)| outcome).to_owned(),
            ms: end.map_or(0, |(at, _)| between(start, *at)),
        }
    });
    all.collect()
}

fn phases(events: &[Event]) -> BTreeMap<Phase, u64> {
    let mut took = BTreeMap::new();
    let mut current: Option<(Phase, Timestamp)> = None;
    for event in events {
        if let EventKind::PhaseStarted { phase } = &event.kind
            && let Some((before, since)) = current.replace((*phase, event.at))
        {
            *took.entry(before).or_insert(0) += between(since, event.at);
        }
    }
    if let (Some((phase, since)), Some(last)) = (current, events.last()) {
        *took.entry(phase).or_insert(0) += between(since, last.at);
    }
    took
}
