//! Into the guest by the `ssh` process: scripts, files out, sockets forwarded, over one shared connection.

use std::{process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use super::{MachineError, unpack};
use crate::process::{self, Group, Output, ProcessError, call, command_line};

/// `ssh` uses this status for its own failures; a script that ends with it is taken for one.
const SSH_FAILED: i32 = 255;
/// How long the shared connection may take to stand.
const CONNECT: Duration = Duration::from_secs(60);
/// The most that is copied out of a guest at once: a guest may run anybody's code.
const MOST: u64 = 4 << 30;

/// The way into one guest.
#[derive(Debug)]
pub struct Ssh {
    port: u16,
    key: Utf8PathBuf,
    /// A short path: sockets live here.
    runtime: Utf8PathBuf,
    master: Mutex<Option<Group>>,
}

/// Options for a guest that is new at each start: no host keys, no questions, no configuration of the user's.
fn options(port: u16, key: &Utf8Path) -> Vec<String> {
    let mut words: Vec<String> = ["-F", "/dev/null", "-i", key.as_str(), "-p"]
        .map(str::to_owned)
        .into();
    words.push(port.to_string());
    for option in [
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        "UserKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=no",
        "LogLevel=ERROR",
        "ConnectTimeout=30",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=8",
        "StreamLocalBindUnlink=yes",
    ] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words
}

/// The command by which a person enters.
#[must_use]
pub fn person_command(port: u16, key: &Utf8Path) -> String {
    let port = port.to_string();
    command_line(
        "ssh",
        &[
            "-i",
            key.as_str(),
            "-p",
            &port,
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "LogLevel=ERROR",
            "root@127.0.0.1",
        ],
    )
}

fn spawn(words: &[String], stdout: Stdio) -> Result<Group, ProcessError> {
    let mut command = process::command("ssh");
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| ProcessError::Start {
        program: "ssh".into(),
        source,
    })?;
    Ok(Group(child))
}

impl Ssh {
    /// The way into the guest behind this port of 127.0.0.1. Nothing is connected yet.
    #[must_use]
    pub fn new(port: u16, key: &Utf8Path, runtime: &Utf8Path) -> Self {
        Self {
            port,
            key: key.to_owned(),
            runtime: runtime.to_owned(),
            master: Mutex::new(None),
        }
    }

