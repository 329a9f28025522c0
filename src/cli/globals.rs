//! Options that every subcommand takes, and what they come to.

use std::{io::IsTerminal as _, sync::Arc};

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, ValueEnum};

use super::{CliError, Printer};
use crate::{
    build::cache::Cache,
    machine::Qemu,
    run::{Host, store::Store},
};

/// When colours are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Where runs are kept [default: $XDG_STATE_HOME/bellwether]
    #[arg(
        long,
        global = true,
        env = "BELLWETHER_STATE",
        value_name = "FOLDER",
        hide_env_values = true
    )]
    state_dir: Option<Utf8PathBuf>,
    /// Where builds and images are kept [default: $XDG_CACHE_HOME/bellwether]
    #[arg(
        long,
        global = true,
        env = "BELLWETHER_CACHE",
        value_name = "FOLDER",
        hide_env_values = true
    )]
    cache_dir: Option<Utf8PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// When to show colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = false
    )]
    color: Colour,
    /// Say more on stderr; twice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

/// What every subcommand knows.
#[derive(Debug)]
pub struct Globals {
    state: Utf8PathBuf,
    cache: Utf8PathBuf,
    verbose: u8,
    printer: Printer,
}

impl GlobalArgs {
    /// Takes the environment in.
    ///
    /// # Errors
    /// When no folder can be named.
    pub fn resolve(self) -> Result<Globals, CliError> {
        let state = folder(self.state_dir, "runs", "XDG_STATE_HOME", ".local/state")?;
        let cache = folder(self.cache_dir, "the cache", "XDG_CACHE_HOME", ".cache")?;
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = |terminal: bool| match self.color {
            Colour::Auto => terminal && !unwanted,
            Colour::Always => true,
            Colour::Never => false,
        };
        Ok(Globals {
            state,
            cache,
            verbose: self.verbose,
            printer: Printer {
                json: self.json,
                stdout_colour: colour(std::io::stdout().is_terminal()),
                stderr_colour: colour(std::io::stderr().is_terminal()),
            },
        })
    }
}

fn folder(
    given: Option<Utf8PathBuf>,
    what: &'static str,
    variable: &'static str,
    below_home: &str,
) -> Result<Utf8PathBuf, CliError> {
    // Relative XDG folders are to be ignored, says their specification.
    let base = |name: &str| {
        std::env::var(name)
            .ok()
            .map(Utf8PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    match given {
        Some(path) => Ok(camino::absolute_utf8(path)?),
        None => base(variable)
            .or_else(|| Some(base("HOME")?.join(below_home)))
            .map(|path| path.join("bellwether"))
            .ok_or(CliError::NoHome { what, variable }),
    }
}

impl Globals {
    /// Where output goes.
    #[must_use]
    pub const fn printer(&self) -> &Printer {
        &self.printer
    }

    /// Whether `-v` was given.
    #[must_use]
    pub const fn verbose(&self) -> bool {
        self.verbose > 0
    }

    /// The cache's folder.
    #[must_use]
    pub fn cache_folder(&self) -> &camino::Utf8Path {
        &self.cache
    }

    /// This machine as runs see it: folders, and machines under QEMU.
    ///
    /// # Errors
    /// When the state folder cannot be made.
    pub fn host(&self) -> Result<Host, CliError> {
        let state = self.store()?.root().to_owned();
        // Leases are the host's, whatever state folder a bellwether keeps; so is the folder they lie in.
        let uid = rustix::process::getuid().as_raw();
        let leases = std::env::temp_dir().join(format!("bellwether-{uid}"));
        Ok(Host {
            cache: self.cache.clone(),
            leases: Utf8PathBuf::from_path_buf(leases).unwrap_or_else(|_| state.clone()),
            hypervisor: Arc::new(Qemu {
                state: state.clone(),
            }),
            state,
        })
    }

    /// The store of runs.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn store(&self) -> Result<Store, CliError> {
        Ok(Store::open(&self.state)?)
    }

    /// The cache.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn cache(&self) -> Result<Cache, CliError> {
        Ok(Cache::open(&self.cache)?)
    }

    /// Sends the program's own log to stderr. `BELLWETHER_LOG` takes tracing's filters.
    pub fn start_log(&self) {
        let level = match self.verbose {
            0 => "error",
            1 => "bellwether=info,warn",
            _ => "bellwether=debug,info",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("BELLWETHER_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        // Fails only where a log is running already.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(self.printer.stderr_colour)
            .without_time()
            .try_init();
    }
}
