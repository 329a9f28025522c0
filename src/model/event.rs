//! What happens, in order. The state of a run is a fold over these.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Accelerator, Cause, CellOutcome, Digest, ExitCode, LaneId, NodeStart, Phase, RunId, SpecName,
    SpecResult, StepId, Stop, SuitePhase,
};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepOutcome {
    /// It was done now.
    Built,
    /// Its output was in the cache.
    Cached,
    /// It failed.
    Failed {
        /// Why.
        cause: Box<Cause>,
    },
    /// A step it needs failed, or the run was stopped.
    Skipped {
        /// Which, in words.
        because: String,
    },
}

/// One event of a run (`events.jsonl` of the run) or of an attempt (`events.jsonl` of the attempt).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, by the host's clock.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A run began.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Its profile's name.
        profile: String,
        /// The process that runs it.
        pid: u32,
    },
    /// All sources are exact now.
    CandidateResolved {
        /// For this pairing.
        pairing: String,
        /// Over the whole candidate.
        digest: Digest,
    },
    /// The plan is made.
    Planned {
        /// The lanes that will run.
        lanes: Vec<LaneId>,
        /// The steps they need.
        steps: Vec<StepId>,
    },
    /// A step began.
    StepStarted {
        /// Which.
        step: StepId,
        /// What it does, for people.
        what: String,
    },
    /// A step ended.
    StepFinished {
        /// Which.
        step: StepId,
        /// How.
        outcome: StepOutcome,
        /// Its wall time, in seconds.
        seconds: f64,
    },
    /// A lane's attempt began.
    LaneStarted {
        /// Which lane.
        lane: LaneId,
        /// From 1.
        attempt: u32,
    },
    /// A lane's attempt ended.
    LaneFinished {
        /// Which lane.
        lane: LaneId,
        /// From 1.
        attempt: u32,
        /// How.
        outcome: CellOutcome,
    },
    /// A lane's failed specs run once more, in an attempt that its outcome does not depend on.
    ConfirmStarted {
        /// Which lane.
        lane: LaneId,
        /// From 2.
        attempt: u32,
        /// Which specs.
        specs: Vec<SpecName>,
    },
    /// That attempt ended.
    ConfirmFinished {
        /// Which lane.
        lane: LaneId,
        /// From 2.
        attempt: u32,
        /// How.
        outcome: CellOutcome,
    },
    /// The run ended by itself.
    RunFinished {
        /// The exit code it ends with.
        exit: ExitCode,
    },
    /// The run was stopped, or was found dead by a later start.
    RunInterrupted {
        /// By whom or what.
        reason: String,
    },

    /// An attempt entered a phase.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// What an attempt waits for, and what it last saw.
    Waiting {
        /// In words.
        what: String,
    },
    /// The machine runs.
    MachineStarted {
        /// KVM or TCG.
        accelerator: Accelerator,
        /// QEMU's process id.
        pid: u32,
        /// The host's port of the guest's ssh.
        ssh_port: u16,
    },
    /// The machine is a ready node: its runtime answers and has the test images.
    NodeReady {
        /// How it came up.
        start: NodeStart,
    },
    /// The node was saved, for others to start from.
    NodeSaved {
        /// The snapshot's key.
        snapshot: Digest,
        /// Its size on disk, in bytes.
        bytes: u64,
        /// How long the machine stood still for it, in seconds.
        seconds: f64,
    },
    /// The suite's plan is known.
    SpecsPlanned {
        /// The selected specs.
        specs: Vec<SpecName>,
    },
    /// The suite went on to its next phase.
    SuitePhaseStarted {
        /// Which.
        phase: SuitePhase,
    },
    /// A spec began, as far as the suite says so.
    SpecStarted {
        /// Which.
        spec: SpecName,
    },
    /// A spec ended.
    SpecFinished {
        /// How.
        result: SpecResult,
    },
    /// The suite's process ended.
    SuiteExited {
        /// Its exit status; absent when a signal ended it.
        status: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// The attempt ended early.
    AttemptStopped {
        /// How.
        stop: Stop,
    },
}
