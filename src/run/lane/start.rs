//! A lane's machine: what it is made from, its lease, its first boot.

use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::Attempt;
use crate::{
    build::images::Images,
    ignition,
    machine::{Claim, Lease, Leases, Machine, MachineSpec, Progress},
    model::{Accelerator, EventKind, Stop},
    profile::{Node, Sandboxer},
    run::node,
    runtime,
};

impl Attempt<'_> {
    pub(super) async fn lease(&self, spec: &MachineSpec) -> Result<Lease, Stop> {
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

    pub(super) async fn machine_spec(
        &self,
        node: &Node,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
    ) -> Result<MachineSpec, Stop> {
        let key = node::ssh_key(self.context.store.root())
            .await
            .map_err(|error| self.failed(&error))?;
        let images = Images::read(&self.parts.images).map_err(|error| self.failed(&error))?;
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
        let mut required_units = runtime::required_units(self.runtime());
        required_units.extend(sandboxer.unit_name().map(str::to_owned));
        required_units.extend(
            ignition::mounts(&node.disks)
                .into_iter()
                .map(|unit| unit.name),
        );
        Ok(MachineSpec {
            name: match self.share {
                Some(share) => format!("{} {}", self.planned.lane.id, share.name(0)),
                None => self.planned.lane.id.to_string(),
            },
            folder: self.folder.path().to_owned(),
            accelerator,
            cpus: node.cpus,
            memory: node.memory,
            root_disk: image.root_disk.clone(),
            root_format: image.root_format.clone(),
            disk: node.disk,
            disks: node
                .disks
                .iter()
                .map(|disk| (disk.name.clone(), disk.size))
                .collect(),
            kernel: image.kernel.clone(),
            kernel_arguments,
            payloads: vec![(
                runtime::RUNTIME_SERIAL.to_owned(),
                self.parts.runtime_disk.clone(),
            )],
            plugged: Vec::new(),
            ignition,
            ssh_key: key.private,
            required_units,
            keep: self.context.keep,
        })
    }

    pub(super) async fn boot(&self, spec: &MachineSpec) -> Result<Box<dyn Machine>, Stop> {
        let (sender, progress) = mpsc::unbounded_channel();
        let start = self.context.hypervisor.start(spec, sender);
        let (started, ()) = tokio::join!(start, self.tell(progress));
        started.map_err(|error| self.machine_failed(error))
    }

    /// Makes events of what a starting machine says.
    pub(super) async fn tell(&self, mut progress: UnboundedReceiver<Progress>) {
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
    }
}
