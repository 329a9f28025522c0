//! How a lane comes to its node: restored from the snapshot of an earlier boot, or booted and then saved.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{sync::mpsc, time::Instant};

use super::{Attempt, scale};
use crate::{
    build::cache::{Held, Kind, SNAPSHOTS},
    machine::{
        Machine, MachineError, MachineSpec, Probe, kvm,
        snapshot::{self, Origin},
    },
    model::{Digest, EventKind, NodeStart, Phase, Stop},
    runtime::cri::Ready,
};

/// How long a restored runtime may take to answer. It ran when it was saved.
const ANSWERS: Duration = Duration::from_secs(15);

/// How a machine was started.
pub(super) struct Start {
    /// The machine as the suite needs it.
    pub(super) spec: MachineSpec,
    /// What has to be plugged in before: serial and disk.
    pub(super) to_plug: Vec<(String, Utf8PathBuf)>,
    /// A restored node's runtime, which is ready already.
    pub(super) ready: Option<Ready>,
    /// What was wrong with the snapshot that was there.
    broken: Option<String>,
    /// Under which key its node may be saved, once it has everything.
    save_as: Option<Digest>,
    /// Kept from removal while the machine uses it.
    _held: Option<Held>,
    began: Instant,
}

impl Attempt<'_> {
    /// A machine from a snapshot of the node if there is a good one, else by a boot: the snapshot that has everything
    /// plugged in is best, then the one without.
    pub(super) async fn start(
        &self,
        spec: &MachineSpec,
        probe: &Probe,
    ) -> Result<(Box<dyn Machine>, Start), Stop> {
        let whole = self.whole(spec);
        let mut start = Start {
            to_plug: whole.plugged.clone(),
            spec: whole,
            ready: None,
            broken: None,
            save_as: None,
            _held: None,
            began: Instant::now(),
        };
        // A snapshot holds the root disk alone.
        if !self.context.cold && spec.disks.is_empty() {
            let best = self.key(&start.spec, probe);
            let mut choices = vec![(best.clone(), start.spec.clone())];
            if !start.to_plug.is_empty() {
                choices.push((self.key(spec, probe), spec.clone()));
            }
            start.save_as = Some(best);
            for (key, spec) in choices {
                let held = match self.context.cache.hold(&key) {
                    Ok(Some(held)) => held,
                    Ok(None) => continue,
                    Err(error) => {
                        self.wait(format!("the snapshots cannot be used: {error}"));
                        continue;
                    }
                };
                match self.restore(&spec, &held.entry.folder).await {
                    Ok((machine, ready)) => {
                        start.ready = Some(ready);
                        start._held = Some(held);
                        if spec.plugged == start.spec.plugged {
                            start.to_plug.clear();
                            start.save_as = None;
                        }
                        return Ok((machine, start));
                    }
                    Err(why) => {
                        drop(held);
                        self.throw_away(&key, &why)?;
                        start.broken.get_or_insert(why);
                        start.began = Instant::now();
                    }
                }
            }
            start.began = Instant::now();
        }
        Ok((self.boot(spec).await?, start))
    }

    fn key(&self, spec: &MachineSpec, probe: &Probe) -> Digest {
        let mut contents = self.parts.contents.clone();
        if let Some(kubernetes) = &self.parts.kubernetes
            && !spec.plugged.is_empty()
        {
            contents.push(kubernetes.content.clone());
        }
        Origin {
            spec,
            contents: &contents,
            qemu: &probe.qemu,
            processor: &kvm::guest_processor(spec.accelerator),
        }
        .key()
    }

    /// A ready node, or in words why the snapshot is of no use.
    async fn restore(
        &self,
        spec: &MachineSpec,
        folder: &Utf8Path,
    ) -> Result<(Box<dyn Machine>, Ready), String> {
        self.wait("a snapshot of this node to be restored");
        snapshot::check(folder, spec).map_err(|error| error.to_string())?;
        let (sender, progress) = mpsc::unbounded_channel();
        let restore = self.context.hypervisor.restore(spec, folder, sender);
        let (machine, ()) = tokio::join!(restore, self.tell(progress));
        let machine = machine.map_err(|error| error.to_string())?;
        self.enter(Phase::RuntimeReady);
        let limit = ANSWERS * scale(spec.accelerator);
        let answers = self.answers(machine.as_ref(), limit);
        match self.until_ended(machine.as_ref(), answers).await {
            Ok(ready) => Ok((machine, ready)),
            Err(stop) => {
                machine.shutdown().await;
                Err(stop.said)
            }
        }
    }

    /// A snapshot that failed goes, and what its machine wrote is put aside.
    fn throw_away(&self, key: &Digest, why: &str) -> Result<(), Stop> {
        self.wait(format!(
            "a boot, because the node's snapshot is broken: {why}"
        ));
        // One that others run from stays, and they know that it is good.
        if let Err(error) = self.context.cache.remove(key) {
            self.wait(format!("the broken snapshot cannot be removed: {error}"));
        }
        snapshot::set_aside(self.folder.path()).map_err(|error| self.failed(&error))
    }

    pub(super) fn node_ready(&self, start: &Start, plugged: Option<f64>) {
        let seconds = start.began.elapsed().as_secs_f64() - plugged.unwrap_or_default();
        let broken = start.broken.clone();
        self.log.add(EventKind::NodeReady {
            start: if start.ready.is_some() {
                NodeStart::Restored {
                    seconds,
                    broken,
                    plugged,
                }
            } else {
                NodeStart::Booted {
                    seconds,
                    broken,
                    plugged,
                }
            },
        });
    }

    /// Saves a node that was booted, or got what its snapshot lacked, for those who come after. That it cannot be saved is said, and no harm to the lane.
    /// Returns the runtime's connection, which is another one then: a save cuts everything that leads into the guest.
    pub(super) async fn save(
        &self,
        machine: &dyn Machine,
        start: &Start,
        ready: Ready,
    ) -> Result<Ready, Stop> {
        let Some(key) = &start.save_as else {
            return Ok(ready);
        };
        match self.try_save(machine, &start.spec, key).await {
            Ok(()) => {}
            Err(MachineError::Ended(ending)) => return Err(ending.stop(self.phase())),
            Err(error) => self.wait(format!("the suite; its node could not be saved: {error}")),
        }
        self.answers(machine, ANSWERS * scale(start.spec.accelerator))
            .await
    }

    async fn try_save(
        &self,
        machine: &dyn Machine,
        spec: &MachineSpec,
        key: &Digest,
    ) -> Result<(), MachineError> {
        let cache = &self.context.cache;
        let Some(making) = cache.begin(key).map_err(std::io::Error::other)? else {
            return Ok(());
        };
        self.wait("its snapshot");
        let began = Instant::now();
        let stood = machine.save(making.folder()).await?;
        let (folder, sealed) = (making.folder().to_owned(), spec.clone());
        let seal = move || snapshot::seal(&folder, &sealed);
        tokio::task::spawn_blocking(seal)
            .await
            .map_err(std::io::Error::other)??;
        let lane = &self.planned.lane;
        let what = format!("snapshot.{}.{}.{}", lane.pairing, lane.node, lane.sandboxer);
        let saved = || {
            making.finish(&what, Kind::Snapshot, began.elapsed())?;
            cache.bound(Kind::Snapshot, SNAPSHOTS)?;
            cache.list()
        };
        let entries = saved().map_err(std::io::Error::other)?;
        let own = entries.iter().find(|entry| entry.manifest.digest == *key);
        self.log.add(EventKind::NodeSaved {
            snapshot: key.clone(),
            bytes: own.map_or(0, |entry| entry.bytes),
            seconds: stood.as_secs_f64(),
        });
        Ok(())
    }
}
