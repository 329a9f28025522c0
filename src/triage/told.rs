//! What a cluster of failures says to people: its cause in words, with the line that shows it. Pure.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;

use super::{
    ArtifactLine, Cluster, Failure, RuleHit, Triage,
    decisive::{NodeLines, Window, year_of},
};
use crate::{
    model::{
        self, Blame, Cause, Class, ClusterReport, Confidence, EvidenceLine, Filing, RelatedCluster,
        SpecName, SpecOutcome, SpecResult, TestHit,
    },
    suite::innermost,
    verdict::{self, Artifacts, Rules, class_of_text_with, normalised},
};

/// Lines of node logs that are shown of one cluster at most.
const EVIDENCE: usize = 6;

/// A failure, and its cause where the node's logs told one.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The failure.
    pub failure: Failure,
    /// Its cause, by a rule over the logs.
    pub cause: Option<Cause>,
}

impl Seen {
    /// The failure with the rule that names its cause: what the logs, or its own words, told of two tests alike is one
    /// cause.
    fn ruled(&self, rules: &Rules) -> Cow<'_, Failure> {
        let stopped = !self.failure.place.phase.is_empty();
        let by_logs = self.cause.as_ref().and_then(|cause| {
            // Trouble that only fell into its time may be another's.
            let sure = stopped || cause.confidence == Confidence::Certain;
            Some(RuleHit {
                id: cause.rule.clone().filter(|_| sure)?,
                captures: vec![normalised(&cause.summary)],
                cause: true,
            })
        });
        let by_words =
            || class_of_text_with(rules, &self.failure.message, &self.failure.output)?.cause();
        match by_logs.or_else(by_words) {
            None => Cow::Borrowed(&self.failure),
            rule => Cow::Owned(Failure {
                rule,
                ..self.failure.clone()
            }),
        }
    }
}

/// Lays the node's logs beside its failures: lines that name their objects in their time, and causes that rules read
/// out of the logs. The artifacts' names become the lines' files.
pub fn attach(seen: &mut [Seen], artifacts: &Artifacts, rules: &Rules) {
    if artifacts.is_empty() || seen.is_empty() {
        return;
    }
    let failures: Vec<Failure> = seen.iter().map(|seen| seen.failure.clone()).collect();
    let node = NodeLines::of(artifacts, year_of(&failures));
    let specs: Vec<SpecResult> = failures.iter().map(spec).collect();
    let causes = verdict::explain_all_with(rules, &specs, artifacts);
    for (at, seen) in seen.iter_mut().enumerate() {
        let found = node.lines(&seen.failure, "");
        for line in found {
            if !seen.failure.lines.contains(&line) {
                seen.failure.lines.push(line);
            }
        }
        if seen.cause.as_ref().is_none_or(|cause| cause.rule.is_none()) {
            let cause = causes.specs.get(at).map(|found| found.cause.clone());
            seen.cause = cause
                .filter(|cause| cause.rule.is_some())
                .or(seen.cause.take());
        }
    }
}

/// A failure as the verdict's rules over node logs want it.
fn spec(failure: &Failure) -> SpecResult {
    let window = Window::of(failure, "");
    let message = innermost(&failure.message);
    SpecResult {
        name: SpecName(failure.test.clone()),
        outcome: SpecOutcome::Failed,
        started_at: window.from(),
        ended_at: window.to(),
        seconds: 0.0,
        process: None,
        failure: Some(model::Failure {
            message,
            text: format!("{}\n{}", failure.message, failure.output),
            location: None,
        }),
        reason: None,
    }
}

/// Clusters failures and says each cluster in words, those with the most failures first.
#[must_use]
pub fn tell(seen: &[Seen], rules: &Rules) -> Vec<ClusterReport> {
    let mut triage = Triage::default();
    for seen in seen {
        triage.add(&seen.ruled(rules));
    }
    let clusters = triage.finish(&[]).clusters;
    let mut reports: Vec<ClusterReport> = clusters
        .iter()
        .filter_map(|cluster| Some(report(seen, cluster, strongest(seen, cluster, rules)?)))
        .collect();
    reports.sort_by(|a, b| {
        let lanes = (b.lanes.len(), b.count).cmp(&(a.lanes.len(), a.count));
        b.count
            .cmp(&a.count)
            .then(lanes)
            .then_with(|| a.id.cmp(&b.id))
    });
    reports
}

