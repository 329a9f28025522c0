//! A pack's TOML, checked: every rule, and everything that is wrong with it.

use std::{collections::BTreeSet, ops::Range};

use regex::Regex;
use serde::Deserialize;
use serde_spanned::Spanned;

use super::{
    Globs, Near, Part, Rule, RuleErrors, RuleProblem, Take, When, errors::line_and_column, parts,
};
use crate::{
    model::{Blame, Class, Confidence, Filing, Phase, StopKind},
    verdict::text::{MESSAGE, OUTPUT},
};

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawRule {
    id: Text,
    #[serde(default = "phases")]
    phases: Vec<Phase>,
    #[serde(default)]
    at: Option<Phase>,
    #[serde(default = "usual_stops")]
    stops: Vec<StopKind>,
    artifacts: Spanned<Vec<String>>,
    #[serde(default)]
    from: Vec<String>,
    pattern: Text,
    #[serde(default)]
    take: Take,
    #[serde(default)]
    at_least: Option<Spanned<u32>>,
    #[serde(default)]
    near: Vec<RawNear>,
    class: Spanned<Class>,
    #[serde(default = "nobody")]
    blame: Blame,
    #[serde(default = "likely")]
    confidence: Confidence,
    precedence: u32,
    #[serde(default)]
    fatal: bool,
    #[serde(default)]
    specs: bool,
    #[serde(default)]
    texts: Option<bool>,
    summary: Text,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    owner: Option<Text>,
    #[serde(default)]
    files: Option<Spanned<Filing>>,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    misses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawNear {
    #[serde(default)]
    artifacts: Vec<String>,
    pattern: Text,
    present: bool,
    #[serde(default)]
    when: When,
}

fn phases() -> Vec<Phase> {
    use Phase::{Boot, Collect, Provision, RuntimeReady, Spec, SuiteStart};
    vec![Boot, Provision, RuntimeReady, SuiteStart, Spec, Collect]
}

/// A kill from outside is its own cause unless a rule says that it knows better.
fn usual_stops() -> Vec<StopKind> {
    vec![
        StopKind::Deadline,
        StopKind::MachineGone,
        StopKind::Alarm,
        StopKind::Failed,
    ]
}

const fn nobody() -> Blame {
    Blame::Unknown
}

const fn likely() -> Confidence {
    Confidence::Likely
}

/// Every rule of these packs, or everything that is wrong with them.
pub(super) fn read(packs: &[(&str, &str)]) -> Result<Vec<Rule>, RuleErrors> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut problems = Vec::new();
    for pack in packs.iter().copied() {
        let parsed: Pack = match toml::from_str(pack.1) {
            Ok(parsed) => parsed,
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                problems.push(RuleProblem::new(pack, None, span, error.message()));
                continue;
            }
        };
        for raw in parsed.rule {
            let start = raw.span().start;
            let mut checker = Checker {
                pack,
                id: raw.get_ref().id.get_ref().clone(),
                problems: &mut problems,
            };
            let raw = raw.into_inner();
            if let Some(taken) = rules.iter().find(|rule| rule.id == *raw.id.get_ref()) {
                checker
                    .wrong(raw.id.span(), "the id is taken")
                    .push_hint(format!(
                        "choose another one: {}:{} has it",
                        taken.pack, taken.line
                    ));
            }
            rules.extend(checker.rule(raw, start));
        }
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(RuleErrors(problems))
    }
}

struct Checker<'a> {
    pack: (&'a str, &'a str),
    id: String,
    problems: &'a mut Vec<RuleProblem>,
}

/// The problem that was just told.
struct Told<'a>(&'a mut Vec<RuleProblem>);

impl Told<'_> {
    fn push_hint(self, hint: impl Into<String>) {
        if let Some(last) = self.0.pop() {
            self.0.push(last.hint(hint));
        }
    }
}

