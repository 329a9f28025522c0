//! `bellwether queue`: what the daemon of this host has to do, and orders to it.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::{CliError, Globals, printer::columns};
use crate::{
    clock,
    daemon::{
        api,
        beat::Beat,
        runs::{Look, Runs, Start},
        schedule::{RequestId, Trigger},
        serve::{self, DaemonError},
        settings,
        state::{Pause, State, StateError},
    },
    machine,
    model::{ExitCode, RunId},
    profile::{self, Overrides},
};

/// Show and change the queue of this host's daemon
///
/// It works on the state folder's database, so it needs no token, and the daemon need not run.
#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: Option<Order>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// What waits and runs, why it waits, and when it will be done
    List,
    /// Ask for a run of a profile
    Run {
        /// The profile, as the daemon was given it
        profile: String,
    },
    /// Take a request out of the queue, or end its run
    Cancel {
        /// Its number
        request: i64,
        /// Why
        #[arg(long, default_value = "cancelled by hand")]
        reason: String,
    },
    /// Start no run of a profile for some time
    Pause {
        /// The profile as the daemon was given it, or * for all
        what: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// For how long; at most 336
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=336))]
        hours: u16,
    },
    /// End a pause
    Resume {
        /// What was paused
        what: String,
    },
    /// What came of a profile's last fires
    Fires {
        /// The profile, as the daemon was given it
        profile: String,
    },
    /// Who did what
    Trail,
}

/// Hands that are never used: the daemon's own start and end runs.
struct NoHands;

impl Runs for NoHands {
    fn start(&mut self, _: &Start) -> Result<(), String> {
        Err("only the daemon starts runs".to_owned())
    }
    fn look(&mut self, _: RunId) -> Look {
        Look::Lives
    }
    fn stop(&mut self, _: RunId) {}
}

/// Runs the subcommand.
///
/// # Errors
/// When the database cannot be used, or the order cannot be given.
pub fn run(args: QueueArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let store = globals.store()?;
    let failed = |error: StateError| CliError::from(DaemonError::State(error));
    let now = clock::now();
    let by = std::env::var("USER").unwrap_or_else(|_| "somebody on the host".to_owned());
    let state = State::open(serve::database(&store)).map_err(failed)?;
    let host = settings::capacity(&machine::Host::read()?, 1);
    let mut watched = Vec::new();
    if let Some(Order::Run { profile }) = &args.command {
        let loaded = profile::load(profile, &Overrides::default())?;
        let one = settings::watched(profile, &loaded, SignedDuration::ZERO);
        watched.push(one.map_err(|error| CliError::Schedule {
            profile: profile.clone(),
            error,
        })?);
    }
    let mut beat = Beat::new(state, NoHands, watched, host);
    let done = match args.command.unwrap_or(Order::List) {
        Order::List => {
            let shown = api::shown(&beat.standing(now).map_err(failed)?);
            if printer.json {
                printer.document(&shown)?;
            } else {
                printer.data(&table(&shown))?;
            }
            return Ok(ExitCode::Passed);
        }
        Order::Fires { profile } => {
            let fires = beat.state().fires(&profile, 20).map_err(failed)?;
            let rows = fires
                .into_iter()
                .map(|(nominal, what, count)| vec![nominal, what, count.to_string()]);
            printer.data(&headed(["fire", "what came of it", "how many"], rows))?;
            return Ok(ExitCode::Passed);
        }
        Order::Trail => {
            let trail = beat.state().trail(50).map_err(failed)?;
            let rows = trail
                .into_iter()
                .map(|(at, who, what)| vec![at.strftime("%F %TZ").to_string(), who, what]);
            printer.data(&headed(["when", "who", "what"], rows))?;
            return Ok(ExitCode::Passed);
        }
        Order::Run { profile } => {
            let trigger = Trigger::Manual { by: by.clone() };
            let asked = beat.ask(&profile, &format!("{profile}@manual"), trigger, now);
            match asked.map_err(failed)? {
                Ok(id) => format!("asked for a run of {profile}: request {}", id.0),
                Err(refusal) => return Err(CliError::Queue(refusal.to_string())),
            }
        }
        Order::Cancel { request, reason } => {
            if !beat
                .cancel(RequestId(request), &reason, now)
                .map_err(failed)?
            {
                return Err(CliError::Queue(format!(
                    "request {request} neither waits nor runs"
                )));
            }
            format!("cancelled request {request}: {reason}")
        }
        Order::Pause {
            what,
            reason,
            hours,
        } => {
            let pause = Pause {
                what,
                author: by.clone(),
                reason,
                since: now,
                until: now + SignedDuration::from_hours(hours.into()),
            };
            beat.state().pause(&pause).map_err(failed)?;
            format!(
                "paused {} until {}: {}",
                pause.what,
                pause.until.strftime("%F %H:%MZ"),
                pause.reason
            )
        }
        Order::Resume { what } => {
            if !beat.state().resume(&what).map_err(failed)? {
                return Err(CliError::Queue(format!("`{what}` is not paused")));
            }
            format!("resumed {what}")
        }
    };
    beat.state().audit(now, &by, &done).map_err(failed)?;
    printer.say(&done);
    Ok(ExitCode::Passed)
}

fn table(shown: &api::Shows) -> String {
    let mut text = String::new();
    if shown.requests.is_empty() {
        text.push_str("nothing waits and nothing runs\n");
    } else {
        let head = [
            "request",
            "profile",
            "state",
            "asked",
            "why or since",
            "done by",
        ];
        text.push_str(&headed(head, shown.requests.iter().map(api::Shown::row)));
    }
    for pause in &shown.pauses {
        text.push_str(&format!("paused: {}\n", pause.words()));
    }
    text
}

fn headed<const N: usize>(head: [&str; N], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.map(str::to_owned).to_vec();
    columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
