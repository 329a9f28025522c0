//! One truth out of many claims: Ginkgo's report, JUnit, stdout, the plan and the exit status. Pure.
//!
//! A spec that finished by any part's word is kept; where parts differ the worse word counts and the
//! difference is reported. Every planned spec is in the result exactly once.

mod checks;

use std::collections::{HashMap, HashSet};

use crate::{
    model::{SpecName, SpecOutcome, SpecResult, SuitePlan},
    suite::{
        SuiteExit, SuiteFailure,
        ginkgo::{Names, StreamLog},
    },
};

use super::{
    ginkgo_report::GinkgoReport,
    junit::{JunitError, JunitReport},
};

/// What there is of an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// What the suite said beforehand that it would run.
    pub plan: Option<&'a SuitePlan>,
    /// Ginkgo's JSON report.
    pub report: Option<&'a GinkgoReport>,
    /// The JUnit files, merged.
    pub junit: Option<&'a JunitReport>,
    /// The suite's output.
    pub stream: Option<&'a StreamLog>,
    /// How the suite's process ended.
    pub exit: Option<SuiteExit>,
    /// Why the suite did not end by itself, in words.
    pub stopped: Option<&'a str>,
}

/// What all parts together say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// Every planned spec once, in the plan's order; then those that ran unplanned.
    pub specs: Vec<SpecResult>,
    /// Specs that ran although the plan lacks them.
    pub unplanned: Vec<SpecName>,
    /// Suite-level nodes that failed.
    pub suite_failures: Vec<SuiteFailure>,
    /// What does not agree, in words. Empty on an honest run.
    pub disagreements: Vec<String>,
}

/// One part's word on the specs.
struct Source {
    /// What it is called in messages.
    name: &'static str,
    /// Whether what it lacks did not run, by its word.
    whole: bool,
    specs: HashMap<SpecName, Vec<SpecResult>>,
    order: Vec<SpecName>,
}

impl Source {
    fn new(name: &'static str, whole: bool, results: impl IntoIterator<Item = SpecResult>) -> Self {
        let mut source = Self {
            name,
            whole,
            specs: HashMap::new(),
            order: Vec::new(),
        };
        for result in results {
            let same = source.specs.entry(result.name.clone()).or_default();
            if same.is_empty() {
                source.order.push(result.name.clone());
            }
            same.push(result);
        }
        // Two specs may have one name. Worst first, so that the parts line up whatever their order.
        for same in source.specs.values_mut() {
            same.sort_by_key(|result| match result.outcome {
                SpecOutcome::NotRun => u8::MAX,
                outcome => u8::MAX - 1 - severity(outcome),
            });
        }
        source
    }

    fn claim(&self, name: &SpecName, occurrence: usize) -> Option<&SpecResult> {
        self.specs.get(name)?.get(occurrence)
    }
}

/// The higher, the worse.
const fn severity(outcome: SpecOutcome) -> u8 {
    match outcome {
        SpecOutcome::Passed | SpecOutcome::ExpectedFailure | SpecOutcome::UnexpectedPass => 0,
        SpecOutcome::Skipped => 1,
        SpecOutcome::NotRun => 2,
        SpecOutcome::Failed => 3,
        SpecOutcome::Interrupted => 4,
        SpecOutcome::TimedOut => 5,
        SpecOutcome::Panicked => 6,
    }
}

/// Puts the parts together.
///
/// # Errors
/// When a part comes from a dry run and is no result at all.
pub fn reconcile(parts: &Parts<'_>) -> Result<Reconciled, JunitError> {
    let names = parts.plan.map(Names::of).unwrap_or_default();
    let mut result = Reconciled::default();
    let mut sources = Vec::new();
    if let Some(report) = parts.report {
        let whole = report.truncated.is_none();
        sources.push(Source::new("Ginkgo's report", whole, report.specs.clone()));
        add_failures(&mut result.suite_failures, &report.failures);
    }
    if let Some(junit) = parts.junit {
        let (specs, failures) = junit.results(&names)?;
        sources.push(Source::new("JUnit", !junit.truncated, specs));
        add_failures(&mut result.suite_failures, &failures);
    }
    if let Some(stream) = parts.stream {
        sources.push(Source::new(
            "stdout",
            stream.ran.is_some(),
            stream.specs.clone(),
        ));
        add_failures(&mut result.suite_failures, &stream.failures);
    }
    let reason = not_run_reason(parts, &result.suite_failures);
    for (name, occurrence) in wanted(parts.plan, &sources, &mut result.unplanned) {
        let spec = settle(&name, occurrence, &sources, &mut result.disagreements);
        result
            .specs
            .push(spec.unwrap_or_else(|| not_run(name, parts.stream, &reason)));
    }
    for spec in &mut result.specs {
        if spec.outcome == SpecOutcome::NotRun && spec.reason.is_none() {
            spec.reason = Some(reason.clone());
        }
    }
    checks::lacking(&sources, &mut result);
    checks::files(parts, &mut result);
    checks::counts(parts, &mut result);
    checks::exit_status(parts, &mut result);
    Ok(result)
}

