//! A suite that runs in the guest: start, follow, end.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    follow::{Follower, INTERVAL},
    log::EventLog,
};
use crate::{
    clock,
    evidence::EvidenceDir,
    machine::{Machine, MachineError},
    model::{EventKind, Phase, SpecOutcome, Stop, StopKind, SuitePhase, SuitePlan},
    suite::{self, Kind, LiveStream, NodeFacts, StreamEvent, SuiteExit},
    verdict::{self, Hopeless, Rules},
};

/// Beyond the suite's own limit, for the guest to kill it and write its reports.
const GRACE: Duration = Duration::from_secs(120);
/// How often the guest is asked for the exit status, should the status port be silent.
const ASK: Duration = Duration::from_secs(30);
/// After the exit status, output that is still on its way gets this long.
const DRAIN: Duration = Duration::from_secs(3);

/// The node's journal, as the machine keeps it.
const JOURNAL: &str = "journal.log";

/// One suite on one machine.
pub struct SuiteRun<'a> {
    /// The suite's kind.
    pub kind: &'a dyn Kind,
    /// Its node.
    pub facts: NodeFacts,
    /// What it will run.
    pub plan: &'a SuitePlan,
    /// The attempt's folder.
    pub folder: &'a EvidenceDir,
    /// The attempt's log.
    pub log: &'a EventLog,
    /// How long it may run; already scaled.
    pub limit: Duration,
    /// How many specs the suite says in the guest that it runs, once it said so.
    pub selected: Option<usize>,
}

impl SuiteRun<'_> {
    /// Starts the suite and follows it to its end; each finished spec is an event when it is seen.
    ///
    /// # Errors
    /// With a stop in phase suite-start or spec when the suite cannot be started or does not end.
    pub async fn drive(
        &mut self,
        machine: &dyn Machine,
        mut enter: impl FnMut(Phase),
    ) -> Result<(), Stop> {
        let kind = self.kind;
        let stop = |phase, kind, said: String| Stop {
            phase,
            kind,
            said,
            line: None,
        };
        let script = kind
            .start_script(&self.facts, self.limit)
            .map_err(|error| stop(Phase::SuiteStart, StopKind::Failed, error.to_string()))?;
        let started = machine
            .run(&script, Duration::from_secs(120))
            .await
            .map_err(|error| stopped(error, Phase::SuiteStart))?;
        if started.status != Some(0) {
            let said = format!(
                "the suite could not be started: {}: {}",
                started.status_text(),
                started.stderr.trim()
            );
            return Err(stop(Phase::SuiteStart, StopKind::Failed, said));
        }
        let began = Instant::now();
        let deadline = began + self.limit + GRACE;
        let mut journal = Follower::new(self.folder.file(JOURNAL));
        let mut hopeless = Hopeless::new(Rules::shipped(), JOURNAL);
        while let Ok(before) = journal.gained()
            && !before.is_empty()
        {
            hopeless.skip(&before);
        }
        let mut stream = kind.stream(self.plan);
        let mut output = Follower::new(self.folder.file("suite.log"));
        let mut status = Follower::new(self.folder.file("status.jsonl"));
        let mut status_text = String::new();
        let mut specs = false;
        let mut asked = Instant::now();
        let mut exit: Option<(SuiteExit, Instant)> = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let bytes = output.gained().unwrap_or_default();
            let quiet = bytes.is_empty();
            for event in stream.push(&bytes) {
                if passed(&event) {
                    hopeless.disprove();
                }
                if self.tell(event) && !specs {
                    specs = true;
                    enter(Phase::Spec);
                }
            }
            if let Some((exit, seen)) = exit {
                if quiet && seen.elapsed() >= DRAIN.min(Duration::from_secs(1))
                    || seen.elapsed() >= DRAIN
                {
                    self.finish(stream.as_mut(), exit);
                    return Ok(());
                }
                continue;
            }
            let news = journal.gained().unwrap_or_default();
            if let Some(fault) = hopeless.push(&news, began.elapsed(), !specs) {
                let phase = if specs {
                    Phase::Spec
                } else {
                    Phase::SuiteStart
                };
                return Err(verdict::hopeless(phase, fault));
            }
            status_text.push_str(&String::from_utf8_lossy(
                &status.gained().unwrap_or_default(),
            ));
            exit = status_text
                .lines()
                .find_map(|line| SuiteExit::parse(line).ok())
                .map(|exit| (exit, Instant::now()));
            if exit.is_none() && asked.elapsed() >= ASK {
                asked = Instant::now();
                exit = self.ask(machine).await.map(|exit| (exit, Instant::now()));
            }
            if Instant::now() >= deadline {
                let phase = if specs {
                    Phase::Spec
                } else {
                    Phase::SuiteStart
                };
                // The guest's own timer should have ended it: a guest that hangs gets no more time.
                let _ = machine
                    .run(&kind.stop_script(&self.facts.root), Duration::from_secs(30))
                    .await;
                let said = format!(
                    "the suite did not end within {} s, and the guest did not end it either",
                    self.limit.as_secs()
                );
                return Err(stop(phase, StopKind::Deadline, said));
            }
        }
    }

    fn finish(&mut self, stream: &mut dyn LiveStream, exit: SuiteExit) {
        for event in stream.finish() {
            self.tell(event);
        }
        self.log.add(EventKind::SuiteExited {
            status: exit.status,
            signal: exit.signal,
        });
    }

    /// Asks the guest for the file that the status port would have carried.
    async fn ask(&self, machine: &dyn Machine) -> Option<SuiteExit> {
        let file = format!("{}/exit.json", suite::output(&self.facts.root));
        let script = format!("cat {file} 2>/dev/null");
        let output = machine.run(&script, Duration::from_secs(20)).await.ok()?;
        SuiteExit::parse(&output.text()).ok()
    }

    /// Writes an event of the stream; returns whether specs run now.
    fn tell(&mut self, event: StreamEvent) -> bool {
        if let StreamEvent::WillRun { selected, .. } = event {
            self.selected = Some(selected as usize);
        }
        let Some(kind) = event.event(clock::now()) else {
            return false;
        };
        let runs = match &kind {
            EventKind::SuitePhaseStarted { phase } => *phase == SuitePhase::Specs,
            EventKind::SpecStarted { .. } | EventKind::SpecFinished { .. } => true,
            _ => false,
        };
        self.log.add(kind);
        runs
    }
}

fn passed(event: &StreamEvent) -> bool {
    matches!(event, StreamEvent::SpecFinished(result) if result.outcome == SpecOutcome::Passed)
}

fn stopped(error: MachineError, phase: Phase) -> Stop {
    match error {
        MachineError::Ended(ending) => ending.stop(phase),
        error => Stop {
            phase,
            kind: StopKind::Failed,
            said: error.to_string(),
            line: None,
        },
    }
}
