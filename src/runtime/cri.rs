//! A small client of the container runtime interface, `runtime.v1`: enough to know that a runtime is ready.
//!
//! Messages hold the fields that are read here, with the interface's own numbers; others are skipped on the wire.

use std::{collections::BTreeMap, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// Talking to a runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum CriError {
    /// The socket does not answer.
    #[error("the runtime does not answer: {}", innermost(.0))]
    Connect(#[from] tonic::transport::Error),
    /// The runtime refused a call.
    #[error("the runtime's {call} failed: {}", words(.status))]
    Call {
        /// The call.
        call: &'static str,
        /// What it said.
        status: Box<Status>,
    },
    /// It did not become ready.
    #[error("the runtime was not ready within {} s; last seen: {last}", .limit.as_secs())]
    NotReady {
        /// How long it had.
        limit: Duration,
        /// What it said last.
        last: String,
    },
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn words(status: &Status) -> String {
    let source = std::error::Error::source(status).map(innermost);
    match (status.message(), source) {
        ("", Some(source)) => source,
        (message, Some(source)) if message.contains("transport error") => source,
        (message, _) => format!("{}: {message}", status.code()),
    }
}

/// `VersionRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct VersionRequest {
    /// The interface's version the client speaks.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// `VersionResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct VersionResponse {
    /// The kubelet's runtime API version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The runtime's name.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// Its version.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// The version of the interface.
    #[prost(string, tag = "4")]
    pub runtime_api_version: String,
}

/// `StatusRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct StatusRequest {
    /// Whether `info` is wanted.
    #[prost(bool, tag = "1")]
    pub verbose: bool,
}

/// `StatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct StatusResponse {
    /// The conditions.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RuntimeStatus>,
    /// More, as the runtime likes.
    #[prost(btree_map = "string, string", tag = "2")]
    pub info: BTreeMap<String, String>,
    /// The runtime handlers it serves.
    #[prost(message, repeated, tag = "3")]
    pub runtime_handlers: Vec<RuntimeHandler>,
}

/// `RuntimeStatus`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RuntimeStatus {
    /// By type.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<RuntimeCondition>,
}

/// `RuntimeCondition`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RuntimeCondition {
    /// `RuntimeReady`, `NetworkReady`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// Whether it holds.
    #[prost(bool, tag = "2")]
    pub status: bool,
    /// Why not, in one word.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Why not, in words.
    #[prost(string, tag = "4")]
    pub message: String,
}

/// `RuntimeHandler`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RuntimeHandler {
    /// Its name; the default one has none.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `ListImagesRequest`, without its filter.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ListImagesRequest {}

/// `ListImagesResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListImagesResponse {
    /// The images.
    #[prost(message, repeated, tag = "1")]
    pub images: Vec<Image>,
}

/// `Image`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Image {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its full tags.
    #[prost(string, repeated, tag = "2")]
    pub repo_tags: Vec<String>,
    /// Its full digests.
    #[prost(string, repeated, tag = "3")]
    pub repo_digests: Vec<String>,
    /// Its size, in bytes.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// Whether garbage collection leaves it alone.
    #[prost(bool, tag = "8")]
    pub pinned: bool,
}

/// A connection to one runtime.
#[derive(Clone, Debug)]
pub struct Cri {
    channel: Channel,
}

/// How long one call may take. Under emulation the first ones are slow.
const CALL: Duration = Duration::from_secs(20);
/// How often a runtime that is not ready is asked again.
const AGAIN: Duration = Duration::from_millis(500);

impl Cri {
    /// Connects to a unix socket.
    ///
    /// # Errors
    /// When nothing answers there.
    pub async fn connect(socket: &Utf8Path) -> Result<Self, CriError> {
        let path: Utf8PathBuf = socket.to_owned();
        let connector = service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The name stands for the host header only; the socket is the connector's.
        let endpoint = Endpoint::from_static("http://localhost")
            .timeout(CALL)
            .connect_timeout(CALL);
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Self { channel })
    }

    async fn call<Q, A>(
        &self,
        call: &'static str,
        path: &'static str,
        ask: Q,
    ) -> Result<A, CriError>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let failed = |status| CriError::Call {
            call,
            status: Box::new(status),
        };
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        grpc.ready().await?;
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let answer = grpc
            .unary(Request::new(ask), PathAndQuery::from_static(path), codec)
            .await
            .map_err(failed)?;
        Ok(answer.into_inner())
    }

    /// Who it is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn version(&self) -> Result<VersionResponse, CriError> {
        let ask = VersionRequest {
            version: "v1".into(),
        };
        self.call("Version", "/runtime.v1.RuntimeService/Version", ask)
            .await
    }

    /// How it is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn status(&self) -> Result<StatusResponse, CriError> {
        let ask = StatusRequest { verbose: false };
        self.call("Status", "/runtime.v1.RuntimeService/Status", ask)
            .await
    }

    /// The images it has.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn images(&self) -> Result<Vec<Image>, CriError> {
        let path = "/runtime.v1.ImageService/ListImages";
        let answer: ListImagesResponse =
            self.call("ListImages", path, ListImagesRequest {}).await?;
        Ok(answer.images)
    }
}

/// A runtime that answered and is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The connection.
    pub cri: Cri,
    /// Who it is.
    pub version: VersionResponse,
    /// The runtime handlers it says it serves; empty for one that does not say.
    pub handlers: Vec<String>,
}

/// What keeps a runtime from being ready; absent when it is. Pure.
#[must_use]
pub fn obstacle(status: &StatusResponse) -> Option<String> {
    let conditions = status
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let words: Vec<String> = ["RuntimeReady", "NetworkReady"]
        .iter()
        .filter_map(|name| {
            match conditions
                .iter()
                .find(|condition| condition.r#type == *name)
            {
                Some(condition) if condition.status => None,
                Some(condition) => Some(format!(
                    "{name}=false reason {}: {}",
                    condition.reason, condition.message
                )),
                None => Some(format!("{name} is not reported")),
            }
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Waits until the runtime answers, and says that itself and its network are ready.
///
/// # Errors
/// After `limit`, with what was seen last.
pub async fn ready(socket: &Utf8Path, limit: Duration) -> Result<Ready, CriError> {
    let last = std::sync::Mutex::new(String::from("nothing"));
    let wait = async {
        loop {
            let words = match look(socket).await {
                Ok(Ok(ready)) => return ready,
                Ok(Err(words)) => words,
                Err(error) => error.to_string(),
            };
            if let Ok(mut last) = last.lock() {
                *last = words;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    match tokio::time::timeout(limit, wait).await {
        Ok(ready) => Ok(ready),
        Err(_) => Err(CriError::NotReady {
            limit,
            last: last.into_inner().unwrap_or_default(),
        }),
    }
}

async fn look(socket: &Utf8Path) -> Result<Result<Ready, String>, CriError> {
    let cri = Cri::connect(socket).await?;
    let version = cri.version().await?;
    let status = cri.status().await?;
    if let Some(words) = obstacle(&status) {
        return Ok(Err(words));
    }
    let handlers = status
        .runtime_handlers
        .into_iter()
        .map(|handler| handler.name)
        .filter(|name| !name.is_empty())
        .collect();
    Ok(Ok(Ready {
        cri,
        version,
        handlers,
    }))
}

#[cfg(test)]
mod tests;
