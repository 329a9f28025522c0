//! Why a spec failed: its own assertion, unless the node's logs in its time say otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifacts, Rule, Rules, logs::shorten, scan::rule_lines};
use crate::model::{
    Blame, Cause, Class, Confidence, EvidenceLine, Failure, Phase, SpecName, SpecOutcome,
    SpecResult,
};

/// Clocks of suite, kubelet and runtime are one clock, read at different moments.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// A pod's place in a log line.
static POD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:pod|object)="(?P<namespace>[a-z0-9.-]+)/(?P<name>[a-z0-9.-]+)""#).ok()
});

/// A failure that says no more than that something did not happen in time.
static WAITED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)timed ?out|deadline exceeded|timeout|ErrImage|ImagePull|CreatePodSandbox|Evicted|was rejected").ok()
});

/// One failed spec and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpecCause {
    /// Which.
    pub spec: SpecName,
    /// Why.
    pub cause: Cause,
}

/// Why the specs of a lane failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneCauses {
    /// The one cause that all failed specs share, when there is one and it is not their own assertion.
    pub common: Option<Cause>,
    /// Every failed spec.
    pub specs: Vec<SpecCause>,
}

/// Why this spec failed; nothing for one that does not count against its lane.
#[must_use]
pub fn explain(failed: &SpecResult, artifacts: &Artifacts) -> Option<Cause> {
    let explained = explain_all(std::slice::from_ref(failed), artifacts);
    explained.specs.into_iter().next().map(|found| found.cause)
}

/// Why each failed spec of a lane failed, by the shipped rules; every file is read once.
#[must_use]
pub fn explain_all(specs: &[SpecResult], artifacts: &Artifacts) -> LaneCauses {
    explain_all_with(Rules::shipped(), specs, artifacts)
}

/// The same, by these rules.
#[must_use]
pub fn explain_all_with(rules: &Rules, specs: &[SpecResult], artifacts: &Artifacts) -> LaneCauses {
    let failed: Vec<&SpecResult> = specs
        .iter()
        .filter(|spec| spec.outcome.is_failure())
        .collect();
    if failed.is_empty() {
        return LaneCauses::default();
    }
    let year = failed
        .iter()
        .find_map(|spec| spec.started_at.or(spec.ended_at))
        .map_or(1970, |at| at.to_zoned(TimeZone::UTC).year());
    let trouble = Trouble::collect(rules, artifacts, year);
    let quotes = quotes(&failed, artifacts);
    let causes: Vec<SpecCause> = failed
        .iter()
        .map(|spec| SpecCause {
            spec: spec.name.clone(),
            cause: trouble
                .explain(spec)
                .unwrap_or_else(|| own(spec, quotes.get(&spec.name).cloned())),
        })
        .collect();
    let passed = specs.iter().any(|spec| spec.outcome == SpecOutcome::Passed);
    let common = common(&causes).filter(|_| causes.len() > 1 || !passed);
    LaneCauses {
        common,
        specs: causes,
    }
}

/// The cause that all of these share by rule and words.
fn common(causes: &[SpecCause]) -> Option<Cause> {
    let first = &causes.first()?.cause;
    let same = |other: &SpecCause| {
        other.cause.rule.is_some()
            && other.cause.rule == first.rule
            && unnamed(&other.cause.summary) == unnamed(&first.summary)
    };
    causes.iter().all(same).then(|| first.clone())
}

/// Ids and numbers differ from pod to pod where the error is the same.
fn unnamed(summary: &str) -> String {
    let named = |word: &&str| !word.chars().any(|c| c.is_ascii_digit());
    summary
        .split_whitespace()
        .filter(named)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line of the node's logs that may explain a failed spec.
struct Troubled<'r> {
    rule: &'r Rule,
    at: Option<Timestamp>,
    pod: Option<(String, String)>,
    line: EvidenceLine,
    summary: String,
}

struct Trouble<'r>(Vec<Troubled<'r>>);

impl<'r> Trouble<'r> {
    fn collect(rules: &'r Rules, artifacts: &Artifacts, year: i16) -> Self {
        let mut lines = Vec::new();
        rule_lines(
            rules,
            artifacts,
            |rule| rule.specs,
            |rule, file, line, message| {
                let pod = POD.as_ref().and_then(|re| re.captures(line.raw));
                lines.push(Troubled {
                    rule,
                    at: line.at(year),
                    pod: pod.map(|pod| (pod["namespace"].to_owned(), pod["name"].to_owned())),
                    line: line.evidence(&file.name),
                    summary: rule.render(message),
                });
            },
        );
        Self(lines)
    }

