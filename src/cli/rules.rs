//! `bellwether rules`: the rule pack, one's own rules, and what they say of files and old runs.

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use fs_err as fs;
use serde::Serialize;

use super::{CliError, Globals, printer::columns};
use crate::{
    model::{Blame, Class, Confidence, EvidenceLine, ExitCode, Filing},
    profile::{self, Overrides},
    verdict::{self, Artifact, Artifacts, Example, Failing, Rule, Rules},
};

mod again;

/// List and check classification rules, and see what they say of files and of old runs
#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

/// Which rules beside the shipped ones.
#[derive(Clone, Debug, Args)]
struct Own {
    /// A file of rules; can be repeated
    #[arg(long, value_name = "FILE")]
    rules: Vec<Utf8PathBuf>,
    /// The rules of this profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// List every rule, the strongest first
    List(Own),
    /// Check rules: their form, and that each matches and misses what its examples say
    Check {
        /// Files of rules; without any, the shipped pack
        files: Vec<Utf8PathBuf>,
        /// The rules of this profile
        #[arg(long, value_name = "PROFILE")]
        profile: Option<String>,
        /// Examples in files: DIR/<rule>/match….<artifact> and DIR/<rule>/near….<artifact>
        #[arg(long, value_name = "DIR")]
        fixtures: Option<Utf8PathBuf>,
    },
    /// Show which rules match in these files or folders, the strongest first, each with its line
    Explain {
        #[command(flatten)]
        own: Own,
        /// Log files, failure texts, or folders of an attempt
        #[arg(required = true, value_name = "FILE")]
        files: Vec<Utf8PathBuf>,
    },
    /// Judge the stopped cells of old runs by today's rules, and show what changes
    Again {
        #[command(flatten)]
        own: Own,
        /// Runs: ids, unique parts of ids, `latest`, or run directories' paths
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<String>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// When rules do not load or files cannot be read.
pub fn run(args: RulesArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    match args.command {
        RulesCommand::List(own) => list(&load(&own)?, globals),
        RulesCommand::Check {
            files,
            profile,
            fixtures,
        } => check(
            Own {
                rules: files,
                profile,
            },
            fixtures.as_deref(),
            globals,
        ),
        RulesCommand::Explain { own, files } => explain(&load(&own)?, &files, globals),
        RulesCommand::Again { own, runs } => again::again(&own, &runs, globals),
    }
}

fn packs(own: &Own) -> Result<Vec<(String, String)>, CliError> {
    let mut packs = Vec::new();
    if let Some(name) = &own.profile {
        let profile = profile::load(name, &Overrides::default())?;
        let of_profile = profile.rule_packs();
        packs.extend(of_profile.map(|(path, text)| (path.to_string(), text.to_owned())));
    }
    for file in &own.rules {
        packs.push((file.to_string(), fs::read_to_string(file)?));
    }
    Ok(packs)
}

fn load(own: &Own) -> Result<Rules, CliError> {
    let packs = packs(own)?;
    let packs: Vec<(&str, &str)> = packs
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Ok(Rules::with(&packs)?)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed<'a> {
    id: &'a str,
    class: Class,
    blame: Blame,
    confidence: Confidence,
    precedence: u32,
    files: Filing,
    owner: Option<&'a str>,
    artifacts: &'a [String],
    pattern: &'a str,
    summary: &'a str,
    pack: &'a str,
    line: usize,
}

fn list(rules: &Rules, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| std::cmp::Reverse(rule.precedence));
    if printer.json {
        let listed: Vec<Listed<'_>> = sorted
            .iter()
            .map(|rule| Listed {
                id: &rule.id,
                class: rule.class,
                blame: rule.blame,
                confidence: rule.confidence,
                precedence: rule.precedence,
                files: rule.filing,
                owner: rule.owner.as_deref(),
                artifacts: rule.artifacts.written(),
                pattern: rule.pattern.as_str(),
                summary: &rule.summary,
                pack: &rule.pack,
                line: rule.line,
            })
            .collect();
        printer.document(&listed)?;
        return Ok(ExitCode::Passed);
    }
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .map(|rule| {
            vec![
                rule.precedence.to_string(),
                rule.id.clone(),
                rule.class.to_string(),
                rule.blame.to_string(),
                rule.filing.to_string(),
                rule.owner.clone().unwrap_or_default(),
                format!("{}:{}", rule.pack, rule.line),
            ]
        })
        .collect();
    printer.data(&columns(&rows))?;
    Ok(ExitCode::Passed)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    rules: usize,
    examples: usize,
    without_examples: usize,
    failing: Vec<Failing>,
}

/// Checks the user's rules among the shipped ones, or the shipped ones.
fn check(own: Own, fixtures: Option<&Utf8Path>, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let rules = load(&own)?;
    let shipped = own.rules.is_empty() && own.profile.is_none();
    let theirs: Vec<&Rule> = rules
        .iter()
        .filter(|rule| shipped || Rules::shipped().get(&rule.id).is_none())
        .collect();
    let mut checked = Checked {
        rules: theirs.len(),
        examples: 0,
        without_examples: 0,
        failing: Vec::new(),
    };
    for rule in theirs {
        let mut examples = Example::inline(rule);
        if let Some(folder) = fixtures {
            examples.extend(in_folder(&folder.join(&rule.id))?);
        }
        // The examples of most shipped rules are files of the repository.
        if examples.is_empty() && shipped && fixtures.is_none() {
            checked.without_examples += 1;
            continue;
        }
        checked.examples += examples.len();
        checked
            .failing
            .extend(verdict::check(&rules, rule, &examples));
    }
    if printer.json {
        printer.document(&checked)?;
    } else {
        for failing in &checked.failing {
            let Failing {
                rule,
                pack,
                line,
                message,
            } = failing;
            printer.data(&format!("{pack}:{line}: rule `{rule}`: {message}"))?;
        }
        let mut said = format!(
            "{} rules, {} examples, {} do not hold",
            checked.rules,
            checked.examples,
            checked.failing.len()
        );
        if checked.without_examples > 0 {
            said.push_str(&format!(
                "; the examples of {} rules are files of bellwether's repository (--fixtures tests/fixtures/verdict/rules)",
                checked.without_examples
            ));
        }
        printer.say(&said);
    }
    Ok(if checked.failing.is_empty() {
        ExitCode::Passed
    } else {
        ExitCode::Usage
    })
}

fn in_folder(folder: &Utf8Path) -> Result<Vec<Example>, CliError> {
    let mut examples = Vec::new();
    if !folder.is_dir() {
        return Ok(examples);
    }
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        // `match-what.journal.log`: the part before the first dot says what it is for.
        let Some((purpose, artifact)) = entry.file_name().split_once('.') else {
            continue;
        };
        examples.push(Example {
            matches: purpose.split('-').next() == Some("match"),
            name: entry.path().to_string(),
            file: Artifact::new(artifact, fs::read_to_string(entry.path())?),
        });
    }
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(examples)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Found<'a> {
    rule: &'a str,
    precedence: u32,
    class: Class,
    blame: Blame,
    summary: String,
    line: EvidenceLine,
    count: u32,
}

