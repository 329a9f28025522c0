//! Where an attempt is, what it waits for, and how it stops.

use std::{sync::PoisonError, time::Duration};

use super::Attempt;
use crate::{
    machine::{Machine, MachineError},
    model::{EventKind, Phase, Stop, StopKind},
    process::ProcessError,
};

impl Attempt<'_> {
    /// Runs `work` until it ends or the machine does.
    pub(super) async fn until_ended<T>(
        &self,
        machine: &dyn Machine,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        tokio::select! {
            result = work => match result {
                // A call that failed may only be the first sign of a machine that is going down.
                Err(stop) => {
                    let grace = Duration::from_secs(3);
                    match tokio::time::timeout(grace, machine.ended()).await {
                        Ok(ending) => Err(ending.stop(self.phase())),
                        Err(_) => Err(stop),
                    }
                }
                ok => ok,
            },
            ending = machine.ended() => Err(ending.stop(self.phase())),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.log.add(EventKind::PhaseStarted { phase });
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait(&self, what: impl Into<String>) {
        self.log.add(EventKind::Waiting { what: what.into() });
    }

    pub(super) fn stop(&self, kind: StopKind, said: impl Into<String>) -> Stop {
        Stop {
            phase: self.phase(),
            kind,
            said: said.into(),
            line: None,
        }
    }

    pub(super) fn failed(&self, error: &(dyn std::error::Error + '_)) -> Stop {
        self.stop(StopKind::Failed, error.to_string())
    }

    pub(super) fn machine_failed(&self, error: MachineError) -> Stop {
        match error {
            MachineError::Ended(ending) => ending.stop(self.phase()),
            MachineError::Process(ProcessError::Deadline { .. }) => {
                self.stop(StopKind::Deadline, error.to_string())
            }
            MachineError::Process(_) | MachineError::Io(_) => self.failed(&error),
        }
    }
}
