//! `bellwether run`: a profile, from its sources to its verdict.

use std::io::IsTerminal as _;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{
    CliError, Globals,
    progress::{Progress, view::Usual},
    selection::Selection,
};
use crate::{
    evidence::EvidenceDir,
    machine::{self, Swept},
    model::{ExitCode, RunId, RunSummary},
    report::{TerminalOptions, clusters, terminal},
    run::{self, Finished, Request, state::RunState, store::Store},
};

/// How many earlier runs tell what is usual.
const USUAL: usize = 5;

/// Run a profile: build, boot, test, judge
///
/// Ends with the exit code of the verdict; the report is in the run directory.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    selection: Selection,
    /// Leave the machines up, and print how to enter them
    #[arg(long)]
    keep: bool,
    /// Boot every machine: restore none from a snapshot, and save none
    #[arg(long)]
    cold: bool,
    /// Do nothing if no source moved since the profile's last run, whose exit code then stands
    #[arg(long)]
    if_changed: bool,
    /// Run each lane's suite again and again on its machine until a spec fails, at most as often as its `repeat` says if
    /// that is more than once
    #[arg(long)]
    until_failure: bool,
    /// Run no failed spec again
    #[arg(long)]
    no_confirm: bool,
    /// The run's id; refused if there is such a run. For who starts runs and must find them again
    #[arg(long, value_name = "UUID", hide = true)]
    id: Option<RunId>,
}

/// Runs the subcommand.
///
/// # Errors
/// When the profile is wrong, or the run cannot be recorded.
pub async fn run(args: RunArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = Request {
        profile: args.selection.load()?,
        command: std::env::args().collect(),
        keep: args.keep,
        cold: args.cold,
        until_failure: args.until_failure,
        confirm: !args.no_confirm,
        candidates: None,
        if_changed: args.if_changed,
        id: args.id,
    };
    match execute(request, globals).await? {
        Finished::Unchanged { folder, exit } => {
            globals.printer().say(&format!(
                "nothing moved since {}; its verdict stands",
                folder.path()
            ));
            Ok(exit)
        }
        Finished::Ran { folder, summary } => {
            show(&folder, &summary, globals)?;
            Ok(summary.exit)
        }
    }
}

/// Runs a request to its end, with the live view and Ctrl-C.
///
/// # Errors
/// When the run cannot be recorded.
pub async fn execute(request: Request, globals: &Globals) -> Result<Finished, CliError> {
    let store = globals.store()?;
    clean_up(globals, &store).await?;
    let printer = globals.printer();
    let live = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    let usual = usual(&store, &request.profile.name);
    let progress = Progress::new(live, printer.stderr_colour, usual);
    let ticks = progress.ticks();
    let cancel = CancellationToken::new();
    let interrupts = watch_interrupts(cancel.clone(), progress.clone());
    let host = globals.host()?;
    let finished = run::run(&host, request, progress.observer(), cancel).await;
    interrupts.abort();
    ticks.abort();
    progress.finish();
    Ok(finished?)
}

/// Prints a run's summary, and how to enter the machines that were left up.
///
/// # Errors
/// When stdout or the state folder refuses.
pub fn show(folder: &EvidenceDir, summary: &RunSummary, globals: &Globals) -> Result<(), CliError> {
    let printer = globals.printer();
    if printer.json {
        printer.document(summary)?;
    } else {
        let options = TerminalOptions {
            width: printer.width(),
            colour: printer.stdout_colour,
            failures: 10,
            folder: Some(folder.path().to_owned()),
            clusters: clusters::clusters(folder, summary),
        };
        printer.data(&terminal(summary, &options))?;
    }
    let store = globals.store()?;
    for cell in summary.cells.iter().filter(|cell| cell.attempts > 0) {
        let attempt = folder.attempt(&cell.lane.id, cell.attempts);
        if let Some(record) = machine::find(store.root(), attempt.path())? {
            printer.say(&format!(
                "the machine of {} is up: {}",
                cell.lane.id, record.ssh_command
            ));
        }
    }
    Ok(())
}

/// What a killed bellwether left: machines are ended, runs are judged by what they have.
async fn clean_up(globals: &Globals, store: &Store) -> Result<(), CliError> {
    let printer = globals.printer();
    for swept in machine::sweep(store.root()).await? {
        match swept {
            Swept::Killed(record) => printer.say(&format!(
                "ended the machine of {}, which a killed bellwether left",
                record.name
            )),
            Swept::Kept(record) if globals.verbose() => {
                printer.say(&format!(
                    "kept machine {}: {}",
                    record.name, record.ssh_command
                ));
            }
            Swept::Cleaned(_) | Swept::Kept(_) => {}
        }
    }
    for run in run::recover(store).await? {
        printer.say(&format!(
            "{} was interrupted; what it finished is kept",
            run.path()
        ));
    }
    Ok(())
}

fn usual(store: &Store, profile: &str) -> Usual {
    let past = run::finish::past(store, profile, USUAL);
    let states: Vec<RunState> = past
        .iter()
        .filter_map(|(run, _)| RunState::load(run.path()).ok())
        .collect();
    Usual::of(&states)
}

/// The first Ctrl-C (or SIGTERM) stops the run, the second ends the process where it is.
fn watch_interrupts(cancel: CancellationToken, progress: Progress) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        interrupt().await;
        cancel.cancel();
        progress.say("stopping; what is finished is kept (again to end at once)");
        interrupt().await;
        progress.finish();
        // Machines and builds die with this process; the next start judges the run by its files.
        end_now();
    })
}

#[expect(clippy::exit, reason = "a second Ctrl-C must not wait for anything")]
fn end_now() -> ! {
    std::process::exit(ExitCode::Interrupted.code().into())
}

async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
