//! `bellwether profile`: what profiles say, and whether they are right.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, Globals, printer::columns, selection::Selection};
use crate::{
    model::ExitCode,
    profile::{self, Overrides, ProfileError},
    verdict::Rules,
};

/// List, show or check profiles, or print their JSON Schema
#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// List the profiles that come with bellwether
    List,
    /// Show a profile with every default in place, and with overrides applied
    Show(Selection),
    /// Check profiles; all that is wrong is shown with its place
    Check {
        /// Shipped names or paths
        #[arg(required = true, value_name = "PROFILE")]
        profiles: Vec<String>,
    },
    /// Print the JSON Schema of profiles, for editors
    Schema,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    description: String,
}

#[derive(Serialize)]
struct Checked<'a> {
    profile: &'a str,
    errors: Vec<ProfileError>,
}

/// Runs the subcommand.
///
/// # Errors
/// When a profile is wrong.
pub fn run(args: ProfileArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    match args.command {
        ProfileCommand::List => {
            let shipped = profile::shipped();
            if printer.json {
                let list: Vec<_> = shipped
                    .into_iter()
                    .map(|(name, description)| Listed { name, description })
                    .collect();
                printer.document(&list)?;
            } else {
                let rows: Vec<_> = shipped
                    .into_iter()
                    .map(|(name, description)| vec![name, description])
                    .collect();
                printer.data(&columns(&rows))?;
            }
        }
        ProfileCommand::Show(select) => {
            let profile = select.load()?;
            if printer.json {
                printer.document(&profile)?;
            } else {
                printer.data(&profile::show(&profile))?;
            }
        }
        ProfileCommand::Check { profiles } => return check(&profiles, globals),
        ProfileCommand::Schema => printer.document(&profile::schema())?,
    }
    Ok(ExitCode::Passed)
}

/// All of them are checked, also after one that is wrong.
fn check(profiles: &[String], globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let mut wrong = false;
    let mut checked = Vec::new();
    for name in profiles {
        let errors = match profile::load(name, &Overrides::default()) {
            Ok(profile) => {
                let packs: Vec<(&str, &str)> = profile.rule_packs().collect();
                if let Err(errors) = Rules::with(&packs) {
                    wrong = true;
                    if !printer.json {
                        printer.say(&errors.render(printer.stderr_colour));
                    }
                    let of_rules = errors.0.into_iter().map(|problem| ProfileError {
                        message: problem.message,
                        file: Some(problem.pack),
                        line: Some(problem.line),
                        column: Some(problem.column),
                        hint: problem.hint,
                    });
                    checked.push(Checked {
                        profile: name,
                        errors: of_rules.collect(),
                    });
                    continue;
                }
                if !printer.json {
                    printer.say(&format!("{name}: ok"));
                }
                Vec::new()
            }
            Err(errors) => {
                wrong = true;
                if !printer.json {
                    printer.say(&errors.render(printer.stderr_colour));
                }
                errors.list()
            }
        };
        checked.push(Checked {
            profile: name,
            errors,
        });
    }
    if printer.json {
        printer.document(&checked)?;
    }
    Ok(if wrong {
        ExitCode::Usage
    } else {
        ExitCode::Passed
    })
}
