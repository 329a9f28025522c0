//! What happens on a lane's machine between its first boot and its end.

use std::time::Duration;

use camino::Utf8Path;

use super::{Attempt, On, scale, snapshot::Start};
use crate::{
    evidence::collect::FETCHED,
    machine::{Machine, MachineError},
    model::{Accelerator, EventKind, EvidenceLine, Phase, Stop, StopKind, SuitePlan},
    profile::Sandboxer,
    run::{
        evaluate,
        host_run::HostRun,
        node,
        suite_run::{Feed, SuiteRun},
    },
    runtime::{self, cri::Ready},
    suite::{self, Driver, Kind, NodeFacts, PlanRequest, cri_lifecycle::Node, ginkgo::PlanError},
};

/// The suite's dry run on the host takes half a second; a host that is busy building takes longer.
const DRY_RUN: Duration = Duration::from_secs(120);

/// From the end of the first boot until CRI says that runtime and network are ready; and for the import of images.
const READY: Duration = Duration::from_secs(60);

/// What imports said, in the attempt's folder.
const IMPORT_LOG: &str = "import.log";

/// One call of a suite that asks over CRI.
const CALL: Duration = Duration::from_secs(20);

impl Attempt<'_> {
    /// Everything between the machine's first boot and the end of its suite.
    pub(super) async fn on_machine(
        &self,
        on: &On<'_>,
        start: &Start,
        plan: &SuitePlan,
    ) -> Result<Ready, Stop> {
        let result = async {
            let ready = self.proven(on, start).await?;
            self.suite_on(on, &ready, plan, Feed::Ports).await?;
            Ok(ready)
        }
        .await;
        // A machine that still answers may know why.
        self.enter(Phase::Collect);
        let collected = self.collect(on.machine).await;
        let ready = result?;
        collected.map(|()| ready)
    }

    /// A ready node, saved for others, that has shown who serves its pods.
    async fn proven(&self, on: &On<'_>, start: &Start) -> Result<Ready, Stop> {
        let (machine, sandboxer, accelerator) = (on.machine, on.sandboxer, on.accelerator);
        let ready = match &start.ready {
            Some(ready) => ready.clone(),
            None => {
                self.enter(Phase::RuntimeReady);
                self.until_ended(machine, self.ready(machine, accelerator))
                    .await?
            }
        };
        self.until_ended(
            machine,
            self.sandboxer_ready(machine, sandboxer, accelerator),
        )
        .await?;
        let plugged = self.until_ended(machine, self.plug(machine, start)).await?;
        self.node_ready(start, plugged);
        let ready = self
            .until_ended(machine, self.save(machine, start, ready))
            .await?;
        self.until_ended(
            machine,
            self.prove(machine, &ready.cri, sandboxer, accelerator),
        )
        .await?;
        Ok(ready)
    }

    /// The attempt's suite, from its start to its end.
    pub(super) async fn suite_on(
        &self,
        on: &On<'_>,
        ready: &Ready,
        plan: &SuitePlan,
        feed: Feed,
    ) -> Result<(), Stop> {
        let (machine, scale) = (on.machine, scale(on.accelerator));
        self.enter(Phase::SuiteStart);
        let limit = self.suite()?.timeout * scale;
        match suite::driver(&self.suite()?.kind) {
            Driver::Guest(kind) => {
                self.in_guest(on, kind.as_ref(), ready, plan, limit, feed)
                    .await
            }
            Driver::Host(suite) => {
                let cri = ready.cri.within(CALL * scale);
                let run = HostRun {
                    suite: &suite,
                    node: Node {
                        machine,
                        cri: &cri,
                        handler: &on.sandboxer.handler,
                        runtime: self.runtime(),
                        scale,
                    },
                    folder: self.folder,
                    log: self.log,
                    limit,
                };
                self.until_ended(machine, run.drive(|phase| self.enter(phase)))
                    .await
            }
        }
    }

    /// A suite whose scripts run in the guest.
    async fn in_guest(
        &self,
        on: &On<'_>,
        kind: &dyn Kind,
        ready: &Ready,
        plan: &SuitePlan,
        limit: Duration,
        feed: Feed,
    ) -> Result<(), Stop> {
        let machine = on.machine;
        let mut facts = node::facts(machine.root(), self.runtime(), on.sandboxer);
        facts.ports = feed == Feed::Ports;
        let mut run = SuiteRun {
            kind,
            facts,
            plan,
            folder: self.folder,
            machine_folder: on.folder,
            feed,
            cri: ready.cri.clone(),
            log: self.log,
            limit,
            selected: None,
        };
        self.until_ended(machine, run.drive(machine, |phase| self.enter(phase)))
            .await?;
        let selected = run.selected;
        if selected.is_some_and(|selected| selected != plan.selected.len()) {
            return self.plan_again(machine, kind, &run.facts).await;
        }
        Ok(())
    }

    pub(super) async fn plan_suite(&self) -> Result<SuitePlan, Stop> {
        self.wait("the suite's dry run on the host");
        let scratch = tempfile::tempdir().map_err(|error| self.failed(&error))?;
        let plan = match suite::driver(&self.suite()?.kind) {
            Driver::Guest(kind) => {
                let kubernetes = self.part(self.parts.kubernetes.as_ref(), "kubernetes")?;
                let request = PlanRequest {
                    version: &kubernetes.version,
                    bin: &kubernetes.folder.join("bin"),
                    scratch: Utf8Path::from_path(scratch.path()).unwrap_or(Utf8Path::new("/tmp")),
                    limit: DRY_RUN,
                };
                kind.plan(request).await
            }
            Driver::Host(suite) => suite.plan(),
        };
        let plan = match plan {
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
    pub(super) async fn plan_again(
        &self,
        machine: &dyn Machine,
        kind: &dyn Kind,
        facts: &NodeFacts,
    ) -> Result<(), Stop> {
        let output = machine
            .run(&kind.plan_script(facts), DRY_RUN)
            .await
            .map_err(|error| self.machine_failed(error))?;
        let plan = kind
            .read_plan(&output.stdout)
            .map_err(|error| self.failed(&error))?;
        self.keep_plan(&plan)
    }

    pub(super) fn keep_plan(&self, plan: &SuitePlan) -> Result<(), Stop> {
        self.folder
            .write_json(evaluate::PLAN_FILE, plan)
            .map_err(|error| self.failed(&error))?;
        let specs = plan.selected.iter().map(|spec| spec.name.clone()).collect();
        self.log.add(EventKind::SpecsPlanned { specs });
        Ok(())
    }

    /// CRI answers that runtime and network are ready.
    pub(super) async fn answers(
        &self,
        machine: &dyn Machine,
        limit: Duration,
    ) -> Result<Ready, Stop> {
        self.wait("CRI to answer");
        let socket = machine
            .forward(self.runtime().socket())
            .await
            .map_err(|error| self.machine_failed(error))?;
        runtime::cri::ready(&socket, limit)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// CRI answers that runtime and network are ready, and the base images are there.
    pub(super) async fn ready(
        &self,
        machine: &dyn Machine,
        accelerator: Accelerator,
    ) -> Result<Ready, Stop> {
        let limit = READY * scale(accelerator);
        let ready = self.answers(machine, limit).await?;
        self.import(machine, runtime::RUNTIME_DIR, accelerator)
            .await?;
        Ok(ready)
    }

    /// Imports the images of a payload. What that says is added to what earlier imports said.
    pub(super) async fn import(
        &self,
        machine: &dyn Machine,
        payload: &str,
        accelerator: Accelerator,
    ) -> Result<(), Stop> {
        self.wait("the import of the images");
        let limit = READY * scale(accelerator);
        let script = runtime::import_script(self.runtime(), machine.root(), payload);
        let output = machine
            .run(&script, limit)
            .await
            .map_err(|error| self.machine_failed(error))?;
        let mut log = fs_err::read_to_string(self.folder.file(IMPORT_LOG)).unwrap_or_default();
        log.push_str(&output.text());
        log.push_str(&output.stderr);
        self.folder
            .write(IMPORT_LOG, log.as_bytes())
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
                    file: IMPORT_LOG.into(),
                    line: index as u64 + 1,
                    text: lines[index].to_owned(),
                }),
            ..self.stop(
                StopKind::Failed,
                format!(
                    "the import of the images ended with {}",
                    output.status_text()
                ),
            )
        })
    }

    /// What the profile says of its readiness holds.
    pub(super) async fn sandboxer_ready(
        &self,
        machine: &dyn Machine,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
    ) -> Result<(), Stop> {
        let limit = READY * scale(accelerator);
        let Some(script) = runtime::ready_script(sandboxer, limit) else {
            return Ok(());
        };
        self.wait(format!("{} to be ready", sandboxer.name));
        let output = machine
            .run(&script, limit * 2)
            .await
            .map_err(|error| self.machine_failed(error))?;
        if output.status == Some(0) {
            return Ok(());
        }
        let said = format!(
            "sandboxer {} was not ready within {} s: {}",
            sandboxer.name,
            limit.as_secs(),
            output.stderr.trim()
        );
        Err(self.stop(StopKind::Deadline, said))
    }

    pub(super) async fn collect(&self, machine: &dyn Machine) -> Result<(), Stop> {
        self.wait("the suite's files");
        let into = self.folder.file(FETCHED);
        match machine.fetch(&suite::output(""), &into).await {
            // What a machine that is gone left on the host is judged as it is.
            Ok(()) | Err(MachineError::Ended(_)) => Ok(()),
            Err(error) => Err(self.machine_failed(error)),
        }
    }
}
