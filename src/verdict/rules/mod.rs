//! The rule pack: which line of which file means what. Data, validated when it is loaded.

mod check;
mod errors;
mod read;

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::text::Gate;
use crate::model::{Blame, Class, Confidence, Filing, Phase, StopKind};

pub use check::{Example, Failing, check};
pub use errors::{RuleErrors, RuleProblem};

/// The shipped pack, embedded.
pub(super) const PACK: [(&str, &str); 7] = [
    (
        "rules/machine.toml",
        include_str!("../../../rules/machine.toml"),
    ),
    (
        "rules/ignition.toml",
        include_str!("../../../rules/ignition.toml"),
    ),
    (
        "rules/runtime.toml",
        include_str!("../../../rules/runtime.toml"),
    ),
    (
        "rules/kubelet.toml",
        include_str!("../../../rules/kubelet.toml"),
    ),
    (
        "rules/suite.toml",
        include_str!("../../../rules/suite.toml"),
    ),
    (
        "rules/image.toml",
        include_str!("../../../rules/image.toml"),
    ),
    ("rules/text.toml", include_str!("../../../rules/text.toml")),
];

/// Which of a rule's matching lines is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The first: what came later follows from it.
    First,
    /// The last: earlier ones were retried.
    #[default]
    Last,
}

/// Where a near condition looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Anywhere in its files.
    #[default]
    Anywhere,
    /// In the matched file, after the matched line.
    After,
}

/// Something else that must, or must not, be there too.
#[derive(Clone, Debug)]
pub struct Near {
    /// File name globs; the rule's own unless given.
    pub artifacts: Globs,
    /// The message.
    pub pattern: Regex,
    /// Whether it must be there.
    pub present: bool,
    /// Where.
    pub when: When,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id, unique in the pack.
    pub id: String,
    /// The phases of a stop it may explain.
    pub phases: Vec<Phase>,
    /// The phase the cause is given, where it is not the stop's.
    pub at: Option<Phase>,
    /// The kinds of stop it may explain.
    pub stops: Vec<StopKind>,
    /// File name globs, in order of preference.
    pub artifacts: Globs,
    /// Syslog identifiers (globs); a line that names another one does not match. Empty: anybody.
    pub from: Globs,
    /// The message.
    pub pattern: Regex,
    /// Which matching line is shown.
    pub take: Take,
    /// How many lines must match.
    pub at_least: u32,
    /// What else must or must not be there.
    pub near: Vec<Near>,
    /// What kind of failure it is.
    pub class: Class,
    /// Who acts.
    pub blame: Blame,
    /// How sure that is.
    pub confidence: Confidence,
    /// The higher wins.
    pub precedence: u32,
    /// Whether the line alone proves that going on is useless: it never appears on a healthy node.
    pub fatal: bool,
    /// Whether it may also explain a failed spec in whose time it appears.
    pub specs: bool,
    /// Whether it may be tried on a failure's own text, where there is no attempt and no file: a rule that names the
    /// text as an artifact, or is fatal, or may explain a spec, unless it says otherwise.
    pub texts: bool,
    /// One sentence with `{capture}` placeholders.
    pub summary: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Who looks after it: a team, a label, a person's handle; the blame says who acts.
    pub owner: Option<String>,
    /// What filing may do with it.
    pub filing: Filing,
    /// Texts that it must match, and win.
    pub matches: Vec<String>,
    /// Texts that it must not match.
    pub misses: Vec<String>,
    /// The pack it is in.
    pub pack: String,
    /// The line of the pack where it starts, from 1.
    pub line: usize,
}

/// File or identifier name globs; `*` stands for anything.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    written: Vec<String>,
    compiled: Vec<Regex>,
}

impl Globs {
    /// The first glob that fits `name`.
    #[must_use]
    pub fn rank(&self, name: &str) -> Option<usize> {
        self.compiled.iter().position(|glob| glob.is_match(name))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.is_empty()
    }

    /// As they are written.
    #[must_use]
    pub fn written(&self) -> &[String] {
        &self.written
    }

