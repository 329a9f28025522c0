//! A failure's fingerprint: what is compared. Failures with equal signatures are never told apart.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::triage::extract::{Extract, Verb, mask, mix, name_key, text_hash};

/// What of a failure is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Signature {
    /// The test's normalised name.
    pub name: String,
    /// The node or phase.
    pub phase: String,
    /// The assertion's `file:function`.
    pub site: String,
    /// The helper's `file:function`.
    pub helper: String,
    /// How it was said.
    pub verb: Verb,
    /// The description, masked.
    pub desc: String,
    /// What was compared, masked.
    pub expectation: String,
    /// The innermost error, masked, whether it names a cause or not.
    pub error: String,
    /// The text that names a cause by itself, masked.
    pub reason: Option<String>,
    /// Whether a rule names the cause: then only the same rule is the same cause.
    pub ruled: bool,
}

impl Signature {
    /// From what was extracted.
    #[must_use]
    pub fn of(extract: &Extract) -> Self {
        Self {
            name: extract.name.clone(),
            phase: extract.phase.clone(),
            site: extract
                .site
                .as_ref()
                .map(|site| site.file.clone())
                .unwrap_or_default(),
            helper: extract
                .helper
                .as_ref()
                .map(|site| site.file.clone())
                .unwrap_or_default(),
            verb: extract.verb,
            desc: extract.masked_desc(),
            expectation: extract.expectation.clone(),
            error: extract
                .errors
                .first()
                .map(|error| mask(error))
                .unwrap_or_default(),
            ruled: extract.rule.is_some(),
            reason: extract.reason.clone(),
        }
    }

    /// Equal signatures have equal keys, on every machine.
    pub(super) fn key(&self) -> u128 {
        let mut high = u64::from(self.ruled) + 2 * self.verb as u64;
        let mut low = 1_u64;
        for part in [
            self.name.as_str(),
            &self.phase,
            &self.site,
            &self.helper,
            &self.desc,
            &self.expectation,
            &self.error,
            self.reason.as_deref().unwrap_or_default(),
        ] {
            let hash = text_hash(part);
            high = mix(high ^ hash);
            low = mix(low.wrapping_mul(3).wrapping_add(hash));
        }
        u128::from(high) << 64 | u128::from(low)
    }

    /// What the cluster it lies in can be found by again. Signatures that share it are always one cluster.
    pub(super) fn handle(&self) -> u64 {
        match &self.reason {
            Some(reason) if self.ruled => mix(text_hash(reason)),
            Some(reason) => text_hash(reason),
            None if self.named() => {
                mix(text_hash(name_key(&self.name)) ^ mix(text_hash(self.own_words())))
            }
            None if self.speaks() => mix(text_hash(&self.unnamed())),
            None => mix(text_hash(&self.unnamed()) ^ mix(text_hash(&self.name))),
        }
    }

    /// Whether its name tells it from other tests. What fails before or after all tests is no test's own.
    pub(super) fn named(&self) -> bool {
        (self.name.contains(' ') || self.name.len() >= 8) && !self.phase.ends_with("Suite")
    }

    /// Whether it says anything at all.
    pub(super) fn speaks(&self) -> bool {
        !self.desc.is_empty() || !self.expectation.is_empty() || !self.error.is_empty()
    }

    /// The author's words beside an assertion, if they say something.
    pub(super) fn own_words(&self) -> &str {
        if self
            .desc
            .split_whitespace()
            .filter(|word| word.len() >= 3 && !word.contains('<'))
            .count()
            >= 3
        {
            &self.desc
        } else {
            ""
        }
    }

    /// What a test without a name has instead.
    pub(super) fn unnamed(&self) -> String {
        format!(
            "{}|{}|{:?}|{}|{}|{}",
            self.site, self.helper, self.verb, self.desc, self.expectation, self.error
        )
    }

    /// Everything it says, for comparing by words.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match &self.reason {
            Some(reason) if self.desc.is_empty() && self.expectation.is_empty() => {
                Cow::Borrowed(reason)
            }
            Some(reason) => Cow::Owned(format!("{reason} {} {}", self.desc, self.expectation)),
            None => Cow::Owned(format!("{} {} {}", self.desc, self.expectation, self.error)),
        }
    }
}
