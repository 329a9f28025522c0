//! Containers, and what runs in them.

use std::time::Duration;

use tonic::Streaming;

use super::{
    Cri, CriError,
    error::{answered, present},
    v1::{
        AttachRequest, Container, ContainerConfig, ContainerEventResponse, ContainerFilter,
        ContainerStats, ContainerStatsFilter, ContainerStatsRequest, ContainerStatus,
        ContainerStatusRequest, ContainerStatusResponse, CreateContainerRequest, ExecRequest,
        ExecSyncRequest, ExecSyncResponse, GetEventsRequest, LinuxContainerResources,
        ListContainerStatsRequest, ListContainersRequest, PodSandboxConfig, RemoveContainerRequest,
        ReopenContainerLogRequest, StartContainerRequest, StopContainerRequest,
        UpdateContainerResourcesRequest,
    },
};

/// What of a process is streamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What is sent is its stdin.
    pub stdin: bool,
    /// It has a terminal; stderr is then part of stdout.
    pub tty: bool,
}

impl Cri {
    /// Makes a container in a pod whose sandbox was made with the configuration `pod`. Returns its id.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_container(
        &self,
        pod_id: &str,
        config: ContainerConfig,
        pod: PodSandboxConfig,
    ) -> Result<String, CriError> {
        let ask = CreateContainerRequest {
            pod_sandbox_id: pod_id.to_owned(),
            config: Some(config),
            sandbox_config: Some(pod),
        };
        let answer = self.runtime().create_container(self.ask(ask)).await;
        Ok(answered("CreateContainer", answer)?.container_id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn start_container(&self, id: &str) -> Result<(), CriError> {
        let ask = StartContainerRequest {
            container_id: id.to_owned(),
        };
        let answer = self.runtime().start_container(self.ask(ask)).await;
        answered("StartContainer", answer).map(drop)
    }

    /// Stops a container; after `grace` it is killed.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), CriError> {
        let ask = StopContainerRequest {
            container_id: id.to_owned(),
            timeout: seconds(grace),
        };
        let answer = self.runtime().stop_container(self.ask(ask)).await;
        answered("StopContainer", answer).map(drop)
    }

    /// Removes a container, killed first if it runs.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn remove_container(&self, id: &str) -> Result<(), CriError> {
        let ask = RemoveContainerRequest {
            container_id: id.to_owned(),
        };
        let answer = self.runtime().remove_container(self.ask(ask)).await;
        answered("RemoveContainer", answer).map(drop)
    }

    /// All containers, or those that fit a filter.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn list_containers(
        &self,
        filter: Option<ContainerFilter>,
    ) -> Result<Vec<Container>, CriError> {
        let ask = ListContainersRequest { filter };
        let answer = self.runtime().list_containers(self.ask(ask)).await;
        Ok(answered("ListContainers", answer)?.containers)
    }

    /// How a container is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn container_status(&self, id: &str) -> Result<ContainerStatus, CriError> {
        let answer = self.container_answer(id, false).await?;
        present("ContainerStatus", "status", answer.status)
    }

    /// How a container is, with whatever the runtime adds: for containerd its process id and OCI configuration.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn verbose_container_status(
        &self,
        id: &str,
    ) -> Result<ContainerStatusResponse, CriError> {
        self.container_answer(id, true).await
    }

    async fn container_answer(
        &self,
        id: &str,
        verbose: bool,
    ) -> Result<ContainerStatusResponse, CriError> {
        let ask = ContainerStatusRequest {
            container_id: id.to_owned(),
            verbose,
        };
        let answer = self.runtime().container_status(self.ask(ask)).await;
        answered("ContainerStatus", answer)
    }

    /// Changes a running container's resources.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn update_container_resources(
        &self,
        id: &str,
        linux: LinuxContainerResources,
    ) -> Result<(), CriError> {
        let ask = UpdateContainerResourcesRequest {
            container_id: id.to_owned(),
            linux: Some(linux),
            ..UpdateContainerResourcesRequest::default()
        };
        let mut runtime = self.runtime();
        let answer = runtime.update_container_resources(self.ask(ask)).await;
        answered("UpdateContainerResources", answer).map(drop)
    }

    /// Has the runtime open a container's log anew, after it was moved away.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn reopen_container_log(&self, id: &str) -> Result<(), CriError> {
        let ask = ReopenContainerLogRequest {
            container_id: id.to_owned(),
        };
        let answer = self.runtime().reopen_container_log(self.ask(ask)).await;
        answered("ReopenContainerLog", answer).map(drop)
    }

    /// Runs a command in a container to its end; the runtime ends it after `limit`.
    ///
    /// # Errors
    /// When the call fails. A command that fails is an answer.
    pub async fn exec_sync(
        &self,
        id: &str,
        command: &[&str],
        limit: Duration,
    ) -> Result<ExecSyncResponse, CriError> {
        let ask = ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: owned(command),
            timeout: seconds(limit),
        };
        let answer = self.runtime().exec_sync(self.ask(ask)).await;
        answered("ExecSync", answer)
    }

    /// Prepares a command whose streams a client wants; it starts when somebody opens the URL, which leads into the guest.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn exec(
        &self,
        id: &str,
        command: &[&str],
        wanted: Wanted,
    ) -> Result<String, CriError> {
        let ask = ExecRequest {
            container_id: id.to_owned(),
            cmd: owned(command),
            tty: wanted.tty,
            stdin: wanted.stdin,
            stdout: true,
            stderr: !wanted.tty,
        };
        let answer = self.runtime().exec(self.ask(ask)).await;
        Ok(answered("Exec", answer)?.url)
    }

    /// Prepares a stream to a container's own process; returns its URL, which leads into the guest.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn attach(&self, id: &str, wanted: Wanted) -> Result<String, CriError> {
        let ask = AttachRequest {
            container_id: id.to_owned(),
            stdin: wanted.stdin,
            tty: wanted.tty,
            stdout: true,
            stderr: !wanted.tty,
        };
        let answer = self.runtime().attach(self.ask(ask)).await;
        Ok(answered("Attach", answer)?.url)
    }

    /// What a container uses.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn container_stats(&self, id: &str) -> Result<ContainerStats, CriError> {
        let ask = ContainerStatsRequest {
            container_id: id.to_owned(),
        };
        let answer = self.runtime().container_stats(self.ask(ask)).await;
        let answer = answered("ContainerStats", answer)?;
        present("ContainerStats", "stats", answer.stats)
    }

    /// What all containers use, or those that fit a filter.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn list_container_stats(
        &self,
        filter: Option<ContainerStatsFilter>,
    ) -> Result<Vec<ContainerStats>, CriError> {
        let ask = ListContainerStatsRequest { filter };
        let answer = self.runtime().list_container_stats(self.ask(ask)).await;
        Ok(answered("ListContainerStats", answer)?.stats)
    }

    /// Everything that happens to containers from now on.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn container_events(&self) -> Result<Streaming<ContainerEventResponse>, CriError> {
        // No limit: it goes on until somebody drops it. The runtime may answer only at its first event.
        let mut runtime = self.runtime();
        let answer = runtime.get_container_events(GetEventsRequest {}).await;
        answered("GetContainerEvents", answer)
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The interface counts whole seconds.
fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}
