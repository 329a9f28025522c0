//! Profiles: TOML in, a validated [`Profile`] out.
//!
//! Owns: the schema, `extends`, defaults, validation, errors with file, line, caret and hint.
//! Must not: resolve sources, look at the host, or know what a lane is.

mod cron;
mod files;
mod go_regex;
mod label_filter;
mod merge;
mod nearest;
mod overrides;
mod problem;
mod raw;
mod read;
mod schema;
mod settings;
mod show;
mod texts;
mod units;
mod validate;

pub use files::{Disk, Files};
pub use go_regex::{GoRegexError, compile as compile_go_regex};
pub use label_filter::{LabelFilter, LabelFilterError};
pub use overrides::Overrides;
pub use problem::{ProfileError, ProfileErrors};
pub use schema::schema;
pub use settings::{
    Build, CriLifecycle, Expect, Gate, Ginkgo, Image, Node, NodeDisk, Pairing, Preset, Profile,
    Recipe, Runtime, RuntimeKind, Sandboxer, SandboxerBinary, Schedule, Selection, Shape, Source,
    SourceKind, Suite, SuiteKind,
};
pub use show::show;
pub use units::{UnitError, format_duration, format_size, parse_duration, parse_size};

/// Loads a profile. `argument` is a path if it holds a slash or ends in `.toml`, else the name of a shipped profile.
///
/// # Errors
/// Everything that is wrong with it, not only the first.
pub fn load(argument: &str, overrides: &Overrides) -> Result<Profile, ProfileErrors> {
    load_from(&Disk, argument, overrides)
}

/// [`load`] with files from elsewhere than the disk.
///
/// # Errors
/// Everything that is wrong with it, not only the first.
pub fn load_from(
    files: &dyn Files,
    argument: &str,
    overrides: &Overrides,
) -> Result<Profile, ProfileErrors> {
    let mut texts = texts::Texts::default();
    let mut problems = problem::Problems::default();
    let spans = merge::Collector {
        files,
        texts: &mut texts,
        problems: &mut problems,
    }
    .collect(argument);
    let mut profile = None;
    if let Some(own) = spans.first() {
        // Each part of the table is checked where it is read; this is one that its merge made wrong.
        match read::check(&merge::merged(&texts, &spans, &mut problems)) {
            Ok(raw) => {
                profile = validate::validate(&raw, own.clone(), files, &mut texts, &mut problems);
            }
            Err(error) => {
                let span = error.span().unwrap_or(own.clone());
                problems
                    .at(problem::Kind::Shape, span, error.message())
                    .hint("this profile and the one it extends disagree about what this is");
            }
        }
    }
    if let Some(profile) = profile.as_mut().filter(|_| problems.0.is_empty()) {
        overrides::apply(profile, overrides, files, &mut texts, &mut problems);
    }
    problems.finish(&texts, profile)
}

/// Name and description of each shipped profile, sorted by name.
#[must_use]
pub fn shipped() -> Vec<(String, String)> {
    merge::shipped()
}

#[cfg(test)]
mod tests;
