//! `bellwether triage`: the causes behind anybody's failures.

mod explain;
mod lines;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use fs_err as fs;

use super::{CliError, Globals};
use crate::{
    evidence::foreign::{self, Limits},
    model::ExitCode,
    report::{self, TerminalOptions, Triaged, triage_html, triage_terminal},
    verdict::Rules,
};

/// Cluster and classify failures: of any JUnit files, logs, archives, Prow artifacts or run directories
///
/// Needs no profile and no machine. Reads JUnit (Ginkgo, pytest, surefire, go-junit-report, gotestsum, bats), TAP,
/// Ginkgo's report.json, `go test -json`, build logs, JSON lines and bellwether's own runs; in folders, tar, tar.gz,
/// zip and gz. Exits with 0 whatever it finds.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TriageArgs {
    #[command(subcommand)]
    explain: Option<TriageCommand>,
    /// Files, folders and archives
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    paths: Vec<Utf8PathBuf>,
    /// Also write a page that needs nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "jsonl")]
    html: Option<Utf8PathBuf>,
    /// Read lines {id, suite, test, message, output}, `-` for stdin; print {"id", "cluster", "class"} for each
    #[arg(long, value_name = "FILE")]
    jsonl: Option<Utf8PathBuf>,
    /// Show every cause
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum TriageCommand {
    Explain(explain::ExplainArgs),
}

/// Runs the subcommand.
///
/// # Errors
/// When a path cannot be read or the page cannot be written.
pub fn run(args: TriageArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if let Some(TriageCommand::Explain(args)) = &args.explain {
        return explain::run(args, globals);
    }
    let printer = globals.printer();
    if let Some(file) = &args.jsonl {
        return lines::run(file, printer);
    }
    let triaged = triage(&args.paths)?;
    if let Some(file) = &args.html {
        let title: Vec<&str> = args
            .paths
            .iter()
            .map(|path| path.file_name().unwrap_or(path.as_str()))
            .collect();
        fs::write(file, triage_html(&triaged, &title.join(", "))?)?;
        printer.say(&format!("wrote {file}"));
    }
    if printer.json {
        printer.document(&triaged)?;
    } else {
        let options = TerminalOptions {
            width: printer.width(),
            colour: printer.stdout_colour,
            failures: if args.all { usize::MAX } else { 20 },
            ..TerminalOptions::log()
        };
        printer.data(&triage_terminal(&triaged, &options))?;
    }
    Ok(ExitCode::Passed)
}

fn triage(paths: &[Utf8PathBuf]) -> Result<Triaged, CliError> {
    let reading = foreign::read(paths, Limits::default())?;
    Ok(report::triage(reading, Rules::shipped()))
}
