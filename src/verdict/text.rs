//! The class of a failure by its own words, where there is no attempt and no file but what it said.

use std::collections::BTreeMap;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Line, Rule, Rules, Take, needle::needles, normalised};
use crate::model::{Blame, Class, Confidence, EvidenceLine, Filing, failed};

/// The name under which rules know a failure's message.
pub const MESSAGE: &str = "message";
/// The name under which rules know what a failed test printed.
pub const OUTPUT: &str = "output";
/// The rule name of a failure that says nothing.
pub const EMPTY: &str = "text-empty";

/// Of a longer line only this much is looked at; no line that people write is longer.
const LINE: usize = 64 << 10;

/// What a rule says of a failure's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleHit {
    /// The rule.
    pub rule: String,
    /// What kind of failure it is.
    pub class: Class,
    /// Who acts.
    pub blame: Blame,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who looks after it.
    pub owner: Option<String>,
    /// What filing may do.
    pub filing: Filing,
    /// One sentence.
    pub summary: String,
    /// What its pattern captured, in the pattern's order.
    #[serde(default)]
    pub captures: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The line that says so; its file is `message` or `output`. Absent only where nothing was said at all.
    pub line: Option<EvidenceLine>,
}

impl RuleHit {
    /// Whether it names a cause, so that failures of different tests are one when it matched them alike. What says no
    /// more than that an assertion failed, or that time ran out, does not.
    #[must_use]
    pub const fn names_cause(&self) -> bool {
        !matches!(
            self.class,
            Class::Assertion | Class::SuiteTimeout | Class::NoEvidence | Class::Unknown
        )
    }

    /// The rule as triage takes it: failures of different tests with one such rule and one sentence are one cause.
    #[must_use]
    pub fn cause(&self) -> Option<failed::RuleHit> {
        self.names_cause().then(|| failed::RuleHit {
            id: self.rule.clone(),
            captures: vec![normalised(&self.summary)],
            cause: true,
        })
    }
}

/// What finds the few lines of a text that any rule could mean.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    literals: Option<Regex>,
    gated: Vec<(usize, Vec<String>)>,
    always: Vec<usize>,
}

impl Gate {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut gate = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            if !rule.texts {
                continue;
            }
            match needles(rule.pattern.as_str()) {
                needles if needles.is_empty() => gate.always.push(index),
                needles => gate.gated.push((index, needles)),
            }
        }
        let mut needles: Vec<String> = gate
            .gated
            .iter()
            .flat_map(|(_, needles)| needles)
            .map(|needle| regex::escape(needle))
            .collect();
        needles.sort();
        needles.dedup();
        gate.literals = Regex::new(&needles.join("|"))
            .ok()
            .filter(|_| !needles.is_empty());
        gate
    }

    /// Calls `seen` with every rule that matches a line.
    fn scan(&self, rules: &Rules, text: &str, mut seen: impl FnMut(usize, Line<'_>, &str)) {
        let mut try_line = |line: Line<'_>, gated: bool| {
            let said = line.said();
            // Quoted in a mail or an issue, or a comment of TAP.
            let message = said.message.trim_start_matches(['>', '#', ' ', '\t']);
            let named = self
                .gated
                .iter()
                .filter(|(_, needles)| {
                    gated
                        && needles
                            .iter()
                            .any(|needle| message.contains(needle.as_str()))
                })
                .map(|(index, _)| index);
            for index in named.chain(self.always.iter().filter(|_| !gated)) {
                if let Some(rule) = rules.at(*index)
                    && by(rule, said.by.as_deref())
                    && rule.pattern.is_match(message)
                {
                    seen(*index, line, message);
                }
            }
        };
        if let Some(literals) = &self.literals {
            let (mut at, mut number, mut counted) = (0, 1, 0);
            while let Some(found) = literals.find_at(text, at) {
                let start = text[..found.start()].rfind('\n').map_or(0, |nl| nl + 1);
                let end = text[found.start()..]
                    .find('\n')
                    .map_or(text.len(), |nl| found.start() + nl);
                number += lines_in(&text[counted..start]);
                counted = start;
                try_line(
                    Line {
                        number,
                        raw: cut(&text[start..end]),
                    },
                    true,
                );
                at = end;
            }
        }
        if !self.always.is_empty() {
            for (number, raw) in (1..).zip(text.lines()) {
                try_line(
                    Line {
                        number,
                        raw: cut(raw),
                    },
                    false,
                );
            }
        }
    }
}

fn by(rule: &Rule, identifier: Option<&str>) -> bool {
    rule.from.is_empty() || identifier.is_none_or(|by| rule.from.rank(by).is_some())
}

