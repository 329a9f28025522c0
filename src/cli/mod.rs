//! The command line: one file for each subcommand. The only place that prints, and that turns errors into
//! exit codes.
//!
//! Owns: arguments, the printer, the live view, hints. Must not: know how anything is done.

mod cache;
mod daemon;
mod doctor;
mod error;
mod globals;
mod history;
mod host;
mod image;
mod plan;
mod printer;
mod profile;
pub mod progress;
mod queue;
mod report;
mod repro;
mod rules;
mod run;
mod runs;
mod selection;
mod show;
mod ssh;
mod target;
mod tools;
mod triage;

use clap::{Parser, Subcommand};

pub use error::CliError;
pub use globals::Globals;
pub use printer::Printer;

use crate::model::ExitCode;

/// Conformance runs of container runtimes under Kubernetes' own node suite.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    globals: globals::GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 passed, 1 a blocking lane failed, 2 wrong usage or profile, 3 infrastructure, 4 a build \
failed, 5 incomplete, 130 stopped by Ctrl-C.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Plan(plan::PlanArgs),
    Show(show::ShowArgs),
    Report(report::ReportArgs),
    Runs(runs::RunsArgs),
    Ssh(ssh::SshArgs),
    Repro(repro::ReproArgs),
    History(history::HistoryArgs),
    Profile(profile::ProfileArgs),
    Triage(triage::TriageArgs),
    Rules(rules::RulesArgs),
    Image(image::ImageArgs),
    Daemon(daemon::DaemonArgs),
    Queue(queue::QueueArgs),
    Cache(cache::CacheArgs),
    Doctor(doctor::DoctorArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> std::process::ExitCode {
    // Wrong usage ends inside with 2, help and version with 0.
    let cli = Cli::parse();
    let globals = match cli.globals.resolve() {
        Ok(globals) => globals,
        Err(error) => return error.report(&Printer::plain()),
    };
    globals.start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return CliError::Io(error).report(globals.printer()),
    };
    let end = runtime.block_on(dispatch(cli.command, &globals));
    // Nothing that is left may keep the process: a blocking read of a dead guest would.
    runtime.shutdown_background();
    match end {
        Ok(code) => std::process::ExitCode::from(code.code()),
        Err(error) => error.report(globals.printer()),
    }
}

async fn dispatch(command: Command, globals: &Globals) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(args) => run::run(args, globals).await,
        Command::Plan(args) => plan::run(args, globals).await,
        Command::Show(args) => show::run(args, globals),
        Command::Report(args) => report::run(args, globals).await,
        Command::Runs(args) => runs::run(&args, globals),
        Command::Ssh(args) => ssh::run(args, globals),
        Command::Repro(args) => repro::run(args, globals).await,
        Command::History(args) => history::run(args, globals),
        Command::Image(args) => image::run(args, globals).await,
        Command::Profile(args) => profile::run(args, globals),
        Command::Triage(args) => triage::run(args, globals),
        Command::Rules(args) => rules::run(args, globals),
        Command::Daemon(args) => daemon::run(args, globals).await,
        Command::Queue(args) => queue::run(args, globals),
        Command::Cache(args) => cache::run(args, globals),
        Command::Doctor(args) => doctor::run(args, globals).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_fit_together() {
        super::Cli::command().debug_assert();
    }
}
