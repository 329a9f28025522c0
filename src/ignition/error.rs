//! What can be wrong with an Ignition config, and where.

use std::fmt;

/// One thing that is wrong in a config, or has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `storage.files.2.path`.
    pub path: String,
    /// The line in the fragment's text, from 1, where there is a text.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether Ignition goes on with it.
    pub warning: bool,
}

impl Problem {
    pub(super) fn error(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            what: what.into(),
            hint: None,
            warning: false,
        }
    }

    pub(super) fn warning(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::error(path, what)
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A config could not be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IgnitionError {
    /// Things in it are wrong; `name:line: path: what (hint)` each.
    #[error("{}", list(.name, .problems))]
    Invalid {
        /// The fragment's name, or what else it is.
        name: String,
        /// At least one.
        problems: Vec<Problem>,
    },
    /// It cannot be written as JSON.
    #[error("cannot render the Ignition config: {0}")]
    Render(String),
}

impl From<serde_json::Error> for IgnitionError {
    fn from(error: serde_json::Error) -> Self {
        Self::Render(error.to_string())
    }
}

fn list(name: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.line {
            Some(line) => format!("{name}:{line}: {problem}"),
            None => format!("{name}: {problem}"),
        })
        .collect();
    lines.join("\n")
}

/// Fails if one of `problems` is an error; appends the others to `warnings`.
pub(super) fn refuse(
    name: &str,
    problems: Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Result<(), IgnitionError> {
    let (harmless, problems): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.warning);
    warnings.extend(harmless);
    if problems.is_empty() {
        return Ok(());
    }
    Err(IgnitionError::Invalid {
        name: name.to_owned(),
        problems,
    })
}
