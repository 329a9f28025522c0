//! Judges a divided attempt: each call by its own folder, then all of them as one lane.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{PLAN_FILE, examine, keep, times};
use crate::{
    evidence::{EvidenceDir, junit},
    model::{
        Cause, CellOutcome, CellSummary, ExpectationUse, Lane, Phase, SpecName, SpecResult, Stop,
        SuitePlan,
    },
    run::{
        finish,
        parts::{self, Part},
        state::LaneState,
    },
    verdict::{self, LaneCauses, Rules},
};

/// All calls as one suite's results, for whoever reads JUnit.
const JUNIT: &str = "junit_lane.xml";

/// One call, judged.
struct Judged {
    part: Part,
    /// What it planned in the end: the guest may know better than the host.
    plan: SuitePlan,
    cell: CellSummary,
    causes: LaneCauses,
    /// Whether a fresh machine took up what it left.
    replaced: bool,
}

/// What a divided attempt comes to.
pub(super) fn examine_all(
    lane: &Lane,
    folder: &EvidenceDir,
    state: &LaneState,
    stop: Option<Stop>,
    rules: &Rules,
    expects: impl FnOnce(&SuitePlan, &mut [SpecResult]) -> Vec<ExpectationUse>,
) -> (CellSummary, LaneCauses) {
    let parts: Vec<Part> = folder.read_json(parts::FILE).unwrap_or_default();
    let judged: Vec<Judged> = parts
        .iter()
        .map(|part| judge(lane, folder, part, &parts, rules))
        .collect();
    let mut cell = CellSummary::new(lane.clone(), CellOutcome::NoTests);
    times(&mut cell, state);
    cell.suite_seconds = suite_seconds(&judged);
    let first = judged.first();
    cell.start = first.and_then(|first| first.cell.start.clone());
    cell.identity = judged.iter().find_map(|part| part.cell.identity.clone());
    cell.notes = notes(&judged);
    let plan: SuitePlan = folder.read_json(PLAN_FILE).unwrap_or_default();
    let plan = corrected(plan, &judged);
    let specs: Vec<&[SpecResult]> = judged
        .iter()
        .map(|part| part.cell.specs.as_slice())
        .collect();
    let mut specs = verdict::merge(&plan, &specs);
    cell.expectations = expects(&plan, &mut specs);
    let standing = || judged.iter().filter(|part| !part.replaced);
    let cause = standing()
        .find_map(|part| match &part.cell.outcome {
            CellOutcome::Stopped { cause } => Some(within(&part.part.folder, (**cause).clone())),
            _ => None,
        })
        .or_else(|| {
            let nothing = verdict::Artifacts::new(Vec::new());
            stop.map(|stop| verdict::classify_with(rules, &stop, &nothing))
        });
    cell.disagreements = standing()
        .flat_map(|part| {
            let folder = &part.part.folder;
            let words = part.cell.disagreements.iter();
            words.map(move |words| format!("{folder}: {words}"))
        })
        .collect();
    let (outcome, counts) = verdict::cell_outcome(&plan, &specs, cause, &cell.disagreements);
    cell.outcome = outcome;
    cell.counts = counts;
    let causes = causes(&judged, &specs);
    cell.specs = specs;
    match junit::write(lane.id.as_str(), &cell.specs) {
        Ok(xml) => {
            if let Err(error) = folder.write(JUNIT, &xml) {
                tracing::error!("cannot keep the results of {}: {error}", lane.id);
            }
        }
        Err(error) => tracing::error!("cannot write the results of {}: {error}", lane.id),
    }
    (cell, causes)
}

fn judge(lane: &Lane, folder: &EvidenceDir, part: &Part, all: &[Part], rules: &Rules) -> Judged {
    let own = EvidenceDir::at(folder.file(&part.folder));
    let state = LaneState::of_attempt(&own, lane.id.clone(), 1);
    let (mut cell, causes) = match &state {
        Ok(state) => {
            let over = state.stop.is_none()
                && state
                    .phases
                    .iter()
                    .any(|(phase, _)| *phase == Phase::Teardown);
            let stop = (!over).then(|| finish::cut_short(state));
            // What is expected is said once, of the whole lane.
            examine(lane, &own, state, stop, rules, |_, _| Vec::new())
        }
        Err(error) => {
            let outcome = super::unreadable(error.to_string());
            (
                CellSummary::new(lane.clone(), outcome),
                LaneCauses::default(),
            )
        }
    };
    cell.attempts = 1;
    keep(&own, &cell);
    // Only what the machine's end cut short.
    let stopped = matches!(cell.outcome, CellOutcome::Stopped { .. });
    let replaced = stopped && !part.again && {
        let mut later = all.iter();
        later.any(|other| other.again && other.shard == part.shard)
    };
    // Without a plan of its own it never came to its suite.
    let planned = own.read_json(PLAN_FILE);
    Judged {
        plan: planned.unwrap_or_default(),
        part: part.clone(),
        cell,
        causes,
        replaced,
    }
}

