//! What a suite's output says while it runs.

use jiff::{SignedDuration, Timestamp};

use crate::model::{EventKind, Failure, SpecName, SpecOutcome, SpecResult, SuitePhase};

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

impl StreamEvent {
    /// The attempt's event for it, if there is one. `at` is when it was read; a spec's times, which the
    /// output lacks, follow from it.
    #[must_use]
    pub fn event(&self, at: Timestamp) -> Option<EventKind> {
        Some(match self {
            Self::Phase(phase) => EventKind::SuitePhaseStarted { phase: *phase },
            Self::SpecStarted(spec) => EventKind::SpecStarted { spec: spec.clone() },
            Self::SpecFinished(result) => {
                let mut result = result.clone();
                let ended = *result.ended_at.get_or_insert(at);
                let ran = SignedDuration::try_from_secs_f64(result.seconds).unwrap_or_default();
                result.started_at = result.started_at.or_else(|| ended.checked_sub(ran).ok());
                EventKind::SpecFinished { result }
            }
            _ => return None,
        })
    }
}

/// An incremental parser of a suite's output.
pub trait LiveStream: Send {
    /// Takes the next bytes, cut anywhere.
    fn push(&mut self, bytes: &[u8]) -> Vec<StreamEvent>;

    /// The output is over, perhaps in the middle of a line. The stream can be fed no further.
    fn finish(&mut self) -> Vec<StreamEvent>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specs_times_follow_from_when_it_was_read() {
        let at: Timestamp = "2026-11-20T11:00:10Z".parse().unwrap();
        let mut stream = crate::suite::ginkgo::Stream::new(crate::suite::ginkgo::Names::default());
        let text = "------------------------------\nA b\na.go:1\n• [2.500 seconds]\n";
        let events = stream.push(text.as_bytes());
        let Some(EventKind::SpecFinished { result }) = events.last().and_then(|e| e.event(at))
        else {
            panic!("{events:?}");
        };
        assert_eq!(result.ended_at, Some(at));
        assert_eq!(result.started_at, "2026-11-20T11:00:07.5Z".parse().ok());
    }
}
