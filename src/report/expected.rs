//! Expected failures, for the page and the terminal. Pure.

use super::{
    context::{ExpectationView, MetSpec},
    excerpt::plain,
    links::web_link,
    words::{Look, spec_look},
};
use crate::{
    model::{LaneId, RunSummary, SpecName, Standing, Tracker},
    verdict::{ExpectationVerdict, expectations},
};

/// What the page shows, those first that need somebody.
pub fn views(summary: &RunSummary) -> Vec<ExpectationView> {
    expectations(summary)
        .into_iter()
        .map(|verdict| view(summary, verdict))
        .collect()
}

fn view(summary: &RunSummary, verdict: ExpectationVerdict) -> ExpectationView {
    let (state, sign, tone) = state(&verdict);
    let mut met = Vec::new();
    for lane in &verdict.lanes {
        for spec in [&lane.counted, &lane.passed, &lane.failed]
            .into_iter()
            .flatten()
        {
            met.extend(met_spec(summary, &lane.lane, spec));
        }
    }
    let ExpectationVerdict {
        expectation, words, ..
    } = verdict;
    ExpectationView {
        state,
        sign,
        tone,
        pattern: expectation.spec,
        reason: expectation.reason,
        link: match &expectation.tracker {
            Tracker::Link(link) => web_link(Some(link)),
            Tracker::None(_) => None,
        },
        tracker: expectation.tracker.to_string(),
        expires: expectation.expires.to_string(),
        todo: words,
        met,
    }
}

fn state(verdict: &ExpectationVerdict) -> (&'static str, &'static str, &'static str) {
    let passed = verdict.lanes.iter().any(|lane| !lane.passed.is_empty());
    let counted = verdict.lanes.iter().any(|lane| !lane.counted.is_empty());
    match verdict.standing {
        _ if verdict.stale => ("stale", "∅", "warn"),
        Standing::Expired { .. } if counted => ("expired, counts", "✗", "bad"),
        Standing::Expired { .. } => ("expired", "!", "warn"),
        _ if counted => ("fails in another way", "✗", "bad"),
        _ if passed => ("unexpected pass", "!", "warn"),
        Standing::Expiring { .. } => ("expires soon", "◷", "warn"),
        Standing::Current if verdict.lanes.is_empty() => ("not met", "–", "quiet"),
        Standing::Current => ("as expected", "≈", "quiet"),
    }
}

fn met_spec(summary: &RunSummary, lane: &LaneId, spec: &SpecName) -> Option<MetSpec> {
    let cell = summary.cells.iter().find(|cell| cell.lane.id == *lane)?;
    let result = cell.specs.iter().find(|result| result.name == *spec)?;
    let Look { sign, tone } = spec_look(result.outcome);
    Some(MetSpec {
        lane: lane.to_string(),
        spec: spec.to_string(),
        outcome: result.outcome.name(),
        sign,
        tone,
        said: result
            .failure
            .as_ref()
            .map(|failure| plain(&failure.message)),
    })
}