    fn new(globs: &[String]) -> Result<Self, regex::Error> {
        let anchored = |glob: &String| {
            let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
            Regex::new(&format!("^{}$", parts.join(".*")))
        };
        Ok(Self {
            written: globs.to_vec(),
            compiled: globs.iter().map(anchored).collect::<Result<_, _>>()?,
        })
    }
}

/// A validated pack.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    pub(super) gate: Gate,
}

impl Rules {
    /// The shipped pack.
    #[must_use]
    pub fn shipped() -> &'static Self {
        // A test holds that it loads; without it every cause would still say its last lines.
        static SHIPPED: LazyLock<Rules> = LazyLock::new(|| Rules::load(&PACK).unwrap_or_default());
        &SHIPPED
    }

    /// Validates packs given as (file name, TOML text).
    ///
    /// # Errors
    /// All that is wrong: what does not parse, patterns that are no regular expressions, ids used twice, summaries that
    /// name a capture which the pattern does not have, and more.
    pub fn load(packs: &[(&str, &str)]) -> Result<Self, RuleErrors> {
        let rules = read::read(packs)?;
        let gate = Gate::new(&rules);
        Ok(Self { rules, gate })
    }

    /// The shipped pack, and these after it.
    ///
    /// # Errors
    /// As for [`Rules::load`]; an id of the shipped pack is taken.
    pub fn with(packs: &[(&str, &str)]) -> Result<Self, RuleErrors> {
        let all: Vec<(&str, &str)> = PACK.iter().chain(packs).copied().collect();
        Self::load(&all)
    }

    /// All rules, in the pack's order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rule of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    pub(super) fn at(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }
}

impl Rule {
    /// Whether it is about a failure's own text and nothing else.
    #[must_use]
    pub fn reads_only_texts(&self) -> bool {
        [super::text::MESSAGE, super::text::OUTPUT]
            .iter()
            .any(|name| self.artifacts.rank(name).is_some())
    }

    /// What its named captures hold in a line, in the pattern's order.
    #[must_use]
    pub fn captures(&self, message: &str) -> Vec<String> {
        let Some(found) = self.pattern.captures(message) else {
            return Vec::new();
        };
        self.pattern
            .capture_names()
            .flatten()
            .filter_map(|name| Some(tidy(found.name(name)?.as_str())))
            .collect()
    }

    /// The summary for a line's captures. A capture that took no part reads `unknown`.
    #[must_use]
    pub fn render(&self, message: &str) -> String {
        let captures = self.pattern.captures(message);
        let mut text = String::new();
        for part in parts(&self.summary) {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Capture(name) => {
                    let value = captures.as_ref().and_then(|found| found.name(name));
                    text.push_str(&tidy(value.map_or("unknown", |value| value.as_str())));
                }
            }
        }
        text
    }
}

/// What every gRPC hop puts in front of an error.
static HOP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"rpc error: code = \w+ desc = ").ok());
/// A container's or sandbox's whole id; its first twelve digits are kept.
static ID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b([0-9a-f]{12})[0-9a-f]{52}\b").ok());

/// Captures come out of quoted, escaped log text; people read them without that.
fn tidy(value: &str) -> String {
    let cut = |pattern: &Option<Regex>, text: String, with: &str| match pattern {
        Some(pattern) => pattern.replace_all(&text, with).into_owned(),
        None => text,
    };
    let value = cut(&HOP, value.to_owned(), "");
    let value = cut(&ID, value, "$1");
    let value = value
        .replace("\\\\", "\\")
        .replace("\\\"", "\"")
        .replace("\\n", " ");
    let value = value.trim().trim_end_matches(['.', ',', ';']).trim_end();
    super::logs::shorten(value, 300)
}

enum Part<'a> {
    Text(&'a str),
    Capture(&'a str),
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        parts.push(Part::Text(text));
        match after.split_once('}') {
            Some((name, after)) => {
                parts.push(Part::Capture(name));
                rest = after;
            }
            None => rest = after,
        }
    }
    parts.push(Part::Text(rest));
    parts
}
