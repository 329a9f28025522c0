//! The streams behind the URLs of exec, attach and port-forward: channels over a WebSocket, protocol
//! `v4.channel.k8s.io`, in which the first byte of each message is its channel.

use camino::Utf8Path;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message, client::IntoClientRequest as _, error::ProtocolError, http::HeaderValue,
    },
};

/// The protocol's name.
pub const PROTOCOL: &str = "v4.channel.k8s.io";

/// What goes in, of exec and attach.
pub const STDIN: u8 = 0;
/// What comes out.
pub const STDOUT: u8 = 1;
/// What comes out on the side.
pub const STDERR: u8 = 2;
/// How it ended.
pub const STATUS: u8 = 3;

/// The bytes of the first forwarded port, both ways.
pub const DATA: u8 = 0;
/// Why the first port could not be forwarded.
pub const ERROR: u8 = 1;

/// A stream failed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The URL is not one of a streaming server.
    #[error("`{url}` is no URL of a streaming server: it should be http://ADDRESS:PORT/…")]
    Url {
        /// It.
        url: String,
    },
    /// Nothing answers behind the forwarded socket.
    #[error("the streaming server cannot be reached: {0}")]
    Connect(#[from] std::io::Error),
    /// The server refused or broke the protocol.
    #[error("the streaming server: {}", refused(.0))]
    Socket(Box<tungstenite::Error>),
    /// The end's status cannot be read.
    #[error("the stream's status `{text}` cannot be read: {source}")]
    Status {
        /// It.
        text: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The stream ended without one.
    #[error("the stream ended without a status")]
    NoStatus,
}

impl From<tungstenite::Error> for StreamError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

fn refused(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let said = String::from_utf8_lossy(body);
            format!("it answered {}: {}", response.status(), said.trim())
        }
        error => error.to_string(),
    }
}

/// Where the server of a URL listens in the guest, as [`crate::machine::Machine::forward`] takes it.
///
/// # Errors
/// When the URL has no address with a port.
pub fn address(url: &str) -> Result<&str, StreamError> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("ws://"));
    let address = rest.and_then(|rest| rest.split(['/', '?']).next());
    address
        .filter(|address| address.contains(':'))
        .ok_or_else(|| StreamError::Url {
            url: url.to_owned(),
        })
}

/// Channels over one connection.
#[derive(Debug)]
pub struct Channels {
    socket: WebSocketStream<UnixStream>,
}

/// What a command left, from its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub exit_code: i32,
}

impl Channels {
    /// Opens the URL of an exec or attach. `socket` leads to [`address`].
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open(url: &str, socket: &Utf8Path) -> Result<Self, StreamError> {
        address(url)?;
        let mut request = url.replacen("http://", "ws://", 1).into_client_request()?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOL));
        let stream = UnixStream::connect(socket).await?;
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket })
    }

    /// Opens the URL of a port-forward to one port.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open_port(url: &str, port: u16, socket: &Utf8Path) -> Result<Self, StreamError> {
        let mut channels = Self::open(&format!("{url}?port={port}"), socket).await?;
        // Each channel begins with the port it is for.
        for _ in [DATA, ERROR] {
            channels.next().await?;
        }
        Ok(channels)
    }

    /// Sends bytes on a channel.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), StreamError> {
        let message = [&[channel], bytes].concat();
        Ok(self.socket.send(Message::binary(message)).await?)
    }

    /// The next bytes and their channel; absent at the stream's end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, StreamError> {
        loop {
            let message = match self.socket.next().await {
                None => return Ok(None),
                // A server may end without the closing handshake: what it had to say came before.
                Some(Err(
                    tungstenite::Error::ConnectionClosed
                    | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                )) => return Ok(None),
                Some(message) => message?,
            };
            match message {
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Binary(_) | Message::Text(_) => {
                    let bytes = message.into_data();
                    if let Some((channel, rest)) = bytes.split_first() {
                        return Ok(Some((*channel, rest.to_vec())));
                    }
                }
            }
        }
    }

    /// Reads until a channel has said `wanted`; returns all it said.
    ///
    /// # Errors
    /// When the connection breaks. One that ends returns what there was.
    pub async fn until(&mut self, channel: u8, wanted: &[u8]) -> Result<Vec<u8>, StreamError> {
        let mut said = Vec::new();
        while !said.windows(wanted.len().max(1)).any(|part| part == wanted) {
            match self.next().await? {
                Some((from, bytes)) if from == channel => said.extend(bytes),
                Some(_) => {}
                None => break,
            }
        }
        Ok(said)
    }

    /// Reads a command's streams to their end.
    ///
    /// # Errors
    /// When the connection breaks, or says nothing of how the command ended.
    pub async fn to_end(mut self) -> Result<Ended, StreamError> {
        let mut ended = Ended::default();
        let mut status = Vec::new();
        while let Some((channel, bytes)) = self.next().await? {
            match channel {
                STDOUT => ended.stdout.extend(bytes),
                STDERR => ended.stderr.extend(bytes),
                STATUS => status.extend(bytes),
                _ => {}
            }
        }
        if status.is_empty() {
            return Err(StreamError::NoStatus);
        }
        ended.exit_code = exit_code(&status)?;
        Ok(ended)
    }
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<StatusCause>,
}

