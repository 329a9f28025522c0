//! `bellwether show`: a run in the terminal.

use clap::Args;

use super::{CliError, Globals, progress::view, target};
use crate::{
    clock,
    model::ExitCode,
    report::{TerminalOptions, clusters, terminal},
    run::state::RunState,
};

/// Show a run: lanes, failures, where to look, how to reproduce
///
/// Reads the run directory and nothing else. A run that goes on, or that was killed, shows how far it came.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run: id, unique part of an id, `latest`, or the run directory's path
    #[arg(default_value = "latest")]
    run: String,
    /// Show every failed spec
    #[arg(long)]
    all: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be found or read.
pub fn run(args: ShowArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let run = target::run(&globals.store()?, &args.run)?;
    let printer = globals.printer();
    match target::summary(&run) {
        Ok(summary) if printer.json => printer.document(&summary)?,
        Ok(summary) => {
            let options = TerminalOptions {
                width: printer.width(),
                colour: printer.stdout_colour,
                failures: if args.all { usize::MAX } else { 10 },
                folder: Some(run.path().to_owned()),
                clusters: clusters::clusters(&run, &summary),
            };
            printer.data(&terminal(&summary, &options))?;
        }
        // Its events are all there is, and all that is needed.
        Err(CliError::NoSummary { .. }) if !printer.json => {
            let state = RunState::load(run.path())?;
            let options = view::ViewOptions {
                width: printer.width(),
                height: usize::MAX,
                colour: printer.stdout_colour,
            };
            let usual = view::Usual::default();
            printer.data(&view::lines(&state, &usual, clock::now(), &options).join("\n"))?;
            printer.data(&format!("Files  {}", run.path()))?;
        }
        Err(error) => return Err(error),
    }
    Ok(ExitCode::Passed)
}
