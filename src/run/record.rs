//! `run.json`: what a run is made from. Rewritten as the run learns more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Candidate, Environment, Lane, RunId},
    plan::Plan,
    profile::Profile,
};

/// The document's file name.
pub const FILE: &str = "run.json";

/// Everything needed to judge a run's evidence again, without the profile's file or the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The document's version.
    pub schema: u32,
    /// The run's id.
    pub run: RunId,
    /// When it started.
    pub started_at: Timestamp,
    /// The command line that started it.
    pub command: Vec<String>,
    /// The profile, with all overrides applied.
    pub profile: Profile,
    /// The lanes that were asked for.
    pub lanes: Vec<Lane>,
    /// The candidates, once resolved.
    pub candidates: Vec<Candidate>,
    /// What the resolution noticed, such as a moved branch.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The plan, once made.
    pub plan: Option<Plan>,
    /// Where it runs, once known.
    pub environment: Option<Environment>,
}
