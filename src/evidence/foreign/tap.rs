//! The Test Anything Protocol, as bats and prove print it. Pure.

use std::sync::LazyLock;

use regex::Regex;

use super::found::{Draft, Format, Limits, Parsed, Tape};

static RESULT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?P<not>not )?ok\b(?: +(?P<number>\d+))?(?: +-)?(?: +(?P<rest>.*))?$").ok()
});
static DIRECTIVE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(?:^|\s)#\s*(?:skip|todo)\b").ok());
/// bats says the time a test took behind its name.
static TOOK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r" in \d+(?:\.\d+)?(?:ms|sec|s)$").ok());

/// Whether a text is TAP: it begins with a version or a plan, or with a numbered result.
pub(super) fn is_tap(text: &str) -> bool {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .take(3)
        .any(|line| {
            line.starts_with("TAP version ")
                || line
                    .strip_prefix("1..")
                    .is_some_and(|count| count.split(' ').next().is_some_and(number))
                || ["ok ", "not ok "].iter().any(|word| {
                    line.strip_prefix(word)
                        .and_then(|rest| rest.split(' ').next())
                        .is_some_and(number)
                })
        })
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn read(text: &str, suite: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::of(Format::Tap);
    let mut open: Option<(Draft, Tape)> = None;
    let mut planned = None;
    let mut bailed = None;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim_end();
        if let Some(plan) = line.strip_prefix("1..") {
            planned = plan.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        } else if let Some(found) = RESULT.as_ref().and_then(|re| re.captures(line)) {
            close(&mut parsed, open.take());
            parsed.tests += 1;
            let rest = found.name("rest").map_or("", |rest| rest.as_str());
            let excused = DIRECTIVE.as_ref().is_some_and(|re| re.is_match(rest));
            if found.name("not").is_some() && !excused {
                let test = TOOK
                    .as_ref()
                    .map_or(rest.into(), |re| re.replace(rest, ""))
                    .trim()
                    .to_owned();
                let draft = Draft {
                    suite: suite.to_owned(),
                    test,
                    line: index as u64 + 1,
                    ..Draft::default()
                };
                open = Some((draft, Tape::default()));
            }
        } else if let Some(why) = line.strip_prefix("Bail out!") {
            bailed = Some((why.trim().to_owned(), index as u64 + 1));
        } else if let Some((_, said)) = &mut open {
            // Diagnostics: comments, or a YAML block.
            let words = line
                .strip_prefix("# ")
                .or_else(|| line.strip_prefix('#'))
                .unwrap_or(line);
            if !matches!(words.trim(), "---" | "...") {
                said.push(words, limits.message);
                said.push("\n", limits.message);
            }
        }
    }
    close(&mut parsed, open);
    if let Some((why, line)) = bailed {
        parsed.failures.push(Draft {
            suite: suite.to_owned(),
            test: "the whole suite".to_owned(),
            message: format!("Bail out! {why}").trim().to_owned(),
            line,
            ..Draft::default()
        });
    }
    if let Some(planned) = planned.filter(|planned| *planned > parsed.tests) {
        parsed.note = Some(format!(
            "{} of {planned} planned tests have no result",
            planned - parsed.tests
        ));
    }
    parsed
}

fn close(parsed: &mut Parsed, open: Option<(Draft, Tape)>) {
    if let Some((mut draft, said)) = open {
        draft.message = said.text().trim_end().to_owned();
        parsed.failures.push(draft);
    }
}
