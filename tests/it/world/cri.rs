//! The runtime's answers over CRI. They come from the test, and only while the fixture's process lives.

use std::convert::Infallible;

use bellwether::runtime::cri::v1::{
    RuntimeCondition, RuntimeStatus, StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};
use camino::Utf8Path;
use futures_util::stream;
use prost::Message;
use tokio::{net::UnixListener, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::http,
    server::{Grpc, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::pods::Pods;

/// Answers at a socket, for the machine in `root`, until the handle is aborted.
pub fn serve(socket: &Utf8Path, root: &Utf8Path) -> std::io::Result<JoinHandle<()>> {
    let listener = UnixListener::bind(socket)?;
    let pods = Pods::new(root)?;
    let service = service_fn(move |request: http::Request<Body>| {
        let pods = pods.clone();
        async move { Ok::<_, Infallible>(respond(&pods, request).await) }
    });
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    Ok(tokio::spawn(async move {
        let _ = Server::builder()
            .serve_with_incoming(service, incoming)
            .await;
    }))
}

async fn respond(pods: &Pods, request: http::Request<Body>) -> http::Response<Body> {
    let path = request.uri().path().to_owned();
    let call = path.strip_prefix("/runtime.v1.").unwrap_or_default();
    match call {
        "RuntimeService/Version" => answer(request, |_: VersionRequest| Ok(version())).await,
        "RuntimeService/Status" => answer(request, |_: StatusRequest| Ok(status())).await,
        "ImageService/ImageStatus" => answer(request, |ask| Ok(pods.image(ask))).await,
        "RuntimeService/RunPodSandbox" => answer(request, |ask| pods.run(ask)).await,
        "RuntimeService/CreateContainer" => answer(request, |ask| pods.create(ask)).await,
        "RuntimeService/StartContainer" => answer(request, |ask| Ok(pods.start(ask))).await,
        "RuntimeService/PodSandboxStatus" => answer(request, |ask| Ok(pods.pod(ask))).await,
        "RuntimeService/ContainerStatus" => answer(request, |ask| Ok(pods.container(ask))).await,
        "RuntimeService/ExecSync" => answer(request, |ask| pods.exec(ask)).await,
        "RuntimeService/StopPodSandbox" => answer(request, |ask| Ok(pods.stop(ask))).await,
        "RuntimeService/RemovePodSandbox" => answer(request, |ask| pods.remove(ask)).await,
        _ => {
            let refuse =
                |_: StatusRequest| Err::<StatusResponse, _>(Status::unimplemented("no such call"));
            answer(request, refuse).await
        }
    }
}

fn version() -> VersionResponse {
    VersionResponse {
        version: "0.1.0".into(),
        runtime_name: "containerd".into(),
        runtime_version: "v2.2.0".into(),
        runtime_api_version: "v1".into(),
    }
}

fn status() -> StatusResponse {
    let conditions = ["RuntimeReady", "NetworkReady"].map(|name| RuntimeCondition {
        r#type: name.into(),
        status: true,
        ..RuntimeCondition::default()
    });
    StatusResponse {
        status: Some(RuntimeStatus {
            conditions: conditions.into(),
        }),
        ..StatusResponse::default()
    }
}

struct Answer<F>(F);

impl<Q, A, F: FnMut(Q) -> Result<A, Status>> UnaryService<Q> for Answer<F> {
    type Response = A;
    type Future = std::future::Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(Response::new))
    }
}

async fn answer<Q, A, F>(request: http::Request<Body>, make: F) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: FnMut(Q) -> Result<A, Status>,
{
    let codec: ProstCodec<A, Q> = ProstCodec::default();
    Grpc::new(codec).unary(Answer(make), request).await
}
