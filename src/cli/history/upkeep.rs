//! Reindex, prune, pin, import.

use std::time::Instant;

use serde::Serialize;

use super::{CliError, Globals, up_to_date};
use crate::{
    cli::{printer::columns, target},
    clock,
    history::{self, Archive, Doomed, Foreign, Index, Pin, Policy},
    report::words,
    run::store::Store,
};

pub fn reindex(archive: &Archive, globals: &Globals) -> Result<(), CliError> {
    let began = Instant::now();
    let done = history::reindex(archive)?;
    let printer = globals.printer();
    if printer.json {
        return printer.document(&done);
    }
    for skipped in &done.skipped {
        printer.say(&format!("skipped {}: {}", skipped.folder, skipped.why));
    }
    let took = words::duration(began.elapsed().as_secs_f64());
    let (runs, open) = (done.new, done.unfinished);
    printer.say(&format!(
        "{runs} runs in the index, in {took}; {open} are not finished"
    ));
    Ok(())
}

/// What `prune --json` says.
#[derive(Debug, Serialize)]
struct Pruned {
    applied: bool,
    bytes: u64,
    runs: Vec<Doomed>,
}

pub fn prune(
    archive: &Archive,
    index: &Index,
    (days, max, apply): (u32, Option<u64>, bool),
    globals: &Globals,
) -> Result<(), CliError> {
    let now = clock::now();
    let policy = Policy {
        days,
        bytes: max.map(|gib| gib.saturating_mul(1 << 30)),
    };
    let facts = history::survey(index, archive, now)?;
    let mut runs = history::plan(&facts, policy, now);
    let printer = globals.printer();
    if apply {
        let mut gone = Vec::new();
        for doomed in runs {
            match history::apply(archive, &doomed, now) {
                Ok(true) => gone.push(doomed),
                Ok(false) => printer.say(&format!("{} is in use", doomed.run)),
                Err(error) => printer.say(&format!("{} stays: {error}", doomed.run)),
            }
        }
        runs = gone;
    }
    let bytes = runs.iter().map(|run| run.bytes).sum();
    if printer.json {
        return printer.document(&Pruned {
            applied: apply,
            bytes,
            runs,
        });
    }
    let mut table = vec![
        ["RUN", "STARTED", "FREES", "WHY"]
            .map(str::to_owned)
            .to_vec(),
    ];
    table.extend(runs.iter().map(|run| {
        vec![
            run.run.clone(),
            words::moment(run.started),
            words::size(run.bytes),
            run.why.clone(),
        ]
    }));
    if !runs.is_empty() {
        printer.data(&columns(&table))?;
    }
    let kept = facts
        .iter()
        .filter(|run| run.stays.is_some() && run.bytes > 0);
    printer.say(&format!(
        "{} of {} runs {}, {}; {} are of interest and stay{}",
        runs.len(),
        facts.len(),
        if apply { "pruned" } else { "would be pruned" },
        words::size(bytes),
        kept.count(),
        if apply { "" } else { "; --apply removes" }
    ));
    Ok(())
}

pub fn pin(
    store: &Store,
    run: &str,
    why: Option<String>,
    globals: &Globals,
) -> Result<(), CliError> {
    let folder = target::run(store, run)?;
    let at = clock::now();
    let pin = why.map(|why| Pin { why, at });
    history::pin(&folder, pin.as_ref())?;
    let verb = if pin.is_some() {
        "pinned"
    } else {
        "no longer pinned"
    };
    globals
        .printer()
        .say(&format!("{} is {verb}", folder.path()));
    Ok(())
}

pub fn import(archive: &Archive, foreign: &Foreign, globals: &Globals) -> Result<(), CliError> {
    let imported = history::import(archive, foreign)?;
    up_to_date(archive, globals)?;
    let printer = globals.printer();
    if printer.json {
        return printer.document(&imported);
    }
    for problem in &imported.problems {
        printer.say(problem);
    }
    printer.say(&format!(
        "{} specs, {} failed, as run {} in {}",
        imported.specs, imported.failed, imported.run, imported.folder
    ));
    Ok(())
}
