//! `bellwether runs`: what there is.

use clap::Args;
use serde::Serialize;

use super::{CliError, Globals, printer::columns, target};
use crate::{
    evidence::EvidenceDir,
    model::{ExitCode, RunId},
    report::words,
    run::{state::RunState, store::Store},
};

/// List runs, newest first
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// How many
    #[arg(short, long, default_value_t = 20, value_name = "N")]
    number: usize,
    /// Only runs of this profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// One run of the list.
#[derive(Debug, Serialize)]
struct Row {
    run: RunId,
    profile: String,
    started: Option<String>,
    state: String,
    lanes: String,
    took: Option<String>,
    path: String,
}

/// Runs the subcommand.
///
/// # Errors
/// When the state folder cannot be read.
pub fn run(args: &RunsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let store = globals.store()?;
    let mut rows = Vec::new();
    for (id, run) in store.runs()?.into_iter().rev() {
        let row = row(&store, id, &run);
        if args
            .profile
            .as_ref()
            .is_none_or(|name| *name == row.profile)
        {
            rows.push(row);
        }
        if rows.len() >= args.number {
            break;
        }
    }
    let printer = globals.printer();
    if printer.json {
        printer.document(&rows)?;
    } else if rows.is_empty() {
        printer.say("no runs yet; `bellwether run quickstart` makes one");
    } else {
        let mut lines = vec![
            ["RUN", "PROFILE", "STARTED", "STATE", "GREEN LANES", "TOOK"]
                .map(str::to_owned)
                .to_vec(),
        ];
        lines.extend(rows.into_iter().map(|row| {
            vec![
                words::short_run(row.run),
                row.profile,
                row.started.unwrap_or_default(),
                row.state,
                row.lanes,
                row.took.unwrap_or_default(),
            ]
        }));
        printer.data(&columns(&lines))?;
    }
    Ok(ExitCode::Passed)
}

/// A run that cannot be read is listed all the same.
fn row(store: &Store, id: RunId, run: &EvidenceDir) -> Row {
    let blank = |state: String| Row {
        run: id,
        profile: String::new(),
        started: None,
        state,
        lanes: String::new(),
        took: None,
        path: run.path().to_string(),
    };
    match target::summary(run) {
        Ok(summary) => {
            let green = summary.cells.iter().filter(|cell| cell.outcome.is_green());
            let look = words::exit_look(summary.exit);
            Row {
                lanes: format!("{}/{}", green.count(), summary.cells.len()),
                started: Some(words::moment(summary.started_at)),
                took: summary
                    .ended_at
                    .map(|end| words::duration(words::between(summary.started_at, end))),
                profile: summary.profile,
                ..blank(format!("{} {}", look.sign, words::exit_word(summary.exit)))
            }
        }
        Err(CliError::NoSummary { .. }) => match RunState::load(run.path()) {
            Ok(state) => Row {
                profile: state.profile.clone(),
                started: state.started_at.map(words::moment),
                lanes: format!("?/{}", state.lanes.len()),
                ..blank(unfinished(store, run, &state))
            },
            Err(error) => blank(format!("unreadable: {error}")),
        },
        Err(error) => blank(format!("unreadable: {error}")),
    }
}

fn unfinished(store: &Store, run: &EvidenceDir, state: &RunState) -> String {
    if state.interrupted.is_some() {
        return "◐ interrupted".to_owned();
    }
    match store.lock(run) {
        // Somebody else holds it.
        Ok(None) => "▸ running".to_owned(),
        _ => "◐ was killed".to_owned(),
    }
}
