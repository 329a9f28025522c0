//! `bellwether daemon`: runs by schedule, for years.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use clap::Args;
use jiff::SignedDuration;

use super::{CliError, Globals};
use crate::{
    clock,
    daemon::{
        api,
        beat::{Beat, Watched},
        children::Children,
        notify::Notify,
        serve::{self, Daemon},
        settings,
        state::State,
    },
    machine,
    model::ExitCode,
    profile::{self, Overrides},
};

/// Run profiles by their schedules, and answer over HTTP
///
/// Runs are processes of their own: ending or upgrading the daemon leaves them alone, and the next daemon follows them.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// The profiles: shipped names or paths
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:7780", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// How many runs at once
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    slots: u32,
    /// Spread the schedules over this many minutes
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    jitter: u16,
    /// The token that orders over HTTP need; without a file there are none [default: systemd's credential `token`]
    #[arg(long, value_name = "FILE")]
    token_file: Option<Utf8PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// When a profile is wrong, the state cannot be kept, or nobody can reach it.
pub async fn run(args: DaemonArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer().clone();
    let store = globals.store()?;
    let program = std::env::current_exe()?;
    let program = Utf8PathBuf::from_path_buf(program).map_err(|path| CliError::Form {
        text: path.display().to_string(),
        form: "a path in UTF-8",
    })?;
    let folders = vec![
        format!("--state-dir={}", store.root()),
        format!("--cache-dir={}", globals.cache_folder()),
    ];
    let children = Children::new(program, folders, store.clone(), store.root().join("daemon"))?;
    let jitter = SignedDuration::from_mins(args.jitter.into());
    let watched = watched(&args.profiles, jitter)?;
    for one in &watched {
        printer.say(&introduction(one));
    }
    let token = match args.token_file.or_else(credential) {
        Some(file) => Some(api::token_digest(&fs_err::read_to_string(file)?)),
        None => None,
    };
    let host = settings::capacity(&machine::Host::read()?, args.slots);
    let state = State::open(serve::database(&store)).map_err(serve::DaemonError::State)?;
    let profiles = args.profiles;
    let daemon = Daemon {
        beat: Beat::new(state, children, watched, host),
        store,
        listen: args.listen,
        token,
        reload: Box::new(move || {
            self::watched(&profiles, jitter).map_err(|error| error.to_string())
        }),
        notify: Notify::new(std::env::var("NOTIFY_SOCKET").ok().as_deref()),
        say: Box::new(move |line| {
            printer.say(&format!("{} {line}", clock::now().strftime("%FT%TZ")))
        }),
    };
    daemon.serve().await?;
    Ok(ExitCode::Passed)
}

/// The token that systemd hands over (`LoadCredential=token:…`).
fn credential() -> Option<Utf8PathBuf> {
    let folder = std::env::var("CREDENTIALS_DIRECTORY").ok()?;
    let file = Utf8PathBuf::from(folder).join("token");
    file.exists().then_some(file)
}

fn watched(profiles: &[String], jitter: SignedDuration) -> Result<Vec<Watched>, CliError> {
    profiles
        .iter()
        .map(|argument| {
            let profile = profile::load(argument, &Overrides::default())?;
            settings::watched(argument, &profile, jitter).map_err(|error| CliError::Schedule {
                profile: argument.clone(),
                error,
            })
        })
        .collect()
}

/// When a profile will run, and what its schedule hides.
fn introduction(one: &Watched) -> String {
    let now = clock::now();
    let Some(schedule) = &one.schedule else {
        return format!(
            "{}: no [schedule]; it runs when it is asked for",
            one.profile
        );
    };
    let fires: Vec<String> = schedule
        .next(now)
        .take(3)
        .map(|fire| fire.at.strftime("%F %H:%MZ").to_string())
        .collect();
    let gaps = schedule.calendar.in_gaps(now);
    let warning = gaps.first().map_or(String::new(), |gap| {
        format!("; {gap} does not exist there, so it fires right after the clocks go forward")
    });
    format!("{}: next runs {}{warning}", one.profile, fires.join(", "))
}
