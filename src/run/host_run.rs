//! A suite that runs on this host, against a machine: its events, and the files that a suite leaves.

use std::time::Duration;

use tokio::time::Instant;

use super::log::EventLog;
use crate::{
    evidence::{EvidenceDir, junit},
    model::{EventKind, Phase, SpecResult, Stop, StopKind, SuitePhase},
    suite::{
        self, CriLifecycle, SuiteExit,
        cri_lifecycle::{Node, Said},
    },
};

/// The suite's JUnit file, in the attempt's folder.
const JUNIT: &str = "junit_cri_01.xml";
/// What each spec did and saw, in the attempt's folder.
const TRANSCRIPTS: &str = "specs";

/// One suite against one machine.
pub struct HostRun<'a> {
    /// The suite.
    pub suite: &'a CriLifecycle,
    /// What it runs against.
    pub node: Node<'a>,
    /// The attempt's folder.
    pub folder: &'a EvidenceDir,
    /// The attempt's log.
    pub log: &'a EventLog,
    /// How long it may run; already scaled.
    pub limit: Duration,
}

impl HostRun<'_> {
    /// Runs the suite to its end; each finished spec is an event, and on disk, when it ends.
    ///
    /// # Errors
    /// With a stop when what the suite leaves cannot be written.
    pub async fn drive(&self, enter: impl Fn(Phase)) -> Result<(), Stop> {
        let began = Instant::now();
        let failed = |error: &dyn std::error::Error| Stop {
            phase: Phase::Spec,
            kind: StopKind::Failed,
            said: format!("the suite's evidence cannot be written: {error}"),
            line: None,
        };
        let folder = EvidenceDir::create(self.folder.file(TRANSCRIPTS));
        let transcripts = folder.map_err(|error| failed(&error))?;
        enter(Phase::Spec);
        self.log.add(EventKind::SuitePhaseStarted {
            phase: SuitePhase::Specs,
        });
        let mut results: Vec<SpecResult> = Vec::new();
        let mut lost = None;
        let run = self.suite.run(self.node, |said| match said {
            Said::Started(spec) => self.log.add(EventKind::SpecStarted { spec }),
            Said::Finished { result, transcript } => {
                let name = format!("{:02}-{}.log", results.len() + 1, slug(&result.name.0));
                let text = format!("{}\n{}\n\n{transcript}", result.name, result.outcome);
                if let Err(error) = transcripts.write(&name, text.as_bytes()) {
                    lost = Some(error);
                }
                results.push(result.clone());
                self.log.add(EventKind::SpecFinished { result });
            }
        });
        let timed_out = tokio::time::timeout(self.limit, run).await.is_err();
        if let Some(error) = lost {
            return Err(failed(&error));
        }
        let red = results.iter().any(|result| result.outcome.is_failure());
        let exit = SuiteExit {
            status: Some(if timed_out { 124 } else { i32::from(red) }),
            timed_out,
            seconds: Some(began.elapsed().as_secs()),
            ..SuiteExit::default()
        };
        let xml = junit::write("cri-lifecycle", &results).map_err(|error| failed(&error))?;
        let written = self.folder.write(JUNIT, &xml);
        written.map_err(|error| failed(&error))?;
        let written = self.folder.write_json("exit.json", &exit);
        written.map_err(|error| failed(&error))?;
        self.log.add(EventKind::SuiteExited {
            status: exit.status,
            signal: None,
        });
        // The node's own logs, where the machine's collection looks for them.
        let out = crate::process::quote(&suite::output(self.node.machine.root()));
        let script = format!("mkdir -p {out} && dmesg > {out}/kern.log 2>&1; true");
        // A machine that is gone is seen by whoever waits for it.
        let _ = self
            .node
            .machine
            .run(&script, Duration::from_secs(30))
            .await;
        Ok(())
    }
}

/// A file name for a spec.
fn slug(name: &str) -> String {
    let name = name.rsplit("] ").next().unwrap_or(name).to_lowercase();
    let dashed: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_s_name_becomes_a_file_name() {
        assert_eq!(
            slug("[cri-lifecycle] a container's memory limit (64 MiB), changed"),
            "a-container-s-memory-limit-64-mib-changed"
        );
    }
}
