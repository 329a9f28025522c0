//! Statistics over runs: new, failing for n runs, flaky at which rate, changed when, good and bad candidates.
//!
//! Pure over a list of run summaries. Must not: find runs (that is the store's and the index's work), or name a cause.

mod change;
mod commits;
mod interval;
mod runs;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{LaneId, RunId, SpecName};

pub use change::{CHANGE_RUNS, Change, change};
pub use commits::{Moved, moved};
pub use interval::{Interval, wilson};
pub use runs::{Run, history, of_lane, statistics};

/// A failure that stays this many runs is no flake.
pub const FAILING: u32 = 3;

/// Where a failing spec stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    /// It fails in the newest run, and failed in none before.
    New,
    /// It fails in the newest runs, and did not always.
    Persisting,
    /// It fails now and then, or passed and failed with one candidate.
    Flaky,
    /// It failed before, and passes in the newest run.
    Fixed,
    /// It never failed.
    Passing,
    /// It did not run.
    Unknown,
}

/// What is known of one spec on one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    /// Its lane.
    pub lane: LaneId,
    /// Which.
    pub spec: SpecName,
    /// Where it stands.
    pub trend: Trend,
    /// In how many of the newest runs it failed without a pass between, those in which it did not run left out.
    pub failing_for: u32,
    /// Whether it failed never before the newest candidate, and ran before it.
    pub new_in_candidate: bool,
    /// How often it fails, with 95 % bounds; absent where it never ran.
    pub rate: Option<Interval>,
    /// In which runs it passed and failed with one candidate: flaky by definition.
    pub flaky_in: Vec<RunId>,
    /// Since when its rate is another one, when there are runs enough to say.
    pub change: Option<Change>,
    /// The last run in which it passed.
    pub last_good: Option<RunId>,
    /// The first run after that in which it failed.
    pub first_bad: Option<RunId>,
    /// What moved between the two: the range of each source.
    pub moved: Vec<Moved>,
}
