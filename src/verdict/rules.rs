//! The rule pack: which line of which file means what. Data, validated when it is loaded.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

use crate::model::{Blame, Class, Confidence, Phase, StopKind};

/// The shipped pack, embedded.
pub(super) const PACK: [(&str, &str); 6] = [
    (
        "rules/machine.toml",
        include_str!("../../rules/machine.toml"),
    ),
    (
        "rules/ignition.toml",
        include_str!("../../rules/ignition.toml"),
    ),
    (
        "rules/runtime.toml",
        include_str!("../../rules/runtime.toml"),
    ),
    (
        "rules/kubelet.toml",
        include_str!("../../rules/kubelet.toml"),
    ),
    ("rules/suite.toml", include_str!("../../rules/suite.toml")),
    ("rules/image.toml", include_str!("../../rules/image.toml")),
];

/// A rule pack that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The file is not the TOML a rule pack is.
    #[error("{pack} does not parse: {source}")]
    Parse {
        /// The file.
        pack: String,
        /// Why, with the line.
        source: Box<toml::de::Error>,
    },
    /// A rule contradicts itself.
    #[error("{pack}: rule `{id}`: {what}")]
    Rule {
        /// The file.
        pack: String,
        /// The rule.
        id: String,
        /// What is wrong, and what to write instead.
        what: String,
    },
}

/// Which of a rule's matching lines is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The first: what came later follows from it.
    First,
    /// The last: earlier ones were retried.
    #[default]
    Last,
}

/// Where a near condition looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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
    /// One sentence with `{capture}` placeholders.
    pub summary: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// File or identifier name globs; `*` stands for anything.
#[derive(Clone, Debug, Default)]
pub struct Globs(Vec<Regex>);

impl Globs {
    /// The first glob that fits `name`.
    #[must_use]
    pub fn rank(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|glob| glob.is_match(name))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn new(globs: &[String]) -> Result<Self, regex::Error> {
        let anchored = |glob: &String| {
            let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
            Regex::new(&format!("^{}$", parts.join(".*")))
        };
        Ok(Self(globs.iter().map(anchored).collect::<Result<_, _>>()?))
    }
}

/// A validated pack.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

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
    /// When one does not parse, a pattern is no regular expression, two rules share an id, or a summary names a
    /// capture that its pattern does not have.
    pub fn load(packs: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (pack, text) in packs {
            let parsed: Pack = toml::from_str(text).map_err(|source| RuleError::Parse {
                pack: (*pack).to_owned(),
                source: Box::new(source),
            })?;
            for raw in parsed.rule {
                let id = raw.id.clone();
                let wrong = |what: String| RuleError::Rule {
                    pack: (*pack).to_owned(),
                    id: id.clone(),
                    what,
                };
                if rules.iter().any(|rule| rule.id == raw.id) {
                    return Err(wrong("the id is taken; choose another one".to_owned()));
                }
                rules.push(raw.validated().map_err(wrong)?);
            }
        }
        Ok(Self(rules))
    }

    /// All rules, in the pack's order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// The rule of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.id == id)
    }
}

impl Rule {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawRule {
    id: String,
    phases: Vec<Phase>,
    #[serde(default)]
    at: Option<Phase>,
    #[serde(default = "usual_stops")]
    stops: Vec<StopKind>,
    artifacts: Vec<String>,
    #[serde(default)]
    from: Vec<String>,
    pattern: String,
    #[serde(default)]
    take: Take,
    #[serde(default = "one")]
    at_least: u32,
    #[serde(default)]
    near: Vec<RawNear>,
    class: Class,
    blame: Blame,
    confidence: Confidence,
    precedence: u32,
    #[serde(default)]
    fatal: bool,
    #[serde(default)]
    specs: bool,
    summary: String,
    #[serde(default)]
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawNear {
    #[serde(default)]
    artifacts: Vec<String>,
    pattern: String,
    present: bool,
    #[serde(default)]
    when: When,
}

const fn one() -> u32 {
    1
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

impl RawRule {
    fn validated(self) -> Result<Rule, String> {
        let words = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(words) {
            return Err("an id is lower-case letters, digits and dashes".to_owned());
        }
        if self.phases.is_empty() || self.artifacts.is_empty() || self.stops.is_empty() {
            return Err("it can never match: name a phase, a stop and an artifact".to_owned());
        }
        if self.at_least == 0 {
            return Err("at-least = 0 matches everything; write 1 or more".to_owned());
        }
        let pattern = regex(&self.pattern)?;
        let captures: BTreeSet<&str> = pattern.capture_names().flatten().collect();
        for part in parts(&self.summary) {
            if let Part::Capture(name) = part
                && !captures.contains(name)
            {
                return Err(format!(
                    "the summary uses {{{name}}}, and the pattern captures {captures:?}"
                ));
            }
        }
        if self.summary.trim().is_empty() || self.summary.ends_with('.') {
            return Err("a summary is one sentence without a trailing period".to_owned());
        }
        let globs = |globs: &[String]| Globs::new(globs).map_err(|error| error.to_string());
        let artifacts = globs(&self.artifacts)?;
        let near = self
            .near
            .iter()
            .map(|near| {
                Ok(Near {
                    artifacts: match near.artifacts.as_slice() {
                        [] => artifacts.clone(),
                        given => globs(given)?,
                    },
                    pattern: regex(&near.pattern)?,
                    present: near.present,
                    when: near.when,
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(Rule {
            id: self.id,
            phases: self.phases,
            at: self.at,
            stops: self.stops,
            artifacts,
            from: globs(&self.from)?,
            pattern,
            take: self.take,
            at_least: self.at_least,
            near,
            class: self.class,
            blame: self.blame,
            confidence: self.confidence,
            precedence: self.precedence,
            fatal: self.fatal,
            specs: self.specs,
            summary: self.summary,
            hint: self.hint,
        })
    }
}

fn regex(text: &str) -> Result<Regex, String> {
    let regex = Regex::new(text).map_err(|error| error.to_string())?;
    if regex.is_match("") {
        return Err(format!("the pattern `{text}` matches an empty line"));
    }
    Ok(regex)
}
