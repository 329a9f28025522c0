//! Specs of what goes wrong in containers and pods, and how the runtime says so.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    container_specs::listening,
    look,
    stage::{Failed, Stage, Wish, ensure},
};
use crate::runtime::cri::v1::{ContainerFilter, ContainerState, PodSandboxState};

/// Nothing answers at this port, so that the refusal is quick where there is no network.
const MISSING: &str = "127.0.0.1:1/bellwether/missing:1";

pub async fn missing_image(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.shared_pod().await?;
    let pull = stage
        .act("PullImage", cri.pull_image(MISSING, None, None))
        .await;
    refused("PullImage", pull, &["bellwether/missing"])?;
    let there = cri.image_status(MISSING).await?;
    ensure(there.is_none(), || {
        "an image that could not be pulled has a status".to_owned()
    })?;
    let before = cri.list_containers(None).await?.len();
    let wish = Wish {
        command: &["true"],
        image: Some(MISSING),
        ..Wish::default()
    };
    let create = stage.create(&pod, wish).await;
    refused("CreateContainer", create, &["bellwether/missing"])?;
    let after = cri.list_containers(None).await?.len();
    ensure(after == before, || {
        format!("{} containers are left behind", after - before)
    })
}

/// A call must have failed, with an error that says one of these words.
fn refused<T, E: std::fmt::Display>(
    call: &str,
    answer: Result<T, E>,
    words: &[&str],
) -> Result<(), Failed> {
    let Err(error) = answer else {
        return Err(Failed::Said(format!("{call} succeeded")));
    };
    let said = error.to_string();
    let lower = said.to_lowercase();
    ensure(words.iter().any(|word| lower.contains(word)), || {
        format!("{call} does not say why it failed (one of {words:?}): {said}")
    })
}

pub async fn bad_command(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &["/no/such/command"],
        ..Wish::default()
    };
    let id = stage.create(&pod, wish).await?;
    let start = stage
        .act("StartContainer", stage.cri().start_container(&id))
        .await;
    refused(
        "StartContainer",
        start,
        &["no/such/command", "no such file", "not found"],
    )?;
    let status = stage.status(&id).await?;
    ensure(status.state() == ContainerState::ContainerExited, || {
        format!("a container that could not start is {:?}", status.state())
    })?;
    ensure(status.exit_code != 0, || {
        "a container that could not start has exit code 0".to_owned()
    })?;
    let remove = stage.cri().remove_container(&id);
    stage.act("RemoveContainer", remove).await?;
    stage.no_trace(&id).await
}