/// The lane's plan, without what the guest says is not there, and with what only the guest has.
fn corrected(mut plan: SuitePlan, judged: &[Judged]) -> SuitePlan {
    let planned = |name: &SpecName, part: &Judged| {
        let mut selected = part.plan.selected.iter();
        selected.any(|spec| spec.name == *name)
    };
    let missing = |name: &SpecName| {
        let mut asked = judged
            .iter()
            .filter(|part| part.part.specs.contains(name))
            .peekable();
        asked.peek().is_some()
            && asked.all(|part| !part.plan.selected.is_empty() && !planned(name, part))
    };
    plan.selected.retain(|spec| !missing(&spec.name));
    for spec in judged.iter().flat_map(|part| &part.plan.selected) {
        if !plan.selected.iter().any(|known| known.name == spec.name) {
            plan.selected.push(spec.clone());
        }
    }
    plan
}

/// The longest machine's suites, one after another.
fn suite_seconds(judged: &[Judged]) -> f64 {
    let mut shards: BTreeMap<u32, f64> = BTreeMap::new();
    for part in judged {
        *shards.entry(part.part.shard).or_default() += part.cell.suite_seconds;
    }
    shards.into_values().fold(0.0, f64::max)
}

/// What a reader must know of how the lane ran.
fn notes(judged: &[Judged]) -> Vec<String> {
    let mut notes = Vec::new();
    let shards: BTreeMap<u32, usize> = judged
        .iter()
        .filter(|part| part.part.round == 1 && !part.part.again)
        .fold(BTreeMap::new(), |mut shards, part| {
            *shards.entry(part.part.shard).or_default() += part.part.specs.len();
            shards
        });
    if shards.len() > 1 {
        let counts: Vec<String> = shards.values().map(ToString::to_string).collect();
        let counts = counts.join(" + ");
        notes.push(format!(
            "divided among {} machines: {counts} specs",
            shards.len()
        ));
    }
    let rounds = judged.iter().map(|part| part.part.round).max().unwrap_or(1);
    if rounds > 1 {
        notes.push(format!("{rounds} rounds"));
    } else if judged.len() > shards.len()
        && judged.iter().any(|part| part.part.folder.ends_with(".2"))
    {
        notes.push("what failed last or was touched ran first, in a call of its own".to_owned());
    }
    for part in judged.iter().filter(|part| part.replaced) {
        if let CellOutcome::Stopped { cause } = &part.cell.outcome {
            let left = judged
                .iter()
                .filter(|other| other.part.again && other.part.shard == part.part.shard);
            let left: usize = left.map(|other| other.part.specs.len()).sum();
            notes.push(format!(
                "shard {}'s machine ended in {} ({}); the {left} specs it left ran on a fresh one",
                part.part.shard, cause.phase, cause.summary
            ));
        }
    }
    notes
}

/// Why the failed specs failed, each by the call that the lane's result is from.
fn causes(judged: &[Judged], specs: &[SpecResult]) -> LaneCauses {
    let mut causes = LaneCauses::default();
    let failed = |name: &SpecName| {
        let mut known = specs.iter();
        known.any(|spec| spec.name == *name && spec.outcome.is_failure())
    };
    for part in judged {
        let folder = &part.part.folder;
        for found in part.causes.specs.iter().filter(|found| failed(&found.spec)) {
            if !causes.specs.iter().any(|known| known.spec == found.spec) {
                let mut found = found.clone();
                found.cause = within(folder, found.cause);
                causes.specs.push(found);
            }
        }
    }
    let mut with = judged.iter().filter(|part| !part.causes.specs.is_empty());
    // A cause that all share is one machine's; of several nobody can say that.
    if let (Some(only), None) = (with.next(), with.next()) {
        let common = only.causes.common.clone();
        causes.common = common.map(|cause| within(&only.part.folder, cause));
    }
    causes
}

/// A part's cause, with evidence as the attempt's folder sees it.
fn within(folder: &str, mut cause: Cause) -> Cause {
    for line in &mut cause.evidence {
        line.file = Utf8PathBuf::from(folder).join(&line.file);
    }
    cause
}
