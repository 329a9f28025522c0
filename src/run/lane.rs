//! One attempt at one lane: a machine, its runtime, the suite, and everything they leave.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::mpsc;

use super::{context::Context, evaluate, log::EventLog, node, state::Scope, suite_run::SuiteRun};
use crate::{
    build::images::Images,
    evidence::{EvidenceDir, collect::FETCHED},
    ignition,
    image::NodeImage,
    machine::{Claim, Lease, Leases, Machine, MachineError, MachineSpec, Progress},
    model::{
        Accelerator, CellOutcome, CellSummary, EventKind, EvidenceLine, Phase, Stop, StopKind,
        SuitePlan,
    },
    plan::{self, PlannedLane},
    process::ProcessError,
    profile::{Node, Sandboxer, Suite},
    runtime,
    suite::{self, NodeFacts, PlanRequest, ginkgo::PlanError},
};

/// The suite's dry run on the host takes half a second; a host that is busy building takes longer.
const DRY_RUN: Duration = Duration::from_secs(120);
/// From the end of the first boot until CRI says that runtime and network are ready; and for the import of images.
const READY: Duration = Duration::from_secs(60);
/// How much longer everything may take under emulation than with KVM.
pub const EMULATION: u32 = 4;

/// What the steps made for a lane.
#[derive(Clone, Debug)]
pub struct LaneParts {
    /// Its node image.
    pub image: NodeImage,
    /// Its disk of runtime, CNI plugins and sandboxers.
    pub runtime_disk: Utf8PathBuf,
    /// Its disk of Kubernetes and test images.
    pub kubernetes_disk: Utf8PathBuf,
    /// The Kubernetes build's folder on the host.
    pub kubernetes: Utf8PathBuf,
    /// Kubernetes' version.
    pub version: String,
}

/// How an attempt ended early.
enum Early {
    /// A station saw it stop.
    Stop(Stop),
    /// It never started, and why.
    NotRun(String),
}

impl From<Stop> for Early {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Runs one attempt and judges it. Never fails: whatever goes wrong is the cell's outcome.
pub async fn run(context: &Context, planned: &PlannedLane, parts: &LaneParts) -> CellSummary {
    let (lane, attempt) = (&planned.lane, 1);
    let folder = context.log.folder().attempt(&lane.id, attempt);
    context.log.add(EventKind::LaneStarted {
        lane: lane.id.clone(),
        attempt,
    });
    let scope = Scope::Attempt {
        lane: lane.id.clone(),
        attempt,
    };
    let early = match EvidenceDir::create(folder.path()) {
        Err(error) => Some(Early::Stop(Stop {
            phase: Phase::Boot,
            kind: StopKind::Failed,
            said: format!("cannot make {}: {error}", folder.path()),
            line: None,
        })),
        Ok(_) => {
            let log = context.log.scoped(scope, folder.clone());
            Attempt::new(context, planned, parts, &folder, &log)
                .to_end()
                .await
        }
    };
    let (stop, not_run) = match early {
        None => (None, None),
        Some(Early::Stop(stop)) => (Some(stop), None),
        Some(Early::NotRun(reason)) => (None, Some(reason)),
    };
    let mut cell = evaluate::cell(context.log.folder(), lane, attempt, stop).await;
    if let Some(reason) = not_run {
        cell.outcome = CellOutcome::NotRun { reason };
        evaluate::keep(&folder, &cell);
    }
    context.log.add(EventKind::LaneFinished {
        lane: lane.id.clone(),
        attempt,
        outcome: cell.outcome.clone(),
    });
    cell
}

struct Attempt<'a> {
    context: &'a Context,
    planned: &'a PlannedLane,
    parts: &'a LaneParts,
    folder: &'a EvidenceDir,
    log: &'a EventLog,
    phase: Mutex<Phase>,
}

impl<'a> Attempt<'a> {
    const fn new(
        context: &'a Context,
        planned: &'a PlannedLane,
        parts: &'a LaneParts,
        folder: &'a EvidenceDir,
        log: &'a EventLog,
    ) -> Self {
        // Until there is a machine, what can fail is the suite's own plan.
        Self {
            context,
            planned,
            parts,
            folder,
            log,
            phase: Mutex::new(Phase::SuiteStart),
        }
    }

