//! Watches a machine from outside: its logs as they grow, QEMU's events, its process. The first of them that
//! shows that going on is useless becomes the machine's [`Ending`].

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Ending,
    alarm::Sign,
    entry::{Artifact, shorten},
    limits::Limits,
    qmp::Event,
    story::Story,
};
use crate::model::{EvidenceLine, StopKind};

/// How often the logs are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long the logs of a machine that ended may still grow.
const REST: Duration = Duration::from_millis(400);
/// A failure journal that was quiet for so long is complete.
const QUIET: Duration = Duration::from_millis(1500);
/// A line longer than this is cut.
const LONGEST: usize = 1 << 20;
/// QEMU's events, beside the logs.
pub const QMP_LOG: &str = "qmp.log";
/// QEMU's own words, beside the logs.
pub const QEMU_LOG: &str = "qemu.log";

/// A log that grows, read line by line.
struct Tail {
    file: Utf8PathBuf,
    offset: u64,
    torn: Vec<u8>,
}

impl Tail {
    fn new(file: Utf8PathBuf) -> Self {
        Self {
            file,
            offset: 0,
            torn: Vec::new(),
        }
    }

    /// The whole lines that came since the last call. A file that is not there yet has none.
    fn lines(&mut self) -> Vec<String> {
        let Ok(mut file) = fs::File::open(&self.file) else {
            return Vec::new();
        };
        let mut new = Vec::new();
        // A read error is met again, or not, at the next tick.
        let read = file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| file.take(4 << 20).read_to_end(&mut new));
        if read.is_err() {
            return Vec::new();
        }
        self.offset += new.len() as u64;
        self.torn.extend_from_slice(&new);
        let end = match self.torn.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end,
            // A guest that never ends its line must not fill our memory.
            None if self.torn.len() > LONGEST => self.torn.len() - 1,
            None => return Vec::new(),
        };
        let rest = self.torn.split_off(end + 1);
        let whole = std::mem::replace(&mut self.torn, rest);
        whole
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
            .collect()
    }

    /// The line that has no end yet, such as a prompt.
    fn torn(&self) -> String {
        String::from_utf8_lossy(&self.torn).into_owned()
    }
}

/// What a watch and its machine share.
#[derive(Clone)]
pub struct Watched {
    story: Arc<Mutex<Story>>,
    ours: Arc<AtomicBool>,
    ending: watch::Receiver<Option<Known>>,
}

/// An ending, and whether the guest may still answer.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    ending: Ending,
    guest_answers: bool,
}

/// What is watched.
pub struct Subject {
    /// The attempt's folder.
    pub folder: Utf8PathBuf,
    /// Units the node cannot do without.
    pub required: Vec<String>,
    /// The machine's deadlines.
    pub limits: Limits,
    /// QEMU's events.
    pub events: mpsc::UnboundedReceiver<(String, Event)>,
    /// How QEMU's process ended, once it has.
    pub exited: watch::Receiver<Option<String>>,
}

impl Watched {
    /// Starts to watch. The watch ends with the machine.
    #[must_use]
    pub fn start(subject: Subject) -> Self {
        let (tell, ending) = watch::channel(None);
        let watched = Self {
            story: Arc::default(),
            ours: Arc::default(),
            ending,
        };
        tokio::spawn(Watch::new(subject, watched.clone(), tell).run());
        watched
    }

    /// From now on the machine's end is our own doing.
    pub fn expect_end(&self) {
        self.ours.store(true, Ordering::Relaxed);
    }

    /// Looks at what was read so far.
    pub fn with<T>(&self, look: impl FnOnce(&Story) -> T) -> T {
        look(&self.story())
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        // A reader that panicked leaves a story that is still good to read.
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends with the machine's ending.
    pub async fn ended(&self) -> Ending {
        self.known(|_| true).await
    }

    /// Ends with the machine's ending once the guest cannot answer any more.
    pub async fn silent(&self) -> Ending {
        self.known(|known| !known.guest_answers).await
    }

    async fn known(&self, is: impl Fn(&Known) -> bool) -> Ending {
        let mut ending = self.ending.clone();
        let found = ending
            .wait_for(|known| known.as_ref().is_some_and(&is))
            .await;
        match found {
            Ok(known) => match known.as_ref() {
                Some(known) => known.ending.clone(),
                None => gone("the machine ended".to_owned(), None),
            },
            Err(_) => gone("the watch over the machine ended".to_owned(), None),
        }
    }
}

struct Watch {
    subject: Subject,
    watched: Watched,
    tell: watch::Sender<Option<Known>>,
    tails: [(Artifact, Tail); 3],
    /// Until when an alarm waits for the lines that explain it.
    until: Option<Instant>,
    /// When the failure journal last grew.
    grew: Option<Instant>,
    event: Option<(Event, EvidenceLine)>,
    events: u64,
}

impl Watch {
    fn new(subject: Subject, watched: Watched, tell: watch::Sender<Option<Known>>) -> Self {
        let tails = Artifact::ALL.map(|artifact| {
            let file = subject.folder.join(artifact.file());
            (artifact, Tail::new(file))
        });
        Self {
            subject,
            watched,
            tell,
            tails,
            until: None,
            grew: None,
            event: None,
            events: 0,
        }
    }

    async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                event = self.subject.events.recv(), if open => match event {
                    Some((line, event)) => self.event(&line, event),
                    None => open = false,
                },
                status = exit(&mut self.subject.exited) => {
                    tokio::time::sleep(REST).await;
                    while let Ok((line, event)) = self.subject.events.try_recv() {
                        self.event(&line, event);
                    }
                    self.look();
                    self.over(status);
                    return;
                }
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        self.look();
        let Some(until) = self.until else { return };
        let now = Instant::now();
        let complete = self
            .grew
            .is_some_and(|grew| now.duration_since(grew) > QUIET);
        let symptom = self.watched.story().alarm().is_some_and(Sign::is_symptom);
        if !symptom || complete || now >= until {
            self.conclude();
        }
    }

