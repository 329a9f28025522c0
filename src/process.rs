//! Child processes. The only place that starts one.
//!
//! Every child gets its own process group and dies with bellwether (parent-death signal; the undertaker ends the
//! rest of its group), so that neither Ctrl-C nor `kill -9` leaves one behind. The death signal is bound to the
//! thread that starts the child: call from the runtime's own threads, never from `spawn_blocking`.

mod undertaker;

use std::{ffi::OsStr, io, os::unix::process::ExitStatusExt, process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{
    Pid, Signal, getpriority_process, kill_process_group, set_parent_process_death_signal,
    setpriority_pgrp,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use undertaker::Watched;

/// The niceness of what runs in the background: a machine that runs beside it gets nine tenths of a core.
const NICE: i32 = 10;

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Talking to it failed.
    #[error("lost `{program}`: {source}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` ended with {status}{}", last_words(.stderr))]
    Failed {
        /// The command line.
        command: String,
        /// `exit status 1` or `signal 9`.
        status: String,
        /// All it wrote to stderr.
        stderr: String,
    },
    /// It took too long and was killed.
    #[error("`{command}` did not end within {} s", .limit.as_secs())]
    Deadline {
        /// The command line.
        command: String,
        /// How long it had.
        limit: Duration,
    },
}

fn last_words(stderr: &str) -> String {
    match stderr.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.trim()),
        None => String::new(),
    }
}

/// A child's end.
#[derive(Clone, Debug)]
pub struct Output {
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, as text.
    pub stderr: String,
    /// Its exit status; absent when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Output {
    /// Stdout as text, with invalid bytes replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// `exit status 1` or `signal 9`.
    #[must_use]
    pub fn status_text(&self) -> String {
        match (self.status, self.signal) {
            (Some(status), _) => format!("exit status {status}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown status".to_owned(),
        }
    }
}

/// A command to be run to its end.
#[derive(Clone, Debug)]
pub struct Call {
    program: String,
    arguments: Vec<String>,
    folder: Option<Utf8PathBuf>,
    environment: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    log: Option<Utf8PathBuf>,
    limit: Duration,
    background: bool,
}

/// Starts a [`Call`] of `program`. Its default limit is one minute.
#[must_use]
pub fn call(program: impl Into<String>) -> Call {
    Call {
        program: program.into(),
        arguments: Vec::new(),
        folder: None,
        environment: Vec::new(),
        input: None,
        log: None,
        limit: Duration::from_secs(60),
        background: false,
    }
}

impl Call {
    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Utf8Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes these bytes to its stdin.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Appends its stdout and stderr to this file, live, instead of keeping them in memory;
    /// [`Output::stdout`] and [`Output::stderr`] then stay empty.
    #[must_use]
    pub fn log(mut self, file: impl AsRef<Utf8Path>) -> Self {
        self.log = Some(file.as_ref().to_owned());
        self
    }

    /// Kills it after `limit`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets it, and all that it starts, have only the cores that nobody else wants.
    #[must_use]
    pub const fn background(mut self) -> Self {
        self.background = true;
        self
    }

    /// The command line, for people.
    #[must_use]
    pub fn command_line(&self) -> String {
        command_line(&self.program, &self.arguments)
    }

    /// Runs it and returns its end, whatever its status.
    ///
    /// # Errors
    /// When it cannot be started, is lost, or runs into its limit (it is then killed with its group).
    pub async fn output(self) -> Result<Output, ProcessError> {
        let mut command = command(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(k, v)| (k, v)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(if self.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let start = |source| ProcessError::Start {
            program: self.program.clone(),
            source,
        };
        if let Some(log) = &self.log {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(log)
                .map_err(start)?;
            command
                .stdout(file.try_clone().map_err(start)?)
                .stderr(file);
        } else {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let child = command.spawn().map_err(start)?;
        if self.background
            && let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            // Never above bellwether's own. A command that ended already needs no priority.
            let own = getpriority_process(None).unwrap_or_default();
            let _ = setpriority_pgrp(Some(pid), own.max(NICE));
        }
        // Dropped after the guard: a group is watched until it is killed.
        let _watched = Watched::new(child.id());
        let mut guard = Group(child);
        let lost = |source| ProcessError::Lost {
            program: self.program.clone(),
            source,
        };
        let (stdin, stdout, stderr) = (
            guard.0.stdin.take(),
            guard.0.stdout.take(),
            guard.0.stderr.take(),
        );
        let input = self.input.clone().unwrap_or_default();
        let talk = async {
            let feed = async {
                if let Some(mut pipe) = stdin {
                    // A child that ends without reading its input is judged by its status.
                    let _ = pipe.write_all(&input).await;
                }
            };
            let (_, out, err) = tokio::join!(feed, drain(stdout), drain(stderr));
            let status = guard.0.wait().await?;
            Ok::<_, io::Error>(Output {
                stdout: out?,
                stderr: String::from_utf8_lossy(&err?).into_owned(),
                status: status.code(),
                signal: status.signal(),
            })
        };
        match tokio::time::timeout(self.limit, talk).await {
            Ok(output) => output.map_err(lost),
            Err(_) => Err(ProcessError::Deadline {
                command: self.command_line(),
                limit: self.limit,
            }),
        }
    }

    /// Runs it and fails unless its exit status is 0.
    ///
    /// # Errors
    /// As [`Call::output`], and when the status is not 0.
    pub async fn run(self) -> Result<Output, ProcessError> {
        let line = self.command_line();
        let output = self.output().await?;
        if output.status == Some(0) {
            return Ok(output);
        }
        let status = output.status_text();
        Err(ProcessError::Failed {
            command: line,
            status,
            stderr: output.stderr,
        })
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// A command line as a shell would take it.
#[must_use]
pub fn command_line(program: &str, arguments: &[impl AsRef<str>]) -> String {
    std::iter::once(program)
        .chain(arguments.iter().map(AsRef::as_ref))
        .map(quote)
        .collect::<Vec<_>>()
        .join(" ")
}

/// One word, quoted for a POSIX shell where it must be.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A command in its own process group that dies with this process. Prefer [`call`] for commands that are
/// run to their end; this is for long-lived children, which [`Group`] should hold.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).kill_on_drop(true);
    #[expect(
        unsafe_code,
        reason = "prctl between fork and exec; the call is async-signal-safe"
    )]
    // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    command
}

/// A command in its own process group that outlives this process: for what may be handed over to a person.
/// Whoever starts it must leave a record by which a later start can find and end it.
#[must_use]
pub fn lasting_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    command
}

/// Kills the process group that `pid` leads. A group that is gone is fine.
pub fn kill_group(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Becomes the shell command `line`: the terminal, its signals and the exit status are then all that command's.
/// Returns only when that fails.
#[must_use]
pub fn replace_with(line: &str) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new("/bin/sh")
        .args(["-c", &format!("exec {line}")])
        .exec()
}

/// A running child with its process group; dropping it kills the whole group.
#[derive(Debug)]
pub struct Group(pub Child);

impl Group {
    /// Sends `signal` to the whole group. A group that is gone is fine.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_in_the_background_stands_back_with_all_that_it_starts() {
        let script = "sleep 0.2; sh -c nice";
        let ask = || call("sh").args(["-c", script]);
        let nice = |output: Output| output.text().trim().parse::<i32>().unwrap();
        let own = nice(ask().output().await.unwrap());
        let background = nice(ask().background().output().await.unwrap());
        assert_eq!(background, own.max(NICE));
    }
}
