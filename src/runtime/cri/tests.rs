use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::stream;
use tokio::net::UnixListener;
use tonic::{
    Response,
    body::Body,
    codegen::http,
    server::{Grpc as ServerGrpc, UnaryService},
    transport::Server,
};

use prost::Message;
use tonic::Status;
use tonic_prost::ProstCodec;

use super::{v1::*, *};

/// Answers one kind of call with what a function makes.
struct Answer<F>(F);

impl<Q, A, F> UnaryService<Q> for Answer<F>
where
    F: FnMut(Q) -> Result<A, Status>,
{
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
    ServerGrpc::new(codec).unary(Answer(make), request).await
}

fn condition(name: &str, status: bool, reason: &str, message: &str) -> RuntimeCondition {
    RuntimeCondition {
        r#type: name.into(),
        status,
        reason: reason.into(),
        message: message.into(),
    }
}

/// A runtime whose network is ready from the `after`th question on.
async fn serve(listener: UnixListener, after: u32) {
    let asked = Arc::new(AtomicU32::new(0));
    let service = service_fn(move |request: http::Request<Body>| {
        let asked = asked.clone();
        async move {
            let path = request.uri().path().to_owned();
            let response = match path.as_str() {
                "/runtime.v1.RuntimeService/Version" => {
                    answer(request, |ask: VersionRequest| {
                        assert_eq!(ask.version, "v1");
                        Ok(VersionResponse {
                            version: "0.1.0".into(),
                            runtime_name: "containerd".into(),
                            runtime_version: "v2.4.2".into(),
                            runtime_api_version: "v1".into(),
                        })
                    })
                    .await
                }
                "/runtime.v1.RuntimeService/Status" => {
                    let ready = asked.fetch_add(1, Ordering::Relaxed) >= after;
                    answer(request, move |_: StatusRequest| {
                        Ok(StatusResponse {
                            status: Some(RuntimeStatus {
                                conditions: vec![
                                    condition("RuntimeReady", true, "", ""),
                                    condition(
                                        "NetworkReady",
                                        ready,
                                        "NetworkPluginNotReady",
                                        "cni config uninitialized",
                                    ),
                                    condition("ContainerdHasNoDeprecationWarnings", false, "", ""),
                                ],
                            }),
                            runtime_handlers: ["", "crun"]
                                .map(|name| RuntimeHandler {
                                    name: name.into(),
                                    features: None,
                                })
                                .into(),
                            ..StatusResponse::default()
                        })
                    })
                    .await
                }
                "/runtime.v1.ImageService/ListImages" => {
                    answer(request, |_: ListImagesRequest| {
                        Ok(ListImagesResponse {
                            images: vec![Image {
                                id: "sha256:1".into(),
                                repo_tags: vec!["registry.k8s.io/pause:3.10.2".into()],
                                size: 7,
                                pinned: true,
                                ..Image::default()
                            }],
                        })
                    })
                    .await
                }
                _ => {
                    answer(request, |_: StatusRequest| {
                        Err::<StatusResponse, _>(Status::unimplemented("no such call"))
                    })
                    .await
                }
            };
            Ok::<_, Infallible>(response)
        }
    });
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    Server::builder()
        .serve_with_incoming(service, incoming)
        .await
        .unwrap();
}

fn socket(folder: &tempfile::TempDir) -> Utf8PathBuf {
    Utf8PathBuf::try_from(folder.path().join("cri.sock")).unwrap()
}

#[tokio::test]
async fn ready_waits_for_the_network_and_lists_handlers_and_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder);
    let server = tokio::spawn(serve(UnixListener::bind(&path).unwrap(), 2));
    let ready = ready(&path, Duration::from_secs(20)).await.unwrap();
    assert_eq!(ready.version.runtime_version, "v2.4.2");
    assert_eq!(ready.handlers, ["crun"]);
    let images = ready.cri.list_images().await.unwrap();
    assert_eq!(images[0].repo_tags, ["registry.k8s.io/pause:3.10.2"]);
    assert!(images[0].pinned);
    server.abort();
}

#[tokio::test]
async fn a_network_that_never_comes_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder);
    let server = tokio::spawn(serve(UnixListener::bind(&path).unwrap(), u32::MAX));
    let error = ready(&path, Duration::from_millis(1200)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the runtime was not ready within 1 s; last seen: NetworkReady=false reason NetworkPluginNotReady: cni config uninitialized"
    );
    server.abort();
}

#[tokio::test]
async fn a_socket_that_nobody_serves_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder);
    let error = ready(&path, Duration::from_millis(300)).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    // Bound, and nobody accepts: a socket file proves nothing.
    drop(UnixListener::bind(&path).unwrap());
    let error = ready(&path, Duration::from_millis(300)).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_runtime_that_says_nothing_is_not_ready() {
    let words = obstacle(&StatusResponse::default()).unwrap();
    assert_eq!(
        words,
        "RuntimeReady is not reported; NetworkReady is not reported"
    );
}
