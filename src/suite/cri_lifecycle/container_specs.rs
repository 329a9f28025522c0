//! Specs of containers that behave.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    look,
    stage::{Failed, Pod, Stage, Wish, ensure},
};
use crate::runtime::cri::v1::{
    ContainerFilter, ContainerState, Int64Value, KeyValue, LinuxContainerResources, Mount,
};

const MIB: i64 = 1 << 20;

pub async fn life_cycle(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &["sleep", "600"],
        ..Wish::default()
    };
    let id = stage.create(&pod, wish).await?;
    let state = stage.status(&id).await?.state();
    ensure(state == ContainerState::ContainerCreated, || {
        format!("a container that was created is {state:?}")
    })?;
    stage
        .act("StartContainer", cri.start_container(&id))
        .await?;
    let status = stage.status(&id).await?;
    ensure(status.state() == ContainerState::ContainerRunning, || {
        format!("a container that was started is {:?}", status.state())
    })?;
    ensure(
        status.created_at > 0 && status.started_at >= status.created_at,
        || {
            format!(
                "created at {}, started at {}",
                status.created_at, status.started_at
            )
        },
    )?;
    let found = stage
        .sh("traces of the container", &look::traces(stage.root(), &id))
        .await?;
    ensure(!found.trim().is_empty(), || {
        "nothing in the guest has to do with the container".to_owned()
    })?;
    let grace = Duration::from_secs(0);
    for _ in 0..2 {
        stage
            .act("StopContainer", cri.stop_container(&id, grace))
            .await?;
    }
    let status = stage.status(&id).await?;
    ensure(status.state() == ContainerState::ContainerExited, || {
        format!("a container that was stopped is {:?}", status.state())
    })?;
    ensure(status.finished_at >= status.started_at, || {
        format!(
            "started at {}, finished at {}",
            status.started_at, status.finished_at
        )
    })?;
    for _ in 0..2 {
        stage
            .act("RemoveContainer", cri.remove_container(&id))
            .await?;
    }
    let filter = ContainerFilter {
        id: id.clone(),
        ..ContainerFilter::default()
    };
    let listed = cri.list_containers(Some(filter)).await?;
    ensure(listed.is_empty(), || {
        "a container that was removed is still listed".to_owned()
    })?;
    stage.no_trace(&id).await
}

pub async fn configuration(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let image = stage.image().await?.to_owned();
    let folder = format!("{}/var/lib/bellwether-cri", stage.root());
    let quoted = crate::process::quote(&folder);
    let script = format!("mkdir -p {quoted} && echo mounted > {quoted}/file");
    stage.sh("a folder to mount", &script).await?;
    let command = [
        "sh",
        "-c",
        "echo \"$0 $1 $GREETING\"; pwd; id -u; cat /mounted/file; touch /mounted/x 2>/dev/null || echo read-only",
        "zero",
    ];
    let wish = Wish {
        command: &command,
        ..Wish::default()
    };
    let mut config = stage.config(&wish, image);
    config.args = vec!["one two".to_owned()];
    config.working_dir = "/tmp".to_owned();
    config.envs = vec![KeyValue {
        key: "GREETING".to_owned(),
        value: b"hello".to_vec(),
    }];
    config.mounts = vec![Mount {
        container_path: "/mounted".to_owned(),
        host_path: folder,
        readonly: true,
        ..Mount::default()
    }];
    if let Some(context) = (config.linux.as_mut()).and_then(|linux| linux.security_context.as_mut())
    {
        context.run_as_user = Some(Int64Value { value: 1234 });
    }
    let log = format!("{}/{}", pod.config.log_directory, config.log_path);
    let id = stage.create_as(&pod, config).await?;
    stage
        .act("StartContainer", stage.cri().start_container(&id))
        .await?;
    stage.ended(&id).await?;
    let said = said(stage, &log).await?;
    ensure(
        said == ["zero one two hello", "/tmp", "1234", "mounted", "read-only"],
        || format!("the container's process found: {said:?}"),
    )
}

/// The lines of a container's log.
pub async fn said(stage: &Stage<'_>, log: &str) -> Result<Vec<String>, Failed> {
    let script = format!("cat {}", crate::process::quote(log));
    let text = stage.sh("the container's log", &script).await?;
    let lines = super::log_line::read(&text).map_err(Failed::Said)?;
    Ok(lines.into_iter().map(|line| line.text).collect())
}

