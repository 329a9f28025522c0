//! Specs of the runtime itself and of pod sandboxes.

use std::time::Duration;

use super::{
    look,
    stage::{Failed, Stage, ensure},
};
use crate::runtime::cri::{
    obstacle,
    v1::{PodSandboxFilter, PodSandboxState},
};

pub async fn says_who_it_is(stage: &Stage<'_>) -> Result<(), Failed> {
    let version = stage.act("Version", stage.cri().version()).await?;
    stage.note(format_args!("  {version:?}"));
    ensure(!version.runtime_name.is_empty(), || {
        "the runtime has no name".to_owned()
    })?;
    ensure(version.runtime_api_version == "v1", || {
        format!("the interface is `{}`", version.runtime_api_version)
    })?;
    let status = stage.act("Status", stage.cri().status()).await?;
    if let Some(words) = obstacle(&status) {
        return Err(Failed::Said(words));
    }
    let handlers: Vec<&str> = (status.runtime_handlers.iter())
        .map(|handler| handler.name.as_str())
        .collect();
    // A runtime may leave the list out; one that gives it must have the handler under test.
    ensure(
        handlers.is_empty() || handlers.contains(&stage.handler()),
        || format!("the handlers are {handlers:?}, without {}", stage.handler()),
    )?;
    let config = stage.cri().runtime_config();
    let config = stage.act("RuntimeConfig", config).await?;
    stage.note(format_args!("  {config:?}"));
    Ok(())
}

pub async fn life_cycle(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.pod().await?;
    let status = cri.pod_sandbox_status(&pod.id).await?;
    ensure(status.state() == PodSandboxState::SandboxReady, || {
        format!("a pod that was run is {:?}", status.state())
    })?;
    ensure(status.runtime_handler == stage.handler(), || {
        let is = &status.runtime_handler;
        format!(
            "the pod's handler is `{is}`, `{}` was asked for",
            stage.handler()
        )
    })?;
    ensure(status.metadata == pod.config.metadata, || {
        format!("the pod's metadata came back as {:?}", status.metadata)
    })?;
    let address = status.network.map(|network| network.ip).unwrap_or_default();
    stage.note(format_args!("  address {address}"));
    ensure(address.parse::<std::net::IpAddr>().is_ok(), || {
        format!("the pod's address is `{address}`")
    })?;
    let listed = || async {
        let filter = PodSandboxFilter {
            id: pod.id.clone(),
            ..PodSandboxFilter::default()
        };
        cri.list_pod_sandbox(Some(filter)).await
    };
    let items = listed().await?;
    ensure(items.len() == 1, || {
        format!("the pod is listed {} times", items.len())
    })?;
    let traces = look::traces(stage.root(), &pod.id);
    let found = stage.sh("traces of the pod", &traces).await?;
    ensure(found.contains("process "), || {
        "no process in the guest has to do with the pod".to_owned()
    })?;
    // The kubelet may call each of them again.
    for _ in 0..2 {
        stage
            .act("StopPodSandbox", cri.stop_pod_sandbox(&pod.id))
            .await?;
    }
    let status = cri.pod_sandbox_status(&pod.id).await?;
    ensure(status.state() == PodSandboxState::SandboxNotready, || {
        format!("a pod that was stopped is {:?}", status.state())
    })?;
    for _ in 0..2 {
        stage
            .act("RemovePodSandbox", cri.remove_pod_sandbox(&pod.id))
            .await?;
    }
    ensure(cri.pod_sandbox_status(&pod.id).await.is_err(), || {
        "a pod that was removed still has a status".to_owned()
    })?;
    let gone = stage
        .until(
            Duration::from_secs(2),
            || async { Ok(listed().await?) },
            Vec::is_empty,
        )
        .await?;
    ensure(gone.is_empty(), || {
        "a pod that was removed is still listed".to_owned()
    })?;
    stage.no_trace(&pod.id).await
}
