//! What kind of failure something is, who acts on it, and on which evidence that rests.

use std::fmt;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Phase;

macro_rules! kebab_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The name as it is written everywhere.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

kebab_enum!(
    /// What kind of failure it is.
    Class {
        /// The host, the network or the machine failed.
        Infra => "infra",
        /// A build failed.
        Build => "build",
        /// The node could not be provisioned.
        Provision => "provision",
        /// The runtime or its sandboxer did not start or stopped answering.
        RuntimeDown => "runtime-down",
        /// An image was missing or could not be pulled.
        ImagePull => "image-pull",
        /// The suite ran out of time.
        SuiteTimeout => "suite-timeout",
        /// The node's environment does not fit the suite.
        Environment => "environment",
        /// A spec's assertion failed.
        Assertion => "assertion",
        /// There is nothing to judge by.
        NoEvidence => "no-evidence",
        /// There is evidence, and no rule knows it.
        Unknown => "unknown",
    }
);

kebab_enum!(
    /// What filing an issue may do with it.
    Filing {
        /// An issue of its own.
        Issue => "issue",
        /// One issue for the whole run, in which it is listed.
        RunIssue => "run-issue",
        /// Nothing.
        #[serde(rename = "none")]
        Nothing => "none",
    }
);

impl Class {
    /// Every class, in the order in which an attempt can meet them.
    pub const ALL: [Self; 10] = [
        Self::Infra,
        Self::Build,
        Self::Provision,
        Self::RuntimeDown,
        Self::ImagePull,
        Self::SuiteTimeout,
        Self::Environment,
        Self::Assertion,
        Self::NoEvidence,
        Self::Unknown,
    ];

    /// The most that filing may do. What never reached the product is never an issue of one test.
    #[must_use]
    pub const fn filing(self) -> Filing {
        match self {
            Self::Assertion | Self::Unknown => Filing::Issue,
            Self::NoEvidence => Filing::Nothing,
            _ => Filing::RunIssue,
        }
    }
}

kebab_enum!(
    /// Who acts on it.
    Blame {
        /// Kubernetes.
        Kubernetes => "kubernetes",
        /// The suite's own code.
        Test => "test",
        /// The container runtime.
        Runtime => "runtime",
        /// The sandboxer under test.
        Sandboxer => "sandboxer",
        /// The node image or its Ignition config.
        NodeImage => "node-image",
        /// This host, its network, a service it reaches, or a profile that asks for what is not there.
        Environment => "environment",
        /// Bellwether itself.
        Bellwether => "bellwether",
        /// Nobody can be named.
        Unknown => "unknown",
    }
);

kebab_enum!(
    /// How sure the blame is.
    Confidence {
        /// A guess from the phase alone.
        Suspected => "suspected",
        /// The evidence fits one explanation best.
        Likely => "likely",
        /// The evidence states it.
        Certain => "certain",
    }
);

/// One line of an artifact that a statement rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceLine {
    /// The artifact, relative to the attempt's (or step's) folder.
    #[schemars(with = "String")]
    pub file: Utf8PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// The line itself, shortened to what a person reads.
    pub text: String,
}

impl fmt::Display for EvidenceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Why an attempt stopped or a spec failed, in words, with the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Where it happened.
    pub phase: Phase,
    /// What kind it is.
    pub class: Class,
    /// Who acts.
    pub blame: Blame,
    /// How sure the blame is.
    pub confidence: Confidence,
    /// One sentence for people, without a trailing period.
    pub summary: String,
    /// The lines it rests on, most decisive first. Empty only for class no-evidence.
    pub evidence: Vec<EvidenceLine>,
    /// The rule that said so, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
