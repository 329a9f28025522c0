//! The runs that the daemon starts: the seam between deciding and doing.

use crate::model::{Blame, ExitCode, Phase, RunId};

/// A run that is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The id it gets. A run directory is made once, so a second start with this id ends at once.
    pub run: RunId,
    /// The profile: a name or a path.
    pub profile: String,
    /// Sources that are set to a revision: name and revision.
    pub sources: Vec<(String, String)>,
    /// Whether an unchanged candidate is skipped.
    pub if_changed: bool,
}

/// How a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Neither its process nor its directory exists.
    Absent,
    /// It lives.
    Lives,
    /// It ended.
    Ended(Ended),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none when it was killed.
    pub exit: Option<ExitCode>,
    /// Where it stopped and by whose fault, if it did not come to a result.
    pub stopped: Option<(Phase, Blame)>,
    /// In words.
    pub words: String,
}

/// Starts, watches and ends runs. Everything it does can be done twice.
pub trait Runs {
    /// Starts a run; it outlives this process.
    ///
    /// # Errors
    /// In words, when no process can be started.
    fn start(&mut self, start: &Start) -> Result<(), String>;

    /// How a run is now.
    fn look(&mut self, run: RunId) -> Look;

    /// Asks a run to end and to keep what it has; the longer it was asked, the harder.
    fn stop(&mut self, run: RunId);
}
