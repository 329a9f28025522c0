//! Runs as processes of their own: `bellwether run`, which outlives the daemon, and its run directory.

use std::{collections::BTreeMap, process::Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use super::runs::{Ended, Look, Runs, Start};
use crate::{
    evidence::EvidenceDir,
    model::{Blame, CellOutcome, ExitCode, Phase, RunId, RunSummary},
    process,
    run::{state::RunState, store::Store},
};

/// A run that was asked to end and did not is asked harder after so many looks.
const PATIENCE: u32 = 4;

/// Starts and follows `bellwether run`.
#[derive(Debug)]
pub struct Children {
    program: Utf8PathBuf,
    /// Given before the subcommand: the folders.
    globals: Vec<String>,
    store: Store,
    logs: Utf8PathBuf,
    /// Those that this process started; others are known by their run directory alone.
    children: BTreeMap<RunId, Child>,
    asked_to_end: BTreeMap<RunId, u32>,
}

impl Children {
    /// With the program to start and the folders it works in; what the runs say goes to files in `logs`.
    ///
    /// # Errors
    /// When the folder for logs cannot be made.
    pub fn new(
        program: Utf8PathBuf,
        globals: Vec<String>,
        store: Store,
        logs: Utf8PathBuf,
    ) -> std::io::Result<Self> {
        fs::create_dir_all(&logs)?;
        Ok(Self {
            program,
            globals,
            store,
            logs,
            children: BTreeMap::new(),
            asked_to_end: BTreeMap::new(),
        })
    }

    /// What a run said on stderr.
    #[must_use]
    pub fn log(&self, run: RunId) -> Utf8PathBuf {
        self.logs.join(format!("{run}.log"))
    }

    fn folder(&self, run: RunId) -> EvidenceDir {
        EvidenceDir::at(self.store.runs_folder().join(run.to_string()))
    }

    /// How a process of ours ended that left no run directory: it found nothing to do, or its profile is wrong.
    fn child_ended(&mut self, run: RunId) -> Option<Look> {
        let child = self.children.get_mut(&run)?;
        let status = match child.try_wait() {
            Ok(None) => return Some(Look::Lives),
            Ok(Some(status)) => status,
            Err(error) => {
                tracing::warn!("cannot wait for run {run}: {error}");
                return Some(Look::Lives);
            }
        };
        self.children.remove(&run);
        let exit = status.code().and_then(|code| {
            ExitCode::ALL
                .into_iter()
                .find(|exit| i32::from(exit.code()) == code)
        });
        Some(Look::Ended(Ended {
            exit,
            stopped: exit.is_none().then_some((Phase::Boot, Blame::Bellwether)),
            words: last_line(&self.log(run)).unwrap_or_else(|| format!("it ended with {status}")),
        }))
    }

    fn summary(&mut self, run: RunId, folder: &EvidenceDir) -> Option<Look> {
        let summary: RunSummary = folder.read_json("summary.json").ok()?;
        self.children.remove(&run);
        self.asked_to_end.remove(&run);
        Some(Look::Ended(of(&summary)))
    }
}

impl Runs for Children {
    fn start(&mut self, start: &Start) -> Result<(), String> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log(start.run))
            .map_err(|error| error.to_string())?;
        let mut command = process::lasting_command(&self.program);
        command.args(&self.globals);
        command.args(["run", &start.profile, "--id", &start.run.to_string()]);
        for (name, revision) in &start.sources {
            command.args(["--source", &format!("{name}={revision}")]);
        }
        if start.if_changed {
            command.arg("--if-changed");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.into_parts().0)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.program))?;
        self.children.insert(start.run, child);
        Ok(())
    }

    fn look(&mut self, run: RunId) -> Look {
        let folder = self.folder(run);
        if !folder.path().exists() {
            return self.child_ended(run).unwrap_or(Look::Absent);
        }
        if let Some(look) = self.summary(run, &folder) {
            return look;
        }
        match self.store.lock(&folder) {
            // A process has it.
            Ok(None) => return Look::Lives,
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::warn!("cannot look at run {run}: {error}");
                return Look::Lives;
            }
        }
        // It may have written its summary between the two looks.
        if let Some(look) = self.summary(run, &folder) {
            return look;
        }
        match self.child_ended(run) {
            Some(Look::Lives) => Look::Lives,
            // Killed. Whoever starts next judges it by what it has; until then it has no end.
            _ => Look::Ended(Ended {
                exit: None,
                stopped: Some((Phase::Boot, Blame::Bellwether)),
                words: last_line(&self.log(run)).map_or_else(
                    || "its process was killed".to_owned(),
                    |line| format!("its process was killed; it last said: {line}"),
                ),
            }),
        }
    }

    fn stop(&mut self, run: RunId) {
        let asked = self.asked_to_end.entry(run).or_insert(0);
        *asked += 1;
        let signal = match *asked {
            1 => Signal::TERM,
            count if count > PATIENCE => Signal::KILL,
            _ => return,
        };
        let pid = match self.children.get(&run).and_then(Child::id) {
            Some(pid) => Some(pid),
            // Its lock is held, so the process that wrote its id lives.
            None => RunState::load(self.folder(run).path())
                .ok()
                .map(|state| state.pid),
        };
        if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed()))
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!("cannot end run {run}: {error}");
        }
    }
}

/// How a run ended by its summary: the first cell that stopped before its specs tells where and by whose fault.
fn of(summary: &RunSummary) -> Ended {
    let cause = summary.cells.iter().find_map(|cell| match &cell.outcome {
        CellOutcome::Stopped { cause } => Some(cause),
        _ => None,
    });
    let green = summary
        .cells
        .iter()
        .filter(|cell| cell.outcome.is_green())
        .count();
    Ended {
        exit: Some(summary.exit),
        stopped: cause
            .filter(|_| matches!(summary.exit, ExitCode::Infra | ExitCode::Incomplete))
            .map(|cause| (cause.phase, cause.blame)),
        words: match cause {
            Some(cause) => format!("stopped in {}: {}", cause.phase, cause.summary),
            None => format!("{green} of {} lanes passed", summary.cells.len()),
        },
    }
}

fn last_line(file: &Utf8Path) -> Option<String> {
    let text = fs::read(file).ok()?;
    let tail = text.get(text.len().saturating_sub(4096)..).unwrap_or(&text);
    String::from_utf8_lossy(tail)
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(|line| line.chars().filter(|c| !c.is_control()).take(300).collect())
}
