//! Kubernetes on a node that is ready without it: its disk is plugged in, and its images are imported.

use std::time::{Duration, Instant};

use super::{Attempt, scale, snapshot::Start};
use crate::{
    machine::{Machine, MachineSpec},
    model::{Stop, StopKind},
    runtime,
};

/// How long the guest may take to see a disk and to mount it, with KVM.
const MOUNTED: Duration = Duration::from_secs(20);

impl Attempt<'_> {
    /// The machine as the suite needs it: with everything plugged in.
    pub(super) fn whole(&self, spec: &MachineSpec) -> MachineSpec {
        let disk = |serial: &str, disk: &camino::Utf8Path| (serial.to_owned(), disk.to_owned());
        let kubernetes = self.parts.kubernetes.iter();
        MachineSpec {
            plugged: kubernetes
                .map(|kubernetes| disk(runtime::KUBERNETES_SERIAL, &kubernetes.disk))
                .collect(),
            ..spec.clone()
        }
    }

    /// Plugs in what the machine lacks. Returns how long that took, if anything was.
    pub(super) async fn plug(
        &self,
        machine: &dyn Machine,
        start: &Start,
    ) -> Result<Option<f64>, Stop> {
        if start.to_plug.is_empty() {
            return Ok(None);
        }
        let began = Instant::now();
        self.wait("Kubernetes to be plugged in");
        let limit = MOUNTED * scale(start.spec.accelerator);
        for (serial, disk) in &start.to_plug {
            let plugged = machine.plug(serial, disk).await;
            plugged.map_err(|error| self.machine_failed(error))?;
        }
        let script = runtime::mounted_script(machine.root(), limit);
        let output = machine
            .run(&script, limit * 2)
            .await
            .map_err(|error| self.machine_failed(error))?;
        if output.status != Some(0) {
            let said = output.stderr.trim().to_owned();
            return Err(self.stop(StopKind::Failed, said));
        }
        self.import(machine, runtime::KUBERNETES_DIR, start.spec.accelerator)
            .await?;
        Ok(Some(began.elapsed().as_secs_f64()))
    }
}