/// The planned specs, and then what ran besides. A repeated name is another occurrence.
fn wanted(
    plan: Option<&SuitePlan>,
    sources: &[Source],
    unplanned: &mut Vec<SpecName>,
) -> Vec<(SpecName, usize)> {
    let mut wanted: Vec<(SpecName, usize)> = Vec::new();
    let mut seen: HashMap<SpecName, usize> = HashMap::new();
    for spec in plan.into_iter().flat_map(|plan| &plan.selected) {
        let count = seen.entry(spec.name.clone()).or_default();
        wanted.push((spec.name.clone(), *count));
        *count += 1;
    }
    for source in sources {
        for name in &source.order {
            let ran = source
                .specs
                .get(name)
                .into_iter()
                .flatten()
                .filter(|spec| spec.outcome != SpecOutcome::NotRun)
                .count();
            let count = seen.entry(name.clone()).or_default();
            while *count < ran {
                wanted.push((name.clone(), *count));
                if plan.is_some() {
                    unplanned.push(name.clone());
                }
                *count += 1;
            }
        }
    }
    wanted
}

/// What the sources say of one spec; the worse word counts.
fn settle(
    name: &SpecName,
    occurrence: usize,
    sources: &[Source],
    disagreements: &mut Vec<String>,
) -> Option<SpecResult> {
    let claims: Vec<(&str, &SpecResult)> = sources
        .iter()
        .filter_map(|source| Some((source.name, source.claim(name, occurrence)?)))
        .collect();
    let worst = claims
        .iter()
        .map(|(_, claim)| claim.outcome)
        .max_by_key(|outcome| severity(*outcome))?;
    if claims.iter().any(|(_, claim)| claim.outcome != worst) {
        let said: Vec<_> = claims
            .iter()
            .map(|(source, claim)| format!("{source} says {}", claim.outcome))
            .collect();
        disagreements.push(format!("{}: {name}", said.join(", ")));
    }
    let mut agreeing = claims
        .into_iter()
        .map(|(_, claim)| claim)
        .filter(|claim| claim.outcome == worst);
    let mut spec = agreeing.next()?.clone();
    for other in agreeing {
        spec.started_at = spec.started_at.or(other.started_at);
        spec.ended_at = spec.ended_at.or(other.ended_at);
        spec.process = spec.process.or(other.process);
        spec.failure = spec.failure.or_else(|| other.failure.clone());
        spec.reason = spec.reason.or_else(|| other.reason.clone());
        if spec.seconds == 0.0 {
            spec.seconds = other.seconds;
        }
    }
    Some(spec)
}

fn not_run(name: SpecName, stream: Option<&StreamLog>, reason: &str) -> SpecResult {
    let began = stream.is_some_and(|stream| stream.unfinished.contains(&name));
    SpecResult {
        name,
        outcome: SpecOutcome::NotRun,
        started_at: None,
        ended_at: None,
        seconds: 0.0,
        process: None,
        failure: None,
        reason: Some(match began {
            true => format!("it began and did not end: {reason}"),
            false => reason.to_owned(),
        }),
    }
}

fn not_run_reason(parts: &Parts<'_>, failures: &[SuiteFailure]) -> String {
    if let Some(stopped) = parts.stopped {
        return stopped.to_owned();
    }
    if let Some(special) = parts.report.and_then(|report| report.special.first()) {
        return special.clone();
    }
    let before = failures
        .iter()
        .find(|failure| failure.node.ends_with("BeforeSuite"));
    if let Some(failure) = before {
        return format!("{} {}", failure.node, failure.outcome);
    }
    match parts.exit {
        Some(exit) => format!("the suite ended without it: {}", exit.class()),
        None => "the suite ended without it, and without an exit status".to_owned(),
    }
}

/// Adds failures that are not there yet; several processes fail at one place with one cause.
fn add_failures(all: &mut Vec<SuiteFailure>, more: &[SuiteFailure]) {
    let place = |failure: &SuiteFailure| {
        let said = failure.failure.as_ref();
        (
            failure.node.clone(),
            said.and_then(|f| f.location.clone().or_else(|| Some(f.message.clone()))),
        )
    };
    let mut known: HashSet<_> = all.iter().map(place).collect();
    for failure in more {
        // A source that lost the text has nothing to add to one that has it.
        let bare = failure.failure.is_none() && known.iter().any(|(node, _)| *node == failure.node);
        if !bare && known.insert(place(failure)) {
            all.push(failure.clone());
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
