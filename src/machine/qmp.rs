//! QEMU's control socket: a greeting, a few commands, and the events that say why a machine ended.

use std::{io, sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use camino::Utf8Path;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc},
};

/// Talking to QEMU failed.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The socket failed.
    #[error("cannot talk to QEMU: {0}")]
    Io(#[from] io::Error),
    /// QEMU said no.
    #[error("QEMU refused `{command}`: {said}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's words.
        said: String,
    },
    /// QEMU did not answer.
    #[error("QEMU did not answer `{command}` within {} s", .limit.as_secs())]
    Silent {
        /// The command.
        command: String,
        /// How long it had.
        limit: Duration,
    },
    /// The connection ended, mostly because QEMU did.
    #[error("QEMU closed its control socket")]
    Closed,
}

/// One message from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The first line.
    Greeting,
    /// A command's answer.
    Return {
        /// The id the command was sent with.
        id: Option<u64>,
        /// What it returned.
        value: Value,
    },
    /// A command's failure.
    Error {
        /// The id the command was sent with.
        id: Option<u64>,
        /// QEMU's words.
        said: String,
    },
    /// Something happened.
    Event(Event),
}

/// What can happen to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The machine ends.
    Shutdown {
        /// Whether the guest asked for it.
        guest: bool,
        /// QEMU's reason, such as `guest-shutdown`, `guest-reset`, `host-signal`.
        reason: String,
    },
    /// The machine was reset.
    Reset {
        /// QEMU's reason.
        reason: String,
    },
    /// The guest's kernel says that it panicked.
    GuestPanicked,
    /// The machine stands still.
    Stop,
    /// The machine goes on.
    Resume,
    /// The host could not do what the guest's disk asked for.
    BlockIoError {
        /// The disk.
        device: String,
        /// Whether it was a write.
        write: bool,
        /// Whether the host's disk is full.
        no_space: bool,
        /// QEMU's reason.
        reason: String,
    },
    /// Anything else.
    Other(String),
}

/// Reads one line of QMP; absent when it is no message.
#[must_use]
pub fn parse(line: &str) -> Option<Message> {
    let value: Value = serde_json::from_str(line).ok()?;
    let id = value.get("id").and_then(Value::as_u64);
    if value.get("QMP").is_some() {
        return Some(Message::Greeting);
    }
    if let Some(answer) = value.get("return") {
        let value = answer.clone();
        return Some(Message::Return { id, value });
    }
    if let Some(error) = value.get("error") {
        let said = text(error, "desc");
        return Some(Message::Error { id, said });
    }
    let name = value.get("event")?.as_str()?;
    let data = value.get("data").unwrap_or(&Value::Null);
    Some(Message::Event(event(name, data)))
}

fn event(name: &str, data: &Value) -> Event {
    let flag = |key: &str| data.get(key).and_then(Value::as_bool).unwrap_or(false);
    match name {
        "SHUTDOWN" => Event::Shutdown {
            guest: flag("guest"),
            reason: text(data, "reason"),
        },
        "RESET" => Event::Reset {
            reason: text(data, "reason"),
        },
        "GUEST_PANICKED" => Event::GuestPanicked,
        "STOP" => Event::Stop,
        "RESUME" => Event::Resume,
        "BLOCK_IO_ERROR" => Event::BlockIoError {
            device: text(data, "device"),
            write: text(data, "operation") == "write",
            no_space: flag("nospace"),
            reason: text(data, "reason"),
        },
        other => Event::Other(other.to_owned()),
    }
}

