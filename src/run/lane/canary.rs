//! The canary of an attempt: shows, before the suite, who serves the lane's pods; or why they cannot run.

use std::{fmt::Write as _, time::Duration};

use camino::Utf8Path;
use tokio::time::Instant;

use super::{Attempt, scale};
use crate::{
    build::images::{Image, Images},
    machine::Machine,
    model::{Accelerator, EvidenceLine, Stop, StopKind},
    profile::Sandboxer,
    run::node,
    runtime::{
        cri::{Cri, CriError},
        identity::{
            self, CANARY_FILE, Canary, Expected, Facts, IDENTITY_FILE, Identity, Mismatch, Pod,
        },
    },
};

/// How long one call may take, to CRI or into the guest, on a machine with KVM.
const CALL: Duration = Duration::from_secs(20);

/// How the check ended, beside a machine that did.
enum Verdict {
    Proven(Box<Identity>),
    Refused(Box<Mismatch>),
    Failed(CriError),
}

impl Attempt<'_> {
    /// Runs the canary and judges who served it. `canary.log` keeps everything that was seen; nothing of the pod stays.
    pub(super) async fn prove(
        &self,
        machine: &dyn Machine,
        socket: &Utf8Path,
        sandboxer: &Sandboxer,
        accelerator: Accelerator,
    ) -> Result<(), Stop> {
        self.wait("the canary, to see who serves the pods");
        let began = Instant::now();
        let expected = node::expected(sandboxer, &self.parts.runtime)
            .await
            .map_err(|error| self.failed(&error))?;
        let mut check = Check {
            attempt: self,
            machine,
            unit: None,
            systemd: true,
            limit: CALL * scale(accelerator),
            began,
            log: String::new(),
            expected,
        };
        let result = check.run(socket).await;
        let result = match result {
            Ok(Verdict::Proven(identity)) => check.proven(*identity, began.elapsed()),
            Ok(Verdict::Refused(mismatch)) => Err(check.refused(&mismatch)),
            Ok(Verdict::Failed(error)) => check.diagnose(&error).await,
            Err(stop) => Err(stop),
        };
        // Whatever happened, what was seen is evidence.
        self.folder
            .write(CANARY_FILE, check.log.as_bytes())
            .map_err(|error| self.failed(&error))?;
        result
    }
}

struct Check<'a> {
    attempt: &'a Attempt<'a>,
    machine: &'a dyn Machine,
    expected: Expected,
    /// A sandbox controller's unit.
    unit: Option<String>,
    systemd: bool,
    limit: Duration,
    began: Instant,
    log: String,
}

