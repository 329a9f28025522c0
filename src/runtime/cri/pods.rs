//! Pod sandboxes.

use super::{
    Cri, CriError,
    error::{answered, present},
    v1::{
        ListPodSandboxRequest, ListPodSandboxStatsRequest, PodSandbox, PodSandboxConfig,
        PodSandboxFilter, PodSandboxStats, PodSandboxStatsFilter, PodSandboxStatsRequest,
        PodSandboxStatus, PodSandboxStatusRequest, PodSandboxStatusResponse, PortForwardRequest,
        RemovePodSandboxRequest, RunPodSandboxRequest, StopPodSandboxRequest,
    },
};

impl Cri {
    /// Makes and starts a pod's sandbox on a runtime handler; an empty one is the default. Returns its id.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn run_pod_sandbox(
        &self,
        config: PodSandboxConfig,
        handler: &str,
    ) -> Result<String, CriError> {
        let ask = RunPodSandboxRequest {
            config: Some(config),
            runtime_handler: handler.to_owned(),
        };
        let answer = self.runtime().run_pod_sandbox(self.ask(ask)).await;
        Ok(answered("RunPodSandbox", answer)?.pod_sandbox_id)
    }

    /// Stops a pod's sandbox and what runs in it.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn stop_pod_sandbox(&self, id: &str) -> Result<(), CriError> {
        let ask = StopPodSandboxRequest {
            pod_sandbox_id: id.to_owned(),
        };
        let answer = self.runtime().stop_pod_sandbox(self.ask(ask)).await;
        answered("StopPodSandbox", answer).map(drop)
    }

    /// Removes a pod's sandbox with its containers.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn remove_pod_sandbox(&self, id: &str) -> Result<(), CriError> {
        let ask = RemovePodSandboxRequest {
            pod_sandbox_id: id.to_owned(),
        };
        let answer = self.runtime().remove_pod_sandbox(self.ask(ask)).await;
        answered("RemovePodSandbox", answer).map(drop)
    }

    /// All pods' sandboxes, or those that fit a filter.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn list_pod_sandbox(
        &self,
        filter: Option<PodSandboxFilter>,
    ) -> Result<Vec<PodSandbox>, CriError> {
        let ask = ListPodSandboxRequest { filter };
        let answer = self.runtime().list_pod_sandbox(self.ask(ask)).await;
        Ok(answered("ListPodSandbox", answer)?.items)
    }

    /// How a pod's sandbox is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn pod_sandbox_status(&self, id: &str) -> Result<PodSandboxStatus, CriError> {
        let answer = self.pod_sandbox_answer(id, false).await?;
        present("PodSandboxStatus", "status", answer.status)
    }

    /// How a pod's sandbox is, with whatever the runtime adds: for containerd its process id and its shim's.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn verbose_pod_sandbox_status(
        &self,
        id: &str,
    ) -> Result<PodSandboxStatusResponse, CriError> {
        self.pod_sandbox_answer(id, true).await
    }

    async fn pod_sandbox_answer(
        &self,
        id: &str,
        verbose: bool,
    ) -> Result<PodSandboxStatusResponse, CriError> {
        let ask = PodSandboxStatusRequest {
            pod_sandbox_id: id.to_owned(),
            verbose,
        };
        let answer = self.runtime().pod_sandbox_status(self.ask(ask)).await;
        answered("PodSandboxStatus", answer)
    }

    /// What a pod uses.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn pod_sandbox_stats(&self, id: &str) -> Result<PodSandboxStats, CriError> {
        let ask = PodSandboxStatsRequest {
            pod_sandbox_id: id.to_owned(),
        };
        let answer = self.runtime().pod_sandbox_stats(self.ask(ask)).await;
        let answer = answered("PodSandboxStats", answer)?;
        present("PodSandboxStats", "stats", answer.stats)
    }

    /// What all pods use, or those that fit a filter.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn list_pod_sandbox_stats(
        &self,
        filter: Option<PodSandboxStatsFilter>,
    ) -> Result<Vec<PodSandboxStats>, CriError> {
        let ask = ListPodSandboxStatsRequest { filter };
        let answer = self.runtime().list_pod_sandbox_stats(self.ask(ask)).await;
        Ok(answered("ListPodSandboxStats", answer)?.stats)
    }

    /// Asks for a stream to a pod's ports; returns its URL, which leads into the guest.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn port_forward(&self, id: &str, ports: &[u16]) -> Result<String, CriError> {
        let ask = PortForwardRequest {
            pod_sandbox_id: id.to_owned(),
            port: ports.iter().copied().map(i32::from).collect(),
        };
        let answer = self.runtime().port_forward(self.ask(ask)).await;
        Ok(answered("PortForward", answer)?.url)
    }
}
