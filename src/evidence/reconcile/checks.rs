//! Where the parts of the evidence must agree.

use crate::{model::SpecOutcome, suite::ExitClass};

use super::{Parts, Reconciled, Source};

fn plural(count: usize) -> String {
    match count {
        1 => "1 spec".to_owned(),
        _ => format!("{count} specs"),
    }
}

fn count(result: &Reconciled, which: impl Fn(SpecOutcome) -> bool) -> usize {
    result
        .specs
        .iter()
        .filter(|spec| which(spec.outcome))
        .count()
}

/// A whole file that lacks specs which another part saw run.
pub fn lacking(sources: &[Source], result: &mut Reconciled) {
    for source in sources.iter().filter(|source| source.whole) {
        let mut lacks = sources
            .iter()
            .filter(|other| other.name != source.name)
            .flat_map(|other| {
                other
                    .specs
                    .iter()
                    .map(move |(name, specs)| (other, name, specs))
            })
            .filter(|(_, name, _)| !source.specs.contains_key(*name))
            .filter(|(_, _, specs)| {
                // Stdout is not bound to mention what skipped itself.
                specs
                    .iter()
                    .any(|spec| spec.outcome == SpecOutcome::Passed || spec.outcome.is_failure())
            })
            .map(|(other, name, _)| (name, other.name))
            .collect::<Vec<_>>();
        lacks.sort();
        lacks.dedup_by_key(|(name, _)| *name);
        if let Some((name, other)) = lacks.first() {
            let text = format!(
                "{} lacks {} that others saw run, such as one that {other} has: {name}",
                source.name,
                plural(lacks.len())
            );
            result.disagreements.push(text);
        }
    }
    if let Some(name) = result.unplanned.first() {
        let text = format!(
            "{} ran unplanned, such as: {name}",
            plural(result.unplanned.len())
        );
        result.disagreements.push(text);
    }
}

/// Files that are missing, empty or cut off though the suite came far enough to write them.
pub fn files(parts: &Parts<'_>, result: &mut Reconciled) {
    let ended = match parts.exit.map(|exit| exit.class()) {
        Some(ExitClass::TimedOut | ExitClass::Killed(_)) => true,
        Some(_) => false,
        None => parts.stopped.is_some(),
    };
    // A suite writes them at its own end.
    if ended {
        return;
    }
    let passed = count(result, |outcome| outcome == SpecOutcome::Passed);
    let problem = match parts.junit {
        None => Some("there is no JUnit file".to_owned()),
        Some(junit) if junit.truncated => Some(format!(
            "the JUnit file is cut off ({})",
            junit.problem.as_deref().unwrap_or("unknown")
        )),
        Some(junit) if junit.cases.is_empty() => Some("the JUnit file has no case".to_owned()),
        Some(_) => None,
    };
    if let (Some(problem), true) = (problem, passed > 0) {
        let text = format!(
            "{problem}, though {} passed by other evidence",
            plural(passed)
        );
        result.disagreements.push(text);
    }
    if let Some(why) = parts.report.and_then(|report| report.truncated.as_deref()) {
        result
            .disagreements
            .push(format!("Ginkgo's report is cut off ({why})"));
    }
}

/// The suite's own counts.
pub fn counts(parts: &Parts<'_>, result: &mut Reconciled) {
    let passed = count(result, |outcome| outcome == SpecOutcome::Passed);
    let failed = count(result, SpecOutcome::is_failure);
    let mut found = Vec::new();
    if let Some(ran) = parts.stream.and_then(|stream| stream.ran)
        && ran.ran as usize != passed + failed
    {
        found.push(format!(
            "stdout counts {} as run, the evidence has {}",
            plural(ran.ran as usize),
            passed + failed
        ));
    }
    if let Some((said_passed, said_failed)) = parts.stream.and_then(|stream| stream.counts)
        && (said_passed as usize, said_failed as usize) != (passed, failed)
    {
        found.push(format!(
            "stdout counts {said_passed} passed and {said_failed} failed, the evidence has {passed} and {failed}"
        ));
    }
    let will_run = [
        ("stdout", parts.stream.and_then(|stream| stream.will_run)),
        (
            "Ginkgo's report",
            parts.report.and_then(|report| report.will_run),
        ),
    ];
    for (name, (selected, total)) in will_run.into_iter().filter_map(|(n, w)| Some((n, w?))) {
        // Totals may differ: the suite leaves out specs that the place where it was asked cannot run at all.
        if let Some(plan) = parts.plan
            && plan.selected.len() != selected as usize
        {
            found.push(format!(
                "{name} says it would run {selected} of {total} specs, the plan has {} of {}",
                plan.selected.len(),
                plan.total
            ));
        }
    }
    result.disagreements.extend(found);
}

/// The exit status against the outcomes.
pub fn exit_status(parts: &Parts<'_>, result: &mut Reconciled) {
    let failed = count(result, SpecOutcome::is_failure) + result.suite_failures.len();
    let not_run = count(result, |outcome| outcome == SpecOutcome::NotRun);
    let Some(exit) = parts.exit else {
        if parts.stopped.is_none() {
            result
                .disagreements
                .push("nothing says how the suite's process ended".to_owned());
        }
        return;
    };
    let class = exit.class();
    let problem = match class {
        ExitClass::Passed if failed > 0 => Some(format!("{failed} failed")),
        ExitClass::Passed if not_run > 0 => Some(format!("{} did not run", plural(not_run))),
        ExitClass::Passed => None,
        _ if failed > 0 || parts.stopped.is_some() => None,
        // Being ended explains what is missing.
        ExitClass::TimedOut | ExitClass::Killed(_) if not_run > 0 => None,
        _ => Some("nothing failed".to_owned()),
    };
    if let Some(problem) = problem {
        result
            .disagreements
            .push(format!("the suite says {class}, though {problem}"));
    }
}
