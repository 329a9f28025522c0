//! Suites that are Ginkgo binaries, and the preset for Kubernetes' node suite.

mod block;
mod flags;
mod kubelet;
mod log;
mod names;
pub mod plan;
pub mod report;
mod result_line;
mod script;
mod stream;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{model::SuitePlan, profile::Ginkgo};

use super::{Kind, LiveStream, NodeFacts, PlanRequest};

pub use block::location as failure_location;
pub use flags::{FlagsError, arguments, inner_limit, selection};
pub use kubelet::kubelet_config;
pub use log::StreamLog;
pub use names::Names;
pub use plan::{PlanError, plan_command, read_plan};
pub use result_line::{outcome as result_outcome, suite_node};
pub use script::{plan_script, script, stop_script};
pub use stream::Stream;

/// Kubernetes' node suite, `test/e2e_node`.
#[derive(Clone, Debug)]
pub struct E2eNode {
    settings: Ginkgo,
}

impl E2eNode {
    /// The suite with these settings.
    #[must_use]
    pub const fn new(settings: Ginkgo) -> Self {
        Self { settings }
    }
}

impl Kind for E2eNode {
    fn plan<'a>(&'a self, request: PlanRequest<'a>) -> BoxFuture<'a, Result<SuitePlan, PlanError>> {
        Box::pin(plan::dry_run(&self.settings, request))
    }

    fn plan_script(&self, facts: &NodeFacts) -> String {
        script::plan_script(&self.settings, facts)
    }

    fn read_plan(&self, printed: &[u8]) -> Result<SuitePlan, PlanError> {
        plan::read_plan(printed, "plan.json".into())
    }

    fn start_script(&self, facts: &NodeFacts, limit: Duration) -> Result<String, FlagsError> {
        script(&self.settings, facts, limit)
    }

    fn stop_script(&self, root: &str) -> String {
        stop_script(root)
    }

    fn stream(&self, plan: &SuitePlan) -> Box<dyn LiveStream> {
        Box::new(Stream::new(Names::of(plan)))
    }

    fn files(&self, facts: &NodeFacts) -> Vec<String> {
        let runtime = format!("{}.log", facts.runtime_name());
        [
            "suite.log",
            "exit.json",
            "junit_*.xml",
            "ginkgo/report.json",
            "kubelet.log",
            "services.log",
            "kern.log",
            &runtime,
        ]
        .map(str::to_owned)
        .to_vec()
    }
}
