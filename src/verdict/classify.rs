//! From a stop, which is an observation, to its cause.

use super::{Artifact, Artifacts, Match, Rule, Rules, fallback, scan::matches};
use crate::model::{Cause, Stop, StopKind};

/// The file name under which rules are tried on what the observer itself said.
const OBSERVED: &str = "events.jsonl";

/// Why an attempt stopped, by the shipped rules.
#[must_use]
pub fn classify(stop: &Stop, artifacts: &Artifacts) -> Cause {
    classify_with(Rules::shipped(), stop, artifacts)
}

/// Why an attempt stopped, by these rules.
#[must_use]
pub fn classify_with(rules: &Rules, stop: &Stop, artifacts: &Artifacts) -> Cause {
    judge(rules, &matches(rules, artifacts), stop, artifacts)
}

/// The same, over matches that are known already, the strongest first.
pub(super) fn judge(
    rules: &Rules,
    found: &[Match<'_>],
    stop: &Stop,
    artifacts: &Artifacts,
) -> Cause {
    let applies =
        |rule: &Rule| rule.phases.contains(&stop.phase) && rule.stops.contains(&stop.kind);
    if stop.kind == StopKind::Cancelled {
        return fallback::cause(stop, artifacts);
    }
    if let Some(found) = found.iter().find(|found| applies(found.rule)) {
        let mut cause = found.cause(stop.phase);
        if let Some(line) = &stop.line
            && !cause.evidence.contains(line)
        {
            cause.evidence.push(line.clone());
        }
        return cause;
    }
    observed(rules, stop, artifacts).unwrap_or_else(|| fallback::cause(stop, artifacts))
}

/// The observer's own words may hold what no file does, such as the stderr of a command in the guest. They are
/// tried against every rule that applies, and rest on the line that showed them.
fn observed(rules: &Rules, stop: &Stop, artifacts: &Artifacts) -> Option<Cause> {
    let line = stop
        .line
        .clone()
        .or_else(|| fallback::stop_event(artifacts))?;
    let texts = stop
        .said
        .lines()
        .chain(stop.line.iter().map(|line| line.text.as_str()));
    let words: Vec<String> = texts
        .flat_map(|text| {
            let file = Artifact::new(OBSERVED, text);
            file.lines()
                .map(|line| line.said().message.into_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let rule = rules
        .iter()
        .filter(|rule| rule.phases.contains(&stop.phase) && rule.stops.contains(&stop.kind))
        .filter(|rule| rule.at_least == 1 && rule.near.iter().all(|near| !near.present))
        .filter(|rule| words.iter().any(|text| rule.pattern.is_match(text)))
        .max_by_key(|rule| (rule.precedence, rule.confidence))?;
    let text = words.iter().find(|text| rule.pattern.is_match(text))?;
    Some(Cause {
        phase: rule.at.unwrap_or(stop.phase),
        class: rule.class,
        blame: rule.blame,
        confidence: rule.confidence,
        summary: rule.render(text),
        evidence: vec![line],
        rule: Some(rule.id.clone()),
        hint: rule.hint.clone(),
    })
}
