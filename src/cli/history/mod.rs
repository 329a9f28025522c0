//! `bellwether history`: what all runs together say.
//!
//! Owns: its arguments and tables. Every subcommand first takes in what is new, so there is nothing to start or schedule.

mod answers;
mod details;
mod tables;
mod upkeep;

use clap::{Args, Subcommand};
use jiff::{Timestamp, civil::Date};

use super::{CliError, Globals};
use crate::{
    clock,
    history::{Archive, Index, query::Window, update},
    model::ExitCode,
};

/// Ask what all runs together say: since when a lane is red, what is flaky, what changed
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(subcommand)]
    command: HistoryCommand,
}

#[derive(Debug, Args)]
struct Scope {
    /// Only this profile's lanes
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How many nights back
    #[arg(long, value_name = "N", default_value_t = 30)]
    nights: u32,
    /// The last night, as a day (UTC) [default: today]
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
}

impl Scope {
    fn window(&self) -> Window {
        let last = Window::last(self.nights, clock::now());
        Window {
            until: self.until.unwrap_or(last.until),
            ..last
        }
    }
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Lane by night: how each lane's newest run of each night ended
    Grid(Scope),
    /// List runs, newest first; or show one
    Runs {
        /// A run: its id, the start of it, or `latest`
        run: Option<String>,
        #[command(flatten)]
        scope: Scope,
        /// How many
        #[arg(short, long, default_value_t = 20, value_name = "N")]
        number: u32,
    },
    /// How each lane stands, the longest red first; or one lane, spec by night
    Lane {
        /// A lane, or a part of its name that no other has
        lane: Option<String>,
        #[command(flatten)]
        scope: Scope,
        /// Also specs that always passed
        #[arg(long)]
        all: bool,
        /// How long its phases take
        #[arg(long)]
        trends: bool,
    },
    /// One spec on all lanes
    Spec {
        /// Its name, or a part of it that no other has
        spec: String,
        #[command(flatten)]
        scope: Scope,
    },
    /// Failures by cause, those in most runs first; or one cluster
    Cluster {
        /// A cluster's handle, or the start of it
        cluster: Option<String>,
        #[command(flatten)]
        scope: Scope,
    },
    /// Specs that both pass and fail on the same inputs, the most expensive first
    Flakes {
        #[command(flatten)]
        scope: Scope,
        /// Only this lane
        #[arg(long)]
        lane: Option<String>,
    },
    /// What was tested, newest first, and what moved in between; or one candidate
    Candidates {
        /// A candidate's digest, or the start of it
        candidate: Option<String>,
        #[command(flatten)]
        scope: Scope,
        /// How many
        #[arg(short, long, default_value_t = 20, value_name = "N")]
        number: u32,
    },
    /// Which pairings still work: of each lane the last good run and since when it is broken
    Compat(Scope),
    /// Compare two runs: new failures, fixed, flaky, missing, slower
    Compare {
        /// A run, or RUN/LANE
        before: String,
        /// A run, or RUN/LANE
        after: String,
    },
    /// Look for a text in failures, specs, lanes, revisions and ids
    Search {
        /// Words
        text: Vec<String>,
    },
    /// Make the index again from the run directories
    Reindex,
    /// Remove details of old runs; says what would go, unless --apply is given
    ///
    /// Of each lane the newest run, the last green one and the first red one since keep their details, and so does what
    /// is pinned. Summary, verdict and all that history answers from stay of every run.
    Prune {
        /// Details older than this many days go
        #[arg(long, default_value_t = 90, value_name = "N")]
        days: u32,
        /// Beyond this many GiB the oldest details go too
        #[arg(long, value_name = "GIB")]
        max: Option<u64>,
        /// Really remove them
        #[arg(long)]
        apply: bool,
    },
    /// Keep a run's details whatever its age
    Pin {
        /// A run
        run: String,
        /// Why, such as the issue that links to it
        #[arg(long, required_unless_present = "remove", value_name = "TEXT")]
        why: Option<String>,
        /// Take the pin away
        #[arg(long)]
        remove: bool,
    },
    /// Take in somebody else's results: JUnit files of one lane of one night
    Import {
        /// JUnit files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<camino::Utf8PathBuf>,
        /// The lane, such as `main.plain.runc.conformance`
        #[arg(long, value_name = "NAME")]
        lane: String,
        /// When it ran: a day, or a moment such as 2026-11-20T02:00:00Z
        #[arg(long, value_name = "DATE", value_parser = moment)]
        date: Timestamp,
        /// What ran, such as kubernetes=v1.36.0 (may be repeated)
        #[arg(long, required = true, value_name = "SOURCE=REV", value_parser = pair)]
        revision: Vec<(String, String)>,
        /// The profile that it is filed under
        #[arg(long, default_value = "imported", value_name = "NAME")]
        profile: String,
    },
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || {
        let day: Date = text.parse().ok()?;
        let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    };
    let moment: Option<Timestamp> = text.parse().ok();
    moment
        .or_else(day)
        .ok_or_else(|| "neither a day nor a moment".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((source, revision)) if !source.is_empty() && !revision.is_empty() => {
            Ok((source.to_owned(), revision.to_owned()))
        }
        _ => Err("not of the form SOURCE=REV".to_owned()),
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the index cannot be used, or what is asked for is not there.
pub fn run(args: HistoryArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let store = globals.store()?;
    let archive = Archive::at(store.root());
    match args.command {
        HistoryCommand::Reindex => upkeep::reindex(&archive, globals)?,
        HistoryCommand::Prune { days, max, apply } => {
            upkeep::prune(
                &archive,
                &up_to_date(&archive, globals)?,
                (days, max, apply),
                globals,
            )?;
        }
        HistoryCommand::Pin { run, why, remove } => {
            upkeep::pin(&store, &run, why.filter(|_| !remove), globals)?;
        }
        HistoryCommand::Import {
            files,
            lane,
            date,
            revision,
            profile,
        } => {
            let foreign = crate::history::Foreign {
                files,
                profile,
                lane,
                at: date,
                revisions: revision.into_iter().collect(),
            };
            upkeep::import(&archive, &foreign, globals)?;
        }
        question => answers::answer(question, &up_to_date(&archive, globals)?, globals.printer())?,
    }
    Ok(ExitCode::Passed)
}

/// The index, with all that is new in it.
fn up_to_date(archive: &Archive, globals: &Globals) -> Result<Index, CliError> {
    let mut index = Index::open(archive.state())?;
    let updated = update(&mut index, archive)?;
    for skipped in &updated.skipped {
        let text = format!("skipped {}: {}", skipped.folder, skipped.why);
        globals.printer().say(&text);
    }
    Ok(index)
}
