//! A cluster as a page shows it. Pure.

use serde::Serialize;

use super::{
    clusters::{acts, counted, reach},
    context::Fact,
    excerpt::{Excerpt, plain},
    gather::Found,
    grid::{failure_anchor, lane_anchor, split_tags},
};
use crate::model::{Class, ClusterReport, RunSummary, TestHit};

/// Tests shown of one cluster.
const TESTS: usize = 12;

/// One cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterView {
    /// The page's anchor for it.
    pub anchor: String,
    /// Its id.
    pub id: String,
    /// How many failures.
    pub count: u32,
    /// The class's name.
    pub class: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// How many tests on how many lanes.
    pub reach: String,
    /// The cause in one line.
    pub summary: String,
    /// Who acts, which rule.
    pub facts: Vec<Fact>,
    /// What to do next.
    pub hint: Option<String>,
    /// `file:line` of the line that says so.
    pub place: String,
    /// That line.
    pub text: String,
    /// Its surroundings.
    pub excerpt: Option<Excerpt>,
    /// Further lines.
    pub evidence: Vec<PlacedLine>,
    /// The tests it hit.
    pub tests: Vec<HitView>,
    /// How many more there are.
    pub more_tests: usize,
    /// Clusters that look alike.
    pub related: Vec<RelatedView>,
}

/// A line and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedLine {
    /// `file:line`.
    pub place: String,
    /// The line.
    pub text: String,
}

/// A test that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitView {
    /// Its name.
    pub test: String,
    /// How often.
    pub count: u32,
    /// Where it was seen, each with the page's anchor if the page has one.
    pub lanes: Vec<LaneHit>,
    /// `file:line`, where there is no page of it.
    pub place: Option<String>,
}

/// A lane in which a test was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneHit {
    /// Its name.
    pub name: String,
    /// The page's anchor for the failure.
    pub anchor: Option<String>,
}

/// A cluster that looks alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelatedView {
    /// Its id.
    pub id: String,
    /// The page's anchor for it.
    pub anchor: String,
    /// How alike.
    pub score: String,
}

/// `2 causes behind 5 failures`.
#[must_use]
pub fn title(clusters: &[ClusterReport]) -> String {
    let failures: u64 = clusters
        .iter()
        .map(|cluster| u64::from(cluster.count))
        .sum();
    format!(
        "{} behind {}",
        counted(clusters.len(), "cause"),
        counted(failures, "failure")
    )
}

/// The clusters of a run, with links into its page.
#[must_use]
pub fn of_run(summary: &RunSummary, found: &Found) -> Vec<ClusterView> {
    let anchor = |test: &str, lane: &str| {
        let (index, cell) = summary
            .cells
            .iter()
            .enumerate()
            .find(|(_, cell)| cell.lane.id.as_str() == lane)?;
        let spec = cell
            .specs
            .iter()
            .position(|spec| spec.name.0 == test && spec.outcome.is_failure());
        Some(spec.map_or_else(|| lane_anchor(index), |at| failure_anchor(index, at)))
    };
    found
        .clusters
        .iter()
        .enumerate()
        .map(|(at, cluster)| {
            let excerpt = found.excerpts.get(at).cloned().flatten();
            view(cluster, excerpt, false, anchor)
        })
        .collect()
}

/// A cluster, with the anchors that `anchor` knows for a test on a lane.
pub(super) fn view(
    cluster: &ClusterReport,
    excerpt: Option<Excerpt>,
    places: bool,
    anchor: impl Fn(&str, &str) -> Option<String>,
) -> ClusterView {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let mut facts = vec![fact("acts", acts(cluster))];
    facts.extend(cluster.rule.iter().map(|rule| fact("rule", rule.clone())));
    facts.push(fact("filing", cluster.filing.to_string()));
    let line = cluster.line.as_ref();
    let hit = |hit: &TestHit| HitView {
        test: split_tags(&plain(&hit.test)).0,
        count: hit.count,
        lanes: hit
            .lanes
            .iter()
            .map(|lane| LaneHit {
                name: lane.clone(),
                anchor: anchor(&hit.test, lane),
            })
            .collect(),
        place: Some(hit.place.clone()).filter(|place| places && !place.is_empty()),
    };
    ClusterView {
        anchor: anchor_of(&cluster.id),
        id: cluster.id.clone(),
        count: cluster.count,
        class: cluster.class.name(),
        tone: tone(cluster.class),
        reach: reach(cluster),
        summary: plain(&cluster.summary),
        facts,
        hint: cluster.hint.clone(),
        place: line.map_or_else(String::new, |line| match line.line {
            0 => line.file.to_string(),
            number => format!("{}:{number}", line.file),
        }),
        text: line.map_or_else(String::new, |line| plain(&line.text)),
        excerpt,
        evidence: cluster
            .evidence
            .iter()
            .map(|line| PlacedLine {
                place: format!("{}:{}", line.file, line.line),
                text: plain(&line.text),
            })
            .collect(),
        tests: cluster.tests.iter().take(TESTS).map(hit).collect(),
        more_tests: cluster.tests.len().saturating_sub(TESTS),
        related: cluster
            .related
            .iter()
            .take(5)
            .map(|other| RelatedView {
                id: other.id.clone(),
                anchor: anchor_of(&other.id),
                score: format!("{:.2}", other.score),
            })
            .collect(),
    }
}

fn anchor_of(id: &str) -> String {
    let plain: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("cause-{plain}")
}

const fn tone(class: Class) -> &'static str {
    match class {
        Class::Assertion => "bad",
        Class::Unknown | Class::SuiteTimeout => "warn",
        Class::NoEvidence => "quiet",
        Class::Infra
        | Class::Build
        | Class::Provision
        | Class::RuntimeDown
        | Class::ImagePull
        | Class::Environment => "stop",
    }
}
