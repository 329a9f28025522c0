//! Old runs by today's rules.

use serde::Serialize;

use super::{Own, packs};
use crate::{
    cli::{CliError, Globals, target},
    evidence::EvidenceDir,
    model::{Cause, CellOutcome, CellSummary, EventKind, ExitCode, Stop, StopKind},
    run::record::{self, RunRecord},
    verdict::{self, LaneCauses, Rules},
};

/// Why specs of an attempt failed, as its run wrote it.
const CAUSES: &str = "causes.json";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Judged {
    run: String,
    lane: String,
    /// Absent for a stopped cell.
    spec: Option<String>,
    was: Option<Cause>,
    now: Cause,
    changed: bool,
}

/// Judges stopped cells and failed specs again. Writes nothing.
pub(super) fn again(own: &Own, runs: &[String], globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let given = packs(own)?;
    let mut judged = Vec::new();
    for name in runs {
        let run = target::run(&globals.store()?, name)?;
        let record: Option<RunRecord> = run.read_json(record::FILE).ok();
        let of_run = record.iter().flat_map(|record| record.profile.rule_packs());
        let given = given
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        // A file given on the command line stands in for the one that the run had.
        let mut all: Vec<(&str, &str)> = given.collect();
        for pack in of_run {
            if !all.iter().any(|known| known.0 == pack.0) {
                all.push(pack);
            }
        }
        let rules = Rules::with(&all)?;
        for cell in target::summary(&run)?.cells {
            of_cell(&rules, &run, &cell, &mut judged)?;
        }
    }
    let changed = judged.iter().filter(|judged| judged.changed).count();
    if printer.json {
        printer.document(&judged)?;
        return Ok(ExitCode::Passed);
    }
    for judged in judged.iter().filter(|judged| judged.changed) {
        let spec = judged
            .spec
            .as_ref()
            .map_or(String::new(), |spec| format!(" {spec}"));
        let was = judged.was.as_ref().map_or("-".to_owned(), words);
        printer.data(&format!(
            "{}/{}{spec}\n    was: {was}\n    now: {}{}",
            judged.run,
            judged.lane,
            words(&judged.now),
            judged
                .now
                .evidence
                .first()
                .map_or(String::new(), |line| format!("\n         {line}")),
        ))?;
    }
    printer.say(&format!(
        "{} failures judged again, {changed} change",
        judged.len()
    ));
    Ok(ExitCode::Passed)
}

fn words(cause: &Cause) -> String {
    let rule = cause.rule.as_deref().unwrap_or("no rule");
    format!(
        "{}, {} ({rule}): {}",
        cause.class, cause.blame, cause.summary
    )
}

fn of_cell(
    rules: &Rules,
    run: &EvidenceDir,
    cell: &CellSummary,
    judged: &mut Vec<Judged>,
) -> Result<(), CliError> {
    let failed = cell.specs.iter().any(|spec| spec.outcome.is_failure());
    let stopped = match &cell.outcome {
        CellOutcome::Stopped { cause } => Some(cause),
        _ => None,
    };
    // What nothing is kept of cannot be judged again.
    let folder = run.attempt(&cell.lane.id, cell.attempts.max(1));
    if (stopped.is_none() && !failed) || !folder.path().is_dir() {
        return Ok(());
    }
    let artifacts = verdict::load(folder.path())?;
    let mut push = |spec: Option<String>, was: Option<Cause>, now: Cause| {
        judged.push(Judged {
            run: run.path().file_name().unwrap_or_default().to_owned(),
            lane: cell.lane.id.to_string(),
            spec,
            changed: was.as_ref().is_none_or(|was| {
                (was.class, was.blame, &was.rule) != (now.class, now.blame, &now.rule)
            }),
            was,
            now,
        });
    };
    if let Some(cause) = stopped {
        let events = folder.events()?;
        let seen = events.into_iter().find_map(|event| match event.kind {
            EventKind::AttemptStopped { stop } => Some(stop),
            _ => None,
        });
        // A suite that cut itself short left no such event.
        let stop = seen.unwrap_or_else(|| Stop {
            phase: cause.phase,
            kind: StopKind::Failed,
            said: cause.summary.clone(),
            line: None,
        });
        let now = verdict::classify_with(rules, &stop, &artifacts);
        push(None, Some(cause.as_ref().clone()), now);
    }
    let before: LaneCauses = folder.read_json(CAUSES).unwrap_or_default();
    for found in verdict::explain_all_with(rules, &cell.specs, &artifacts).specs {
        let was = before.specs.iter().find(|known| known.spec == found.spec);
        let was = was.map(|known| known.cause.clone());
        push(Some(found.spec.to_string()), was, found.cause);
    }
    Ok(())
}
