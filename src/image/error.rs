//! What can go wrong with an image: what, why, who acts, and the next step.

use camino::Utf8PathBuf;

use crate::{
    build::cache::CacheError,
    model::{Blame, EvidenceLine, NodeImageRevision},
    process::ProcessError,
};

/// An image could not be resolved or made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A program is missing on this host.
    #[error("`{program}` is not installed")]
    Tool {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The package archive cannot be reached.
    #[error("the archive cannot be reached: {url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What came instead.
        why: String,
        /// The last list that was resolved here, if its image is still in the cache.
        last: Option<Box<NodeImageRevision>>,
    },
    /// The archive answers, but what it says cannot be trusted.
    #[error("the archive's signature cannot be checked: {why}")]
    Untrusted {
        /// What apt said.
        why: String,
    },
    /// The archive has no such package.
    #[error("suite {suite} has no package `{package}`")]
    NoPackage {
        /// The package.
        package: String,
        /// The suite.
        suite: String,
    },
    /// The packages cannot be installed together.
    #[error("the packages of suite {suite} cannot be installed together: {why}")]
    Unsolvable {
        /// The suite.
        suite: String,
        /// What apt said.
        why: String,
    },
    /// The archive changed between resolve and make.
    #[error(
        "the archive moved since this image was resolved: it has no {package}={wanted} any more"
    )]
    Moved {
        /// The package.
        package: String,
        /// The version that was resolved.
        wanted: String,
    },
    /// The host's disk is full.
    #[error("no space left on this host's disk while making {what}")]
    DiskFull {
        /// What was being made.
        what: String,
        /// The line that says so.
        line: Option<Box<EvidenceLine>>,
    },
    /// An unprivileged user cannot make file systems here.
    #[error("user namespaces do not work here: {why}")]
    NoNamespaces {
        /// What `unshare` said.
        why: String,
    },
    /// A tool failed.
    #[error("making {what} failed: {why}")]
    Failed {
        /// What was being made.
        what: String,
        /// The decisive line, or how the tool ended.
        why: String,
        /// All that the tools said.
        log: Utf8PathBuf,
        /// The decisive line.
        line: Option<Box<EvidenceLine>>,
    },
    /// A file is not the one that was asked for.
    #[error("{file} has {algorithm} {found}, not {expected}")]
    Checksum {
        /// The file or its URL.
        file: String,
        /// `SHA-256` or `SHA-512`.
        algorithm: &'static str,
        /// As asked for.
        expected: String,
        /// As it is.
        found: String,
        /// Whether it was downloaded, or is a local file that the profile names.
        downloaded: bool,
    },
    /// A download failed.
    #[error("cannot download {url}: {why}")]
    Download {
        /// The URL.
        url: String,
        /// Why.
        why: String,
    },
    /// Stream metadata does not say what it should.
    #[error("the stream metadata at {url} cannot be used: {why}")]
    Metadata {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the profile names is not there.
    #[error("image file {path} cannot be read: {why}")]
    NoFile {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// Packages were asked of an image that is taken whole.
    #[error("image {image} is taken whole: package `{package}` cannot be added to it")]
    TakenWhole {
        /// The image's name in the profile.
        image: String,
        /// The package.
        package: String,
    },
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A program could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl ImageError {
    /// Who acts on it.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Checksum {
                downloaded: false, ..
            }
            | Self::NoPackage { .. }
            | Self::Unsolvable { .. }
            | Self::Failed { .. }
            | Self::Metadata { .. }
            | Self::NoFile { .. }
            | Self::TakenWhole { .. } => Blame::NodeImage,
            _ => Blame::Environment,
        }
    }

    /// The line of the log that shows it.
    #[must_use]
    pub fn line(&self) -> Option<&EvidenceLine> {
        match self {
            Self::DiskFull { line, .. } | Self::Failed { line, .. } => line.as_deref(),
            _ => None,
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tool { package, .. } => format!("apt-get install {package}"),
            Self::Unreachable {
                last: Some(last), ..
            } => format!(
                "an image of this archive as of {} is in the cache (digest {}); \
                 check the network or the proxy in /etc/apt to resolve anew",
                last.version,
                last.digest.short()
            ),
            Self::Unreachable { last: None, .. } | Self::Download { .. } => {
                "check the network, and the proxy in /etc/apt or the environment".to_owned()
            }
            Self::Untrusted { .. } => {
                "install or update the package debian-archive-keyring".to_owned()
            }
            Self::NoPackage { package, .. } => format!(
                "correct or remove `{package}` in the profile's image or sandboxer; `apt-cache search` finds names"
            ),
            Self::Moved { .. } => "run again: the image is then resolved anew".to_owned(),
            Self::DiskFull { .. } => {
                "free some space, or remove old entries with `bellwether cache prune`".to_owned()
            }
            Self::NoNamespaces { .. } => {
                "install the package uidmap and give this user 65536 subordinate ids in /etc/subuid and \
                 /etc/subgid (`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`), or run as root"
                    .to_owned()
            }
            Self::Failed { log, .. } => format!("all that the tools said is in {log}"),
            Self::Checksum {
                downloaded: true, ..
            } => "the download was removed; run again, and if it stays so, the mirror is at fault".to_owned(),
            Self::Checksum {
                downloaded: false, ..
            } => "set the profile's sha256 to that of the file you mean".to_owned(),
            Self::NoFile { .. } => "give the image's path relative to the profile, or absolute".to_owned(),
            Self::TakenWhole { .. } => {
                "use a Debian image, or a sandboxer that one of the profile's builds makes".to_owned()
            }
            Self::Unsolvable { .. }
            | Self::Metadata { .. }
            | Self::Cache(_)
            | Self::Process(_)
            | Self::Io(_) => return None,
        })
    }
}
