//! A client of the container runtime interface, `runtime.v1`: every call by its own name.
//!
//! Owns: the connection and the calls; the streams behind the URLs that some calls answer with. Messages and stubs
//! ([`v1`]) are generated from `proto/api.proto` by `cargo xtask proto`. Must not: decide what an answer means for a
//! spec, or start machines.

mod containers;
mod error;
mod images;
mod pods;
mod ready;
pub mod stream;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use self::{
    error::answered,
    v1::{
        RuntimeConfigRequest, RuntimeConfigResponse, StatusRequest, StatusResponse, VersionRequest,
        VersionResponse, image_service_client::ImageServiceClient,
        runtime_service_client::RuntimeServiceClient,
    },
};

pub use containers::Wanted;
pub use error::CriError;
pub use ready::{Ready, obstacle, ready};

/// The interface's messages and client stubs, as upstream defines them.
#[expect(
    missing_docs,
    clippy::doc_lazy_continuation,
    clippy::doc_overindented_list_items,
    reason = "generated, with upstream's own documentation"
)]
pub mod v1 {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/runtime.v1.rs"));
}

/// How long one call may take, unless its caller says otherwise. Under emulation the first ones are slow.
const CALL: Duration = Duration::from_secs(20);
/// The longest answer.
const LONGEST: usize = 64 << 20;

/// A connection to one runtime.
#[derive(Clone, Debug)]
pub struct Cri {
    runtime: RuntimeServiceClient<Channel>,
    image: ImageServiceClient<Channel>,
    limit: Duration,
}

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
        let endpoint = Endpoint::from_static("http://localhost").connect_timeout(CALL);
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Self {
            runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(LONGEST),
            image: ImageServiceClient::new(channel).max_decoding_message_size(LONGEST),
            limit: CALL,
        })
    }

    /// The same connection, with another limit on each call.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        self.runtime.clone()
    }

    fn image(&self) -> ImageServiceClient<Channel> {
        self.image.clone()
    }

    /// A request that ends after the limit, here and at the runtime.
    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.limit);
        request
    }

    /// Who it is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn version(&self) -> Result<VersionResponse, CriError> {
        let ask = VersionRequest {
            version: "v1".into(),
        };
        answered("Version", self.runtime().version(self.ask(ask)).await)
    }

    /// How it is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn status(&self) -> Result<StatusResponse, CriError> {
        let ask = StatusRequest { verbose: false };
        answered("Status", self.runtime().status(self.ask(ask)).await)
    }

    /// How it is, with whatever it adds of its own configuration.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn verbose_status(&self) -> Result<StatusResponse, CriError> {
        let ask = StatusRequest { verbose: true };
        answered("Status", self.runtime().status(self.ask(ask)).await)
    }

    /// What the kubelet takes over from it, such as the cgroup driver.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn runtime_config(&self) -> Result<RuntimeConfigResponse, CriError> {
        let ask = RuntimeConfigRequest {};
        let answer = self.runtime().runtime_config(self.ask(ask)).await;
        answered("RuntimeConfig", answer)
    }
}

#[cfg(test)]
mod tests;
