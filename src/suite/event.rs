//! What a suite's output says while it runs.

use crate::model::{Failure, SpecName, SpecOutcome, SpecResult, SuitePhase};

/// A set-up or clean-up step of the whole suite that did not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteFailure {
    /// Its kind in the suite's words, such as `SynchronizedBeforeSuite`.
    pub node: String,
    /// How it ended.
    pub outcome: SpecOutcome,
    /// Its run time in seconds.
    pub seconds: f64,
    /// What it said.
    pub failure: Option<Failure>,
}

/// The suite's own last count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ran {
    /// Specs that passed or failed.
    pub ran: u32,
    /// Specs the suite holds.
    pub total: u32,
    /// The suite's run time in seconds.
    pub seconds: f64,
}

/// One thing the output says.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The suite went on to its next phase; phases only go forwards.
    Phase(SuitePhase),
    /// How many specs it will run, of how many.
    WillRun {
        /// Selected.
        selected: u32,
        /// In all.
        total: u32,
    },
    /// A spec began. Only a suite with one process says so.
    SpecStarted(SpecName),
    /// A spec ended. Its times are unknown here; the reader's clock has them.
    SpecFinished(SpecResult),
    /// A set-up or clean-up step of the whole suite failed.
    SuiteFailed(SuiteFailure),
    /// The suite's own last count.
    Ran(Ran),
    /// The suite's own count of outcomes.
    Counts {
        /// Passed.
        passed: u32,
        /// Failed, in any way.
        failed: u32,
    },
}

/// An incremental parser of a suite's output.
pub trait LiveStream: Send {
    /// Takes the next bytes, cut anywhere.
    fn push(&mut self, bytes: &[u8]) -> Vec<StreamEvent>;

    /// The output is over, perhaps in the middle of a line. The stream can be fed no further.
    fn finish(&mut self) -> Vec<StreamEvent>;
}
