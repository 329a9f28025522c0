//! The check from end to end: watch, canary, facts, judgement; and the diagnosis where the canary fails.

use std::{fmt::Write as _, time::Duration};

use camino::Utf8PathBuf;
use tokio::time::Instant;

use super::{
    Canary, Expected, Facts, Identity, LastWords, Mismatch, Pod, canary, disk::Disk, judge,
    last_words, script,
};
use crate::{
    machine::{Machine, MachineError},
    profile::Shape,
    runtime::cri::{Cri, CriError},
};

/// How a check ended.
#[derive(Debug)]
pub enum Checked {
    /// The lane's sandboxer serves the pods.
    Proven(Box<Identity>),
    /// Something else does, or nobody can tell.
    Refused(Box<Mismatch>),
    /// The canary could not be run.
    Failed {
        /// The call that failed, and what the runtime said.
        call: String,
        /// What the sandboxer itself said when it was called directly, if that failed too.
        last: Option<LastWords>,
    },
}

/// One check on one machine.
pub struct Check<'a> {
    /// The machine.
    pub machine: &'a dyn Machine,
    /// What the lane says.
    pub expected: &'a Expected,
    /// The folders of the builds on its runtime disk, on the host.
    pub builds: &'a [Utf8PathBuf],
    /// An image with a shell and `sleep`, if the node should have one.
    pub busybox: Option<String>,
    /// The pause image.
    pub pause: String,
    /// The systemd unit of a sandbox controller.
    pub unit: Option<String>,
    /// Tells this canary from others.
    pub uid: String,
    /// How long one call may take, to CRI or into the guest.
    pub limit: Duration,
    /// Everything that was seen: `canary.log`.
    pub log: String,
}

