//! The state of a run: one fold over its events, used by the live view, `show`, recovery and the tests.

use camino::Utf8Path;
use jiff::Timestamp;

use crate::{
    evidence::{EvidenceDir, RunDirError},
    model::{
        Accelerator, CellOutcome, Event, EventKind, ExitCode, LaneId, NodeStart, Phase, RunId,
        SpecName, SpecResult, StepId, StepOutcome, Stop, SuitePhase,
    },
};

/// Which log an event belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The run's own.
    Run,
    /// One attempt's.
    Attempt {
        /// The lane.
        lane: LaneId,
        /// From 1.
        attempt: u32,
    },
}

/// One step, as far as its events say.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// Which.
    pub step: StepId,
    /// What it does, for people; empty until it starts.
    pub what: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<StepOutcome>,
    /// Its wall time in seconds, once it ended.
    pub seconds: f64,
}

/// One lane's latest attempt, as far as its events say.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneState {
    /// Which.
    pub lane: LaneId,
    /// From 1; 0 while it has not started.
    pub attempt: u32,
    /// When the attempt started.
    pub started_at: Option<Timestamp>,
    /// When the attempt ended.
    pub ended_at: Option<Timestamp>,
    /// The phases it entered, in order, with their start.
    pub phases: Vec<(Phase, Timestamp)>,
    /// Where the suite is.
    pub suite_phase: Option<SuitePhase>,
    /// What it waits for, and what it last saw.
    pub waiting: Option<String>,
    /// What runs its machine.
    pub accelerator: Option<Accelerator>,
    /// How its node came up, once it is ready.
    pub start: Option<NodeStart>,
    /// The specs its suite will run.
    pub planned: Vec<SpecName>,
    /// The specs that started and have not ended.
    pub running: Vec<SpecName>,
    /// The specs that ended, in order.
    pub finished: Vec<SpecResult>,
    /// The suite's exit: status, signal.
    pub suite_exit: Option<(Option<i32>, Option<i32>)>,
    /// When the suite ended.
    pub suite_ended_at: Option<Timestamp>,
    /// How the attempt was cut short.
    pub stop: Option<Stop>,
    /// How the cell ended.
    pub outcome: Option<CellOutcome>,
}

impl LaneState {
    fn new(lane: LaneId) -> Self {
        Self {
            lane,
            attempt: 0,
            started_at: None,
            ended_at: None,
            phases: Vec::new(),
            suite_phase: None,
            waiting: None,
            accelerator: None,
            start: None,
            planned: Vec::new(),
            running: Vec::new(),
            finished: Vec::new(),
            suite_exit: None,
            suite_ended_at: None,
            stop: None,
            outcome: None,
        }
    }

    /// One attempt by its own events alone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of_attempt(
        folder: &EvidenceDir,
        lane: LaneId,
        attempt: u32,
    ) -> Result<Self, RunDirError> {
        let events = folder.events()?;
        let mut state = Self::new(lane);
        state.attempt = attempt;
        state.started_at = events.first().map(|event| event.at);
        for event in &events {
            state.apply(event.at, &event.kind);
        }
        Ok(state)
    }

    /// The phase it is in, and since when.
    #[must_use]
    pub fn phase(&self) -> Option<(Phase, Timestamp)> {
        self.phases.last().copied()
    }

    /// How many finished specs count against it.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.finished
            .iter()
            .filter(|spec| spec.outcome.is_failure())
            .count()
    }

    /// The suite's own wall time in seconds, from suite-start to its exit; 0 before that.
    #[must_use]
    pub fn suite_seconds(&self) -> f64 {
        let start = self
            .phases
            .iter()
            .find(|(phase, _)| *phase == Phase::SuiteStart);
        match (start, self.suite_ended_at) {
            (Some((_, start)), Some(end)) => seconds_between(*start, end),
            _ => 0.0,
        }
    }

    fn apply(&mut self, at: Timestamp, kind: &EventKind) {
        match kind {
            EventKind::PhaseStarted { phase } => {
                self.phases.push((*phase, at));
                self.waiting = None;
            }
            EventKind::Waiting { what } => self.waiting = Some(what.clone()),
            EventKind::MachineStarted { accelerator, .. } => self.accelerator = Some(*accelerator),
            EventKind::NodeReady { start } => self.start = Some(start.clone()),
            EventKind::SpecsPlanned { specs } => self.planned.clone_from(specs),
            EventKind::SuitePhaseStarted { phase } => self.suite_phase = Some(*phase),
            EventKind::SpecStarted { spec } => self.running.push(spec.clone()),
            EventKind::SpecFinished { result } => {
                self.running.retain(|name| *name != result.name);
                self.finished.retain(|spec| spec.name != result.name);
                self.finished.push(result.clone());
            }
            EventKind::SuiteExited { status, signal } => {
                self.suite_exit = Some((*status, *signal));
                self.suite_ended_at = Some(at);
                self.running.clear();
            }
            EventKind::AttemptStopped { stop } => self.stop = Some(stop.clone()),
            _ => {}
        }
    }
}

