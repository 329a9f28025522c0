//! The suite `cri-lifecycle`: what a runtime does with pods, containers, streams and images, asked over CRI and checked
//! from outside in the guest.
//!
//! Owns: its specs, the stage they play on, what they look at in the guest. Must not: write evidence, or decide what a
//! failed spec means for the lane. It needs the pause image and one busybox image, no Kubernetes.

mod container_specs;
mod error_specs;
mod exec_specs;
mod image_specs;
mod leak_specs;
mod log_line;
mod look;
mod output_specs;
mod pod_specs;
mod stage;

use std::time::Duration;

use futures_util::future::BoxFuture;
use regex::Regex;
use tokio::time::Instant;

use crate::{
    clock,
    machine::Machine,
    model::{Failure, PlannedSpec, SpecName, SpecOutcome, SpecResult, SuitePlan},
    profile::{CriLifecycle as Settings, compile_go_regex},
    runtime::{Kind, cri::Cri},
};

use super::PlanError;
use stage::{Failed, Shared, Stage};

/// One spec: its name, how long it may take with KVM, and what it does.
struct Spec {
    name: &'static str,
    limit: Duration,
    play: for<'s> fn(&'s Stage<'s>) -> BoxFuture<'s, Result<(), Failed>>,
}

/// A spec's line in the table.
macro_rules! spec {
    ($name:literal, $seconds:literal, $play:path) => {
        Spec {
            name: $name,
            limit: Duration::from_secs($seconds),
            play: |stage| Box::pin($play(stage)),
        }
    };
}

/// All specs, in the order in which they run: the gentle ones first.
const SPECS: [Spec; 24] = [
    spec!(
        "the runtime says who and how it is",
        10,
        pod_specs::says_who_it_is
    ),
    spec!(
        "a pod sandbox is ready with an address, then stopped, then gone without a trace",
        20,
        pod_specs::life_cycle
    ),
    spec!(
        "a container is created, runs, is stopped and removed",
        20,
        container_specs::life_cycle
    ),
    spec!(
        "a container gets its command, environment, directory, user and mounts",
        15,
        container_specs::configuration
    ),
    spec!(
        "containers of one pod share its network and nothing of each other's processes",
        15,
        container_specs::share_the_network
    ),
    spec!(
        "a container ends with its own exit code, and with Completed or Error",
        15,
        container_specs::exit_codes
    ),
    spec!(
        "a container that handles SIGTERM stops with its own exit code, long before its grace is over",
        15,
        container_specs::handles_term
    ),
    spec!(
        "a running container's memory limit is changed",
        15,
        container_specs::update_resources
    ),
    spec!(
        "exec sync gives stdout, stderr and exit code apart",
        15,
        exec_specs::sync
    ),
    spec!(
        "exec sync ends a command at its time limit",
        20,
        exec_specs::sync_limit
    ),
    spec!(
        "a streamed exec takes stdin and gives stdout, stderr and exit code",
        15,
        exec_specs::streamed
    ),
    spec!(
        "a streamed exec has a terminal when asked to",
        15,
        exec_specs::terminal
    ),
    spec!(
        "attach leads to the container's own process",
        15,
        exec_specs::attach
    ),
    spec!(
        "port-forward leads to a server in the pod",
        15,
        exec_specs::port_forward
    ),
    spec!(
        "logs hold every line with its stream, and go on in a new file after reopen",
        20,
        output_specs::logs
    ),
    spec!(
        "stats of container and pod grow with what is used",
        20,
        output_specs::stats
    ),
    spec!(
        "container events tell the life of a container in order",
        20,
        output_specs::events
    ),
    spec!(
        "images are listed, found by each name, and removed by name",
        15,
        image_specs::images
    ),
    spec!(
        "an image that does not exist is refused by pull and by create, by name",
        20,
        error_specs::missing_image
    ),
    spec!(
        "a command that does not exist is a clear error and leaves nothing",
        20,
        error_specs::bad_command
    ),
    spec!(
        "a container over its memory limit is reported as OOMKilled",
        20,
        error_specs::out_of_memory
    ),
    spec!(
        "exec into a container that ended is refused",
        15,
        error_specs::exec_into_the_dead
    ),
    spec!(
        "a container that ignores SIGTERM is killed when its grace is over",
        20,
        error_specs::stuck
    ),
    spec!(
        "a pod whose sandbox process was killed is not ready, and can be removed",
        30,
        error_specs::sandbox_killed
    ),
];

/// Those that take long, after all others.
const LONG: [Spec; 2] = [
    spec!(
        "a crash loop reports each crash with its exit code",
        30,
        error_specs::crash_loop
    ),
    spec!(
        "100 execs leave no descriptor, process, mount, cgroup or network namespace",
        90,
        leak_specs::execs
    ),
];

/// What stands before every spec's name.
const PREFIX: &str = "[cri-lifecycle] ";

fn specs() -> impl Iterator<Item = &'static Spec> {
    SPECS.iter().chain(&LONG)
}

/// What the suite runs against.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    /// The machine, for looks into the guest.
    pub machine: &'a dyn Machine,
    /// The runtime.
    pub cri: &'a Cri,
    /// The handler under test.
    pub handler: &'a str,
    /// The kind of runtime under test.
    pub runtime: &'a dyn Kind,
    /// The factor on all time limits.
    pub scale: u32,
}