    /// Runs to the end; returns how it was cut short, if it was.
    async fn to_end(&self) -> Option<Early> {
        let early = tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Some(Early::Stop(self.stop(
                StopKind::Cancelled,
                "the run was stopped by Ctrl-C or by its parent",
            ))),
            result = self.drive() => result.err(),
        };
        if let Some(Early::Stop(stop)) = &early {
            self.log
                .add(EventKind::AttemptStopped { stop: stop.clone() });
        }
        early
    }

    async fn drive(&self) -> Result<(), Early> {
        let (node, sandboxer) = (self.node()?, self.sandboxer()?);
        let turn = self.context.turn.lock().await;
        let plan = self.plan_suite().await?;
        let kernel = self
            .parts
            .image
            .kernel
            .as_ref()
            .map(|(kernel, _)| kernel.as_path());
        let probe = self
            .context
            .probe(kernel)
            .await
            .map_err(|error| self.failed(&error))?;
        if let Some(reason) = plan::unmet(&sandboxer.requires, probe.accelerator, node.memory) {
            return Err(Early::NotRun(reason));
        }
        let spec = self
            .machine_spec(node, sandboxer, probe.accelerator)
            .await?;
        let _lease = self.lease(&spec).await?;
        drop(turn);
        let machine = self.start(&spec).await?;
        let result = self
            .on_machine(machine.as_ref(), sandboxer, probe.accelerator, &plan)
            .await;
        if self.context.keep {
            self.wait(format!("kept; enter with: {}", machine.info().ssh_command));
            machine.keep();
        } else {
            self.enter(Phase::Teardown);
            machine.shutdown().await;
        }
        Ok(result?)
    }

    /// Everything between the machine's first boot and its end.
    async fn on_machine(
        &self,
        machine: &dyn Machine,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
        plan: &SuitePlan,
    ) -> Result<(), Stop> {
        let suite = self.suite()?;
        let mut run = SuiteRun {
            suite,
            facts: node::facts(machine.root(), sandboxer),
            plan,
            folder: self.folder,
            log: self.log,
            limit: suite.timeout * scale(accelerator),
            selected: None,
        };
        let result = async {
            self.enter(Phase::RuntimeReady);
            self.until_ended(machine, self.ready(machine, accelerator))
                .await?;
            self.enter(Phase::SuiteStart);
            self.until_ended(machine, run.drive(machine, |phase| self.enter(phase)))
                .await
        }
        .await;
        let differs = run
            .selected
            .is_some_and(|selected| selected != plan.selected.len());
        let result = match result {
            Ok(()) if differs => self.plan_again(machine, &run.facts).await,
            result => result,
        };
        // A machine that still answers may know why.
        self.enter(Phase::Collect);
        let collected = self.collect(machine).await;
        result.and(collected)
    }

    async fn plan_suite(&self) -> Result<SuitePlan, Stop> {
        self.wait("the suite's dry run on the host");
        let scratch = tempfile::tempdir().map_err(|error| self.failed(&error))?;
        let request = PlanRequest {
            version: &self.parts.version,
            bin: &self.parts.kubernetes.join("bin"),
            scratch: Utf8Path::from_path(scratch.path()).unwrap_or(Utf8Path::new("/tmp")),
            limit: DRY_RUN,
        };
        let plan = match suite::kind(&self.suite()?.kind).plan(request).await {
            Ok(plan) => plan,
            // A suite that selects nothing is an outcome of its own.
            Err(PlanError::NothingSelected { total }) => SuitePlan {
                selected: Vec::new(),
                total,
            },
            Err(error) => return Err(self.failed(&error)),
        };
        self.keep_plan(&plan)?;
        Ok(plan)
    }

    /// Asks the suite in the guest what it runs there: some specs exist only where the node can run them.
    async fn plan_again(&self, machine: &dyn Machine, facts: &NodeFacts) -> Result<(), Stop> {
        let kind = suite::kind(&self.suite()?.kind);
        let output = machine
            .run(&kind.plan_script(facts), DRY_RUN)
            .await
            .map_err(|error| self.machine_failed(error))?;
        let plan = kind
            .read_plan(&output.stdout)
            .map_err(|error| self.failed(&error))?;
        self.keep_plan(&plan)
    }

    fn keep_plan(&self, plan: &SuitePlan) -> Result<(), Stop> {
        self.folder
            .write_json(evaluate::PLAN_FILE, plan)
            .map_err(|error| self.failed(&error))?;
        let specs = plan.selected.iter().map(|spec| spec.name.clone()).collect();
        self.log.add(EventKind::SpecsPlanned { specs });
        Ok(())
    }

    async fn lease(&self, spec: &MachineSpec) -> Result<Lease, Stop> {
        let leases = Leases::open(&self.context.leases).map_err(|error| self.failed(&error))?;
        let (sender, mut words) = mpsc::unbounded_channel();
        let claim = Claim::machine(spec);
        let acquire = async move { leases.acquire(&claim, Some(&sender)).await };
        let tell = async {
            while let Some(words) = words.recv().await {
                self.wait(words);
            }
        };
        let (lease, ()) = tokio::join!(acquire, tell);
        lease.map_err(|error| self.failed(&error))
    }

    async fn machine_spec(
        &self,
        node: &Node,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
    ) -> Result<MachineSpec, Stop> {
        let key = node::ssh_key(self.context.store.root())
            .await
            .map_err(|error| self.failed(&error))?;
        let images = Images::read(&self.parts.kubernetes).map_err(|error| self.failed(&error))?;
        let pause = images.pause().unwrap_or_default();
        let config = node::config(&self.context.profile, node, sandboxer, pause, &key.public)
            .map_err(|error| self.failed(&error))?;
        let assembled = ignition::assemble(&config).map_err(|error| self.failed(&error))?;
        for warning in &assembled.warnings {
            self.wait(format!("a look at the Ignition fragments: {warning}"));
        }
        // A machine that is booted directly has no boot loader that Ignition could write to.
        let unwanted = assembled.unwanted_kernel_arguments();
        let kernel_arguments = (node.kernel_arguments.iter().cloned())
            .chain(assembled.kernel_arguments())
            .filter(|argument| !unwanted.contains(argument))
            .collect();
        let ignition = ignition::render(&assembled.config).map_err(|error| self.failed(&error))?;
        self.folder
            .write("ignition.json", ignition.as_bytes())
            .map_err(|error| self.failed(&error))?;
        let image = &self.parts.image;
        Ok(MachineSpec {
            name: self.planned.lane.id.to_string(),
            folder: self.folder.path().to_owned(),
            accelerator,
            cpus: node.cpus,
            memory: node.memory,
            root_disk: image.root_disk.clone(),
            root_format: image.root_format.clone(),
            disk: node.disk,
            kernel: image.kernel.clone(),
            kernel_arguments,
            payloads: vec![
                ("runtime".to_owned(), self.parts.runtime_disk.clone()),
                ("kubernetes".to_owned(), self.parts.kubernetes_disk.clone()),
            ],
            ignition,
            ssh_key: key.private,
            required_units: runtime::REQUIRED_UNITS.map(str::to_owned).to_vec(),
            keep: self.context.keep,
        })
    }

    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Machine>, Stop> {
        let (sender, mut progress) = mpsc::unbounded_channel();
        let start = self.context.hypervisor.start(spec, sender);
        let tell = async {
            while let Some(said) = progress.recv().await {
                match said {
                    Progress::Phase(phase) => self.enter(phase),
                    Progress::Waiting(what) => self.wait(what),
                    Progress::Started(info) => self.log.add(EventKind::MachineStarted {
                        accelerator: info.accelerator,
                        pid: info.pid,
                        ssh_port: info.ssh_port,
                    }),
                }
            }
        };
        let (started, ()) = tokio::join!(start, tell);
        started.map_err(|error| self.machine_failed(error))
    }

    /// CRI answers that runtime and network are ready, and the test images are there.
    async fn ready(&self, machine: &dyn Machine, accelerator: Accelerator) -> Result<(), Stop> {
        let limit = READY * scale(accelerator);
        self.wait("CRI to answer");
        let socket = machine
            .forward(runtime::CONTAINERD_SOCKET)
            .await
            .map_err(|error| self.machine_failed(error))?;
        runtime::cri::ready(&socket, limit)
            .await
            .map_err(|error| self.failed(&error))?;
        self.wait("the import of the test images");
        let output = machine
            .run(&runtime::import_script(machine.root()), limit)
            .await
            .map_err(|error| self.machine_failed(error))?;
        let log = format!("{}{}", output.text(), output.stderr);
        self.folder
            .write("import.log", log.as_bytes())
            .map_err(|error| self.failed(&error))?;
        if output.status == Some(0) {
            return Ok(());
        }
        let lines: Vec<&str> = log.lines().collect();
        let decisive = lines
            .iter()
            .rposition(|line| line.starts_with("cannot import"));
        Err(Stop {
            line: decisive
                .or(lines.len().checked_sub(1))
                .map(|index| EvidenceLine {
                    file: "import.log".into(),
                    line: index as u64 + 1,
                    text: lines[index].to_owned(),
                }),
            ..self.stop(
                StopKind::Failed,
                format!(
                    "the import of the test images ended with {}",
                    output.status_text()
                ),
            )
        })
    }

    async fn collect(&self, machine: &dyn Machine) -> Result<(), Stop> {
        self.wait("the suite's files");
        let into = self.folder.file(FETCHED);
        match machine.fetch(&suite::output(""), &into).await {
            // What a machine that is gone left on the host is judged as it is.
            Ok(()) | Err(MachineError::Ended(_)) => Ok(()),
            Err(error) => Err(self.machine_failed(error)),
        }
    }

    /// Runs `work` until it ends or the machine does.
    async fn until_ended<T>(
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

    fn suite(&self) -> Result<&'a Suite, Stop> {
        let name = &self.planned.lane.suite;
        self.part(
            self.context
                .profile
                .suites
                .iter()
                .find(|suite| suite.name == *name),
            name,
        )
    }

    fn node(&self) -> Result<&'a Node, Stop> {
        let name = &self.planned.lane.node;
        self.part(
            self.context
                .profile
                .nodes
                .iter()
                .find(|node| node.name == *name),
            name,
        )
    }

    fn sandboxer(&self) -> Result<&'a Sandboxer, Stop> {
        let name = &self.planned.lane.sandboxer;
        self.part(
            self.context
                .profile
                .sandboxers
                .iter()
                .find(|known| known.name == *name),
            name,
        )
    }

    /// The plan is made from the profile, so this fails only for a `run.json` that somebody edited.
    fn part<T>(&self, found: Option<&'a T>, name: &str) -> Result<&'a T, Stop> {
        found.ok_or_else(|| self.stop(StopKind::Failed, format!("the profile has no `{name}`")))
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.log.add(EventKind::PhaseStarted { phase });
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, what: impl Into<String>) {
        self.log.add(EventKind::Waiting { what: what.into() });
    }

    fn stop(&self, kind: StopKind, said: impl Into<String>) -> Stop {
        Stop {
            phase: self.phase(),
            kind,
            said: said.into(),
            line: None,
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + '_)) -> Stop {
        self.stop(StopKind::Failed, error.to_string())
    }

    fn machine_failed(&self, error: MachineError) -> Stop {
        match error {
            MachineError::Ended(ending) => ending.stop(self.phase()),
            MachineError::Process(ProcessError::Deadline { .. }) => {
                self.stop(StopKind::Deadline, error.to_string())
            }
            MachineError::Process(_) | MachineError::Io(_) => self.failed(&error),
        }
    }
}

/// The factor on all deadlines.
#[must_use]
pub const fn scale(accelerator: Accelerator) -> u32 {
    match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => EMULATION,
    }
}