/// Seconds from `start` to `end`.
#[must_use]
pub fn seconds_between(start: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(start).as_secs_f64()
}

/// A run, as far as its events say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Its id.
    pub run: Option<RunId>,
    /// Its profile's name.
    pub profile: String,
    /// The process that runs it.
    pub pid: u32,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended or was interrupted.
    pub ended_at: Option<Timestamp>,
    /// Its steps, in the plan's order.
    pub steps: Vec<StepState>,
    /// Its lanes, in the plan's order.
    pub lanes: Vec<LaneState>,
    /// What it ended with.
    pub exit: Option<ExitCode>,
    /// Who stopped it.
    pub interrupted: Option<String>,
}

impl RunState {
    /// Takes one event in.
    pub fn apply(&mut self, scope: &Scope, event: &Event) {
        match scope {
            Scope::Run => self.apply_run(event.at, &event.kind),
            Scope::Attempt { lane, attempt } => {
                let lane = self.lane(lane);
                if lane.attempt == *attempt {
                    lane.apply(event.at, &event.kind);
                }
            }
        }
    }

    /// The state of a run directory: the run's events, then those of each lane's last attempt.
    ///
    /// # Errors
    /// When events cannot be read.
    pub fn load(run: &Utf8Path) -> Result<Self, RunDirError> {
        let folder = EvidenceDir::at(run);
        let mut state = Self::default();
        let mut attempts = Vec::new();
        for event in folder.events()? {
            state.apply(&Scope::Run, &event);
            if let EventKind::LaneStarted { lane, attempt } = &event.kind {
                attempts.retain(|(other, _)| other != lane);
                attempts.push((lane.clone(), *attempt));
            }
        }
        for (lane, attempt) in attempts {
            let scope = Scope::Attempt {
                lane: lane.clone(),
                attempt,
            };
            for event in folder.attempt(&lane, attempt).events()? {
                state.apply(&scope, &event);
            }
        }
        Ok(state)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.exit.is_some() || self.interrupted.is_some()
    }

    fn lane(&mut self, id: &LaneId) -> &mut LaneState {
        let index = self
            .lanes
            .iter()
            .position(|lane| lane.lane == *id)
            .unwrap_or_else(|| {
                self.lanes.push(LaneState::new(id.clone()));
                self.lanes.len() - 1
            });
        &mut self.lanes[index]
    }

    fn step(&mut self, id: &StepId) -> &mut StepState {
        let index = self
            .steps
            .iter()
            .position(|step| step.step == *id)
            .unwrap_or_else(|| {
                self.steps.push(StepState {
                    step: id.clone(),
                    what: String::new(),
                    started_at: None,
                    outcome: None,
                    seconds: 0.0,
                });
                self.steps.len() - 1
            });
        &mut self.steps[index]
    }