    /// Whether a server answers with its banner; otherwise what was seen instead.
    ///
    /// # Errors
    /// In words, what was seen.
    pub async fn banner(&self) -> Result<(), String> {
        let look = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let mut start = [0; 4];
            stream.read_exact(&mut start).await?;
            Ok::<_, std::io::Error>(start == *b"SSH-")
        };
        // QEMU accepts for the guest at once; only the banner shows that the guest's server is there.
        match tokio::time::timeout(Duration::from_secs(3), look).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("something else than ssh answers".to_owned()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err("connection refused".to_owned())
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                Err("connection refused".to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    fn control(&self) -> Utf8PathBuf {
        self.runtime.join("ssh")
    }

    /// Options of a command that goes through the shared connection, or by itself if that is gone.
    fn shared(&self) -> Vec<String> {
        let mut words = options(self.port, &self.key);
        words.extend(["-o".into(), "ControlMaster=no".into()]);
        words.extend(["-o".into(), format!("ControlPath={}", self.control())]);
        words
    }

    /// Starts the shared connection unless it stands.
    ///
    /// # Errors
    /// When the guest cannot be reached.
    pub async fn connect(&self) -> Result<(), MachineError> {
        let mut master = self.master.lock().await;
        if let Some(group) = master.as_mut()
            && matches!(group.0.try_wait(), Ok(None))
        {
            return Ok(());
        }
        let _ = fs_err::remove_file(self.control());
        let mut words = options(self.port, &self.key);
        words.extend(["-o".into(), "ControlMaster=yes".into()]);
        words.extend(["-o".into(), format!("ControlPath={}", self.control())]);
        words.extend(["-N".into(), "root@127.0.0.1".into()]);
        let mut group = spawn(&words, Stdio::null())?;
        let stderr = group.0.stderr.take();
        let stands = async {
            while !self.control().exists() {
                if let Ok(Some(status)) = group.0.try_wait() {
                    let mut said = String::new();
                    if let Some(mut pipe) = stderr {
                        // Its status tells enough if its words are lost.
                        let _ = pipe.read_to_string(&mut said).await;
                    }
                    return Err(ProcessError::Failed {
                        command: command_line("ssh", &words),
                        status: status.to_string(),
                        stderr: said,
                    });
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(CONNECT, stands).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(ProcessError::Deadline {
                    command: command_line("ssh", &words),
                    limit: CONNECT,
                }
                .into());
            }
        }
        *master = Some(group);
        Ok(())
    }

    /// Ends the shared connection. The next command makes another.
    pub async fn close(&self) {
        if let Some(mut group) = self.master.lock().await.take() {
            // An orderly end, which the guest hears of.
            group.signal(Signal::TERM);
            let gone = tokio::time::timeout(Duration::from_secs(2), group.0.wait());
            // Killed otherwise.
            let _ = gone.await;
        }
    }

    /// Runs a shell script as root.
    ///
    /// # Errors
    /// When the guest cannot be reached, or the script runs into `limit`. A script that fails is an output.
    pub async fn run(&self, script: &str, limit: Duration) -> Result<Output, MachineError> {
        self.connect().await?;
        let call = call("ssh")
            .args(self.shared())
            .args(["-T", "root@127.0.0.1", "sh -s"])
            .input(script)
            .limit(limit);
        let line = call.command_line();
        let output = call.output().await?;
        if output.status == Some(SSH_FAILED) {
            return Err(ProcessError::Failed {
                command: line,
                status: output.status_text(),
                stderr: output.stderr,
            }
            .into());
        }
        Ok(output)
    }

    /// Copies the regular files of a guest folder. Files that change or cannot be read are no failure.
    ///
    /// # Errors
    /// When the folder is not there, the guest cannot be reached, or `limit` is over.
    pub async fn fetch(
        &self,
        folder: &str,
        into: &Utf8Path,
        limit: Duration,
    ) -> Result<(), MachineError> {
        self.connect().await?;
        fs_err::tokio::create_dir_all(into).await?;
        let script = format!(
            "cd {} && exec tar --ignore-failed-read --sparse -cf - .",
            process::quote(folder)
        );
        let mut words = self.shared();
        words.extend(["-T".into(), "root@127.0.0.1".into(), script]);
        let line = command_line("ssh", &words);
        match tokio::time::timeout(limit, self.stream(words, into)).await {
            Ok(result) => result,
            Err(_) => Err(ProcessError::Deadline {
                command: line,
                limit,
            }
            .into()),
        }
    }

    async fn stream(&self, words: Vec<String>, into: &Utf8Path) -> Result<(), MachineError> {
        let mut group = spawn(&words, Stdio::piped())?;
        let (stdout, stderr) = (group.0.stdout.take(), group.0.stderr.take());
        // Through a file: a guest's logs may be larger than what bellwether may hold in memory.
        let spool = tempfile::tempfile_in(into)?;
        let mut file = tokio::fs::File::from_std(spool.try_clone()?);
        let mut said = String::new();
        let copy = async {
            if let Some(pipe) = stdout {
                tokio::io::copy(&mut pipe.take(MOST), &mut file).await?;
            }
            file.flush().await
        };
        let listen = async {
            if let Some(mut pipe) = stderr {
                let mut bytes = Vec::new();
                // Only for the message; the status decides.
                let _ = pipe.read_to_end(&mut bytes).await;
                said = String::from_utf8_lossy(&bytes).into_owned();
            }
        };
        let (copied, ()) = tokio::join!(copy, listen);
        copied?;
        let status = group.0.wait().await?;
        let into = into.to_owned();
        let unpacked = tokio::task::spawn_blocking(move || unpack::unpack(spool, &into)).await;
        let files = match unpacked {
            Ok(result) => result?,
            Err(error) => return Err(std::io::Error::other(error).into()),
        };
        // 1: a file changed while it was read; 2: one could not be read. What came is kept.
        if files == 0 && !status.success() {
            return Err(ProcessError::Failed {
                command: command_line("ssh", &words),
                status: status.to_string(),
                stderr: said,
            }
            .into());
        }
        Ok(())
    }

    /// A unix socket on the host that leads to a socket in the guest: a path, or `ADDRESS:PORT`.
    ///
    /// # Errors
    /// When the guest cannot be reached or refuses.
    pub async fn forward(&self, socket: &str, name: &str) -> Result<Utf8PathBuf, MachineError> {
        self.connect().await?;
        let host = self.runtime.join(name);
        call("ssh")
            .args(self.shared())
            .args(["-O", "forward", "-L"])
            .arg(format!("{host}:{socket}"))
            .arg("root@127.0.0.1")
            .run()
            .await?;
        Ok(host)
    }
}
