//! The runtime's answers over CRI. They come from the test, and only while the fixture's process lives.
//!
//! Containers are processes of the host, and the guest's `/proc`, cgroups and mounts are files in its folder.

mod served;
mod store;

use std::{convert::Infallible, sync::Arc};

use bellwether::runtime::cri::v1::*;
use camino::Utf8Path;
use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream,
};
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

use self::store::Store;

/// Answers at a socket until the handle is aborted; the guest is the folder `root`.
pub fn serve(root: &Utf8Path, socket: &Utf8Path) -> std::io::Result<JoinHandle<()>> {
    let listener = UnixListener::bind(socket)?;
    let store = Store::new(root)?;
    let service = service_fn(move |request: http::Request<Body>| {
        let store = store.clone();
        async move { Ok::<_, Infallible>(route(store, request).await) }
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

async fn route(store: Arc<Store>, request: http::Request<Body>) -> http::Response<Body> {
    let path = request.uri().path().to_owned();
    let call = path.rsplit('/').next().unwrap_or_default();
    // Every call that the suites make of a runtime that has no streams.
    macro_rules! calls {
        ($($name:literal => $method:ident,)*) => {
            match call {
                $($name => unary(request, move |ask| async move { store.$method(ask).await }.boxed()).await,)*
                _ => {
                    let refuse = |_: StatusRequest| {
                        async { Err::<StatusResponse, _>(Status::unimplemented("no such call")) }.boxed()
                    };
                    unary(request, refuse).await
                }
            }
        };
    }
    calls! {
        "Version" => version,
        "Status" => status,
        "RuntimeConfig" => runtime_config,
        "RunPodSandbox" => run_pod,
        "StopPodSandbox" => stop_pod,
        "RemovePodSandbox" => remove_pod,
        "PodSandboxStatus" => pod_status,
        "ListPodSandbox" => list_pods,
        "CreateContainer" => create,
        "StartContainer" => start,
        "StopContainer" => stop,
        "RemoveContainer" => remove,
        "ContainerStatus" => container_status,
        "ListContainers" => list_containers,
        "UpdateContainerResources" => update,
        "ExecSync" => exec_sync,
        "ListImages" => list_images,
        "ImageStatus" => image_status,
        "PullImage" => pull,
    }
}

struct Answer<F>(Option<F>);

impl<Q, A, F> UnaryService<Q> for Answer<F>
where
    F: FnOnce(Q) -> BoxFuture<'static, Result<A, Status>>,
    A: 'static,
{
    type Response = A;
    type Future = BoxFuture<'static, Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let make = self.0.take().unwrap();
        make(request.into_inner())
            .map(|answer| answer.map(Response::new))
            .boxed()
    }
}

fn unary<Q, A, F>(request: http::Request<Body>, make: F) -> BoxFuture<'static, http::Response<Body>>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: FnOnce(Q) -> BoxFuture<'static, Result<A, Status>> + Send + 'static,
{
    async move {
        let codec: ProstCodec<A, Q> = ProstCodec::default();
        Grpc::new(codec).unary(Answer(Some(make)), request).await
    }
    .boxed()
}