pub async fn out_of_memory(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    // One block that is read whole: all of it is touched. Not before it is told to: a runtime watches a container's
    // memory once it has started it.
    let script = "until [ -e /tmp/now ]; do sleep 0.1; done; exec dd if=/dev/zero of=/dev/null bs=256M count=1";
    let wish = Wish {
        command: &["sh", "-c", script],
        memory: 32 << 20,
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let limit = stage.scaled(Duration::from_secs(5));
    let touch = stage.cri().exec_sync(&id, &["touch", "/tmp/now"], limit);
    stage.act("ExecSync touch /tmp/now", touch).await?;
    stage.ended(&id).await?;
    // The kernel's word on memory may reach the runtime after the process's end.
    let status = stage
        .until(
            Duration::from_secs(3),
            || stage.status(&id),
            |status| status.reason == "OOMKilled",
        )
        .await?;
    ensure(status.exit_code == 137, || {
        format!("its exit code is {}, a kill's is 137", status.exit_code)
    })?;
    ensure(status.reason == "OOMKilled", || {
        format!("the reason is `{}`, not `OOMKilled`", status.reason)
    })?;
    let left = stage.cri().pod_sandbox_status(&pod.id).await?.state();
    ensure(left == PodSandboxState::SandboxReady, || {
        format!("its pod is {left:?}, though only the container was over its limit")
    })
}

pub async fn exec_into_the_dead(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &["true"],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    stage.ended(&id).await?;
    let limit = stage.scaled(Duration::from_secs(5));
    let exec = stage.cri().exec_sync(&id, &["true"], limit);
    let answer = stage.act("ExecSync", exec).await;
    refused("ExecSync", answer, &["running", "exited", "stopped"])?;
    let status = stage.status(&id).await?;
    ensure(status.exit_code == 0, || {
        format!("the container's exit code became {}", status.exit_code)
    })
}

pub async fn stuck(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &[
            "sh",
            "-c",
            "trap '' TERM; echo ready; while :; do sleep 0.1; done",
        ],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    listening(stage, &pod, &id).await?;
    let grace = Duration::from_secs(2);
    let began = Instant::now();
    let stop = stage.cri().stop_container(&id, grace);
    stage.act("StopContainer with a grace of 2 s", stop).await?;
    let took = began.elapsed();
    ensure(took >= grace, || {
        format!("it was killed after {:.1} s of 2 s", took.as_secs_f64())
    })?;
    let most = grace + stage.scaled(Duration::from_secs(3));
    ensure(took <= most, || {
        format!("it took {:.1} s to stop it", took.as_secs_f64())
    })?;
    let status = stage.status(&id).await?;
    ensure(status.exit_code == 137, || {
        format!("its exit code is {}, a kill's is 137", status.exit_code)
    })?;
    let remove = stage.cri().remove_container(&id);
    stage.act("RemoveContainer", remove).await?;
    stage.no_trace(&id).await
}

/// Back-off is the kubelet's: a runtime sees a container made again with the next attempt, each time.
pub async fn crash_loop(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    for attempt in 0..3 {
        let command = format!("exit {}", 40 + attempt);
        let command = ["sh", "-c", &command];
        let wish = Wish {
            command: &command,
            attempt,
            ..Wish::default()
        };
        let id = stage.start(&pod, wish).await?;
        let status = stage.ended(&id).await?;
        let code = 40 + i32::try_from(attempt).unwrap_or_default();
        ensure(status.exit_code == code && status.reason == "Error", || {
            format!(
                "crash {attempt} has exit code {} and reason `{}`; it is {code} and `Error`",
                status.exit_code, status.reason
            )
        })?;
        let told = status.metadata.map(|metadata| metadata.attempt);
        ensure(told == Some(attempt), || {
            format!("attempt {attempt} is told as {told:?}")
        })?;
        // containerd notes the start when the shim's answer is back: a container that ends at once has ended by then.
        ensure(status.started_at > 0 && status.finished_at > 0, || {
            format!(
                "started at {}, finished at {}",
                status.started_at, status.finished_at
            )
        })?;
    }
    let filter = ContainerFilter {
        pod_sandbox_id: pod.id.clone(),
        ..ContainerFilter::default()
    };
    let listed = stage.cri().list_containers(Some(filter)).await?;
    let crashed = (listed.iter())
        .filter(|container| container.state() == ContainerState::ContainerExited)
        .count();
    ensure(crashed >= 3, || {
        format!("{crashed} of 3 crashed containers are listed")
    })
}

pub async fn sandbox_killed(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.pod().await?;
    let wish = Wish {
        command: &["sleep", "600"],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let server = look::server(stage.root(), &pod.id);
    let found = stage.sh("the process that serves the pod", &server).await?;
    let pids: Vec<&str> = (found.lines())
        .filter_map(|line| line.split(' ').next())
        .collect();
    let [pid] = pids.as_slice() else {
        return Err(Failed::Said(format!(
            "{} processes carry the pod's id as an argument; its shim is not known",
            pids.len()
        )));
    };
    stage.sh("it is killed", &format!("kill -9 {pid}")).await?;
    let state = || async { Ok(cri.container_status(&id).await?.state()) };
    let exited = |state: &ContainerState| *state == ContainerState::ContainerExited;
    let state = stage.until(Duration::from_secs(10), state, exited).await?;
    ensure(exited(&state), || {
        format!("10 s after its shim was killed the container is {state:?}")
    })?;
    let state = || async { Ok(cri.pod_sandbox_status(&pod.id).await?.state()) };
    let lost = |state: &PodSandboxState| *state == PodSandboxState::SandboxNotready;
    let state = stage.until(Duration::from_secs(10), state, lost).await?;
    ensure(lost(&state), || {
        format!("10 s after its shim was killed the pod is {state:?}")
    })?;
    stage.remove_pod(&pod.id).await?;
    stage.no_trace(&id).await?;
    stage.no_trace(&pod.id).await
}
