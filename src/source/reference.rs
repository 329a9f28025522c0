//! What a git reference in a profile or on the command line means, and where people can see it. Pure.

use super::version::Version;

/// What was asked of a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The newest release tag.
    LatestTag,
    /// A full commit id.
    Commit(String),
    /// A ref with its full name, such as `refs/pull/7/head`.
    Full(String),
    /// A branch, a tag, or an abbreviated commit id.
    Name(String),
}

impl Reference {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("the reference is empty");
        }
        // git would take it for an option.
        if text.starts_with('-') {
            return Err("a reference does not start with a dash");
        }
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
        if text.contains(forbidden) || text.contains("..") || text.contains("@{") {
            return Err("a reference names one branch, tag or commit, without operators");
        }
        Ok(match text {
            "latest-tag" => Self::LatestTag,
            _ if is_commit(text) => Self::Commit(text.to_owned()),
            _ if text.starts_with("refs/") => Self::Full(text.to_owned()),
            _ if pull_number(text).is_some() => Self::Full(format!("refs/{text}")),
            _ => Self::Name(text.to_owned()),
        })
    }

    /// Whether it can mean another commit tomorrow. Release tags do not move.
    pub fn moves(&self) -> bool {
        match self {
            Self::LatestTag => true,
            Self::Commit(_) => false,
            Self::Full(name) => name
                .strip_prefix("refs/tags/")
                .is_none_or(|tag| Version::parse(tag).is_none()),
            Self::Name(name) => Version::parse(name).is_none() && !is_abbreviated(name),
        }
    }
}

/// Whether `text` is a full commit id.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether `text` may be an abbreviated commit id.
pub(super) fn is_abbreviated(text: &str) -> bool {
    (7..40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The number of `pull/N/head`, `pull/N/merge` and their `refs/` forms.
pub(super) fn pull_number(text: &str) -> Option<u64> {
    let text = text.strip_prefix("refs/").unwrap_or(text);
    let (number, kind) = text.strip_prefix("pull/")?.split_once('/')?;
    matches!(kind, "head" | "merge").then(|| number.parse().ok())?
}

/// A page that shows this commit.
pub(super) fn link(url: &str, reference: &str, version: &str, commit: &str) -> Option<String> {
    let project = [
        "https://github.com/",
        "http://github.com/",
        "ssh://git@github.com/",
        "git@github.com:",
        "git://github.com/",
    ]
    .iter()
    .find_map(|prefix| url.strip_prefix(prefix))?;
    let project = project.trim_end_matches('/');
    let project = project.strip_suffix(".git").unwrap_or(project);
    let page = if let Some(number) = pull_number(reference) {
        format!("pull/{number}/commits/{commit}")
    } else if Version::parse(version).is_some()
        && (reference == version || reference == "latest-tag")
    {
        format!("releases/tag/{version}")
    } else {
        format!("commit/{commit}")
    };
    Some(format!("https://github.com/{project}/{page}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_apart() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(Reference::parse("latest-tag"), Ok(Reference::LatestTag));
        assert_eq!(
            Reference::parse(commit),
            Ok(Reference::Commit(commit.into()))
        );
        assert_eq!(
            Reference::parse("pull/7/head"),
            Ok(Reference::Full("refs/pull/7/head".into()))
        );
        assert_eq!(
            Reference::parse("release/2.0"),
            Ok(Reference::Name("release/2.0".into()))
        );
        for wrong in [
            "",
            "--upload-pack=x",
            "a..b",
            "main~1",
            "a b",
            "x@{1}",
            "HEAD:file",
        ] {
            assert!(Reference::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_commits_and_release_tags_stand_still() {
        let moves = |text| Reference::parse(text).unwrap().moves();
        assert!(moves("main") && moves("latest-tag") && moves("refs/pull/7/head"));
        assert!(moves("refs/heads/v1.0.0") && moves("nightly"));
        assert!(!moves("v1.36.3") && !moves("refs/tags/v2.0.0-rc.1") && !moves("abcdef0"));
    }

    #[test]
    fn links_name_the_best_page() {
        let link = |url, reference, version| link(url, reference, version, "abc");
        let github = "https://github.com/kubernetes/kubernetes";
        assert_eq!(
            link(github, "latest-tag", "v1.36.3").unwrap(),
            "https://github.com/kubernetes/kubernetes/releases/tag/v1.36.3"
        );
        assert_eq!(
            link("git@github.com:a/b.git", "main", "v1.0.0").unwrap(),
            "https://github.com/a/b/commit/abc"
        );
        assert_eq!(
            link(github, "refs/pull/12/head", "v1.0.0-1-gabc").unwrap(),
            "https://github.com/kubernetes/kubernetes/pull/12/commits/abc"
        );
        assert_eq!(link("https://example.org/a/b", "main", "v1.0.0"), None);
        assert_eq!(
            link("https://github.com.example.org/a/b", "main", "v1.0.0"),
            None
        );
    }
}
