//! An incremental parser of Ginkgo's `-v --no-color` output. Pure.
//!
//! With one process Ginkgo announces a spec, streams what it says, and ends with a result line; with
//! several it prints a finished spec as one block that begins with the result line. A failure's text
//! comes last in both. What is not whole is never reported: a name counts only once its line has ended.

use std::{collections::VecDeque, mem};

use crate::{
    model::{Failure, SpecName, SpecOutcome, SpecResult, SuitePhase},
    suite::{LiveStream, Ran, StreamEvent, SuiteFailure, innermost, innermost::without_ansi},
};

use super::{
    Names,
    block::{Block, location},
    result_line::{self, ResultLine, Subject},
};

const DELIMITER: &str = "------------------------------";
/// Of a longer line only its beginning and its end are kept.
const HEAD: usize = 64 << 10;
const TAIL: usize = 4 << 10;

/// The parser.
#[derive(Debug)]
pub struct Stream {
    names: Names,
    line: Vec<u8>,
    /// The last two lines, newest last.
    before: VecDeque<String>,
    phase: Option<SuitePhase>,
    processes: u32,
    /// After-suite nodes that ended.
    after: u32,
    open: Option<Open>,
    block: Option<Block>,
    events: Vec<StreamEvent>,
}

/// A spec that was announced and has not ended.
#[derive(Debug)]
struct Open {
    name: SpecName,
    old: bool,
}

