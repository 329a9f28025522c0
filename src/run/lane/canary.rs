//! The canary of an attempt: shows, before the suite, who serves the lane's pods; or why they cannot run.

use std::time::Duration;

use super::{Attempt, scale};
use crate::{
    build::images::{Image, Images},
    machine::Machine,
    model::{Accelerator, EvidenceLine, Stop, StopKind},
    profile::Sandboxer,
    run::node,
    runtime::{
        cri::Cri,
        identity::{CANARY_FILE, Check, Checked, IDENTITY_FILE},
    },
};

/// How long one call may take, to CRI or into the guest, on a machine with KVM.
const CALL: Duration = Duration::from_secs(30);

impl Attempt<'_> {
    /// Runs the canary and judges who served it. `canary.log` keeps everything that was seen.
    pub(super) async fn prove(
        &self,
        machine: &dyn Machine,
        cri: &Cri,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
    ) -> Result<(), Stop> {
        self.wait("the canary pod, to see who serves it");
        let expected = node::expected(self.runtime(), sandboxer, &self.parts.runtime)
            .await
            .map_err(|error| self.failed(&error))?;
        let images = Images::read(&self.parts.images).map_err(|error| self.failed(&error))?;
        let mut check = Check {
            machine,
            expected: &expected,
            builds: &self.parts.runtime,
            busybox: images.tag(Image::Busybox).map(str::to_owned),
            pause: images.pause().unwrap_or_default().to_owned(),
            unit: sandboxer.unit_name().map(str::to_owned),
            uid: self.planned.lane.id.to_string(),
            limit: CALL * scale(accelerator),
            log: String::new(),
        };
        let checked = check.run(cri).await;
        // Whatever happened, what was seen is evidence.
        self.folder
            .write(CANARY_FILE, check.log.as_bytes())
            .map_err(|error| self.failed(&error))?;
        match checked.map_err(|error| self.machine_failed(error))? {
            Checked::Proven(identity) => self
                .folder
                .write_json(IDENTITY_FILE, &identity)
                .map_err(|error| self.failed(&error)),
            Checked::Refused(mismatch) => Err(Stop {
                line: mismatch.lines.first().cloned(),
                ..self.stop(StopKind::Failed, mismatch.words.clone())
            }),
            Checked::Failed { call, last } => {
                let said = format!(
                    "the canary pod cannot run on handler {}: {call}",
                    expected.handler
                );
                Err(Stop {
                    line: last.map_or_else(|| last_line(&check.log), |last| Some(last.line)),
                    ..self.stop(StopKind::Failed, said)
                })
            }
        }
    }
}

fn last_line(log: &str) -> Option<EvidenceLine> {
    let (index, text) = log.lines().enumerate().last()?;
    Some(EvidenceLine {
        file: CANARY_FILE.into(),
        line: index as u64 + 1,
        text: text.to_owned(),
    })
}