impl Check<'_> {
    /// One call into the guest; what it prints joins the record.
    async fn guest(&self, script: &str) -> Result<String, Stop> {
        let output = (self.machine.run(script, self.limit).await)
            .map_err(|error| self.attempt.machine_failed(error))?;
        let mut said = output.text();
        for line in output.stderr.lines() {
            let _ = writeln!(said, "note {line}");
        }
        Ok(said)
    }

    fn note(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.log, "{}", line.as_ref());
    }

    async fn run(&mut self, socket: &Utf8Path) -> Result<Verdict, Stop> {
        let root = self.machine.root();
        self.note(format!(
            "lane {} handler {} binary {}",
            self.expected.label(),
            self.expected.handler,
            self.expected.path
        ));
        let watch = identity::watch_script(root, &self.expected.path);
        let said = self.guest(&watch).await?;
        self.log.push_str(&said);
        let canary = match self.canary(socket).await {
            Ok(canary) => canary,
            Err(error) => return Ok(Verdict::Failed(error)),
        };
        let pod = match canary.start().await {
            Ok(pod) => pod,
            Err(error) => {
                if let Some(left) = &error.pod {
                    // The first failure is the one that counts.
                    let _ = canary.remove(left).await;
                }
                return Ok(Verdict::Failed(error.source));
            }
        };
        self.note(format!("pod {}", pod.id));
        self.note(format!("container {}", pod.container));
        for pid in &pod.inside {
            self.note(format!("inside {pid}"));
        }
        let ids = [pod.id.as_str(), pod.container.as_str()];
        let script = identity::collect_script(root, &ids, &pod.inside, self.unit.as_deref());
        let said = self.guest(&script).await?;
        self.log.push_str(&said);
        let programs = Facts::read(&self.log).programs();
        let files = identity::files_script(root, &self.with_binary(programs));
        let (files, asked) = tokio::join!(self.guest(&files), self.ask_and_remove(&canary, &pod));
        self.log.push_str(&files?);
        match asked {
            Ok(kernel) => {
                for line in kernel {
                    self.note(format!("inside-kernel {line}"));
                }
            }
            Err(error) => return Ok(Verdict::Failed(error)),
        }
        Ok(match identity::judge(&self.expected, &Facts::read(&self.log)) {
            Ok(identity) => Verdict::Proven(Box::new(identity)),
            Err(mismatch) => Verdict::Refused(mismatch),
        })
    }

    /// The lane's own binary is looked at again: it may have been changed since.
    fn with_binary(&self, mut programs: Vec<String>) -> Vec<String> {
        if !programs.contains(&self.expected.path) {
            programs.push(self.expected.path.clone());
        }
        programs
    }

    async fn canary(&mut self, socket: &Utf8Path) -> Result<Canary, CriError> {
        let cri = Cri::connect(socket).await?.within(self.limit);
        let images = Images::read(&self.attempt.parts.kubernetes).ok();
        let tag = |wanted: Image| {
            let images = images.as_ref()?;
            let image = images.provided.iter().find(|known| known.image == wanted)?;
            image.tags.last().cloned()
        };
        // A test image that is missing is for the specs to find; a pod can run without it.
        let busybox = match tag(Image::Busybox) {
            Some(tag) => cri.image_status(&tag).await?.map(|_| tag),
            None => None,
        };
        let command = match &busybox {
            Some(_) => vec!["sleep".to_owned(), "3600".to_owned()],
            None => Vec::new(),
        };
        self.systemd = Canary::systemd_cgroups(&cri).await;
        Ok(Canary {
            systemd: self.systemd,
            handler: self.expected.handler.clone(),
            image: busybox.or_else(|| tag(Image::Pause)).unwrap_or_default(),
            command,
            uid: format!("{}", self.attempt.planned.lane.id),
            cri,
        })
    }

    async fn ask_and_remove(&self, canary: &Canary, pod: &Pod) -> Result<Vec<String>, CriError> {
        let asked = match canary.command.is_empty() {
            true => Ok(Vec::new()),
            false => canary.ask_kernel(pod).await,
        };
        let removed = canary.remove(&pod.id).await;
        let kernel = asked?;
        removed.map(|()| kernel)
    }

    fn proven(&mut self, identity: Identity, took: Duration) -> Result<(), Stop> {
        let identity = Identity {
            seconds: (took.as_secs_f64() * 100.0).round() / 100.0,
            ..identity
        };
        self.note(format!("served by {}", self.expected.label()));
        self.attempt
            .folder
            .write_json(IDENTITY_FILE, &identity)
            .map_err(|error| self.attempt.failed(&error))
    }

    fn refused(&mut self, mismatch: &Mismatch) -> Stop {
        let word = match mismatch.served_by {
            Some(_) => "mismatch",
            None => "unproven",
        };
        self.note(format!("{word}: {}", mismatch.words));
        Stop {
            line: mismatch.lines.first().cloned(),
            ..self.attempt.stop(StopKind::Failed, mismatch.words.clone())
        }
    }

    /// Asks the sandboxer itself why the canary failed.
    async fn diagnose(&mut self, error: &CriError) -> Result<(), Stop> {
        let call = match error {
            CriError::Call { call, status } => format!("{call}: {}", one_line(status.message())),
            other => format!("CRI: {}", one_line(&other.to_string())),
        };
        self.attempt.wait("the sandboxer's own words on why the canary failed");
        let since = self.began.elapsed().as_secs() + 2;
        let script = identity::direct_script(
            self.machine.root(),
            &self.expected.path,
            self.systemd,
            since,
        );
        let said = self.guest(&script).await?;
        self.log.push_str(&said);
        let line = match identity::last_words(&self.log) {
            Some(last) => {
                let words = one_line(&last.words);
                let (path, step, status) = (&self.expected.path, &last.step, &last.status);
                self.note(format!("last words of {path} {step} ({status}): {words}"));
                Some(last.line)
            }
            None => None,
        };
        self.note(format!("canary failed: {call}"));
        let number = self.log.lines().count() as u64;
        let line = line.unwrap_or_else(|| EvidenceLine {
            file: CANARY_FILE.into(),
            line: number,
            text: format!("canary failed: {call}"),
        });
        Err(Stop {
            line: Some(line),
            ..self.attempt.stop(
                StopKind::Failed,
                format!("the canary pod cannot run on handler {}: {call}", self.expected.handler),
            )
        })
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