    /// The strongest rule whose line names one of the spec's pods; else, for a spec that only waited, one whose
    /// line falls into its time.
    fn explain(&self, spec: &SpecResult) -> Option<Cause> {
        let words = spec
            .failure
            .as_ref()
            .map_or("", |failure| failure.text.as_str());
        let message = spec
            .failure
            .as_ref()
            .map_or("", |failure| failure.message.as_str());
        let waited = spec.outcome != SpecOutcome::Panicked
            && (spec.outcome == SpecOutcome::TimedOut
                || WAITED.as_ref().is_some_and(|re| re.is_match(message)));
        if !waited {
            return None;
        }
        let named = |line: &&Troubled<'r>| line.names_one_of(words);
        if let Some(cause) = strongest(self.0.iter().filter(named), Confidence::Certain) {
            return Some(cause);
        }
        // Trouble that is told pod by pod, and never of this spec's pods, is another spec's.
        let by_pod: BTreeSet<&str> = self
            .0
            .iter()
            .filter(|line| line.pod.is_some())
            .map(|line| line.rule.id.as_str())
            .collect();
        let free = self.0.iter().filter(|line| {
            during(spec, line.at) && !(names_pods(words) && by_pod.contains(line.rule.id.as_str()))
        });
        strongest(free, Confidence::Likely)
    }
}

impl Troubled<'_> {
    fn names_one_of(&self, words: &str) -> bool {
        // `default` or `kube-system` stand in many texts; a namespace of the suite ends in a number.
        let own = |name: &str| name.len() >= 6 && name.chars().any(|c| c.is_ascii_digit());
        self.pod.as_ref().is_some_and(|(namespace, name)| {
            [namespace, name]
                .iter()
                .any(|part| own(part) && words.contains(part.as_str()))
        })
    }
}

/// The cause by the last line of the strongest rule, at most this sure.
fn strongest<'t, 'r: 't>(
    lines: impl Iterator<Item = &'t Troubled<'r>>,
    most: Confidence,
) -> Option<Cause> {
    let shown = lines.max_by_key(|line| line.rule.precedence)?;
    Some(Cause {
        phase: Phase::Spec,
        class: shown.rule.class,
        blame: shown.rule.blame,
        confidence: shown.rule.confidence.min(most),
        summary: shown.summary.clone(),
        evidence: vec![shown.line.clone()],
        rule: Some(shown.rule.id.clone()),
        hint: shown.rule.hint.clone(),
    })
}

/// Whether a failure text says which pods it is about.
fn names_pods(words: &str) -> bool {
    words.contains("pod-") || words.contains("/pods/") || words.contains("Namespace:")
}

fn during(spec: &SpecResult, at: Option<Timestamp>) -> bool {
    match (spec.started_at, spec.ended_at, at) {
        (Some(from), Some(to), Some(at)) => at >= from - SLACK && at <= to + SLACK,
        _ => false,
    }
}

/// The spec's own words.
fn own(spec: &SpecResult, quote: Option<EvidenceLine>) -> Cause {
    let failure = spec.failure.as_ref();
    let evidence: Vec<EvidenceLine> = quote
        .or_else(|| failure.and_then(source_line))
        .into_iter()
        .collect();
    let said = failure.map(|failure| shorten(failure.message.trim(), 300));
    let said = said.filter(|said| !said.is_empty());
    let class = if evidence.is_empty() && said.is_none() {
        Class::NoEvidence
    } else {
        Class::Assertion
    };
    let summary = said.unwrap_or_else(|| format!("The spec ended {}", spec.outcome));
    Cause {
        phase: Phase::Spec,
        class,
        blame: Blame::Unknown,
        confidence: Confidence::Suspected,
        summary: summary.trim_end_matches('.').to_owned(),
        evidence,
        rule: None,
        hint: None,
    }
}

/// The assertion's own place, where no log of the suite is there to quote.
fn source_line(failure: &Failure) -> Option<EvidenceLine> {
    let (file, line) = failure.location.as_deref()?.rsplit_once(':')?;
    Some(EvidenceLine {
        file: Utf8PathBuf::from(file),
        line: line.parse().ok()?,
        text: shorten(&failure.message, 600),
    })
}

/// Where the suite's output says that a spec failed: its `[FAILED]` line, or the spec's name after it.
fn quotes(failed: &[&SpecResult], artifacts: &Artifacts) -> BTreeMap<SpecName, EvidenceLine> {
    let mut found = BTreeMap::new();
    for name in ["suite.log", "ginkgo.log"] {
        let Some(file) = artifacts.find(name) else {
            continue;
        };
        let mut heading = false;
        for line in file.lines() {
            let text = line.raw.trim();
            if heading {
                // Ginkgo puts `[It]` into the middle of a failed spec's name, and labels at its end.
                let text = text.replace("[It] ", "");
                for spec in failed {
                    if text.starts_with(&spec.name.0) {
                        found
                            .entry(spec.name.clone())
                            .or_insert_with(|| line.evidence(&file.name));
                    }
                }
            }
            heading = text.starts_with('•') && !text.starts_with("• [PASSED]");
        }
    }
    found
}