impl Checker<'_> {
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>) -> Told<'_> {
        let problem = RuleProblem::new(self.pack, Some(&self.id), span, message);
        self.problems.push(problem);
        Told(self.problems)
    }

    fn rule(&mut self, raw: RawRule, start: usize) -> Option<Rule> {
        let before = self.problems.len();
        let words = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(words) {
            self.wrong(
                raw.id.span(),
                "an id is lower-case letters, digits and dashes",
            );
        }
        if raw.phases.is_empty() || raw.artifacts.get_ref().is_empty() || raw.stops.is_empty() {
            self.wrong(raw.artifacts.span(), "it can never match")
                .push_hint("name a phase, a stop and an artifact");
        }
        let at_least = raw.at_least.as_ref().map_or(1, |count| *count.get_ref());
        if let Some(count) = raw.at_least.as_ref().filter(|count| *count.get_ref() == 0) {
            self.wrong(count.span(), "at-least = 0 matches everything")
                .push_hint("write 1 or more");
        }
        let pattern = self.regex(&raw.pattern);
        if let Some(pattern) = &pattern {
            self.summary(&raw.summary, pattern);
        }
        let filing = self.filing(&raw);
        let owner = raw.owner.as_ref().map(|owner| owner.get_ref().trim());
        if let (Some(""), Some(written)) = (owner, &raw.owner) {
            self.wrong(written.span(), "the owner has no name")
                .push_hint("name a team, a label or a handle, or take the key out");
        }
        let artifacts = self.globs(raw.artifacts.get_ref(), raw.artifacts.span());
        let from = self.globs(&raw.from, raw.artifacts.span());
        let mut near = Vec::new();
        for condition in &raw.near {
            let own = match condition.artifacts.as_slice() {
                [] => artifacts.clone(),
                given => self.globs(given, condition.pattern.span()),
            };
            let pattern = self.regex(&condition.pattern);
            near.extend(pattern.map(|pattern| Near {
                artifacts: own,
                pattern,
                present: condition.present,
                when: condition.when,
            }));
        }
        if self.problems.len() > before {
            return None;
        }
        let own = [MESSAGE, OUTPUT]
            .iter()
            .any(|name| artifacts.rank(name).is_some());
        Some(Rule {
            owner: owner.map(str::to_owned),
            id: raw.id.into_inner(),
            phases: raw.phases,
            at: raw.at,
            stops: raw.stops,
            artifacts,
            from,
            pattern: pattern?,
            take: raw.take,
            at_least,
            near,
            class: raw.class.into_inner(),
            blame: raw.blame,
            confidence: raw.confidence,
            precedence: raw.precedence,
            fatal: raw.fatal,
            specs: raw.specs,
            texts: raw.texts.unwrap_or(own || raw.fatal || raw.specs),
            summary: raw.summary.into_inner(),
            hint: raw.hint,
            filing,
            matches: raw.matches,
            misses: raw.misses,
            pack: self.pack.0.to_owned(),
            line: line_and_column(self.pack.1, start).0,
        })
    }

    fn summary(&mut self, summary: &Text, pattern: &Regex) {
        let captures: BTreeSet<&str> = pattern.capture_names().flatten().collect();
        let text = summary.get_ref();
        for part in parts(text) {
            if let Part::Capture(name) = part
                && !captures.contains(name)
            {
                self.wrong(
                    summary.span(),
                    format!("the summary uses {{{name}}}, and the pattern captures {captures:?}"),
                )
                .push_hint(format!(
                    "write (?P<{name}>…) into the pattern, or another capture"
                ));
            }
        }
        if text.trim().is_empty() || text.ends_with('.') {
            self.wrong(
                summary.span(),
                "a summary is one sentence without a trailing period",
            );
        }
    }

    /// What never reached the product may not become an issue of one test.
    fn filing(&mut self, raw: &RawRule) -> Filing {
        let class = *raw.class.get_ref();
        let Some(files) = &raw.files else {
            return class.filing();
        };
        if *files.get_ref() == Filing::Issue && class.filing() != Filing::Issue {
            self.wrong(
                files.span(),
                format!("class {class} never becomes an issue of one test"),
            )
            .push_hint("write `run-issue` or `none`");
        }
        *files.get_ref()
    }

    fn globs(&mut self, globs: &[String], span: Range<usize>) -> Globs {
        match Globs::new(globs) {
            Ok(globs) => globs,
            Err(error) => {
                self.wrong(span, error.to_string());
                Globs::default()
            }
        }
    }

    fn regex(&mut self, text: &Text) -> Option<Regex> {
        match Regex::new(text.get_ref()) {
            Ok(regex) if regex.is_match("") => {
                self.wrong(text.span(), "the pattern matches an empty line");
                None
            }
            Ok(regex) => Some(regex),
            Err(error) => {
                let said = error.to_string();
                let why = said.lines().last().unwrap_or_default();
                let why = why.trim_start_matches("error: ");
                self.wrong(text.span(), format!("the pattern does not compile: {why}"))
                    .push_hint("in '''…''' a backslash stands for itself");
                None
            }
        }
    }
}
