//! Version texts: semantic versions of tags and modules, and what `git describe` adds. Pure.

use std::cmp::Ordering;

/// A version such as `v1.36.3`, `v1.37.0-alpha.1` or `v1.37.0-alpha.1-23-gabcdef012`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows the first `-`; empty for a release.
    pub pre: String,
}

impl Version {
    /// Reads a version with a leading `v`. Build metadata after `+` is left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v')?;
        let text = text.split('+').next()?;
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        if text.contains('-') && pre.is_empty() {
            return None;
        }
        let mut parts = numbers.split('.').map(number);
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
            pre: pre.to_owned(),
        };
        parts.next().is_none().then_some(version)
    }

    /// Whether it is a release: not a pre-release, and not commits after a tag.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.pre.is_empty()
    }

    /// Whether it is of `major.minor` or newer. Pre-releases of that minor count.
    #[must_use]
    pub fn at_least(&self, major: u64, minor: u64) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => pre_order(&self.pre, &other.pre),
            })
    }
}

fn pre_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (number(x), number(y)) {
                (Some(x), Some(y)) => x.cmp(&y),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => x.cmp(y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The highest release among `tags`; pre-releases and anything that is no version do not count.
pub fn latest_release<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    tags.into_iter()
        .filter_map(|tag| Some((Version::parse(tag).filter(Version::is_release)?, tag)))
        .max_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn latest_release_passes_over_pre_releases_and_other_tags() {
        let tags = [
            "v1.9.9",
            "v1.36.3",
            "v1.37.0-alpha.1",
            "v1.10.0",
            "api/v1.40.0",
            "v1.36",
            "nightly",
            "v01.99.0",
        ];
        assert_eq!(latest_release(tags), Some("v1.36.3"));
        assert_eq!(latest_release(["v2.0.0-rc.1", "main"]), None);
    }

    #[test]
    fn order_is_that_of_semantic_versions() {
        let sorted = [
            "v1.0.0-1",
            "v1.0.0-alpha",
            "v1.0.0-alpha.1",
            "v1.0.0-alpha.10",
            "v1.0.0-beta",
            "v1.0.0",
            "v1.0.1-0",
            "v1.1.0",
            "v1.10.0",
        ];
        for pair in sorted.windows(2) {
            assert!(
                Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn describe_texts_are_versions_of_their_minor() {
        let version = Version::parse("v1.37.0-alpha.1-23-gabcdef012").unwrap();
        assert!(version.at_least(1, 37) && version.at_least(1, 33) && !version.at_least(1, 38));
        assert!(!version.is_release());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Version::parse(&text);
        }

        #[test]
        fn numbers_come_back(a in 0_u64..9999, b in 0_u64..9999, c in 0_u64..9999) {
            let version = Version::parse(&format!("v{a}.{b}.{c}")).unwrap();
            prop_assert_eq!((version.major, version.minor, version.patch), (a, b, c));
        }
    }
}
