//! Specs of what a runtime tells of containers: logs, stats, events.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::{
    container_specs::said,
    log_line,
    stage::{Failed, Stage, Wish, ensure},
};
use crate::{
    process::quote,
    runtime::cri::v1::{ContainerEventResponse, ContainerEventType, ContainerStatsFilter},
};

/// More than a runtime puts into one line of a log.
const LONG: usize = 40_000;

pub async fn logs(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let image = stage.image().await?.to_owned();
    let script = format!(
        "echo out; echo err >&2; head -c {LONG} /dev/zero | tr '\\000' x; echo; trap 'echo later; exit 0' TERM; \
         echo ready; while :; do sleep 0.1; done"
    );
    let command = ["sh", "-c", &script];
    let config = stage.config(
        &Wish {
            command: &command,
            ..Wish::default()
        },
        image,
    );
    let log = format!("{}/{}", pod.config.log_directory, config.log_path);
    let id = stage.create_as(&pod, config).await?;
    let cri = stage.cri();
    stage
        .act("StartContainer", cri.start_container(&id))
        .await?;
    let read = format!("cut -c 1-60000 {} 2>/dev/null || true", quote(&log));
    let text = stage
        .until(
            Duration::from_secs(10),
            || async { stage.sh("the log", &read).await },
            |text| text.contains(" F ready"),
        )
        .await?;
    let lines = log_line::read(&text).map_err(Failed::Said)?;
    let of = |stream: &str| -> Vec<&str> {
        (lines.iter())
            .filter(|line| line.stream == stream)
            .map(|line| line.text.as_str())
            .collect()
    };
    let long = "x".repeat(LONG);
    ensure(of("stdout") == ["out", &long, "ready"], || {
        let lengths: Vec<usize> = of("stdout").iter().map(|line| line.len()).collect();
        format!("stdout has lines of {lengths:?} bytes; 3, {LONG} and 5 were written")
    })?;
    ensure(of("stderr") == ["err"], || {
        format!("stderr has {:?}", of("stderr"))
    })?;
    let moved = format!("mv {} {}", quote(&log), quote(&format!("{log}.old")));
    stage.sh("the log is moved away", &moved).await?;
    stage
        .act("ReopenContainerLog", cri.reopen_container_log(&id))
        .await?;
    let stop = cri.stop_container(&id, stage.scaled(Duration::from_secs(5)));
    stage.act("StopContainer", stop).await?;
    let later = said(stage, &log).await?;
    ensure(later == ["later"], || {
        format!("after reopen the new log holds {later:?}; `later` was written")
    })
}

pub async fn stats(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &["sh", "-c", "while :; do :; done"],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let used = || async {
        let stats = stage
            .act("ContainerStats", cri.container_stats(&id))
            .await?;
        let named = stats.attributes.as_ref().map(|of| of.id.clone());
        ensure(named.as_ref() == Some(&id), || {
            format!("the stats are of {named:?}")
        })?;
        let cpu = stats.cpu.and_then(|cpu| cpu.usage_core_nano_seconds);
        let memory = stats.memory.and_then(|memory| memory.working_set_bytes);
        let (cpu, memory) = (cpu.map_or(0, |n| n.value), memory.map_or(0, |n| n.value));
        stage.note(format_args!("  {cpu} ns of CPU, {memory} bytes of memory"));
        Ok::<_, Failed>((cpu, memory))
    };
    let (first, _) = used().await?;
    let (second, memory) = stage
        .until(Duration::from_secs(5), used, |(cpu, _)| {
            *cpu > first + 100_000_000
        })
        .await?;
    ensure(second > first + 100_000_000, || {
        format!("a busy container's CPU time went from {first} to {second} ns in 5 s")
    })?;
    ensure(memory > 0, || {
        "a running container uses no memory".to_owned()
    })?;
    let filter = ContainerStatsFilter {
        id: id.clone(),
        ..ContainerStatsFilter::default()
    };
    let list = cri.list_container_stats(Some(filter));
    let list = stage.act("ListContainerStats", list).await?;
    ensure(list.len() == 1, || {
        format!("one container has {} stats", list.len())
    })?;
    let of_pod = stage
        .act("PodSandboxStats", cri.pod_sandbox_stats(&pod.id))
        .await?;
    let linux = of_pod.linux.unwrap_or_default();
    let inside = (linux.containers.iter())
        .filter_map(|stats| stats.attributes.as_ref())
        .any(|of| of.id == id);
    ensure(inside, || "the pod's stats lack its container".to_owned())?;
    let of_all = linux.cpu.and_then(|cpu| cpu.usage_core_nano_seconds);
    ensure(of_all.is_some_and(|cpu| cpu.value > 0), || {
        "the pod's stats have no CPU time".to_owned()
    })
}

pub async fn events(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.shared_pod().await?;
    // A runtime may answer the call only with its first event, so something must happen for it to be heard.
    let heard = async {
        let mut count = 0;
        loop {
            count += 1;
            stage.note(format_args!("something happens, {count}"));
            let id = stage.create(&pod, Wish::default()).await?;
            cri.remove_container(&id).await?;
            tokio::time::sleep(stage.scaled(Duration::from_millis(300))).await;
        }
    };
    let mut stream = tokio::select! {
        stream = cri.container_events() => stream?,
        never = heard => {
            let never: Result<(), Failed> = never;
            return never;
        }
    };
    stage.note("the stream of events has begun");
    let wish = Wish {
        command: &["sleep", "600"],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    cri.stop_container(&id, Duration::ZERO).await?;
    cri.remove_container(&id).await?;
    let mut seen = Vec::new();
    let listen = async {
        while let Some(event) = stream.next().await {
            let event: ContainerEventResponse = match event {
                Ok(event) => event,
                Err(status) => return Err(Failed::Said(format!("the stream broke: {status}"))),
            };
            if event.container_id != id {
                continue;
            }
            let kind = event.container_event_type();
            stage.note(format_args!("event {kind:?}"));
            seen.push(kind);
            if kind == ContainerEventType::ContainerDeletedEvent {
                break;
            }
        }
        Ok(())
    };
    let limit = stage.scaled(Duration::from_secs(5));
    let listened = tokio::time::timeout(limit, listen).await;
    listened.unwrap_or(Ok(()))?;
    let order = [
        ContainerEventType::ContainerCreatedEvent,
        ContainerEventType::ContainerStartedEvent,
        ContainerEventType::ContainerStoppedEvent,
        ContainerEventType::ContainerDeletedEvent,
    ];
    ensure(seen == order, || format!("the events are {seen:?}"))
}