#[derive(Deserialize)]
struct StatusCause {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// The exit code that a status holds. Pure.
///
/// # Errors
/// When it is no status, or a failure without an exit code.
pub fn exit_code(status: &[u8]) -> Result<i32, StreamError> {
    let unreadable = |source| StreamError::Status {
        text: String::from_utf8_lossy(status).into_owned(),
        source,
    };
    let read: Status = serde_json::from_slice(status).map_err(unreadable)?;
    if read.status == "Success" {
        return Ok(0);
    }
    let causes = read.details.map(|details| details.causes);
    causes
        .unwrap_or_default()
        .iter()
        .find(|cause| cause.reason == "ExitCode")
        .and_then(|cause| cause.message.parse().ok())
        .ok_or_else(|| {
            unreadable(serde::de::Error::custom(format!(
                "it holds no exit code: {}",
                read.message
            )))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_an_exit_code_or_a_reason() {
        let success = br#"{"metadata":{},"status":"Success"}"#;
        assert_eq!(exit_code(success).unwrap(), 0);
        let failure = br#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code",
            "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
        assert_eq!(exit_code(failure).unwrap(), 3);
        let other = br#"{"status":"Failure","message":"container not running"}"#;
        let error = exit_code(other).unwrap_err().to_string();
        assert!(error.contains("container not running"), "{error}");
        assert!(exit_code(b"").is_err());
    }

    #[test]
    fn a_url_leads_to_an_address() {
        assert_eq!(
            address("http://127.0.0.1:40001/exec/AbC").unwrap(),
            "127.0.0.1:40001"
        );
        assert_eq!(
            address("http://[::1]:40001/exec/AbC").unwrap(),
            "[::1]:40001"
        );
        for url in ["", "http://", "http://localhost/exec", "/exec/AbC"] {
            assert!(address(url).is_err(), "{url}");
        }
    }

    /// A streaming server for one connection: says what came on stdin, and how it ended.
    async fn serve(listener: tokio::net::UnixListener) {
        use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the signature is the library's")]
        let agree = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/exec/AbC");
            assert_eq!(request.headers()["Sec-WebSocket-Protocol"], PROTOCOL);
            let protocol = HeaderValue::from_static(PROTOCOL);
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol);
            Ok(response)
        };
        let accepted = tokio_tungstenite::accept_hdr_async(stream, agree).await;
        let mut socket = accepted.unwrap();
        // The first message of a server is empty: the connection stands.
        socket.send(Message::binary(vec![STDOUT])).await.unwrap();
        let got = socket.next().await.unwrap().unwrap().into_data();
        assert_eq!(got[0], STDIN);
        let status =
            br#"{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
        for (channel, bytes) in [(STDOUT, &got[1..]), (STDERR, b"err"), (STATUS, status)] {
            let message = [&[channel], bytes].concat();
            socket.send(Message::binary(message)).await.unwrap();
        }
        // Gone without a closing handshake, as servers may.
    }

    #[tokio::test]
    async fn channels_carry_a_command_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::try_from(folder.path().join("s")).unwrap();
        let server = tokio::spawn(serve(tokio::net::UnixListener::bind(&path).unwrap()));
        let url = "http://127.0.0.1:40001/exec/AbC";
        let mut channels = Channels::open(url, &path).await.unwrap();
        channels.send(STDIN, b"hello").await.unwrap();
        let ended = channels.to_end().await.unwrap();
        let whole = Ended {
            stdout: b"hello".to_vec(),
            stderr: b"err".to_vec(),
            exit_code: 3,
        };
        assert_eq!(ended, whole);
        server.await.unwrap();
    }
}
