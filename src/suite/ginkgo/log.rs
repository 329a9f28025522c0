//! A suite's whole output, read at once: what the live stream said, kept.

use crate::{
    model::{SpecName, SpecResult, SuitePhase},
    suite::{LiveStream, Ran, StreamEvent, SuiteFailure},
};

use super::{Names, Stream};

/// What a suite's output says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamLog {
    /// How far the suite came.
    pub phase: Option<SuitePhase>,
    /// How many specs it said it would run, of how many.
    pub will_run: Option<(u32, u32)>,
    /// Finished specs, in the order of the output.
    pub specs: Vec<SpecResult>,
    /// Specs that began and did not end.
    pub unfinished: Vec<SpecName>,
    /// Suite-level nodes that failed.
    pub failures: Vec<SuiteFailure>,
    /// The suite's own last count.
    pub ran: Option<Ran>,
    /// The suite's own count of passed and failed specs.
    pub counts: Option<(u32, u32)>,
}

impl StreamLog {
    /// Reads a whole output.
    #[must_use]
    pub fn read(output: &[u8], names: Names) -> Self {
        let mut stream = Stream::new(names);
        let mut log = Self::default();
        // In pieces, so that neither the line buffer nor the events grow with the file.
        for piece in output.chunks(64 << 10) {
            log.extend(stream.push(piece));
        }
        log.extend(stream.finish());
        log
    }

    /// Adds what the stream said next.
    pub fn extend(&mut self, events: impl IntoIterator<Item = StreamEvent>) {
        for event in events {
            match event {
                StreamEvent::Phase(phase) => self.phase = Some(phase),
                StreamEvent::WillRun { selected, total } => self.will_run = Some((selected, total)),
                // Only a suite with one process announces specs, and it runs one at a time.
                StreamEvent::SpecStarted(name) => self.unfinished = vec![name],
                StreamEvent::SpecFinished(result) => {
                    self.unfinished.retain(|name| *name != result.name);
                    self.specs.push(result);
                }
                StreamEvent::SuiteFailed(failure) => self.failures.push(failure),
                StreamEvent::Ran(ran) => self.ran = Some(ran),
                StreamEvent::Counts { passed, failed } => self.counts = Some((passed, failed)),
            }
        }
    }
}
