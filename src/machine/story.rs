//! The last lines of a machine's logs, and from them the line that tells why it is of no use. Pure.

use std::{collections::VecDeque, sync::LazyLock};

use regex::Regex;

use super::{
    Ending,
    alarm::{self, Alarm, Sign},
    entry::{Artifact, Entry, parse, shorten, strip_escapes},
};
use crate::model::{EvidenceLine, Phase, StopKind};

/// How many lines are kept to look back on.
const KEPT: usize = 1000;

struct Line {
    artifact: Artifact,
    number: u64,
    entry: Entry,
}

/// What was read so far, and the alarm that explains most.
#[derive(Default)]
pub struct Story {
    lines: VecDeque<Line>,
    counts: [u64; 3],
    alarm: Option<(Alarm, Artifact, u64, Entry)>,
    console: String,
}

impl Story {
    /// Reads one whole line of one log. Returns whether it raised, or explained, an alarm.
    pub fn read(&mut self, artifact: Artifact, line: &str, required: &[String]) -> bool {
        let count = &mut self.counts[artifact as usize];
        *count += 1;
        let number = *count;
        let entry = parse(artifact, line);
        if artifact == Artifact::Console && !entry.message.trim().is_empty() {
            self.console = entry.shown();
        }
        let raised = match alarm::scan(artifact, &entry, required) {
            Some(found)
                if self
                    .alarm
                    .as_ref()
                    .is_none_or(|(old, ..)| found.sign.rank() > old.sign.rank()) =>
            {
                self.alarm = Some((found, artifact, number, entry.clone()));
                true
            }
            _ => false,
        };
        self.lines.push_back(Line {
            artifact,
            number,
            entry,
        });
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
        raised
    }

    /// Takes note of the console's last line while it has no end yet, such as a login prompt.
    pub fn prompt(&mut self, torn: &str) {
        let shown = shorten(&strip_escapes(torn));
        if !shown.is_empty() {
            self.console = shown;
        }
    }

    /// The alarm that explains most so far.
    #[must_use]
    pub fn alarm(&self) -> Option<&Sign> {
        self.alarm.as_ref().map(|(alarm, ..)| &alarm.sign)
    }

    /// The console's last line that says anything.
    #[must_use]
    pub fn console(&self) -> &str {
        &self.console
    }

    /// Whether this log has any line.
    #[must_use]
    pub fn has(&self, artifact: Artifact) -> bool {
        self.counts[artifact as usize] > 0
    }