fn text(value: &Value, key: &str) -> String {
    let found = value.get(key).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// A connection to one QEMU.
#[derive(Debug)]
pub struct Qmp {
    writer: Mutex<OwnedWriteHalf>,
    answers: Mutex<mpsc::UnboundedReceiver<Message>>,
    next: AtomicU64,
}

/// How long QEMU may take to answer. It answers at once unless its host is stuck.
const ANSWER: Duration = Duration::from_secs(10);

impl Qmp {
    /// Connects and leaves negotiation mode. Events arrive, as sent and as parsed, on the receiver until
    /// QEMU ends.
    ///
    /// # Errors
    /// When the socket does not answer as QEMU does.
    pub async fn connect(
        socket: &Utf8Path,
    ) -> Result<(Self, mpsc::UnboundedReceiver<(String, Event)>), QmpError> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        let (answer_to, answers) = mpsc::unbounded_channel();
        let (event_to, events) = mpsc::unbounded_channel();
        // Ends by itself: QEMU's end closes the socket.
        tokio::spawn(listen(read, answer_to, event_to));
        let qmp = Self {
            writer: Mutex::new(write),
            answers: Mutex::new(answers),
            next: AtomicU64::new(1),
        };
        qmp.execute("qmp_capabilities").await?;
        Ok((qmp, events))
    }

    /// Runs one command without arguments.
    ///
    /// # Errors
    /// When QEMU refuses, does not answer, or is gone.
    pub async fn execute(&self, command: &str) -> Result<Value, QmpError> {
        self.execute_with(command, json!({})).await
    }

    /// Runs one command.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn execute_with(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().await;
        let ask = json!({"execute": command, "arguments": arguments, "id": id});
        let line = format!("{ask}\n");
        self.writer.lock().await.write_all(line.as_bytes()).await?;
        let wait = async {
            loop {
                match answers.recv().await {
                    Some(Message::Return { id: of, value }) if of == Some(id) => return Ok(value),
                    Some(Message::Error { id: of, said }) if of == Some(id) => {
                        let command = command.to_owned();
                        return Err(QmpError::Refused { command, said });
                    }
                    // The greeting, or the answer to a command that was given up.
                    Some(_) => {}
                    None => return Err(QmpError::Closed),
                }
            }
        };
        match tokio::time::timeout(ANSWER, wait).await {
            Ok(answer) => answer,
            Err(_) => Err(QmpError::Silent {
                command: command.to_owned(),
                limit: ANSWER,
            }),
        }
    }

    /// `running`, `paused`, `io-error`, …
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn status(&self) -> Result<String, QmpError> {
        Ok(text(&self.execute("query-status").await?, "status"))
    }

    /// Ends QEMU.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn quit(&self) -> Result<(), QmpError> {
        self.execute("quit").await.map(drop)
    }

    /// Lets the guest stand still.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn stop(&self) -> Result<(), QmpError> {
        self.execute("stop").await.map(drop)
    }

    /// Lets the guest go on.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn cont(&self) -> Result<(), QmpError> {
        self.execute("cont").await.map(drop)
    }
}

async fn listen(
    read: OwnedReadHalf,
    answers: mpsc::UnboundedSender<Message>,
    events: mpsc::UnboundedSender<(String, Event)>,
) {
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match parse(&line) {
            // A receiver that is gone wants no more; QEMU must still be read, or it blocks.
            Some(Message::Event(event)) => drop(events.send((line, event))),
            Some(message) => drop(answers.send(message)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[test]
    fn reads_what_qemu_sends() {
        let greeting = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}"#;
        assert_eq!(parse(greeting), Some(Message::Greeting));
        let off = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#;
        assert_eq!(
            parse(off),
            Some(Message::Event(Event::Shutdown {
                guest: true,
                reason: "guest-shutdown".into()
            }))
        );
        let full = r#"{"event": "BLOCK_IO_ERROR", "data": {"device": "root", "nospace": true, "node-name": "n", "reason": "No space left on device", "operation": "write", "action": "stop"}}"#;
        assert_eq!(
            parse(full),
            Some(Message::Event(Event::BlockIoError {
                device: "root".into(),
                write: true,
                no_space: true,
                reason: "No space left on device".into()
            }))
        );
        let refused =
            r#"{"id": 7, "error": {"class": "CommandNotFound", "desc": "no such thing"}}"#;
        assert_eq!(
            parse(refused),
            Some(Message::Error {
                id: Some(7),
                said: "no such thing".into()
            })
        );
        assert_eq!(parse("not json"), None);
        assert_eq!(parse("{}"), None);
    }

    #[tokio::test]
    async fn an_event_between_question_and_answer_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("qmp.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            write.write_all(b"{\"QMP\": {}}\n").await.unwrap();
            let mut lines = BufReader::new(read).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                let asked: Value = serde_json::from_str(&line).unwrap();
                let answer = if asked["execute"] == "query-status" {
                    json!({"id": asked["id"], "return": {"status": "running"}})
                } else {
                    json!({"id": asked["id"], "return": {}})
                };
                let text = format!("{}\n{answer}\n", json!({"event": "STOP"}));
                write.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let (qmp, mut events) = Qmp::connect(&path).await.unwrap();
        assert_eq!(qmp.status().await.unwrap(), "running");
        assert_eq!(events.recv().await.unwrap().1, Event::Stop);
        server.abort();
        let _ = server.await;
        assert!(qmp.status().await.is_err());
    }
}
