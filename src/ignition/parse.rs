//! Reads a config that somebody else wrote: any spec version from 3.0 to 3.5, brought to ours.

use std::collections::BTreeSet;

use ignition_config::{Config as Versioned, Error, Warning};
use serde_json::Value;

use super::{
    Config, IgnitionError, Problem, error::refuse, locate::line, merge::strip, validate::validate,
};

/// The versions that are read, and what each is called in messages.
const READ: [&str; 6] = ["3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0"];
const OURS: &str = "3.3.0";

/// A config as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The config, in our version.
    pub config: Config,
    /// Keys that no spec knows, and what is allowed but has no effect.
    pub warnings: Vec<Problem>,
}

/// Reads a config; `name` is what it is called in errors.
///
/// # Errors
/// When it is no JSON, of a version that is not read, uses what our version has not, or says something invalid.
/// All that is wrong is said at once, each with its line.
pub fn parse(name: &str, text: &str) -> Result<Parsed, IgnitionError> {
    let mut warnings = Vec::new();
    let located = |problems: Vec<Problem>| -> Vec<Problem> {
        let locate = |problem: Problem| Problem {
            line: problem.line.or_else(|| line(text, &problem.path)),
            ..problem
        };
        problems.into_iter().map(locate).collect()
    };
    let fail = |problem: Problem| IgnitionError::Invalid {
        name: name.to_owned(),
        problems: located(vec![problem]),
    };
    let mut value: Value = serde_json::from_str(text).map_err(|e| fail(syntax(text, &e)))?;
    version(&value).map_err(fail)?;
    let (_, unknown) = Versioned::parse_str(text).map_err(|e| fail(types(&e)))?;
    let unknown = keys(&unknown);
    strip(&mut value);
    if let Some(version) = value.pointer_mut("/ignition/version") {
        *version = OURS.into();
    }
    let ours = serde_json::to_string(&value)?;
    let (config, newer) = Versioned::parse_str(&ours).map_err(|e| fail(types(&e)))?;
    let Versioned::V3_3(config) = config else {
        return Err(fail(Problem::error(
            "ignition.version",
            "it is not read as spec 3.3",
        )));
    };
    let mut problems: Vec<Problem> = keys(&newer)
        .difference(&unknown)
        .map(|path| {
            Problem::error(path, "this needs a newer Ignition than nodes have")
                .hint("Debian's Ignition 2.14 reads spec 3.3")
        })
        .collect();
    problems.extend(unknown.iter().map(|path| {
        Problem::warning(path, "Ignition does not know this key").hint("it is left out")
    }));
    problems.extend(validate(&config));
    refuse(name, located(problems), &mut warnings)?;
    Ok(Parsed { config, warnings })
}

fn syntax(text: &str, error: &serde_json::Error) -> Problem {
    let problem = Problem {
        line: Some(error.line().max(1)),
        ..Problem::error("", format!("no JSON: {error}"))
    };
    let start = text.trim_start();
    if start.is_empty() {
        Problem::error("", "it is empty")
    } else if start.starts_with("variant:") || text.contains("\nvariant:") {
        problem.hint("this is Butane; translate it with `butane --strict`")
    } else if start.starts_with("#cloud-config") {
        problem.hint("this is cloud-init; nodes are provisioned by Ignition")
    } else {
        problem
    }
}

fn version(value: &Value) -> Result<(), Problem> {
    const PATH: &str = "ignition.version";
    match value.pointer("/ignition/version") {
        None => Err(Problem::error(PATH, "it is missing")
            .hint("an Ignition config starts with {\"ignition\": {\"version\": \"3.3.0\"}}")),
        Some(Value::String(version)) if READ.contains(&version.as_str()) => Ok(()),
        Some(Value::String(version)) => {
            let problem = Problem::error(
                PATH,
                format!("spec version {version} is not read; 3.0.0 to 3.5.0 are"),
            );
            Err(if version.starts_with("2.") {
                problem.hint("spec 2 means other things by the same words; translate it with `ign-converter`")
            } else {
                problem
            })
        }
        Some(other) => Err(Problem::error(
            PATH,
            format!("it is {other}, not a version such as \"3.3.0\""),
        )),
    }
}

fn types(error: &Error) -> Problem {
    match error {
        Error::Serialization(error) => Problem {
            line: (error.line() > 0).then(|| error.line()),
            ..Problem::error("", error.to_string())
        },
        other => Problem::error("ignition.version", other.to_string()),
    }
}

fn keys(warnings: &[Warning]) -> BTreeSet<String> {
    warnings
        .iter()
        .map(|warning| match warning {
            Warning::UnusedKey(path) => path.trim_start_matches("$.").to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