fn lines_in(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// The class of a failure by what it said, by the shipped rules.
#[must_use]
pub fn class_of_text(message: &str, output: &str) -> Option<RuleHit> {
    class_of_text_with(Rules::shipped(), message, output)
}

/// The class of a failure by what it said, by these rules; nothing where no rule knows it. A rule that names only the
/// message reads the output too when the message says nothing.
#[must_use]
pub fn class_of_text_with(rules: &Rules, message: &str, output: &str) -> Option<RuleHit> {
    let texts = [(MESSAGE, message), (OUTPUT, output)];
    let strongest = best(rules, &texts, |rule, name| {
        !rule.reads_only_texts() || rule.artifacts.rank(name).is_some()
    });
    if let Some(hit) = strongest {
        return Some(hit);
    }
    let said = wordy(message);
    if said.is_some() && !says_nothing(message) {
        return None;
    }
    best(rules, &[(OUTPUT, output)], |_, _| true).or_else(|| {
        (says_nothing(message) && says_nothing(output)).then(|| RuleHit {
            rule: EMPTY.to_owned(),
            class: Class::NoEvidence,
            blame: Blame::Unknown,
            confidence: Confidence::Suspected,
            owner: None,
            filing: Class::NoEvidence.filing(),
            captures: Vec::new(),
            summary: "It says no more than that it failed".to_owned(),
            hint: Some("Keep the failing program's own output, and the node's logs".to_owned()),
            line: said,
        })
    })
}

/// The first line that holds anything.
fn wordy(text: &str) -> Option<EvidenceLine> {
    (1..)
        .zip(text.lines())
        .map(|(number, raw)| Line {
            number,
            raw: cut(raw),
        })
        .find(|line| !line.raw.trim().is_empty())
        .map(|line| line.evidence(MESSAGE.into()))
}

/// Whether every line is one that a wrapper writes: an exit status, a name, a place.
fn says_nothing(text: &str) -> bool {
    use std::sync::LazyLock;
    static WRAPPER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?x)^(?:
              (?:error:\s)?(?:Process\s(?:completed|exited)\swith\s)?(?:exit(?:\s?(?:status|code|ed))?(?:\swith)?:?\s*-?\d+)\.?
            | (?:error\sduring|Error\srunning|command)\s.{0,300}:\sexit\sstatus\s\d+
            | (?:FAIL(?:ED|URE)?|Fail(?:ed|ure)?|failed|error|Error|null|None|N/A)[.:!]?
            | (?:Test|Job|Command|Step|Script|Node\sTests|make)\s?(?:test|tests)?\s?(?:failed|errored)[.!]?
            | -{3}\sFAIL:\s\S+(?:\s\([\d.]+s\))?
            | ={3}\s(?:RUN|PAUSE|CONT|NAME|FAIL)[:\s].{0,300}
            | FAIL\s\S+(?:\s[\d.]+s)?
            | make(?:\[\d+\])?:\s\*{3}\s\[.{0,200}\]\sError\s\d+
            | Failed\s+={3}\sRUN\s.{0,300}
            | \W*
            )$",
        )
        .ok()
    });
    text.lines().all(|raw| {
        let line = Line {
            number: 0,
            raw: cut(raw),
        };
        let message = line.said().message;
        message.len() < 512
            && WRAPPER
                .as_ref()
                .is_some_and(|wrapper| wrapper.is_match(&message))
    })
}

struct Found {
    line: EvidenceLine,
    message: String,
}

/// The strongest of the `wanted` rules that match, with its near conditions met.
fn best(
    rules: &Rules,
    texts: &[(&str, &str)],
    wanted: impl Fn(&Rule, &str) -> bool,
) -> Option<RuleHit> {
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    for (name, text) in texts {
        rules.gate.scan(rules, text, |index, line, message| {
            let Some(rule) = rules.at(index).filter(|rule| wanted(rule, name)) else {
                return;
            };
            let here = Found {
                line: line.evidence((*name).into()),
                message: message.to_owned(),
            };
            match found.get(&index) {
                None => {
                    found.insert(index, here);
                }
                // Of two texts the message is the one that matters.
                Some(before) if rule.take == Take::Last && before.line.file == here.line.file => {
                    found.insert(index, here);
                }
                Some(_) => {}
            }
        });
    }
    let near = |rule: &Rule| {
        rule.near.iter().all(|near| {
            let there = texts.iter().any(|(_, text)| {
                text.lines().enumerate().any(|(number, raw)| {
                    let line = Line {
                        number: number as u64,
                        raw: cut(raw),
                    };
                    near.pattern.is_match(&line.said().message)
                })
            });
            there == near.present
        })
    };
    let mut order: Vec<(usize, &Rule, &Found)> = found
        .iter()
        .filter_map(|(index, found)| Some((*index, rules.at(*index)?, found)))
        .collect();
    order.sort_by_key(|(index, rule, _)| {
        (
            std::cmp::Reverse((rule.precedence, rule.confidence)),
            *index,
        )
    });
    let (_, rule, found) = order.into_iter().find(|(_, rule, _)| near(rule))?;
    Some(RuleHit {
        rule: rule.id.clone(),
        class: rule.class,
        blame: rule.blame,
        // A rule for a node's files reads words out of their place here.
        confidence: if rule.reads_only_texts() {
            rule.confidence
        } else {
            rule.confidence.min(Confidence::Likely)
        },
        owner: rule.owner.clone(),
        filing: rule.filing,
        summary: rule.render(&found.message),
        captures: rule.captures(&found.message),
        hint: rule.hint.clone(),
        line: Some(found.line.clone()),
    })
}
