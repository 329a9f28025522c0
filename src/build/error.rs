//! Why a build did not give its outputs, and who acts on that.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::{
    cache::CacheError,
    diagnosis::{LogLine, Origin},
};
use crate::{
    model::{Blame, Cause, Class, Confidence, EvidenceLine, Phase},
    process::ProcessError,
    profile::Recipe,
    source::SourceError,
};

/// A build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A command of the build failed.
    #[error("{name}: `{command}` ended with {status}{}\n  log: {log}", shown(.first))]
    Failed {
        /// The build's name.
        name: String,
        /// What is built.
        recipe: Recipe,
        /// The command.
        command: String,
        /// `exit status 2`.
        status: String,
        /// The whole log.
        log: Utf8PathBuf,
        /// The first line of the log that says what is wrong.
        first: Option<Box<LogLine>>,
    },
    /// It took longer than the profile allows.
    #[error("{name}: not built within {} s; last in the log: {last}\n  log: {log}\n  hint: raise `timeout` of [build.{name}]", .limit.as_secs())]
    Deadline {
        /// The build's name.
        name: String,
        /// The time it had.
        limit: Duration,
        /// The whole log.
        log: Utf8PathBuf,
        /// The last line of the log.
        last: String,
    },
    /// The commands succeeded and left something out.
    #[error(
        "{name}: the build ended well and made no {missing}\n  log: {log}\n  hint: the tree may be too old or too new for the recipe"
    )]
    NoOutput {
        /// The build's name.
        name: String,
        /// What is built.
        recipe: Recipe,
        /// The output.
        missing: String,
        /// The whole log.
        log: Utf8PathBuf,
    },
    /// A program that the build needs is not installed.
    #[error("`{program}` is not installed\n  hint: apt-get install {package}")]
    MissingTool {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The Go version that the source asks for cannot be had.
    #[error(
        "cannot get the Go toolchain {wanted}: {said}\n  hint: check the network and `go env GOPROXY`, or install that Go"
    )]
    Toolchain {
        /// The version.
        wanted: String,
        /// What go said.
        said: String,
    },
    /// Code that its project has not taken must not run on this host.
    #[error(
        "{name}: {reference} is not on a branch or tag of its repository; such code is not built on this host\n  hint: build a branch or tag, or run where builds have a sandbox"
    )]
    Untrusted {
        /// The build's name.
        name: String,
        /// What was asked for.
        reference: String,
    },
    /// The source could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cache could not be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The host's disk or a process failed.
    #[error("cannot build: {0}")]
    Host(String),
}

fn shown(first: &Option<Box<LogLine>>) -> String {
    first.as_ref().map_or_else(String::new, |first| {
        format!("\n  log line {}: {}", first.line, first.text)
    })
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::Host(error.to_string())
    }
}

impl BuildError {
    /// A tool that could not be run, or what `other` makes of its last words.
    pub(super) fn tool(error: ProcessError, other: impl FnOnce(String) -> Self) -> Self {
        match error {
            ProcessError::Start { program, source }
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Self::missing(&program)
            }
            error => other(error.to_string()),
        }
    }

    pub(super) fn missing(program: &str) -> Self {
        Self::MissingTool {
            program: program.to_owned(),
            package: package_of(program),
        }
    }

    /// The cause of the step that failed with it. `log` is the log's name in the step's folder.
    #[must_use]
    pub fn cause(&self, log: &camino::Utf8Path) -> Cause {
        let cause = |phase, class, blame, confidence, summary: String| Cause {
            phase,
            class,
            blame,
            confidence,
            summary,
            evidence: Vec::new(),
            rule: None,
            hint: None,
        };
        let host = |summary: String| {
            cause(
                Phase::Build,
                Class::Infra,
                Blame::Environment,
                Confidence::Certain,
                summary,
            )
        };
        match self {
            Self::Failed {
                name,
                recipe,
                command,
                status,
                first,
                ..
            } => {
                let origin = first.as_ref().map(|first| first.origin);
                let (class, blame, confidence) = match origin {
                    Some(Origin::Host) => (Class::Infra, Blame::Environment, Confidence::Certain),
                    Some(Origin::Code) => (Class::Build, blame(*recipe), Confidence::Certain),
                    None => (Class::Build, blame(*recipe), Confidence::Suspected),
                };
                let said = first
                    .as_ref()
                    .map_or_else(|| status.clone(), |first| first.text.clone());
                let mut cause = cause(
                    Phase::Build,
                    class,
                    blame,
                    confidence,
                    format!("{name} does not build: {said}"),
                );
                let program = command.split_whitespace().next().unwrap_or_default();
                cause.hint = Some(
                    first
                        .as_ref()
                        .and_then(|f| f.hint.clone())
                        .unwrap_or_else(|| format!("`{program}` ended with {status}; read {log}")),
                );
                cause.evidence = first.iter().map(|first| first.evidence(log)).collect();
                cause
            }
            Self::NoOutput {
                name,
                recipe,
                missing,
                ..
            } => cause(
                Phase::Build,
                Class::Build,
                blame(*recipe),
                Confidence::Likely,
                format!("{name} was built without {missing}"),
            ),
            Self::Deadline {
                name, limit, last, ..
            } => {
                let mut cause = cause(
                    Phase::Build,
                    Class::Infra,
                    Blame::Environment,
                    Confidence::Likely,
                    format!("{name} was not built within {} s", limit.as_secs()),
                );
                cause.hint = Some(format!(
                    "raise `timeout` of [build.{name}]; last in the log: {last}"
                ));
                cause
            }
            Self::Source(error) => cause(
                Phase::Resolve,
                Class::Infra,
                error.blame(),
                Confidence::Certain,
                error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            Self::Untrusted { .. } => cause(
                Phase::Build,
                Class::Build,
                Blame::Bellwether,
                Confidence::Certain,
                first_line(self),
            ),
            Self::MissingTool { program, package } => {
                let mut cause = host(format!("`{program}` is not installed on this host"));
                cause.hint = Some(format!("apt-get install {package}"));
                cause
            }
            Self::Toolchain { .. } | Self::Cache(_) | Self::Host(_) => host(first_line(self)),
        }
    }
}

fn first_line(error: &BuildError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl LogLine {
    fn evidence(&self, log: &camino::Utf8Path) -> EvidenceLine {
        EvidenceLine {
            file: log.to_owned(),
            line: self.line,
            text: self.text.clone(),
        }
    }
}

/// Whose code the recipe compiles. The plugins are part of what makes the node.
const fn blame(recipe: Recipe) -> Blame {
    match recipe {
        Recipe::KubernetesNode => Blame::Kubernetes,
        Recipe::Containerd | Recipe::Crio => Blame::Runtime,
        Recipe::Runc | Recipe::Commands => Blame::Sandboxer,
        Recipe::CniPlugins => Blame::NodeImage,
    }
}

/// The Debian package of a program that builds use.
pub(super) fn package_of(program: &str) -> &'static str {
    match program {
        "go" => "golang-go",
        "gcc" | "cc" | "ld" => "build-essential",
        "make" => "make",
        "git" => "git",
        "mmdebstrap" => "mmdebstrap",
        "pkg-config" => "pkg-config",
        "rsync" => "rsync",
        "bash" => "bash",
        "cargo" | "rustc" => "cargo",
        _ => "the package that `apt-file search` names",
    }
}
