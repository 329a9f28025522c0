//! A suite that runs in the guest: start, follow, end.

use std::{io::Write as _, time::Duration};

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
    runtime::cri::{self, Cri},
    suite::{self, Kind, LiveStream, NodeFacts, StreamEvent, SuiteExit},
    verdict::{self, Hopeless, Network, Rules},
};

/// Beyond the suite's own limit, for the guest to kill it and write its reports.
const GRACE: Duration = Duration::from_secs(120);
/// How often the guest is asked for the exit status, should the status port be silent.
const ASK: Duration = Duration::from_secs(30);
/// After the exit status, output that is still on its way gets this long.
const DRAIN: Duration = Duration::from_secs(3);

/// The node's journal, as the machine keeps it.
const JOURNAL: &str = "journal.log";

/// A suite whose output is asked for is asked this often.
const LOOK: Duration = Duration::from_secs(3);

/// While it starts, the runtime is asked for the node's network this often, and given so long to answer.
const NETWORK: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(3);

/// How the suite's output comes to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// By the machine's ports, into the files of its own folder. Only the first suite of a machine has them for itself.
    Ports,
    /// The guest is asked for it.
    Asked,
}

/// One suite on one machine.
pub struct SuiteRun<'a> {
    /// The suite's kind.
    pub kind: &'a dyn Kind,
    /// Its node.
    pub facts: NodeFacts,
    /// What it will run.
    pub plan: &'a SuitePlan,
    /// Where the suite's output and evidence go.
    pub folder: &'a EvidenceDir,
    /// The machine's own folder, where its journal grows.
    pub machine_folder: &'a EvidenceDir,
    /// How the output comes.
    pub feed: Feed,
    /// The runtime, which is asked how the node's network is.
    pub cri: Cri,
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
        let mut journal = Follower::new(self.machine_folder.file(JOURNAL));
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
        let mut network = Network::default();
        let mut network_asked = Instant::now();
        let mut looked = Instant::now();
        let mut copied = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.feed == Feed::Asked && exit.is_none() && looked.elapsed() >= look(began) {
                exit = self.look(machine, &mut copied).await;
                looked = Instant::now();
                asked = looked;
            }
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
            if !specs && network_asked.elapsed() >= NETWORK {
                // A runtime that does not answer says nothing; a suite may restart it.
                let status = self.cri.within(ANSWER).status().await;
                let obstacle = status.ok().and_then(|status| cri::obstacle(&status));
                if let Some(said) = network.push(obstacle.as_deref(), began.elapsed()) {
                    return Err(Network::stop(&said));
                }
                network_asked = Instant::now();
            }
            status_text.push_str(&String::from_utf8_lossy(
                &status.gained().unwrap_or_default(),
            ));
            exit = exit.or_else(|| {
                let mut lines = status_text.lines();
                let exit = lines.find_map(|line| SuiteExit::parse(line).ok())?;
                Some((exit, Instant::now()))
            });
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

    /// Copies what the suite has said since the last look; returns how it ended, if it did.
    async fn look(&self, machine: &dyn Machine, copied: &mut u64) -> Option<(SuiteExit, Instant)> {
        let out = crate::process::quote(&suite::output(&self.facts.root));
        // How it ended comes first: then the output that follows is the whole of it.
        let script = format!(
            "cd {out} && {{ cat exit.json 2>/dev/null || echo; }} && tail -c +{} suite.log | head -c 1048576",
            *copied + 1
        );
        let output = machine.run(&script, Duration::from_secs(20)).await.ok()?;
        let end = output.stdout.iter().position(|byte| *byte == b'\n')?;
        let (ended, bytes) = output.stdout.split_at(end + 1);
        let file = self.folder.file("suite.log");
        let mut open = fs_err::OpenOptions::new();
        let kept = open.create(true).append(true).open(file);
        if let Err(error) = kept.and_then(|mut file| file.write_all(bytes)) {
            tracing::error!("cannot keep what the suite says: {error}");
        }
        *copied += bytes.len() as u64;
        // There may be more than one look can carry.
        let exit = SuiteExit::parse(&String::from_utf8_lossy(ended)).ok()?;
        (bytes.len() < 1 << 20).then(|| (exit, Instant::now()))
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

/// How long between looks: a suite of one spec is over in a moment, one of an hour is in no hurry.
fn look(began: Instant) -> Duration {
    LOOK.min(began.elapsed() / 4).max(INTERVAL)
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
