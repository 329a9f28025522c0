//! Identifiers: runs, lanes, steps, digests.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// One run: a UUIDv7, so that ids sort by start time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RunId(#[schemars(with = "String")] pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// One lane: `<pairing>.<node>.<sandboxer>.<suite>`; safe as a folder name.
    LaneId
);
text_id!(
    /// One build or preparation step, such as `build.kubernetes.main` or `image.debian-13`; safe as a folder name.
    StepId
);
text_id!(
    /// A SHA-256, as 64 lower-case hex digits.
    Digest
);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// Builds a [`Digest`] from named fields. Names and values are length-prefixed, so no two different
/// lists of fields give the same bytes.
#[derive(Default)]
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// A digest for one kind of thing; `kind` keeps equal inputs of two kinds apart.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self::default().field("kind", kind)
    }

    /// Adds one named value.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(hex::encode(self.0.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let one = DigestBuilder::new("x").field("a", "bc").finish();
        let two = DigestBuilder::new("x").field("ab", "c").finish();
        assert_ne!(one, two);
    }
}
