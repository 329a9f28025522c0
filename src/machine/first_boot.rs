//! From power-on until the first boot is over and the guest can be entered.

use std::time::Duration;

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{
    Ending, MachineError, MachineSpec, Progress, entry::Artifact, entry::Entry, qemu::QemuMachine,
    story::Story, story::boot_phase,
};
use crate::{
    model::{EvidenceLine, Phase, StopKind},
    process::{ProcessError, quote},
};

/// How often the guest is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often what is waited for is said again.
const SAY: Duration = Duration::from_secs(5);
/// A guest whose systemd has started everything gets this long until its ssh server is heard.
const SERVED: Duration = Duration::from_secs(30);
/// So many refusals of the key are no accident of a server that is just starting.
const REFUSALS: u32 = 5;

/// Where the first boot is, as the guest's systemd sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// `starting`, `running`, `degraded`, …
    system: String,
    /// Units that are still to start.
    waiting: Vec<String>,
    /// Units that failed.
    failed: Vec<String>,
    /// Of the units the node needs, those that are not active, with their state.
    missing: Vec<(String, String)>,
}

/// Looks a few times before it answers, so that few connections are needed.
const SCRIPT: &str = "n=0
while [ $n -lt 6 ]; do
  state=$(systemctl is-system-running)
  case $state in running|degraded|maintenance) break;; esac
  n=$((n+1)); sleep 0.5
done
echo \"system $state\"
systemctl list-jobs --no-legend --plain --full | while read -r id unit rest; do echo \"waiting $unit\"; done
systemctl list-units --failed --no-legend --plain --full --all | while read -r unit rest; do echo \"failed $unit\"; done
";

/// Asks for the units that the node needs: one that starts again and again never counts as failed.
fn script(required: &[String]) -> String {
    let mut text = SCRIPT.to_owned();
    for unit in required {
        let unit = quote(unit);
        text.push_str(&format!(
            "state=$(systemctl is-active -- {unit})\n\
             [ \"$state\" = active ] || echo missing {unit} \"$state\"\n"
        ));
    }
    text
}

fn read_state(text: &str) -> State {
    let mut state = State::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("system", system)) => system.trim().clone_into(&mut state.system),
            Some(("waiting", unit)) => state.waiting.push(unit.trim().to_owned()),
            Some(("failed", unit)) => state.failed.push(unit.trim().to_owned()),
            Some(("missing", rest)) => {
                let (unit, how) = rest.split_once(' ').unwrap_or((rest, ""));
                state.missing.push((unit.to_owned(), how.trim().to_owned()));
            }
            _ => {}
        }
    }
    state
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self.system.as_str(), "running" | "degraded" | "maintenance")
    }

    fn shown(&self) -> String {
        if self.waiting.is_empty() {
            format!("the guest's systemd is {}", self.system)
        } else {
            let some: Vec<&str> = self.waiting.iter().take(3).map(String::as_str).collect();
            format!(
                "first boot: {} units to start, first {}",
                self.waiting.len(),
                some.join(", ")
            )
        }
    }
}

struct Wait<'a> {
    machine: &'a QemuMachine,
    script: String,
    progress: &'a UnboundedSender<Progress>,
    start: Instant,
    provisioning: bool,
    /// When the guest was first seen to have started everything.
    started: Option<Instant>,
    said: Option<(String, Instant)>,
}

