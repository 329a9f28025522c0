//! One pass over every file with all patterns that concern it.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    Artifact, Artifacts, Line, Rule, Rules, Take, When,
    needle::needles,
    rules::{Globs, Near},
};
use crate::model::{Cause, EvidenceLine, Phase};

/// A rule that matched, with its near conditions met.
#[derive(Clone, Debug)]
pub struct Match<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// The line it is shown by.
    pub line: EvidenceLine,
    /// The summary, filled in.
    pub summary: String,
    /// Lines of near conditions that had to be there.
    pub near: Vec<EvidenceLine>,
    /// How many lines matched.
    pub count: u32,
}

impl Match<'_> {
    /// The cause it gives a stop in `phase`.
    #[must_use]
    pub fn cause(&self, phase: Phase) -> Cause {
        let mut evidence = vec![self.line.clone()];
        evidence.extend(self.near.iter().cloned());
        Cause {
            phase: self.rule.at.unwrap_or(phase),
            class: self.rule.class,
            blame: self.rule.blame,
            confidence: self.rule.confidence,
            summary: self.summary.clone(),
            evidence,
            rule: Some(self.rule.id.clone()),
            hint: self.rule.hint.clone(),
        }
    }
}

/// Every rule that matches, the strongest first.
#[must_use]
pub fn matches<'r>(rules: &'r Rules, artifacts: &Artifacts) -> Vec<Match<'r>> {
    let probes = probes(rules);
    let mut hits: BTreeMap<usize, Vec<Hit>> = BTreeMap::new();
    for file in artifacts.iter() {
        let mut of_file: BTreeMap<usize, Hit> = BTreeMap::new();
        scan(&probes, file, |probe, line, message| {
            let hit = of_file.entry(probe).or_insert_with(|| Hit {
                rank: probes[probe].artifacts.rank(file.file_name()).unwrap_or(0),
                file: file.name.to_string(),
                count: 0,
                last: 0,
                shown: line.evidence(&file.name),
                message: message.to_owned(),
            });
            hit.count += 1;
            hit.last = line.number;
            if hit.count > 1 && probes[probe].take == Take::Last {
                hit.shown = line.evidence(&file.name);
                message.clone_into(&mut hit.message);
            }
        });
        for (probe, hit) in of_file {
            hits.entry(probe).or_default().push(hit);
        }
    }
    let mut found: Vec<Match<'r>> = probes
        .iter()
        .enumerate()
        .filter(|(_, probe)| probe.near.is_none())
        .filter_map(|(index, probe)| judge(probe.rule, index, &probes, &hits))
        .collect();
    // The sort is stable: of two equals the one that the pack names first wins.
    found.sort_by_key(|found| std::cmp::Reverse((found.rule.precedence, found.rule.confidence)));
    found
}

/// The matching rules whose line alone proves that going on is useless.
#[must_use]
pub fn fatal<'r>(rules: &'r Rules, artifacts: &Artifacts) -> Vec<Match<'r>> {
    let mut found = matches(rules, artifacts);
    found.retain(|found| found.rule.fatal);
    found
}

/// Calls `seen` with every line that one of the `wanted` rules matches; near conditions are not looked at.
pub(super) fn rule_lines<'r>(
    rules: &'r Rules,
    artifacts: &Artifacts,
    wanted: impl Fn(&Rule) -> bool,
    mut seen: impl FnMut(&'r Rule, &Artifact, Line<'_>, &str),
) {
    let mut probes = probes(rules);
    probes.retain(|probe| probe.near.is_none() && wanted(probe.rule));
    for file in artifacts.iter() {
        scan(&probes, file, |probe, line, message| {
            seen(probes[probe].rule, file, line, message);
        });
    }
}

/// A pattern to look for: a rule's own, or one of its near conditions'.
struct Probe<'r> {
    rule: &'r Rule,
    near: Option<&'r Near>,
    pattern: &'r Regex,
    artifacts: &'r Globs,
    take: Take,
}

impl Probe<'_> {
    /// Whether a line of this identifier may be meant; lines that name nobody always may.
    fn by(&self, identifier: Option<&str>) -> bool {
        let from = &self.rule.from;
        self.near.is_some()
            || from.is_empty()
            || identifier.is_none_or(|by| from.rank(by).is_some())
    }
}

/// What one probe found in one file.
struct Hit {
    rank: usize,
    file: String,
    count: u32,
    last: u64,
    shown: EvidenceLine,
    message: String,
}

fn probes(rules: &Rules) -> Vec<Probe<'_>> {
    rules
        .iter()
        .flat_map(|rule| {
            let own = Probe {
                rule,
                near: None,
                pattern: &rule.pattern,
                artifacts: &rule.artifacts,
                take: rule.take,
            };
            let near = rule.near.iter().map(move |near| Probe {
                rule,
                near: Some(near),
                pattern: &near.pattern,
                artifacts: &near.artifacts,
                take: Take::Last,
            });
            std::iter::once(own).chain(near)
        })
        .collect()
}

fn scan(probes: &[Probe<'_>], file: &Artifact, mut seen: impl FnMut(usize, Line<'_>, &str)) {
    let concerned =
        (0..probes.len()).filter(|index| probes[*index].artifacts.rank(file.file_name()).is_some());
    let (gated, always): (Vec<usize>, Vec<usize>) =
        concerned.partition(|index| !needles(probes[*index].pattern.as_str()).is_empty());
    let needles: Vec<String> = gated
        .iter()
        .flat_map(|index| needles(probes[*index].pattern.as_str()))
        .map(|needle| regex::escape(&needle))
        .collect();
    let Ok(gate) = Regex::new(&needles.join("|")) else {
        return;
    };
    if gated.is_empty() && always.is_empty() {
        return;
    }
    for line in file.lines() {
        let said = line.said();
        let passed = !gated.is_empty() && gate.is_match(&said.message);
        let tried = always.iter().chain(gated.iter().filter(|_| passed));
        for probe in tried.copied() {
            if probes[probe].pattern.is_match(&said.message) && probes[probe].by(said.by.as_deref())
            {
                seen(probe, line, &said.message);
            }
        }
    }
}

fn judge<'r>(
    rule: &'r Rule,
    index: usize,
    probes: &[Probe<'_>],
    hits: &BTreeMap<usize, Vec<Hit>>,
) -> Option<Match<'r>> {
    let own = hits.get(&index)?;
    let count = own.iter().map(|hit| hit.count).max()?;
    if count < rule.at_least {
        return None;
    }
    // A rule's near probes follow it directly.
    let conditions = (index + 1..probes.len()).map_while(|at| Some((at, probes[at].near?)));
    let conditions: Vec<_> = conditions.collect();
    let mut candidates: Vec<&Hit> = own.iter().collect();
    candidates.sort_by_key(|hit| hit.rank);
    candidates.into_iter().find_map(|hit| {
        let mut lines = Vec::new();
        for (at, near) in &conditions {
            let there = hits.get(at).and_then(|found| {
                found.iter().find(|other| match near.when {
                    When::Anywhere => true,
                    When::After => other.file == hit.file && other.last > hit.shown.line,
                })
            });
            if there.is_some() != near.present {
                return None;
            }
            lines.extend(there.map(|there| there.shown.clone()));
        }
        Some(Match {
            rule,
            line: hit.shown.clone(),
            summary: rule.render(&hit.message),
            near: lines,
            count,
        })
    })
}