/// A cause before it is laid out.
#[derive(Clone)]
struct Told {
    class: Class,
    blame: Blame,
    confidence: Confidence,
    owner: Option<String>,
    filing: Filing,
    summary: String,
    line: Option<EvidenceLine>,
    rule: Option<String>,
    hint: Option<String>,
    /// Whether a rule read it out of the node's logs.
    from_logs: bool,
}

/// The cause that most members have, the surest of them; what logs say goes before what texts say.
fn strongest(seen: &[Seen], group: &Cluster, rules: &Rules) -> Option<Told> {
    let mut votes: BTreeMap<(bool, Option<String>), (usize, Told)> = BTreeMap::new();
    // Members of a cluster are alike: of a very large one some are enough.
    for seen in group
        .members
        .iter()
        .take(200)
        .filter_map(|at| seen.get(*at))
    {
        let told = cause_of(seen, rules);
        let vote = votes
            .entry((told.from_logs, told.rule.clone()))
            .or_insert_with(|| (0, told));
        vote.0 += 1;
    }
    votes
        .into_values()
        .max_by_key(|(count, told)| (told.from_logs, told.rule.is_some(), *count, told.confidence))
        .map(|(_, told)| told)
}

fn cause_of(seen: &Seen, rules: &Rules) -> Told {
    let failure = &seen.failure;
    if let Some(cause) = seen.cause.as_ref().filter(|cause| cause.rule.is_some()) {
        return of_cause(cause, failure);
    }
    let hit = class_of_text_with(rules, &failure.message, &failure.output);
    let describes = hit.as_ref().is_none_or(|hit| hit.class == Class::Assertion);
    if describes && let Some(told) = by_node_lines(failure, rules) {
        return told;
    }
    if let Some(hit) = hit {
        let said = own_words(&failure.message);
        let own_words = hit.class == Class::Assertion && !said.is_empty();
        let line = hit.line.map(|line| EvidenceLine {
            text: line.text,
            ..place(failure)
        });
        return Told {
            class: hit.class,
            blame: hit.blame,
            confidence: hit.confidence,
            owner: hit.owner,
            filing: hit.filing,
            // An assertion's own words say more than that it is one.
            summary: if own_words { said } else { hit.summary },
            line: line.or_else(|| Some(place(failure)).filter(|line| line.line > 0)),
            rule: Some(hit.rule),
            hint: hit.hint,
            from_logs: false,
        };
    }
    if let Some(cause) = &seen.cause {
        return of_cause(cause, failure);
    }
    let said = [failure.message.as_str(), failure.output.as_str()]
        .into_iter()
        .map(own_words)
        .find(|said| !said.is_empty());
    let class = if said.is_some() {
        Class::Unknown
    } else {
        Class::NoEvidence
    };
    let summary = said.unwrap_or_else(|| "It says nothing".to_owned());
    Told {
        class,
        blame: Blame::Unknown,
        confidence: Confidence::Suspected,
        owner: None,
        filing: class.filing(),
        line: Some(EvidenceLine {
            text: summary.clone(),
            ..place(failure)
        }),
        summary,
        rule: None,
        hint: None,
        from_logs: false,
    }
}

/// What a failure says of itself in one line. bats says first where it was.
fn own_words(text: &str) -> String {
    let mut rest = text.trim_start();
    while ["(in test file ", "(from function ", "in test file "]
        .iter()
        .any(|place| rest.starts_with(place))
        && let Some((_, after)) = rest.split_once('\n')
    {
        rest = after.trim_start();
    }
    innermost(rest)
}

