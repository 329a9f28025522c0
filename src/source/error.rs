//! Why a source could not be resolved or checked out.

use std::fmt;

use crate::{model::Blame, process::ProcessError};

/// What went wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The repository, proxy or folder did not answer.
    Unreachable,
    /// It answered, and what was asked for is not there.
    Missing,
    /// The request makes no sense for this kind of source.
    Usage,
    /// A program that bellwether needs is not installed.
    Tool,
    /// The host's disk or processes failed.
    Host,
}

/// A source could not be used: which, where it is, why, and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SourceError {
    /// The source's name in the profile.
    pub source_name: String,
    /// Its URL, module or folder, with what was asked of it.
    pub place: String,
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// What was seen, in words.
    pub why: String,
    /// The next step.
    pub hint: String,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.trouble {
            Trouble::Unreachable => "cannot be reached",
            Trouble::Missing => "does not have what was asked for",
            Trouble::Usage => "cannot be used like this",
            Trouble::Tool | Trouble::Host => "cannot be read",
        };
        write!(
            f,
            "source `{}` ({}) {verb}: {}\n  hint: {}",
            self.source_name, self.place, self.why, self.hint
        )
    }
}

impl SourceError {
    /// Who acts: whoever runs the host or wrote the profile, never a project under test.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Environment
    }
}

/// Which source an operation is for; makes its errors.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub name: String,
    pub place: String,
}

impl Subject {
    pub fn new(name: &str, place: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            place: place.into(),
        }
    }

    pub fn error(
        &self,
        trouble: Trouble,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) -> SourceError {
        SourceError {
            source_name: self.name.clone(),
            place: self.place.clone(),
            trouble,
            why: why.into(),
            hint: hint.into(),
        }
    }

    pub fn host(&self, why: impl fmt::Display) -> SourceError {
        self.error(
            Trouble::Host,
            why.to_string(),
            "look at the disk and the permissions of the folder it names",
        )
    }

    /// A command that could not even run to its end.
    pub fn process(&self, error: &ProcessError) -> SourceError {
        match error {
            ProcessError::Start { program, source }
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                let hint = match program.as_str() {
                    "git" => "apt-get install git",
                    "go" => "apt-get install golang-go (1.21 or newer; it fetches the exact version itself)",
                    "cargo" => "apt-get install cargo, or install Rust by rustup",
                    _ => "install it",
                };
                self.error(
                    Trouble::Tool,
                    format!("`{program}` is not installed"),
                    hint,
                )
            }
            ProcessError::Deadline { .. } => self.error(
                Trouble::Unreachable,
                error.to_string(),
                "check the network; a first fetch of a large repository can be repeated and goes on",
            ),
            _ => self.host(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_source_place_cause_and_next_step() {
        let subject = Subject::new("kubernetes", "https://example.org/k8s, ref master");
        insta::assert_snapshot!(subject.error(Trouble::Unreachable, "could not resolve host: example.org", "check the network"), @r"
        source `kubernetes` (https://example.org/k8s, ref master) cannot be reached: could not resolve host: example.org
          hint: check the network
        ");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Subject::new("k", "p").process(&ProcessError::Start {
            program: "git".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
        assert_eq!(error.trouble, Trouble::Tool);
        assert!(error.hint.contains("apt-get install git"));
    }
}