pub async fn share_the_network(stage: &Stage<'_>) -> Result<(), Failed> {
    let (pod, first) = stage.sleeper().await?;
    let wish = Wish {
        command: &["sleep", "601"],
        ..Wish::default()
    };
    let second = stage.start(&pod, wish).await?;
    let mut seen = Vec::new();
    for id in [&first, &second] {
        let look = [
            "sh",
            "-c",
            "readlink /proc/self/ns/net; ip -o -4 addr show eth0; ps",
        ];
        let limit = stage.scaled(Duration::from_secs(5));
        let exec = stage.cri().exec_sync(id, &look, limit);
        let answer = stage.act("ExecSync", exec).await?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        stage.note(&text);
        seen.push(text);
    }
    let network = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    ensure(network(&seen[0]) == network(&seen[1]), || {
        format!(
            "their networks differ: {:?} and {:?}",
            network(&seen[0]),
            network(&seen[1])
        )
    })?;
    ensure(
        !seen[0].contains("sleep 601") && !seen[1].contains("sleep 600"),
        || {
            "one sees the other's process, though each has a process namespace of its own"
                .to_owned()
        },
    )
}

pub async fn exit_codes(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    for (command, code, reason) in [("exit 0", 0, "Completed"), ("exit 7", 7, "Error")] {
        let command = ["sh", "-c", command];
        let wish = Wish {
            command: &command,
            ..Wish::default()
        };
        let id = stage.start(&pod, wish).await?;
        let status = stage.ended(&id).await?;
        ensure(status.exit_code == code && status.reason == reason, || {
            format!(
                "`{}` ended with exit code {} and reason `{}`; it is {code} and `{reason}`",
                command[2], status.exit_code, status.reason
            )
        })?;
    }
    Ok(())
}

pub async fn handles_term(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &[
            "sh",
            "-c",
            "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done",
        ],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    listening(stage, &pod, &id).await?;
    let grace = stage.scaled(Duration::from_secs(30));
    let began = Instant::now();
    let cri = stage.cri().within(grace * 2);
    stage
        .act("StopContainer", cri.stop_container(&id, grace))
        .await?;
    let took = began.elapsed();
    let status = stage.status(&id).await?;
    ensure(status.exit_code == 3, || {
        format!("its exit code is {}, its own is 3", status.exit_code)
    })?;
    ensure(took < grace / 2, || {
        format!("it took {:.1} s", took.as_secs_f64())
    })
}

/// Waits until a container has written its first line: then its traps are set.
pub async fn listening(stage: &Stage<'_>, pod: &Pod, id: &str) -> Result<(), Failed> {
    let status = stage.cri().container_status(id).await?;
    // Runtimes may answer with the path inside the pod's log folder, or the whole one.
    let log = match status.log_path.starts_with('/') {
        true => status.log_path,
        false => format!("{}/{}", pod.config.log_directory, status.log_path),
    };
    let script = format!("cat {} 2>/dev/null || true", crate::process::quote(&log));
    let text = stage
        .until(
            Duration::from_secs(10),
            || async { stage.sh("its log", &script).await },
            |text| !text.is_empty(),
        )
        .await?;
    ensure(!text.is_empty(), || {
        format!("the container wrote nothing to {log}")
    })
}

pub async fn update_resources(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &["sleep", "600"],
        memory: 64 * MIB,
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let limit = || async {
        let script = format!(
            "cat \"$(find {}/sys/fs/cgroup -type d -name '*{id}*' | head -n 1)/memory.max\"",
            crate::process::quote(stage.root())
        );
        let text = stage.sh("the container's memory.max", &script).await?;
        Ok::<_, Failed>(text.trim().to_owned())
    };
    let before = limit().await?;
    ensure(before == (64 * MIB).to_string(), || {
        format!("its cgroup's limit is {before}, {} was asked for", 64 * MIB)
    })?;
    let resources = LinuxContainerResources {
        memory_limit_in_bytes: 128 * MIB,
        ..LinuxContainerResources::default()
    };
    let update = stage.cri().update_container_resources(&id, resources);
    stage.act("UpdateContainerResources", update).await?;
    let after = limit().await?;
    ensure(after == (128 * MIB).to_string(), || {
        format!(
            "its cgroup's limit is {after} after an update to {}",
            128 * MIB
        )
    })?;
    let status = stage.status(&id).await?;
    let told = status
        .resources
        .and_then(|resources| resources.linux)
        .map(|linux| linux.memory_limit_in_bytes);
    ensure(told == Some(128 * MIB), || {
        format!("its status says {told:?} after an update to {}", 128 * MIB)
    })
}