/// Waits until the first boot is over.
///
/// # Errors
/// As soon as it is known that it never will be: an alarm, the machine's end, a failed unit that the node needs,
/// or the deadline.
pub async fn wait(
    machine: &QemuMachine,
    spec: &MachineSpec,
    progress: &UnboundedSender<Progress>,
) -> Result<(), MachineError> {
    let mut wait = Wait {
        machine,
        script: script(&spec.required_units),
        progress,
        start: Instant::now(),
        provisioning: false,
        started: None,
        said: None,
    };
    let last = std::sync::Mutex::new(String::from("nothing yet"));
    let note = |words: &str| {
        if let Ok(mut last) = last.lock() {
            words.clone_into(&mut last);
        }
    };
    let boot = async {
        while let Err(words) = machine.ssh.banner().await {
            let words = format!("ssh: {words}");
            note(&words);
            wait.say(&words);
            if wait.is_unserved() {
                return Err(MachineError::Ended(unserved(machine, &words)));
            }
            tokio::time::sleep(LOOK).await;
        }
        wait.provision();
        let mut refused = 0;
        loop {
            let state = wait.look().await;
            match state {
                Ok(state) if state.is_over() => {
                    return failed_units(machine, &state, progress).await;
                }
                Ok(state) => {
                    note(&state.shown());
                    wait.say(&state.shown());
                }
                Err(error) => {
                    let words = format!("ssh: {}", brief(&error));
                    note(&words);
                    refused += u32::from(words.contains("Permission denied"));
                    if refused >= REFUSALS {
                        return Err(MachineError::Ended(locked_out(machine, &words)));
                    }
                    wait.say(&words);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    };
    let limit = machine.limits.first_boot;
    tokio::select! {
        result = boot => result,
        ending = machine.watched.ended() => Err(MachineError::Ended(placed(machine, ending))),
        () = tokio::time::sleep(limit) => {
            let last = last.lock().map(|last| last.clone()).unwrap_or_default();
            Err(MachineError::Ended(late(machine, limit, &last)))
        }
    }
}

/// An ending that does not say its phase is of the phase the boot was in.
fn placed(machine: &QemuMachine, mut ending: Ending) -> Ending {
    let phase = machine.watched.with(boot_phase);
    ending.phase = ending.phase.or(Some(phase));
    ending
}

fn late(machine: &QemuMachine, limit: Duration, last: &str) -> Ending {
    machine.watched.with(|story| Ending {
        kind: StopKind::Deadline,
        phase: Some(boot_phase(story)),
        said: format!(
            "the first boot was not over within {} s; {last}; console's last line: {}",
            limit.as_secs(),
            story.console()
        ),
        line: story.newest(|entry| !entry.message.is_empty()),
    })
}

/// What `ssh` said, without its long command line.
fn brief(error: &MachineError) -> String {
    match error {
        MachineError::Process(ProcessError::Failed { stderr, status, .. }) => {
            let line = stderr.lines().rev().find(|line| !line.trim().is_empty());
            line.unwrap_or(status).trim().to_owned()
        }
        MachineError::Process(ProcessError::Deadline { limit, .. }) => {
            format!("no answer within {} s", limit.as_secs())
        }
        other => other.to_string(),
    }
}

fn has_started(entry: &Entry) -> bool {
    entry.is_init() && entry.message.starts_with("Startup finished in ")
}

/// The guest is up and cannot be entered: no ssh server, or no network.
fn unserved(machine: &QemuMachine, words: &str) -> Ending {
    machine.watched.with(|story| {
        let servers = ["ssh.service", "sshd.service", "systemd-networkd.service"];
        let line = servers.into_iter().find_map(|unit| story.unit(unit));
        Ending {
            kind: StopKind::Failed,
            phase: Some(Phase::Provision),
            said: format!(
                "the guest started everything and cannot be entered, {words}: its ssh server or its network is not \
                 set up{}",
                after(line.as_ref())
            ),
            line: line.or_else(|| story.newest(has_started)),
        }
    })
}

/// The guest's ssh server is there and does not know the key.
fn locked_out(machine: &QemuMachine, words: &str) -> Ending {
    Ending {
        kind: StopKind::Failed,
        phase: Some(Phase::Provision),
        said: format!(
            "the guest refuses bellwether's key ({words}); the Ignition config was not applied, or the image's \
             sshd does not read ~/.ssh/authorized_keys.d/ignition"
        ),
        line: machine
            .watched
            .with(|story| story.newest(|entry| entry.sender.starts_with("sshd"))),
    }
}

/// A unit that the node needs and does not have ends it; other failed units are only said.
async fn failed_units(
    machine: &QemuMachine,
    state: &State,
    progress: &UnboundedSender<Progress>,
) -> Result<(), MachineError> {
    if let Some((unit, how)) = state.missing.first() {
        // The watch ends this wait with the unit's own words, unless the journal does not come.
        tokio::time::sleep(machine.limits.unit + SAY).await;
        let line = machine.watched.with(|story| story.unit(unit));
        return Err(MachineError::Ended(Ending {
            kind: StopKind::Alarm,
            phase: Some(Phase::Provision),
            said: format!("{unit} is not running ({how}){}", after(line.as_ref())),
            line,
        }));
    }
    for unit in &state.failed {
        let line = machine.watched.with(|story| story.unit(unit));
        let _ = progress.send(Progress::Waiting(format!(
            "{unit} failed, which this node can do without{}",
            after(line.as_ref())
        )));
    }
    Ok(())
}

fn after(line: Option<&EvidenceLine>) -> String {
    line.map_or_else(String::new, |line| format!(": {}", line.text))
}

impl Wait<'_> {
    async fn look(&mut self) -> Result<State, MachineError> {
        let limit = self.machine.limits.command;
        let output = self.machine.ssh.run(&self.script, limit).await?;
        Ok(read_state(&output.text()))
    }

    /// Whether the guest has long started everything, and its server is not among it.
    fn is_unserved(&mut self) -> bool {
        if self.started.is_none() {
            let seen = |story: &Story| story.newest(has_started).is_some();
            self.started = self.machine.watched.with(seen).then(Instant::now);
        }
        self.started.is_some_and(|at| at.elapsed() > SERVED)
    }

    fn provision(&mut self) {
        if !std::mem::replace(&mut self.provisioning, true) {
            let _ = self.progress.send(Progress::Phase(Phase::Provision));
        }
    }

    fn say(&mut self, words: &str) {
        let (journal, console) = self
            .machine
            .watched
            .with(|story| (story.has(Artifact::Journal), story.console().to_owned()));
        if journal {
            self.provision();
        }
        let now = Instant::now();
        if let Some((last, at)) = &self.said
            && last == words
            && now.duration_since(*at) < SAY
        {
            return;
        }
        let console = if console.is_empty() {
            "(none)"
        } else {
            &console
        };
        let text = format!(
            "{words} for {} s; console's last line: {console}",
            now.duration_since(self.start).as_secs()
        );
        let _ = self.progress.send(Progress::Waiting(text));
        self.said = Some((words.to_owned(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_guest_says() {
        let text = "system starting\nwaiting containerd.service\nwaiting multi-user.target\nfailed e2scrub_reap.service\n";
        let state = read_state(text);
        assert!(!state.is_over());
        assert_eq!(
            state.shown(),
            "first boot: 2 units to start, first containerd.service, multi-user.target"
        );
        assert_eq!(state.failed, ["e2scrub_reap.service"]);
        let state = read_state("system running\nmissing a.service activating\n");
        assert_eq!(state.missing, [("a.service".into(), "activating".into())]);
        assert!(read_state("system degraded\n").is_over());
        assert!(!read_state("").is_over());
    }
}
