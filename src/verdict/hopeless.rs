//! While a suite runs: is its end known? A node that cannot start the suite never will, and with a fault that keeps
//! every pod from running, specs only wait for their own deadlines, minutes each. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::{Artifact, Artifacts, Rule, Rules, scan::rule_lines};
use crate::model::{EvidenceLine, Phase, Stop, StopKind};

/// A fault that is met so often, over such a time, does not go away by itself.
const OFTEN: u32 = 3;
const PERSISTENT: Duration = Duration::from_secs(20);

/// What a log has said so far of faults that no spec can pass with.
#[derive(Debug)]
pub struct Hopeless<'r> {
    rules: &'r Rules,
    file: &'static str,
    lines: u64,
    torn: String,
    seen: BTreeMap<String, Seen>,
    over: bool,
}

#[derive(Debug)]
struct Seen {
    first: Duration,
    moments: u32,
}

impl<'r> Hopeless<'r> {
    /// Nothing was read of `file` yet.
    #[must_use]
    pub const fn new(rules: &'r Rules, file: &'static str) -> Self {
        Self {
            rules,
            file,
            lines: 0,
            torn: String::new(),
            seen: BTreeMap::new(),
            over: false,
        }
    }

    /// What the log held before the suite is not its.
    pub fn skip(&mut self, bytes: &[u8]) {
        self.whole_lines(bytes);
    }

    /// A spec passed, so pods run: from now on failures are the specs' own.
    pub const fn disprove(&mut self) {
        self.over = true;
    }

    /// Reads what the log has gained at this time; returns the fault once it is sure. `starting`: no spec has begun.
    pub fn push(
        &mut self,
        bytes: &[u8],
        at: Duration,
        starting: bool,
    ) -> Option<(String, EvidenceLine)> {
        if self.over || bytes.is_empty() {
            return None;
        }
        let first = self.lines + 1;
        let text = self.whole_lines(bytes);
        let artifacts = Artifacts::new(vec![Artifact {
            name: self.file.into(),
            parts: vec![(first, text)],
        }]);
        // What may keep pods from running may pass; what ends the start of a suite does not.
        let ends =
            |rule: &Rule| starting && !rule.specs && rule.phases.as_slice() == [Phase::SuiteStart];
        let wanted = |rule: &Rule| rule.fatal && rule.near.is_empty() && (rule.specs || ends(rule));
        let mut met: BTreeMap<String, (u32, String, EvidenceLine)> = BTreeMap::new();
        let mut sure: Vec<(u32, String, EvidenceLine)> = Vec::new();
        rule_lines(
            self.rules,
            &artifacts,
            wanted,
            |rule, file, line, message| {
                let found = || {
                    (
                        rule.precedence,
                        rule.render(message),
                        line.evidence(&file.name),
                    )
                };
                if rule.specs {
                    met.entry(rule.id.clone()).or_insert_with(found);
                } else {
                    sure.push(found());
                }
            },
        );
        for (rule, found) in met {
            let seen = self.seen.entry(rule).or_insert(Seen {
                first: at,
                moments: 0,
            });
            seen.moments += 1;
            if seen.moments >= OFTEN && at.saturating_sub(seen.first) >= PERSISTENT {
                sure.push(found);
            }
        }
        sure.sort_by_key(|(precedence, ..)| std::cmp::Reverse(*precedence));
        let (_, said, line) = sure.into_iter().next()?;
        Some((said, line))
    }

    fn whole_lines(&mut self, bytes: &[u8]) -> String {
        self.torn.push_str(&String::from_utf8_lossy(bytes));
        let end = self.torn.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.torn.split_off(end);
        let whole = std::mem::replace(&mut self.torn, rest);
        self.lines += whole.matches('\n').count() as u64;
        whole
    }
}

/// What the runtime says of the node's network while a suite starts. Without it a node is never Ready, and the suite
/// waits for that far longer than anybody needs to know.
#[derive(Debug, Default)]
pub struct Network {
    not_ready: Option<Seen>,
}

impl Network {
    /// The runtime was asked at this time; `obstacle` is what it says keeps it from being ready. Returns the fault once it
    /// is sure.
    pub fn push(&mut self, obstacle: Option<&str>, at: Duration) -> Option<String> {
        let Some(obstacle) = obstacle.filter(|words| words.contains("NetworkReady=false")) else {
            self.not_ready = None;
            return None;
        };
        let seen = self.not_ready.get_or_insert(Seen {
            first: at,
            moments: 0,
        });
        seen.moments += 1;
        let stays = seen.moments >= OFTEN && at.saturating_sub(seen.first) >= PERSISTENT;
        stays.then(|| format!("the runtime says that the node has no network: {obstacle}"))
    }

    /// The stop that such a fault means.
    #[must_use]
    pub fn stop(said: &str) -> Stop {
        Stop {
            phase: Phase::SuiteStart,
            kind: StopKind::Alarm,
            said: format!("the suite cannot start: {said}"),
            line: None,
        }
    }
}