/// What the suite says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A spec began.
    Started(SpecName),
    /// A spec ended.
    Finished {
        /// How.
        result: SpecResult,
        /// What it did and saw, line by line.
        transcript: String,
    },
}

/// The suite with a profile's settings.
#[derive(Clone, Debug)]
pub struct CriLifecycle {
    settings: Settings,
}

impl CriLifecycle {
    /// The suite with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// What it will run.
    ///
    /// # Errors
    /// When that is nothing.
    pub fn plan(&self) -> Result<SuitePlan, PlanError> {
        let selected: Vec<PlannedSpec> = self
            .selected()
            .map(|spec| PlannedSpec {
                name: name(spec),
                labels: Vec::new(),
                location: String::new(),
                group: None,
            })
            .collect();
        let total = specs().count();
        if selected.is_empty() {
            return Err(PlanError::NothingSelected { total });
        }
        Ok(SuitePlan { selected, total })
    }

    fn selected(&self) -> impl Iterator<Item = &'static Spec> {
        let compiled = |patterns: &[String]| -> Vec<Regex> {
            // Validation has compiled them before.
            (patterns.iter())
                .filter_map(|pattern| compile_go_regex(pattern).ok())
                .collect()
        };
        let (focus, skip) = (
            compiled(&self.settings.focus),
            compiled(&self.settings.skip),
        );
        specs().filter(move |spec| {
            let name = name(spec).0;
            let any = |list: &[Regex]| list.iter().any(|pattern| pattern.is_match(&name));
            (focus.is_empty() || any(&focus)) && !any(&skip)
        })
    }

    /// Runs the specs one after the other. What a spec leaves is removed before the next one begins.
    pub async fn run(&self, node: Node<'_>, mut tell: impl FnMut(Said)) {
        let shared = Shared::default();
        for spec in self.selected() {
            tell(Said::Started(name(spec)));
            let stage = Stage::new(node, &shared);
            let started_at = clock::now();
            let began = Instant::now();
            let limit = spec.limit * node.scale;
            let played = tokio::time::timeout(limit, (spec.play)(&stage)).await;
            let (mut outcome, mut said) = match played {
                Ok(Ok(())) => (SpecOutcome::Passed, None),
                Ok(Err(failed)) => (SpecOutcome::Failed, Some(failed.to_string())),
                Err(_) => (
                    SpecOutcome::TimedOut,
                    Some(format!(
                        "the spec did not end within {} s; last: {}",
                        limit.as_secs(),
                        stage.last_line()
                    )),
                ),
            };
            if said.is_some() {
                // Whatever broke may have broken the pod that specs share.
                stage.discard_shared().await;
            }
            if let Err(failed) = stage.clear().await
                && said.is_none()
            {
                outcome = SpecOutcome::Failed;
                said = Some(format!("what the spec made cannot be removed: {failed}"));
            }
            let transcript = stage.transcript();
            let failure = said.map(|message| Failure {
                text: format!("{message}\n\n{transcript}"),
                message,
                location: None,
            });
            let result = SpecResult {
                name: name(spec),
                outcome,
                started_at: Some(started_at),
                ended_at: Some(clock::now()),
                seconds: began.elapsed().as_secs_f64(),
                process: None,
                failure,
                reason: None,
            };
            tell(Said::Finished { result, transcript });
        }
        // Its removal was tried by the specs that remove pods; what is left of it dies with the machine.
        Stage::new(node, &shared).discard_shared().await;
    }
}

fn name(spec: &Spec) -> SpecName {
    SpecName(format!("{PREFIX}{}", spec.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn suite(focus: &[&str], skip: &[&str]) -> CriLifecycle {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        CriLifecycle::new(Settings {
            focus: owned(focus),
            skip: owned(skip),
        })
    }

    #[test]
    fn names_are_unique_and_none_ends_with_another() {
        let names: BTreeSet<String> = specs().map(|spec| name(spec).0).collect();
        assert_eq!(names.len(), specs().count());
        for one in specs() {
            for other in specs().filter(|other| other.name != one.name) {
                assert!(!other.name.ends_with(one.name), "{}", one.name);
            }
        }
    }

    #[test]
    fn focus_and_skip_select() {
        assert_eq!(
            suite(&[], &[]).plan().unwrap().selected.len(),
            specs().count()
        );
        let plan = suite(&["exec"], &["streamed"]).plan().unwrap();
        let names: Vec<&str> = plan
            .selected
            .iter()
            .map(|spec| spec.name.0.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "[cri-lifecycle] exec sync gives stdout, stderr and exit code apart",
                "[cri-lifecycle] exec sync ends a command at its time limit",
                "[cri-lifecycle] exec into a container that ended is refused",
                "[cri-lifecycle] 100 execs leave no descriptor, process, mount, cgroup or network namespace",
            ]
        );
        let nothing = suite(&["nothing is called so"], &[]).plan().unwrap_err();
        assert!(
            matches!(nothing, PlanError::NothingSelected { total } if total == specs().count())
        );
    }
}
