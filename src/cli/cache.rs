//! `bellwether cache`: what is kept, and throwing it away.

use clap::{Args, Subcommand};

use super::{CliError, Globals, printer::columns};
use crate::{build::cache::Listed, model::ExitCode, report::words};

/// List or prune builds, node images and snapshots of nodes that are kept
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// List what is kept, with its size and last use
    List,
    /// Remove what was not used for some time, and snapshots beyond 10 GiB
    Prune {
        /// Remove what was not used for this many days; 0 removes everything that is not in use
        #[arg(long, default_value_t = 30, value_name = "N")]
        days: u64,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// When the cache cannot be used.
pub fn run(args: CacheArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let cache = globals.cache()?;
    let printer = globals.printer();
    let (entries, verb) = match args.command {
        CacheCommand::List => (cache.list()?, "kept"),
        CacheCommand::Prune { days } => (cache.prune(days)?, "removed"),
    };
    if printer.json {
        printer.document(&entries)?;
        return Ok(ExitCode::Passed);
    }
    if !entries.is_empty() {
        printer.data(&columns(&table(&entries)))?;
    }
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    printer.say(&format!(
        "{} {verb}, {}, in {}",
        count(entries.len()),
        words::size(bytes),
        globals.cache_folder()
    ));
    Ok(ExitCode::Passed)
}

fn count(n: usize) -> String {
    format!("{n} {}", if n == 1 { "entry" } else { "entries" })
}

fn table(entries: &[Listed]) -> Vec<Vec<String>> {
    let header = ["WHAT", "SIZE", "MADE IN", "LAST USED", "DIGEST"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a build")]
        let seconds = entry.manifest.seconds as f64;
        vec![
            entry.manifest.what.clone(),
            words::size(entry.bytes),
            words::duration(seconds),
            match entry.idle_days {
                0 => "today".to_owned(),
                1 => "yesterday".to_owned(),
                days => format!("{days} days ago"),
            },
            entry.manifest.digest.short().to_owned(),
        ]
    }));
    rows
}