fn explain(rules: &Rules, files: &[Utf8PathBuf], globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let mut artifacts = Vec::new();
    for file in files {
        if file.is_dir() {
            let loaded = verdict::load(file)?;
            artifacts.extend(loaded.iter().cloned());
        } else {
            let bytes = fs::read(file)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            artifacts.push(Artifact::new(file.as_path(), text));
        }
    }
    let whole: String = artifacts
        .iter()
        .flat_map(|file| file.parts.iter().map(|(_, text)| text.as_str()))
        .collect();
    let texts = artifacts.len() == 1;
    let artifacts = Artifacts::new(artifacts);
    let matches = verdict::matches(rules, &artifacts);
    let mut found: Vec<Found<'_>> = matches
        .iter()
        .map(|found| Found {
            rule: &found.rule.id,
            precedence: found.rule.precedence,
            class: found.rule.class,
            blame: found.rule.blame,
            summary: found.summary.clone(),
            line: found.line.clone(),
            count: found.count,
        })
        .collect();
    // One file that no rule knows by its name may be what a failed test said.
    let hit = (texts && found.is_empty())
        .then(|| verdict::class_of_text_with(rules, &whole, ""))
        .flatten();
    if let Some(hit) = &hit
        && let Some(line) = &hit.line
    {
        found.push(Found {
            rule: &hit.rule,
            precedence: rules.get(&hit.rule).map_or(0, |rule| rule.precedence),
            class: hit.class,
            blame: hit.blame,
            summary: hit.summary.clone(),
            line: line.clone(),
            count: 1,
        });
    }
    if printer.json {
        printer.document(&found)?;
    } else if found.is_empty() {
        printer.say("no rule matches");
    } else {
        for found in &found {
            printer.data(&format!(
                "{} {} ({}, {})\n    {}\n    {}",
                found.precedence, found.rule, found.class, found.blame, found.summary, found.line
            ))?;
        }
    }
    Ok(ExitCode::Passed)
}
