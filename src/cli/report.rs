//! `bellwether report`: a run as a page.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{CliError, Globals, target};
use crate::{model::ExitCode, process, report::write_all};

/// Write a run's reports again: HTML, JUnit, Prow's layout
///
/// Prints the path of the page. All files lie in the run directory.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run: id, unique part of an id, `latest`, or the run directory's path
    #[arg(default_value = "latest")]
    run: String,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
}

#[derive(Serialize)]
struct Written {
    html: String,
    junit: String,
    prow: String,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be found or its reports cannot be written.
pub async fn run(args: ReportArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let run = target::run(&globals.store()?, &args.run)?;
    let page = write_all(&run, &target::summary(&run)?)?;
    let printer = globals.printer();
    if printer.json {
        printer.document(&Written {
            html: page.to_string(),
            junit: run.file("junit.xml").into_string(),
            prow: run.file("prow").into_string(),
        })?;
    } else {
        printer.data(page.as_str())?;
    }
    if args.open {
        // In a session of its own: our children end with us, and a browser must not.
        process::call("setsid")
            .args(["--fork", "xdg-open", page.as_str()])
            .limit(Duration::from_secs(20))
            .run()
            .await?;
    }
    Ok(ExitCode::Passed)
}