    fn look(&mut self) {
        for (artifact, tail) in &mut self.tails {
            let lines = tail.lines();
            if *artifact == Artifact::Ignition && !lines.is_empty() {
                self.grew = Some(Instant::now());
            }
            let mut story = self.watched.story();
            for line in lines {
                if story.read(*artifact, &line, &self.subject.required) {
                    let wait = match story.alarm() {
                        Some(Sign::Emergency) => self.subject.limits.emergency,
                        _ => self.subject.limits.unit,
                    };
                    let until = Instant::now() + wait;
                    self.until = Some(self.until.map_or(until, |old| old.min(until)));
                }
            }
            if *artifact == Artifact::Console {
                story.prompt(&tail.torn());
            }
        }
    }

    fn conclude(&mut self) {
        let story = self.watched.story();
        let (Some(ending), Some(sign)) = (story.ending(), story.alarm()) else {
            return;
        };
        let guest_answers = sign.guest_answers();
        drop(story);
        self.tell(ending, guest_answers);
    }

    /// The first ending stays; only one that takes the guest's last word away may follow.
    fn tell(&self, ending: Ending, guest_answers: bool) {
        self.tell.send_if_modified(|known| match known {
            None => {
                *known = Some(Known {
                    ending,
                    guest_answers,
                });
                true
            }
            Some(old) if old.guest_answers && !guest_answers => {
                old.guest_answers = false;
                true
            }
            Some(_) => false,
        });
    }

    fn event(&mut self, line: &str, event: Event) {
        let file = self.subject.folder.join(QMP_LOG);
        let kept = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| {
                std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes())
            });
        // The host's disk may be what is full: then the event still counts, without its line.
        self.events += u64::from(kept.is_ok());
        let evidence = EvidenceLine {
            file: QMP_LOG.into(),
            line: self.events,
            text: shorten(line),
        };
        match &event {
            Event::BlockIoError { .. } => {
                let said = block_error(&event);
                let ending = Ending {
                    kind: StopKind::Alarm,
                    phase: None,
                    said,
                    line: kept.is_ok().then_some(evidence),
                };
                self.tell(ending, false);
            }
            Event::GuestPanicked => {
                let said = "the guest's kernel panicked".to_owned();
                let ending = Ending {
                    kind: StopKind::Alarm,
                    phase: None,
                    said,
                    line: Some(evidence),
                };
                // The console says more; it is read before this is told.
                self.look();
                self.conclude();
                self.tell(ending, false);
            }
            Event::Shutdown { .. } | Event::Reset { .. } => self.event = Some((event, evidence)),
            _ => {}
        }
    }

    /// QEMU is gone.
    fn over(&mut self, status: String) {
        if self.watched.story().alarm().is_some() {
            self.conclude();
        }
        let ours = self.watched.ours.load(Ordering::Relaxed);
        let ending = if ours {
            gone("the machine was taken down".to_owned(), None)
        } else {
            self.gone(&status)
        };
        self.tell(ending, false);
    }

    fn gone(&self, status: &str) -> Ending {
        match &self.event {
            Some((
                Event::Shutdown {
                    guest: true,
                    reason,
                },
                line,
            )) => {
                let said = match reason.as_str() {
                    "guest-shutdown" => "the guest powered itself off",
                    "guest-reset" => "the guest rebooted, which ends its machine",
                    "guest-panic" => "the guest's kernel panicked",
                    _ => "the guest ended its machine",
                };
                gone(format!("{said} ({reason})"), Some(line.clone()))
            }
            Some((Event::Shutdown { reason, .. }, line)) => gone(
                format!("the machine was ended from outside ({reason})"),
                Some(line.clone()),
            ),
            _ => {
                let line = last_line(&self.subject.folder, QEMU_LOG);
                let words = line.as_ref().map(|line| format!(": {}", line.text));
                gone(
                    format!("QEMU ended with {status}{}", words.unwrap_or_default()),
                    line,
                )
            }
        }
    }
}

/// In words, why the host could not serve the guest's disk.
fn block_error(event: &Event) -> String {
    match event {
        Event::BlockIoError { no_space: true, .. } => {
            "the host's disk is full: QEMU cannot write the machine's disk and stopped the machine; \
             free space where the run directory is"
                .to_owned()
        }
        Event::BlockIoError {
            device,
            write,
            reason,
            ..
        } => {
            let what = if *write { "write" } else { "read" };
            format!("the host cannot {what} the machine's disk {device}: {reason}")
        }
        _ => String::new(),
    }
}

fn gone(said: String, line: Option<EvidenceLine>) -> Ending {
    Ending {
        kind: StopKind::MachineGone,
        phase: None,
        said,
        line,
    }
}

/// The last line of a small log that says anything.
#[must_use]
pub fn last_line(folder: &Utf8Path, name: &str) -> Option<EvidenceLine> {
    let text = fs::read(folder.join(name)).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (n, line) = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .last()?;
    Some(EvidenceLine {
        file: name.into(),
        line: n as u64 + 1,
        text: shorten(line),
    })
}

async fn exit(exited: &mut watch::Receiver<Option<String>>) -> String {
    match exited.wait_for(Option::is_some).await {
        Ok(status) => status.clone().unwrap_or_default(),
        Err(_) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests;
