//! Which images the suite wants, and which of them can be made. Pure.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::source::version::Version;

/// The images that can be made without a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// Most specs' containers.
    Agnhost,
    /// A shell with small tools.
    Busybox,
    /// The System V IPC tools.
    IpcUtils,
    /// A web server on port 80.
    Nginx,
    /// A setuid program.
    Nonewprivs,
    /// busybox as user 1234.
    Nonroot,
    /// The pod sandbox.
    Pause,
}

impl Image {
    const ALL: [Self; 7] = [
        Self::Agnhost,
        Self::Busybox,
        Self::IpcUtils,
        Self::Nginx,
        Self::Nonewprivs,
        Self::Nonroot,
        Self::Pause,
    ];

    /// Its name in its registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agnhost => "agnhost",
            Self::Busybox => "busybox",
            Self::IpcUtils => "ipc-utils",
            Self::Nginx => "nginx",
            Self::Nonewprivs => "nonewprivs",
            Self::Nonroot => "nonroot",
            Self::Pause => "pause",
        }
    }

    pub(super) fn of(tag: &str) -> Option<Self> {
        let (repository, _) = tag.rsplit_once(':')?;
        Self::ALL.into_iter().find(|image| match image {
            Self::Pause => repository == "registry.k8s.io/pause",
            other => repository.strip_prefix(TEST_IMAGES) == Some(other.name()),
        })
    }
}

/// A tag that is not provided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// The full tag.
    pub tag: String,
    /// Why.
    pub why: String,
}

const TEST_IMAGES: &str = "registry.k8s.io/e2e-test-images/";

/// Sorts tags by the image that stands for them, oldest first, and says why the rest are missing.
#[must_use]
pub fn sort(wanted: &[String]) -> (BTreeMap<Image, Vec<String>>, Vec<Missing>) {
    let mut images: BTreeMap<Image, Vec<String>> = BTreeMap::new();
    let mut missing = Vec::new();
    for tag in wanted {
        if let Some(image) = Image::of(tag) {
            images.entry(image).or_default().push(tag.clone());
        } else {
            let why = if tag.starts_with("invalid.") {
                "it must not exist: specs see its pull fail"
            } else if tag.contains("authenticated") {
                "it must not be there: specs see that it needs credentials"
            } else {
                "there is no recipe for it; it would have to be pulled"
            };
            missing.push(Missing {
                tag: tag.clone(),
                why: why.to_owned(),
            });
        }
    }
    for tags in images.values_mut() {
        tags.sort_by_cached_key(|tag| order(tag));
        tags.dedup();
    }
    (images, missing)
}

fn order(tag: &str) -> (Option<Version>, String) {
    let version = tag.rsplit(':').next().unwrap_or_default();
    let (numbers, revision) = version.split_once('-').unwrap_or((version, "0"));
    let missing = 2_usize.saturating_sub(numbers.matches('.').count());
    // Revisions such as `1.37.0-1` are newer than what they revise; as a fourth number they would be no version.
    let text = format!("v{numbers}{}", ".0".repeat(missing));
    (Version::parse(&text), format!("{revision:0>6}"))
}

/// The tags in what `--list-images` prints, sorted.
pub(super) fn listed(output: &str) -> Vec<String> {
    tags(
        output
            .lines()
            .map(str::trim)
            .filter(|line| TAG.is_match(line))
            .map(str::to_owned),
    )
}

/// The tags in `test/utils/image/manifest.go`, as far as they come from Kubernetes' own registry.
pub(super) fn in_source(manifest: &str) -> Vec<String> {
    tags(CONFIGURED.captures_iter(manifest).filter_map(|found| {
        let [registry, name, version] = found.extract().1;
        let prefix = match registry {
            "PromoterE2eRegistry" => TEST_IMAGES,
            "GcRegistry" => "registry.k8s.io/",
            _ => return None,
        };
        Some(format!("{prefix}{name}:{version}"))
    }))
}

fn tags(found: impl Iterator<Item = String>) -> Vec<String> {
    let mut tags: Vec<_> = found.collect();
    tags.sort();
    tags.dedup();
    tags
}

#[expect(clippy::unwrap_used, reason = "a constant pattern; a test runs it")]
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(:[\w.-]+|@sha256:[0-9a-f]{64})$").unwrap()
});

#[expect(clippy::unwrap_used, reason = "a constant pattern; a test runs it")]
static CONFIGURED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"= (?:Config)?\{list\.(\w+), "([^"]+)", "([^"]+)"\}"#).unwrap());

#[cfg(test)]
mod tests;
