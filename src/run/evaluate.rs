//! Judges one attempt from its files alone. A run that ended and a run that was killed go through here.

mod divided;

use std::borrow::Cow;

use fs_err as fs;
use jiff::tz::TimeZone;

use super::{
    parts,
    record::{self, RunRecord},
    state::{LaneState, RunState, seconds_between},
};
use crate::{
    evidence::{self, AttemptError, AttemptFiles, EvidenceDir, Reconciled, Redactor},
    model::{
        Blame, Cause, CellOutcome, CellSummary, Class, Confidence, EvidenceLine, ExpectationUse,
        Lane, Phase, SpecResult, Stop, StopKind, SuitePlan,
    },
    runtime::identity::{IDENTITY_FILE, Identity},
    suite::{ExitClass, SuiteExit, ginkgo::StreamLog},
    verdict::{self, LaneCauses, Rules},
};

/// The suite's plan, in the attempt's folder.
pub const PLAN_FILE: &str = "plan.json";
/// The attempt's judgement, in the attempt's folder.
pub const CELL_FILE: &str = "cell.json";
/// Why its specs failed, in the attempt's folder.
pub const CAUSES_FILE: &str = "causes.json";

/// Judges an attempt, writes the judgement beside its evidence, and returns it. Evidence that cannot be read makes
/// a stopped cell: silence is never green.
pub async fn cell(run: &EvidenceDir, lane: &Lane, attempt: u32, stop: Option<Stop>) -> CellSummary {
    let (run, lane) = (run.clone(), lane.clone());
    let job = move || judge(&run, &lane, attempt, stop);
    match tokio::task::spawn_blocking(job).await {
        Ok(cell) => cell,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn judge(run: &EvidenceDir, lane: &Lane, attempt: u32, stop: Option<Stop>) -> CellSummary {
    let folder = run.attempt(&lane.id, attempt);
    let own = RunState::load(run.path())
        .ok()
        .and_then(|state| state.lanes.into_iter().find(|known| known.lane == lane.id))
        .filter(|known| known.attempt == attempt);
    let (own, state) = match own {
        Some(state) => (true, Some(state)),
        // One that the lane's outcome does not depend on is known by its own events alone.
        None => {
            let state = LaneState::of_attempt(&folder, lane.id.clone(), attempt);
            (false, state.ok())
        }
    };
    let Some(state) = state else {
        let why = "the attempt's events cannot be read".to_owned();
        let mut cell = CellSummary::new(lane.clone(), unreadable(why));
        cell.attempts = attempt;
        return cell;
    };
    let expects =
        |plan: &SuitePlan, specs: &mut [SpecResult]| expected(run, lane, &state, plan, specs);
    let rules = rules(run);
    let (mut cell, causes) = if folder.file(parts::FILE).exists() {
        divided::examine_all(lane, &folder, &state, stop, &rules, expects)
    } else {
        examine(lane, &folder, &state, stop, &rules, expects)
    };
    cell.attempts = attempt;
    // A further try asks for single specs; only the lane's own attempt has the profile's suite.
    if own {
        cell.notes.extend(lost_before(run, lane, attempt));
        cell.notes.extend(unselected(run, lane, &folder));
    }
    keep(&folder, &cell);
    if let Err(error) = folder.write_json(CAUSES_FILE, &causes) {
        tracing::error!("cannot keep the causes of {}: {error}", lane.id);
    }
    cell
}

/// A sentence for each of the lane's earlier attempts that was lost to the host.
fn lost_before(run: &EvidenceDir, lane: &Lane, attempt: u32) -> Vec<String> {
    let earlier = |attempt: u32| {
        let folder = run.attempt(&lane.id, attempt);
        let cell: CellSummary = folder.read_json(CELL_FILE).ok()?;
        let cause = verdict::lost(&cell)?;
        Some(format!(
            "attempt {attempt} was lost in {}, so the lane ran again: {}",
            cause.phase, cause.summary
        ))
    };
    (1..attempt).filter_map(earlier).collect()
}

/// What the profile's suite asks for and does not have.
fn unselected(run: &EvidenceDir, lane: &Lane, folder: &EvidenceDir) -> Vec<String> {
    let record: Option<RunRecord> = run.read_json(record::FILE).ok();
    let plan: Option<SuitePlan> = folder.read_json(PLAN_FILE).ok();
    (record.as_ref())
        .and_then(|record| record.profile.suite(&lane.suite))
        .zip(plan)
        .map_or_else(Vec::new, |(suite, plan)| verdict::unselected(suite, &plan))
}

/// How long an attempt and its suite took. Until its first phase an attempt only waits for its machine.
fn times(cell: &mut CellSummary, state: &LaneState) {
    let began = state.phases.first().map(|(_, at)| *at);
    if let Some(started) = began.or(state.started_at) {
        let end = state
            .ended_at
            .or(state.suite_ended_at)
            .unwrap_or_else(crate::clock::now);
        cell.seconds = seconds_between(started, end);
    }
    cell.suite_seconds = state.suite_seconds();
    cell.start.clone_from(&state.start);
}

/// What one call of a suite comes to, by its folder and its events.
fn examine(
    lane: &Lane,
    folder: &EvidenceDir,
    state: &LaneState,
    stop: Option<Stop>,
    rules: &Rules,
    expects: impl FnOnce(&SuitePlan, &mut [SpecResult]) -> Vec<ExpectationUse>,
) -> (CellSummary, LaneCauses) {
    let mut cell = CellSummary::new(lane.clone(), CellOutcome::NoTests);
    times(&mut cell, state);
    let plan: SuitePlan = folder.read_json(PLAN_FILE).unwrap_or_default();
    // Secrets go before anything is read again, and before anybody publishes the folder.
    if let Err(error) = evidence::tidy(folder.path(), &[""; 0], &Redactor::default()) {
        cell.outcome = unreadable(error.to_string());
        return (cell, LaneCauses::default());
    }
    let words = stop.as_ref().map(|stop| stop.said.clone());
    let mut reconciled = match reconcile(folder, &plan, state, words.as_deref()) {
        Ok(reconciled) => reconciled,
        Err(error) => {
            cell.outcome = unreadable(error.to_string());
            return (cell, LaneCauses::default());
        }
    };
    let artifacts =
        verdict::load(folder.path()).unwrap_or_else(|_| verdict::Artifacts::new(Vec::new()));
    let stop = stop.or_else(|| {
        let mut stop = suite_stop(state, &plan, &reconciled)?;
        if stop.kind != StopKind::Failed {
            stop.line = exit_line(folder);
        }
        Some(stop)
    });
    let cause = stop.map(|stop| verdict::classify_with(rules, &stop, &artifacts));
    cell.expectations = expects(&plan, &mut reconciled.specs);
    cell.identity = identity(folder);
    let (outcome, counts) =
        verdict::cell_outcome(&plan, &reconciled.specs, cause, &reconciled.disagreements);
    let causes: LaneCauses = verdict::explain_all_with(rules, &reconciled.specs, &artifacts);
    cell.outcome = outcome;
    cell.counts = counts;
    cell.disagreements = reconciled.disagreements;
    cell.specs = reconciled.specs;
    (cell, causes)
}

/// The shipped rules and those of the run's own profile.
pub(super) fn rules(run: &EvidenceDir) -> Cow<'static, Rules> {
    let record: Option<RunRecord> = run.read_json(record::FILE).ok();
    let packs: Vec<(&str, &str)> = record
        .iter()
        .flat_map(|record| record.profile.rule_packs())
        .collect();
    if packs.is_empty() {
        return Cow::Borrowed(Rules::shipped());
    }
    match Rules::with(&packs) {
        Ok(rules) => Cow::Owned(rules),
        Err(error) => {
            // They loaded when the run began: another bellwether may have taken an id since.
            tracing::error!("the profile's rules cannot be used: {error}");
            Cow::Borrowed(Rules::shipped())
        }
    }
}

/// Applies the profile's expected failures. The day is the one on which the attempt ran, so that a run which is judged
/// later is judged the same.
pub fn expected(
    run: &EvidenceDir,
    lane: &Lane,
    state: &LaneState,
    plan: &SuitePlan,
    specs: &mut [SpecResult],
) -> Vec<ExpectationUse> {
    let record: RunRecord = match run.read_json(record::FILE) {
        Ok(record) => record,
        Err(error) => {
            // Without them every failure counts: red where it should not be, and never green.
            tracing::error!("cannot read what {} expects: {error}", lane.id);
            return Vec::new();
        }
    };
    let day = state.started_at.unwrap_or_else(crate::clock::now);
    let today = day.to_zoned(TimeZone::UTC).date();
    let RunRecord { profile, .. } = record;
    verdict::expected(&profile.expect, profile.narrowed, lane, today, plan, specs)
}

/// Who served the pods, where that was established.
fn identity(folder: &EvidenceDir) -> Option<String> {
    let Identity {
        runtime, binary, ..
    } = folder.read_json(IDENTITY_FILE).ok()?;
    let digest = binary.sha256.as_deref().and_then(|sha256| sha256.get(..12));
    let parts = [
        binary.version.or(runtime),
        Some(binary.path),
        digest.map(|digest| format!("sha256 {digest}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Some(parts.join(", "))
}

/// Writes an attempt's judgement beside its evidence.
pub fn keep(folder: &EvidenceDir, cell: &CellSummary) {
    if let Err(error) = folder.write_json(CELL_FILE, cell) {
        tracing::error!("cannot keep the judgement of {}: {error}", cell.lane.id);
    }
}

/// Puts together what the attempt's files and events say of its specs.
fn reconcile(
    folder: &EvidenceDir,
    plan: &SuitePlan,
    state: &LaneState,
    stopped: Option<&str>,
) -> Result<Reconciled, AttemptError> {
    let mut files = AttemptFiles::load(folder.path(), Some(plan))?;
    // A suite that runs on this host has no output but its events.
    let silent = (files.stream.as_ref())
        .is_none_or(|stream| stream.specs.is_empty() && stream.unfinished.is_empty());
    if silent && !(state.finished.is_empty() && state.running.is_empty()) {
        files.stream = Some(StreamLog {
            specs: state.finished.clone(),
            unfinished: state.running.clone(),
            ..StreamLog::default()
        });
    }
    let never_began = files.stream.is_none() && files.report.is_none() && files.junit.is_none();
    let stopped = stopped.or(never_began.then_some("the suite did not start"));
    let mut reconciled = files.reconcile(Some(plan), exit_of(state), stopped)?;
    // Stdout has no times; the events have the host's.
    for spec in &mut reconciled.specs {
        if let Some(seen) = state.finished.iter().find(|seen| seen.name == spec.name) {
            spec.started_at = spec.started_at.or(seen.started_at);
            spec.ended_at = spec.ended_at.or(seen.ended_at);
        }
    }
    Ok(reconciled)
}

/// The line by which the guest said how the suite ended.
fn exit_line(folder: &EvidenceDir) -> Option<EvidenceLine> {
    ["exit.json", "status.jsonl"].into_iter().find_map(|name| {
        let text = fs::read_to_string(folder.file(name)).ok()?;
        let line = text.lines().next().filter(|line| !line.is_empty())?;
        Some(EvidenceLine {
            file: name.into(),
            line: 1,
            text: line.to_owned(),
        })
    })
}

fn exit_of(state: &LaneState) -> Option<SuiteExit> {
    let (status, signal) = state.suite_exit?;
    Some(SuiteExit {
        status,
        signal,
        ..SuiteExit::default()
    })
}

/// How a suite cut itself short, when it ended by itself but not as a suite should. Absent when it ran its specs.
fn suite_stop(state: &LaneState, plan: &SuitePlan, reconciled: &Reconciled) -> Option<Stop> {
    let stop = |phase, kind, said: String| {
        Some(Stop {
            phase,
            kind,
            said,
            line: None,
        })
    };
    let began = !state.finished.is_empty()
        || reconciled
            .specs
            .iter()
            .any(|spec| spec.started_at.is_some());
    let phase = if began {
        Phase::Spec
    } else {
        Phase::SuiteStart
    };
    let class = exit_of(state)?.class();
    match class {
        ExitClass::Killed(_) => stop(phase, StopKind::Killed, format!("the suite was {class}")),
        ExitClass::TimedOut => stop(phase, StopKind::Deadline, format!("the suite {class}")),
        ExitClass::Crashed => stop(
            phase,
            StopKind::Failed,
            format!("the suite ended with {class}"),
        ),
        ExitClass::Passed | ExitClass::Focused => None,
        ExitClass::Failed | ExitClass::Other(_) | ExitClass::Unknown => {
            // A failed set-up step of the whole suite is its own cause; failed specs are not a stop.
            let set_up = reconciled.suite_failures.first();
            match set_up {
                Some(failure) if !began => {
                    let text = failure
                        .failure
                        .as_ref()
                        .map_or("", |failure| failure.message.as_str());
                    stop(
                        phase,
                        StopKind::Failed,
                        format!("{} failed: {text}", failure.node),
                    )
                }
                None if !began && !plan.selected.is_empty() => stop(
                    phase,
                    StopKind::Failed,
                    format!("the suite ended with {class} before its first spec"),
                ),
                _ => None,
            }
        }
    }
}

fn unreadable(why: String) -> CellOutcome {
    CellOutcome::Stopped {
        cause: Box::new(Cause {
            phase: Phase::Collect,
            class: Class::NoEvidence,
            blame: Blame::Bellwether,
            confidence: Confidence::Certain,
            evidence: vec![EvidenceLine {
                file: "events.jsonl".into(),
                line: 1,
                text: why.clone(),
            }],
            summary: why,
            rule: None,
            hint: Some("the attempt's folder holds what there is".to_owned()),
        }),
    }
}