/// The stop that such a fault means.
#[must_use]
pub fn hopeless(phase: Phase, (said, line): (String, EvidenceLine)) -> Stop {
    Stop {
        phase,
        kind: StopKind::Alarm,
        said: match phase {
            Phase::SuiteStart => format!("the suite cannot start: {said}"),
            _ => format!("no pod can run: {said}"),
        },
        line: Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULT: &str = "2026-11-20T14:31:12.698485+00:00 node1 containerd[608]: time=\"2026-11-20T14:31:12.690510433Z\" level=error msg=\"RunPodSandbox failed\" error=\"rpc error: code = Unknown desc = failed to setup network for sandbox \\\"1b\\\": plugin type=\\\"vlan-x\\\" failed (add): failed to find plugin \\\"vlan-x\\\" in path [/opt/cni]\"\n";
    const OTHER: &str = "2026-11-20T14:31:13.000000+00:00 node1 systemd[1]: Started run-1.scope.\n";

    fn log() -> Hopeless<'static> {
        Hopeless::new(Rules::shipped(), "journal.log")
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_fault_that_stays_is_told_with_its_line() {
        let mut log = log();
        log.skip(OTHER.repeat(4).as_bytes());
        assert_eq!(log.push(FAULT.as_bytes(), at(0), false), None);
        let (head, tail) = FAULT.split_at(150);
        assert_eq!(log.push(head.as_bytes(), at(12), false), None);
        assert_eq!(log.push(tail.as_bytes(), at(13), false), None);
        let text = format!("{OTHER}{FAULT}");
        let (said, line) = log.push(text.as_bytes(), at(25), false).unwrap();
        assert!(said.contains("no CNI plugin vlan-x"), "{said}");
        assert_eq!((line.file.as_str(), line.line), ("journal.log", 8));
    }

    #[test]
    fn a_kubelet_that_ends_before_the_first_spec_ends_the_suite() {
        let ended = "2026-11-20T16:30:23.538507+00:00 node1 systemd[1]: kubelet-20261120T163017.service: Main process exited, code=exited, status=1/FAILURE\n";
        let (said, line) = log().push(ended.as_bytes(), at(3), true).unwrap();
        assert!(said.contains("status=1/FAILURE"), "{said}");
        assert_eq!((line.file.as_str(), line.line), ("journal.log", 1));
        // Serial specs restart the kubelet.
        assert_eq!(log().push(ended.as_bytes(), at(3), false), None);
        let other = ended.replace("kubelet-2", "run-r2");
        assert_eq!(log().push(other.as_bytes(), at(3), true), None);
    }

    #[test]
    fn one_bad_moment_is_not_enough() {
        let mut log = log();
        assert_eq!(log.push(FAULT.repeat(50).as_bytes(), at(0), false), None);
        assert_eq!(log.push(FAULT.repeat(50).as_bytes(), at(19), false), None);
        assert_eq!(log.push(OTHER.as_bytes(), at(300), false), None);
    }

    const NO_NETWORK: &str = "NetworkReady=false reason NetworkPluginNotReady: Network plugin returns error: cni plugin not initialized";

    #[test]
    fn a_network_that_stays_away_is_told() {
        let mut network = Network::default();
        assert_eq!(network.push(Some(NO_NETWORK), at(1)), None);
        assert_eq!(network.push(Some(NO_NETWORK), at(11)), None);
        let said = network.push(Some(NO_NETWORK), at(21)).unwrap();
        assert!(said.contains("cni plugin not initialized"), "{said}");
        let stop = Network::stop(&said);
        assert_eq!(
            (stop.phase, stop.kind),
            (Phase::SuiteStart, StopKind::Alarm)
        );
        // The kubelet's log says the same, and is what the cause rests on.
        let log = "E1120 12:03:02.710098     873 kubelet.go:3262] \"Container runtime network not ready\" networkReady=\"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized\"\n";
        let logs = Artifacts::new(vec![Artifact::new("kubelet.log", log.repeat(4))]);
        let cause = crate::verdict::classify(&stop, &logs);
        assert_eq!(cause.rule.as_deref(), Some("cni-not-ready"));
        assert!(cause.summary.contains("never became Ready"));
    }

    #[test]
    fn a_network_that_comes_back_or_a_runtime_that_is_silent_is_none() {
        let mut network = Network::default();
        for n in 0..20 {
            let words = (n % 3 != 2).then_some(NO_NETWORK);
            assert_eq!(network.push(words, at(n * 10)), None);
        }
        let other = "RuntimeReady=false reason x: y";
        for n in 0..20 {
            assert_eq!(network.push(Some(other), at(300 + n * 10)), None);
        }
    }

    #[test]
    fn a_spec_that_passed_disproves_it() {
        let mut log = log();
        log.disprove();
        for n in 0..20 {
            assert_eq!(log.push(FAULT.as_bytes(), at(n * 10), false), None);
        }
    }
}
