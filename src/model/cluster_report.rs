//! A cluster of failures as every document and page shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Blame, Class, Confidence, EvidenceLine, Filing};

/// Failures with one cause, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterReport {
    /// Its id: the same in every run in which the cause is seen.
    pub id: String,
    /// How many failures it holds.
    pub count: u32,
    /// What kind of failure it is.
    pub class: Class,
    /// Who acts.
    pub blame: Blame,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who looks after it, where a rule says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What filing an issue may do with it.
    pub filing: Filing,
    /// The cause in one line.
    pub summary: String,
    /// The line that says so, with the file that holds it: relative to the run directory, or as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<EvidenceLine>,
    /// The rule that knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Further lines of the node's logs that belong to it, most decisive first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceLine>,
    /// The tests it hit, those hit most often first.
    pub tests: Vec<TestHit>,
    /// The lanes or jobs it was seen on.
    pub lanes: Vec<String>,
    /// Its failures' ids.
    pub failures: Vec<String>,
    /// Clusters that look alike and are kept apart, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedCluster>,
}

/// A test that a cluster hit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TestHit {
    /// Its name; for a lane that stopped, the phase in brackets.
    pub test: String,
    /// How often.
    pub count: u32,
    /// On which lanes or jobs.
    pub lanes: Vec<String>,
    /// Where: file and line of the first.
    pub place: String,
}

/// A cluster that looks alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RelatedCluster {
    /// Its id.
    pub id: String,
    /// How alike, from 0 to 1.
    pub score: f64,
}