impl Stream {
    /// A parser that knows these names.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self {
            names,
            line: Vec::new(),
            before: VecDeque::from([String::new(), String::new()]),
            phase: None,
            processes: 1,
            after: 0,
            open: None,
            block: None,
            events: Vec::new(),
        }
    }

    fn take_line(&mut self, whole: bool) {
        let bytes = mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let text = without_ansi(&text);
        let line = text.trim_end_matches('\r');
        self.read(line, whole);
        if whole {
            self.before.pop_front();
            self.before.push_back(line.to_owned());
        }
    }

    fn read(&mut self, line: &str, whole: bool) {
        self.read_phase(line);
        if line == DELIMITER {
            self.end_block();
            return;
        }
        if let Some(result) = self.result(line, whole) {
            self.end_block();
            self.begin(result);
        } else if self.block.is_some() {
            self.read_block(line, whole);
        } else if whole {
            self.read_announcement(line);
            self.read_summary(line);
        }
    }

    fn result(&self, line: &str, whole: bool) -> Option<ResultLine> {
        match &self.open {
            // A torn dot may be the first character of a failure.
            Some(open) if open.old => result_line::read_v1(line).filter(|_| whole),
            _ => result_line::read(line),
        }
    }

    fn begin(&mut self, result: ResultLine) {
        let open = match result.subject {
            Subject::Spec => {
                self.advance(SuitePhase::Specs);
                match result.outcome {
                    Some(_) => self.open.take(),
                    None => None,
                }
            }
            Subject::Node(ref node) => {
                let passed = result.outcome == Some(SpecOutcome::Passed);
                if passed && node.ends_with("BeforeSuite") {
                    self.advance(SuitePhase::Specs);
                }
                if node.ends_with("AfterSuite") && !node.starts_with("Report") {
                    self.after += 1;
                    if self.after >= self.processes {
                        self.advance(SuitePhase::After);
                    }
                }
                self.open = None;
                None
            }
        };
        let old = open.as_ref().is_some_and(|open| open.old);
        self.block = Some(Block::new(result, open.map(|open| open.name), old));
        // What passed and is known by name has nothing more to say.
        if self
            .block
            .as_ref()
            .is_some_and(|block| block.name.is_some() && block.passed())
        {
            self.end_block();
        }
    }

    fn read_block(&mut self, line: &str, whole: bool) {
        let Some(block) = &mut self.block else { return };
        if block.result.subject == Subject::Spec && block.name.is_none() {
            if whole && !line.trim().is_empty() {
                block.name = Some(self.names.resolve(line));
                if block.passed() {
                    self.end_block();
                }
            }
            return;
        }
        block.read(line);
    }

    /// Ends the block; reports what it holds if it holds enough.
    fn end_block(&mut self) {
        let Some(block) = self.block.take() else {
            return;
        };
        let Some(outcome) = block.result.outcome else {
            return;
        };
        let text = block.text.trim_end().to_owned();
        let failure = (outcome.is_failure() && !text.is_empty()).then(|| Failure {
            message: innermost(&text),
            location: location(&text),
            text: text.clone(),
        });
        match (block.result.subject, block.name) {
            (Subject::Spec, Some(name)) => {
                self.events.push(StreamEvent::SpecFinished(SpecResult {
                    name,
                    outcome,
                    started_at: None,
                    ended_at: None,
                    seconds: block.result.seconds,
                    process: None,
                    failure,
                    reason: (outcome == SpecOutcome::Skipped).then(|| innermost(&text)),
                }));
            }
            (Subject::Node(node), _) if outcome.is_failure() => {
                self.events.push(StreamEvent::SuiteFailed(SuiteFailure {
                    node,
                    outcome,
                    seconds: block.result.seconds,
                    failure,
                }));
            }
            _ => {}
        }
    }

    /// Looks for a spec's first lines, which end with the place of its code.
    fn read_announcement(&mut self, line: &str) {
        let [first, second] = [0, 1].map(|at| self.before.get(at).map_or("", String::as_str));
        let name = if first == DELIMITER && is_place(line) && !second.starts_with(' ') {
            if let Some(node) = result_line::suite_node(second) {
                if node.ends_with("AfterSuite") && !node.starts_with("Report") {
                    self.advance(SuitePhase::After);
                }
                return;
            }
            self.open = Some(Open {
                name: self.names.resolve(second),
                old: false,
            });
            self.open.as_ref()
        } else if let (Some(container), Some(leaf), Some(place)) = (
            first.strip_suffix(' '),
            second.strip_prefix("  "),
            line.strip_prefix("  "),
        ) && !container.starts_with(' ')
            && !leaf.starts_with(' ')
            && is_place(place)
        {
            self.open = Some(Open {
                name: SpecName(format!("{container} {leaf}")),
                old: true,
            });
            self.open.as_ref()
        } else {
            None
        };
        if let Some(name) = name.map(|open| open.name.clone()) {
            self.advance(SuitePhase::Specs);
            self.events.push(StreamEvent::SpecStarted(name));
        }
    }

    fn read_summary(&mut self, line: &str) {
        let numbers: Vec<&str> = line.split(' ').collect();
        match numbers.as_slice() {
            ["Will", "run", selected, "of", total, "specs"] => {
                if let (Ok(selected), Ok(total)) = (selected.parse(), total.parse()) {
                    self.events.push(StreamEvent::WillRun { selected, total });
                }
            }
            [
                "Running",
                "in",
                "parallel",
                "across",
                count,
                "processes" | "nodes",
            ] => {
                self.processes = count.parse().unwrap_or(1);
            }
            ["Ran", ran, "of", total, "Specs", "in", seconds, "seconds"] => {
                if let (Ok(ran), Ok(total), Ok(seconds)) =
                    (ran.parse(), total.parse(), seconds.parse())
                {
                    self.advance(SuitePhase::After);
                    self.events.push(StreamEvent::Ran(Ran {
                        ran,
                        total,
                        seconds,
                    }));
                }
            }
            _ => {
                let count = |word: &str| {
                    let (before, _) = line.split_once(word)?;
                    before.rsplit(' ').next()?.parse().ok()
                };
                if (line.starts_with("SUCCESS!") || line.starts_with("FAIL!"))
                    && let (Some(passed), Some(failed)) = (count(" Passed |"), count(" Failed |"))
                {
                    self.events.push(StreamEvent::Counts { passed, failed });
                }
            }
        }
    }

    fn read_phase(&mut self, line: &str) {
        let last = self.before.back().map_or("", String::as_str);
        if line.starts_with("Running Suite: ") || line == "Validating os..." {
            self.advance(SuitePhase::Validate);
        } else if (line == "PASS" && last.starts_with("Validating package"))
            || line.contains("] Starting server \"services\" with command ")
        {
            self.advance(SuitePhase::Services);
        } else if line.ends_with("] Node services started.")
            || line.ends_with("] Wait for the node to be ready")
        {
            self.advance(SuitePhase::Ready);
        } else if self.open.as_ref().is_none_or(|open| open.old)
            && line.ends_with("] Stopping node services...")
        {
            self.advance(SuitePhase::After);
        }
    }

    fn advance(&mut self, phase: SuitePhase) {
        if self.phase.is_none_or(|now| now < phase) {
            self.phase = Some(phase);
            self.events.push(StreamEvent::Phase(phase));
        }
    }
}

impl LiveStream for Stream {
    fn push(&mut self, bytes: &[u8]) -> Vec<StreamEvent> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // `split` gives at least one piece, and the last one has no line break.
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.line.extend_from_slice(piece);
            self.take_line(true);
        }
        self.line.extend_from_slice(last);
        if self.line.len() > HEAD + 2 * TAIL {
            self.line.drain(HEAD..self.line.len() - TAIL);
        }
        mem::take(&mut self.events)
    }

    fn finish(&mut self) -> Vec<StreamEvent> {
        if !self.line.is_empty() {
            self.take_line(false);
        }
        self.end_block();
        mem::take(&mut self.events)
    }
}

/// `path/file.go:123`.
pub(super) fn is_place(line: &str) -> bool {
    line == "autogenerated by Ginkgo"
        || line.rsplit_once(".go:").is_some_and(|(path, number)| {
            !path.starts_with(' ')
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        })
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