/// A test that only waited, while the node's logs say in its time, of its own objects, what it waited for.
fn by_node_lines(failure: &Failure, rules: &Rules) -> Option<Told> {
    static WAITED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)timed ?out|deadline exceeded|timeout|never became|did not become|CreatePodSandbox").ok()
    });
    if failure.lines.is_empty() || !failure.place.phase.is_empty() {
        return None;
    }
    WAITED.as_ref().filter(|re| re.is_match(&failure.message))?;
    failure.lines.iter().find_map(|line| {
        let hit = class_of_text_with(rules, &line.text, "")?;
        let names_a_cause = !matches!(
            hit.class,
            Class::Assertion | Class::NoEvidence | Class::Unknown | Class::SuiteTimeout
        );
        names_a_cause.then(|| Told {
            class: hit.class,
            blame: hit.blame,
            confidence: hit.confidence.min(Confidence::Likely),
            owner: hit.owner,
            filing: hit.filing,
            summary: hit.summary,
            line: Some(evidence_line(line)),
            rule: Some(hit.rule),
            hint: hit.hint,
            from_logs: true,
        })
    })
}

fn of_cause(cause: &Cause, failure: &Failure) -> Told {
    let folder = failure
        .place
        .file
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let line = cause.evidence.first().map(|line| {
        // Evidence of an attempt names its file within the attempt's folder.
        let inside =
            failure.place.attempt > 0 && !line.file.as_str().contains('/') && !folder.is_empty();
        let file = match inside {
            true => format!("{folder}/{}", line.file).into(),
            false => line.file.clone(),
        };
        EvidenceLine {
            file,
            ..line.clone()
        }
    });
    Told {
        class: cause.class,
        blame: cause.blame,
        confidence: cause.confidence,
        owner: None,
        filing: cause.class.filing(),
        summary: cause.summary.clone(),
        line,
        from_logs: cause.rule.is_some(),
        rule: cause.rule.clone(),
        hint: cause.hint.clone(),
    }
}

fn place(failure: &Failure) -> EvidenceLine {
    EvidenceLine {
        file: failure.place.file.clone().into(),
        line: failure.place.line,
        text: String::new(),
    }
}

fn report(seen: &[Seen], group: &Cluster, told: Told) -> ClusterReport {
    let members: Vec<&Failure> = group
        .members
        .iter()
        .filter_map(|at| seen.get(*at))
        .map(|seen| &seen.failure)
        .collect();
    let mut tests: BTreeMap<String, TestHit> = BTreeMap::new();
    let mut lanes = BTreeSet::new();
    let mut evidence: Vec<EvidenceLine> = Vec::new();
    for failure in &members {
        let test = test_name(failure);
        let hit = tests.entry(test.clone()).or_insert_with(|| TestHit {
            test,
            place: match failure.place.line {
                0 => failure.place.file.clone(),
                line => format!("{}:{line}", failure.place.file),
            },
            ..TestHit::default()
        });
        hit.count += 1;
        let lane = &failure.place.lane;
        if !lane.is_empty() {
            if !hit.lanes.contains(lane) {
                hit.lanes.push(lane.clone());
            }
            lanes.insert(lane.clone());
        }
        for line in &failure.lines {
            let line = evidence_line(line);
            let said = |other: &EvidenceLine| normalised(&other.text) == normalised(&line.text);
            let shown = told.line.iter().chain(&evidence).any(said);
            if evidence.len() < EVIDENCE && !shown {
                evidence.push(line);
            }
        }
    }
    let mut tests: Vec<TestHit> = tests.into_values().collect();
    tests.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.test.cmp(&b.test)));
    let related: Vec<RelatedCluster> = group
        .related
        .iter()
        .map(|other| RelatedCluster {
            id: other.id.clone(),
            score: other.score,
        })
        .collect();
    ClusterReport {
        id: group.id.clone(),
        count: u32::try_from(members.len()).unwrap_or(u32::MAX),
        class: told.class,
        blame: told.blame,
        confidence: told.confidence,
        owner: told.owner,
        filing: told.filing,
        summary: told.summary,
        line: told.line,
        rule: told.rule,
        hint: told.hint,
        evidence,
        tests,
        lanes: lanes.into_iter().collect(),
        failures: members.iter().map(|failure| failure.id.clone()).collect(),
        related,
    }
}

fn test_name(failure: &Failure) -> String {
    match (failure.test.as_str(), failure.place.phase.as_str()) {
        ("", "") => "[the job]".to_owned(),
        ("", phase) => format!("[{phase}]"),
        (test, _) => test.to_owned(),
    }
}

fn evidence_line(line: &ArtifactLine) -> EvidenceLine {
    EvidenceLine {
        file: line.file.clone().into(),
        line: line.line,
        text: line.text.clone(),
    }
}
