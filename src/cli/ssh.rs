//! `bellwether ssh`: into a machine that runs.

use clap::Args;
use serde::Serialize;

use super::{CliError, Globals, target};
use crate::{machine, model::ExitCode, process, run::state::RunState};

/// Enter a lane's machine, while it runs or when it was kept
///
/// `bellwether run --keep` leaves machines up.
#[derive(Debug, Args)]
pub struct SshArgs {
    /// A run and one of its lanes, or a part of the lane's name that no other has
    #[arg(value_name = "RUN/LANE")]
    target: String,
    /// A command to run there, instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Entry {
    command: String,
}

/// Runs the subcommand. It becomes ssh, so it does not return when all is well.
///
/// # Errors
/// When there is no such lane, or its machine does not run.
pub fn run(args: SshArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let store = globals.store()?;
    let target::Target { run, rest } = target::target(&store, &args.target)?;
    let Some(rest) = rest else {
        return Err(CliError::Form {
            text: args.target,
            form: "RUN/LANE",
        });
    };
    let name = target::name_of(&run);
    let state = RunState::load(run.path())?;
    let lane = target::lane(&name, state.lanes.iter().map(|lane| &lane.lane), &rest)?;
    let attempt = state
        .lanes
        .iter()
        .find(|state| state.lane == lane)
        .map_or(1, |state| state.attempt.max(1));
    let folder = run.attempt(&lane, attempt);
    let Some(record) = machine::find(store.root(), folder.path())? else {
        return Err(CliError::NoMachine { lane });
    };
    let mut line = record.ssh_command;
    for word in &args.command {
        line.push(' ');
        line.push_str(&process::quote(word));
    }
    if globals.printer().json {
        globals.printer().document(&Entry { command: line })?;
        return Ok(ExitCode::Passed);
    }
    Err(CliError::Io(process::replace_with(&line)))
}