    fn apply_run(&mut self, at: Timestamp, kind: &EventKind) {
        match kind {
            EventKind::RunStarted { run, profile, pid } => {
                self.run = Some(*run);
                self.profile.clone_from(profile);
                self.pid = *pid;
                self.started_at = Some(at);
            }
            EventKind::Planned { lanes, steps } => {
                for step in steps {
                    self.step(step);
                }
                for lane in lanes {
                    self.lane(lane);
                }
            }
            EventKind::StepStarted { step, what } => {
                let step = self.step(step);
                step.what.clone_from(what);
                step.started_at = Some(at);
            }
            EventKind::StepFinished {
                step,
                outcome,
                seconds,
            } => {
                let step = self.step(step);
                step.outcome = Some(outcome.clone());
                step.seconds = *seconds;
            }
            EventKind::LaneStarted { lane, attempt } => {
                let id = lane.clone();
                let lane = self.lane(lane);
                *lane = LaneState::new(id);
                lane.attempt = *attempt;
                lane.started_at = Some(at);
            }
            EventKind::LaneFinished {
                lane,
                attempt,
                outcome,
            } => {
                let lane = self.lane(lane);
                lane.attempt = *attempt;
                lane.outcome = Some(outcome.clone());
                lane.ended_at = Some(at);
                lane.waiting = None;
            }
            EventKind::RunFinished { exit } => {
                self.exit = Some(*exit);
                self.ended_at = Some(at);
            }
            EventKind::RunInterrupted { reason } => {
                self.interrupted = Some(reason.clone());
                self.ended_at = Some(at);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpecOutcome;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn spec(name: &str, outcome: SpecOutcome) -> SpecResult {
        SpecResult {
            name: SpecName(name.to_owned()),
            outcome,
            started_at: None,
            ended_at: None,
            seconds: 1.0,
            process: None,
            failure: None,
            reason: None,
        }
    }

    #[test]
    fn a_second_attempt_starts_from_nothing_and_late_events_of_the_first_are_ignored() {
        let lane = LaneId("main.plain.runc.conformance".to_owned());
        let mut state = RunState::default();
        let run = |kind| Event { at: at(0), kind };
        for attempt in [1, 2] {
            state.apply(
                &Scope::Run,
                &run(EventKind::LaneStarted {
                    lane: lane.clone(),
                    attempt,
                }),
            );
        }
        let late = Event {
            at: at(1),
            kind: EventKind::SpecFinished {
                result: spec("a", SpecOutcome::Failed),
            },
        };
        state.apply(
            &Scope::Attempt {
                lane: lane.clone(),
                attempt: 1,
            },
            &late,
        );
        assert_eq!(state.lanes[0].failed(), 0);
        state.apply(&Scope::Attempt { lane, attempt: 2 }, &late);
        assert_eq!(state.lanes[0].failed(), 1);
    }

    #[test]
    fn suite_seconds_are_from_start_to_exit() {
        let lane = LaneId("l".to_owned());
        let mut state = RunState::default();
        let scope = Scope::Attempt {
            lane: lane.clone(),
            attempt: 1,
        };
        state.apply(
            &Scope::Run,
            &Event {
                at: at(0),
                kind: EventKind::LaneStarted { lane, attempt: 1 },
            },
        );
        for (second, kind) in [
            (
                10,
                EventKind::PhaseStarted {
                    phase: Phase::SuiteStart,
                },
            ),
            (40, EventKind::PhaseStarted { phase: Phase::Spec }),
            (
                70,
                EventKind::SuiteExited {
                    status: Some(0),
                    signal: None,
                },
            ),
        ] {
            state.apply(
                &scope,
                &Event {
                    at: at(second),
                    kind,
                },
            );
        }
        assert!((state.lanes[0].suite_seconds() - 60.0).abs() < 1e-9);
    }
}
