//! What a profile is narrowed down to on the command line.

use clap::Args;

use super::CliError;
use crate::{
    profile::{self, Overrides, Profile},
    verdict::Rules,
};

/// Which profile, and what of it.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// A shipped profile's name, or a path that holds a `/` or ends in .toml
    profile: String,
    /// Take this revision of a source: a version, branch, tag, commit, folder, or URL@REF
    #[arg(long = "source", value_name = "NAME=REV", value_parser = source)]
    sources: Vec<(String, String)>,
    /// Only this sandboxer; can be repeated
    #[arg(long = "sandboxer", value_name = "NAME")]
    sandboxers: Vec<String>,
    /// Only this node; can be repeated
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
    /// Only this suite; can be repeated
    #[arg(long = "suite", value_name = "NAME")]
    suites: Vec<String>,
    /// Only this pairing; can be repeated
    #[arg(long = "pairing", value_name = "NAME")]
    pairings: Vec<String>,
    /// Only specs that match, instead of the suites' own focus
    #[arg(long, value_name = "REGEX")]
    focus: Option<String>,
}

fn source(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, revision)) if !name.is_empty() && !revision.is_empty() => {
            Ok((name.to_owned(), revision.to_owned()))
        }
        _ => Err("it must be NAME=REV, such as kubernetes=v1.35.4".to_owned()),
    }
}

impl Selection {
    /// The profile with everything applied.
    ///
    /// # Errors
    /// When the profile, its rules or the narrowing is wrong.
    pub fn load(&self) -> Result<Profile, CliError> {
        let overrides = Overrides {
            sources: self.sources.clone(),
            sandboxers: self.sandboxers.clone(),
            nodes: self.nodes.clone(),
            suites: self.suites.clone(),
            pairings: self.pairings.clone(),
            focus: self.focus.clone(),
        };
        let profile = profile::load(&self.profile, &overrides)?;
        let packs: Vec<(&str, &str)> = profile.rule_packs().collect();
        Rules::with(&packs)?;
        Ok(profile)
    }
}