    /// The ending that the alarm means, with the line that tells why; absent without alarm.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        let (alarm, artifact, number, entry) = self.alarm.as_ref()?;
        let why = match &alarm.sign {
            Sign::Ignition => self.innermost(entry),
            Sign::Unit(unit) => self.last_words(unit),
            Sign::Emergency => self.before_emergency(),
            Sign::MissingRoot => self.refusal(entry),
            _ => None,
        };
        let said = match (&alarm.sign, &why) {
            (Sign::Unit(_) | Sign::Emergency, Some(line)) => {
                format!("{}: {}", alarm.said, line.entry.shown())
            }
            (Sign::Ignition, Some(line)) => {
                format!("Ignition failed: {}", operation(&line.entry.message))
            }
            (Sign::MissingRoot, Some(line)) => {
                let words = line.entry.message.replace('"', "");
                let words = words.trim_start_matches("Warning: ");
                format!("{}: {words}", alarm.said)
            }
            _ => alarm.said.clone(),
        };
        // Ignition's own journal may not have come; its failed unit still tells the phase.
        let ignition = |line: &Line| line.entry.message.starts_with("Failed to start ignition-");
        let phase = match alarm.sign {
            Sign::Emergency if why.is_some_and(ignition) => Some(Phase::Provision),
            _ => alarm.phase,
        };
        let line = why.map_or_else(
            || entry.evidence(*artifact, *number),
            |line| line.entry.evidence(line.artifact, line.number),
        );
        Some(Ending {
            kind: StopKind::Alarm,
            phase,
            said,
            line: Some(line),
        })
    }

    /// The newest line of any log that says this; for machines that ended by themselves.
    #[must_use]
    pub fn newest(&self, said: impl Fn(&Entry) -> bool) -> Option<EvidenceLine> {
        let line = self.lines.iter().rev().find(|line| said(&line.entry))?;
        Some(line.entry.evidence(line.artifact, line.number))
    }

    /// The newest line of this unit that tells why it failed.
    #[must_use]
    pub fn unit(&self, unit: &str) -> Option<EvidenceLine> {
        let line = self.last_words(unit)?;
        Some(line.entry.evidence(line.artifact, line.number))
    }

    /// Ignition's last line wraps all it was doing; what failed has a line of its own, before it: a fault of the
    /// config with its place, or else the operation that ended with the same error.
    fn innermost(&self, last: &Entry) -> Option<&Line> {
        let end = last.message.as_str();
        let of_ignition = |line: &&Line| {
            line.entry.sender == "ignition"
                && line.entry.pid == last.pid
                && line.entry.message != last.message
        };
        let fault = |line: &&Line| level(&line.entry.message).starts_with("error at ");
        let all = || self.lines.iter().filter(of_ignition);
        let critical = || all().filter(|line| line.entry.critical);
        let operation = |line: &&Line| line.entry.message.contains("[failed]");
        let same_error = |line: &&Line| {
            let inner = line.entry.message.rsplit_once("[failed]");
            let inner = inner.map_or(level(&line.entry.message), |(_, inner)| inner);
            inner
                .split_once(": ")
                .is_some_and(|(_, error)| error.len() > 8 && end.ends_with(error))
        };
        all()
            .find(fault)
            .or_else(|| critical().find(same_error))
            .or_else(|| critical().rfind(operation))
            .or_else(|| critical().next_back())
    }

    fn last_words(&self, unit: &str) -> Option<&Line> {
        static DECISIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
                r"(?i)level=(?:fatal|panic)|^panic: |^fatal|Failed at step|exec format error|does not exist|wrong fs type|failed to load|^[\w-]+: (?:failed|invalid|cannot|error)|error while loading shared",
            )
            .ok()
        });
        static RESULT: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r"Main process exited|Mount process exited|Control process exited|start operation timed out|killed by the OOM killer|Timed out waiting for device|Failed with result")
                .ok()
        });
        let is = |form: &Option<Regex>, entry: &Entry| {
            form.as_ref()
                .is_some_and(|form| form.is_match(&entry.message))
        };
        let lines = || self.lines.iter().rev();
        lines()
            .find(|line| line.entry.is_of(unit) && is(&DECISIVE, &line.entry))
            .or_else(|| {
                lines().find(|line| {
                    line.entry.is_of(unit)
                        && (line.entry.message.contains("level=error")
                            || !line.entry.message.contains("level="))
                })
            })
            .or_else(|| {
                // From the first word on: the result comes last and says least.
                self.lines.iter().find(|line| {
                    line.entry.is_init() && line.entry.unit == unit && is(&RESULT, &line.entry)
                })
            })
            .or_else(|| {
                lines().find(|line| {
                    line.entry.is_init()
                        && line
                            .entry
                            .message
                            .starts_with("Timed out waiting for device ")
                })
            })
            .or_else(|| {
                lines().find(|line| {
                    line.entry.is_init()
                        && line.entry.unit == unit
                        && !line.entry.message.starts_with("Scheduled restart")
                        && line.entry.message.contains("ailed")
                })
            })
    }

    /// The first failure before the emergency shell; what follows it only depends on it.
    fn before_emergency(&self) -> Option<&Line> {
        let failed = |prefix: &'static str| {
            self.lines
                .iter()
                .find(move |line| line.entry.is_init() && line.entry.message.starts_with(prefix))
        };
        if let Some(line) = failed("Timed out waiting for device ") {
            return Some(line);
        }
        let first = failed("Failed to start ").or_else(|| failed("Failed to mount "))?;
        let own = (!first.entry.unit.is_empty())
            .then(|| self.last_words(&first.entry.unit))
            .flatten();
        Some(own.unwrap_or(first))
    }

    /// What the initramfs said about the disk it looked for, beside the line in which it gave up.
    fn refusal(&self, entry: &Entry) -> Option<&Line> {
        if entry.is_kernel() || entry.message.contains("FATAL") {
            return None;
        }
        let refuses = entry.message == "Refusing to continue";
        self.lines.iter().rev().find(|line| {
            let Line {
                artifact, entry, ..
            } = line;
            let dracut = entry.sender.starts_with("dracut");
            let bare = *artifact == Artifact::Console && entry.sender.is_empty();
            if refuses {
                return dracut && entry.message.contains("FATAL");
            }
            (dracut || bare)
                && entry
                    .message
                    .strip_prefix("Warning: ")
                    .is_some_and(|rest| rest.trim_start_matches('"').starts_with("/dev/"))
                && entry.message.ends_with(" does not exist")
        })
    }
}

/// Ignition's words without their level.
fn level(message: &str) -> &str {
    let text = ["CRITICAL", "ERROR"]
        .iter()
        .find_map(|level| message.strip_prefix(level))
        .unwrap_or(message);
    text.trim_start_matches([' ', ':'])
}

/// Ignition's words without their level and operation numbers.
fn operation(message: &str) -> &str {
    let text = level(message);
    match text.split_once("[failed]") {
        Some((_, what)) => what.trim(),
        None => text,
    }
}

/// The phase an early failure of the boot belongs to.
#[must_use]
pub fn boot_phase(story: &Story) -> Phase {
    if story.has(Artifact::Journal) {
        Phase::Provision
    } else {
        Phase::Boot
    }
}

#[cfg(test)]
mod tests;
