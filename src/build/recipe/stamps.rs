//! Version stamps of Kubernetes' binaries. Pure.

use crate::source::version::Version;

/// The variables that Kubernetes' own build stamps, with their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    pub version: String,
    pub major: String,
    pub minor: String,
    pub commit: Option<String>,
    pub date: String,
}

impl Stamps {
    pub fn new(version: &str, commit: Option<&str>, date: Option<jiff::Timestamp>) -> Self {
        let parsed = Version::parse(version);
        let plus = parsed.as_ref().is_some_and(|v| !v.is_release());
        let number = |value: Option<u64>| value.map_or_else(String::new, |n| n.to_string());
        Self {
            version: stamp(version),
            major: number(parsed.as_ref().map(|v| v.major)),
            minor: number(parsed.as_ref().map(|v| v.minor)) + if plus { "+" } else { "" },
            commit: commit.map(str::to_owned),
            // The time of the build would make two builds of one commit differ.
            date: date
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
        }
    }

    /// For `go build -ldflags`.
    pub fn ldflags(&self) -> String {
        let mut values = vec![
            ("gitVersion", self.version.as_str()),
            ("gitMajor", &self.major),
            ("gitMinor", &self.minor),
            ("gitTreeState", "clean"),
            ("buildDate", &self.date),
        ];
        if let Some(commit) = &self.commit {
            values.push(("gitCommit", commit));
        }
        let mut flags = String::from("-s -w");
        for package in [
            "k8s.io/client-go/pkg/version",
            "k8s.io/component-base/version",
        ] {
            for (key, value) in &values {
                flags.push_str(&format!(" -X {package}.{key}={value}"));
            }
        }
        flags
    }

    /// The file that KUBE_GIT_VERSION_FILE names.
    pub fn version_file(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or_default();
        format!(
            "KUBE_GIT_COMMIT='{commit}'\nKUBE_GIT_TREE_STATE='clean'\nKUBE_GIT_VERSION='{}'\nKUBE_GIT_MAJOR='{}'\n\
             KUBE_GIT_MINOR='{}'\n",
            self.version, self.major, self.minor
        )
    }
}

/// `v1.37.0-alpha.1-23-gabc` as `v1.37.0-alpha.1.23+abc`: what `git describe` appends is build metadata.
fn stamp(version: &str) -> String {
    let described = || {
        let (rest, commit) = version.rsplit_once("-g")?;
        let (base, count) = rest.rsplit_once('-')?;
        let count: u64 = count.parse().ok()?;
        let hex = commit.bytes().all(|b| b.is_ascii_hexdigit());
        let dot = if base.contains('-') { '.' } else { '-' };
        hex.then(|| format!("{base}{dot}{count}+{commit}"))
    };
    described().unwrap_or_else(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn described_versions_become_semantic_ones() {
        for (described, stamped) in [
            ("v1.36.3", "v1.36.3"),
            (
                "v1.37.0-alpha.1-23-gabcdef012",
                "v1.37.0-alpha.1.23+abcdef012",
            ),
            ("v1.36.3-4-gabcdef012", "v1.36.3-4+abcdef012"),
            ("v1.37.0-alpha.1", "v1.37.0-alpha.1"),
            ("v1.37.0-gamma", "v1.37.0-gamma"),
        ] {
            assert_eq!(stamp(described), stamped);
        }
        let stamps = Stamps::new("v1.37.0-alpha.1", None, None);
        assert_eq!((stamps.major.as_str(), stamps.minor.as_str()), ("1", "37+"));
        assert!(
            !stamps.ldflags().contains("gitCommit"),
            "a module has no commit"
        );
    }
}