impl Check<'_> {
    /// Runs it. Nothing of the canary stays on the node.
    ///
    /// # Errors
    /// When the machine cannot be talked to.
    pub async fn run(&mut self, cri: &Cri) -> Result<Checked, MachineError> {
        let began = Instant::now();
        let expected = self.expected;
        self.note(format!(
            "lane {} handler {} binary {}",
            expected.label(),
            expected.handler,
            expected.path
        ));
        let mut disk = Disk::new(self.builds, expected);
        let watch = script::watch(self.machine.root(), &expected.path);
        self.guest(&watch, &mut disk).await?;
        let mut systemd = true;
        let checked = match self.canary(cri, &mut systemd).await {
            Ok(canary) => self.with(&canary, &mut disk).await?,
            Err(error) => Err(error),
        };
        match checked {
            Ok(Checked::Proven(mut identity)) => {
                let seconds = began.elapsed().as_secs_f64();
                identity.seconds = (seconds * 100.0).round() / 100.0;
                self.note(format!("served by {}", expected.label()));
                Ok(Checked::Proven(identity))
            }
            Ok(Checked::Refused(mismatch)) => {
                let word = match mismatch.served_by {
                    Some(_) => "mismatch",
                    None => "unproven",
                };
                self.note(format!("{word}: {}", mismatch.words));
                Ok(Checked::Refused(mismatch))
            }
            Ok(failed) => Ok(failed),
            Err(error) => self.diagnose(&error, systemd, began, &mut disk).await,
        }
    }

    fn note(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.log, "{}", line.as_ref());
    }

    /// One call into the guest; what it prints joins the record.
    async fn guest(&mut self, script: &str, disk: &mut Disk<'_>) -> Result<(), MachineError> {
        let said = said(self.machine, script, self.limit).await?;
        self.log.push_str(&disk.digests(&said).await);
        Ok(())
    }

    async fn canary(&self, cri: &Cri, systemd: &mut bool) -> Result<Canary, CriError> {
        let cri = cri.clone().within(self.limit);
        *systemd = canary::systemd_cgroups(&cri).await;
        // A test image that is missing is for the specs to find; a pod can run without it.
        let busybox = match &self.busybox {
            Some(tag) => cri.image_status(tag).await?.map(|_| tag.clone()),
            None => None,
        };
        let sleep = ["sleep", "3600"].map(str::to_owned).to_vec();
        Ok(Canary {
            cri,
            handler: self.expected.handler.clone(),
            command: busybox.as_ref().map(|_| sleep).unwrap_or_default(),
            image: busybox.unwrap_or_else(|| self.pause.clone()),
            systemd: *systemd,
            host_network: self.expected.shape == Shape::OciRuntime,
            uid: self.uid.clone(),
        })
    }

    async fn with(
        &mut self,
        canary: &Canary,
        disk: &mut Disk<'_>,
    ) -> Result<Result<Checked, CriError>, MachineError> {
        let pod = match canary.start().await {
            Ok(pod) => pod,
            Err(error) => {
                if let Some(left) = &error.pod {
                    // The first failure is the one that counts.
                    let _ = canary.remove(left).await;
                }
                return Ok(Err(error.source));
            }
        };
        self.note(format!("pod {}", pod.id));
        self.note(format!("container {}", pod.container));
        for pid in &pod.inside {
            self.note(format!("inside {pid}"));
        }
        let root = self.machine.root();
        let ids = [pod.id.as_str(), pod.container.as_str()];
        let collect = script::collect(root, &ids, &pod.inside, self.unit.as_deref());
        self.guest(&collect, disk).await?;
        let programs = Facts::read(&self.log).programs();
        let files = script::files(root, &programs, &self.expected.path);
        let (files, asked) = tokio::join!(
            said(self.machine, &files, self.limit),
            ask_and_remove(canary, &pod)
        );
        self.log.push_str(&disk.digests(&files?).await);
        Ok(asked.map(|kernel| {
            for line in kernel {
                self.note(format!("inside-kernel {line}"));
            }
            match judge(self.expected, &Facts::read(&self.log)) {
                Ok(identity) => Checked::Proven(Box::new(identity)),
                Err(mismatch) => Checked::Refused(mismatch),
            }
        }))
    }

    /// Asks the sandboxer itself why the canary failed.
    async fn diagnose(
        &mut self,
        error: &CriError,
        systemd: bool,
        began: Instant,
        disk: &mut Disk<'_>,
    ) -> Result<Checked, MachineError> {
        let call = match error {
            CriError::Call { call, status } => format!("{call}: {}", one_line(status.message())),
            other => format!("CRI: {}", one_line(&other.to_string())),
        };
        let script = script::direct(&script::Direct {
            root: self.machine.root(),
            // A controller is no command; its unit speaks in the journal.
            binary: match self.expected.shape {
                Shape::Controller => "",
                Shape::OciRuntime | Shape::Shim => &self.expected.path,
            },
            systemd,
            since: began.elapsed().as_secs() + 2,
            unit: self.unit.as_deref(),
        });
        self.guest(&script, disk).await?;
        let last = last_words(&self.log);
        if let Some(last) = &last {
            let (step, status, words) = (&last.step, &last.status, one_line(&last.words));
            self.note(format!(
                "last words of {} {step} ({status}): {words}",
                self.expected.path
            ));
        }
        self.note(format!("canary failed: {call}"));
        Ok(Checked::Failed { call, last })
    }
}

async fn said(
    machine: &dyn Machine,
    script: &str,
    limit: Duration,
) -> Result<String, MachineError> {
    let output = machine.run(script, limit).await?;
    let mut said = output.text();
    for line in output.stderr.lines() {
        let _ = writeln!(said, "note {line}");
    }
    Ok(said)
}

async fn ask_and_remove(canary: &Canary, pod: &Pod) -> Result<Vec<String>, CriError> {
    let asked = if canary.command.is_empty() {
        Ok(Vec::new())
    } else {
        canary.ask_kernel(pod).await
    };
    // Nobody waits for it to end by itself: CRI-O would, for two minutes.
    let _ = canary.kill(pod).await;
    let removed = canary.remove(&pod.id).await;
    let kernel = asked?;
    removed.map(|()| kernel)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
