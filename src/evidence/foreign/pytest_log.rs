//! pytest's own output. Pure.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;

use super::found::{Draft, Limits, Tape};

/// The heading of a failed test's traceback: `____ TestX.test_y ____`.
static HEADING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^_{3,} (?:ERROR at (?:setup|teardown) of )?(\S.*?) _{3,}$").ok());
/// The short summary: `FAILED tests/test_a.py::test_b - AssertionError: …`.
static SHORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:FAILED|ERROR) (\S+\.py(?:::\S.*?)?)(?: - (.*))?$").ok());

/// Failed tests, each with its traceback where that is there.
pub(super) fn read(text: &str, limits: &Limits) -> Vec<Draft> {
    let mut said: BTreeMap<String, (u64, Tape)> = BTreeMap::new();
    let mut open: Option<String> = None;
    let mut found = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim_end();
        if line.starts_with("===") {
            open = None;
        } else if line.starts_with("___")
            && let Some(heading) = HEADING.as_ref().and_then(|re| re.captures(line))
        {
            said.insert(heading[1].to_owned(), (index as u64 + 1, Tape::default()));
            open = Some(heading[1].to_owned());
        } else if let Some(short) = SHORT
            .as_ref()
            .filter(|_| line.starts_with("FAILED ") || line.starts_with("ERROR "))
            .and_then(|re| re.captures(line))
        {
            let path = &short[1];
            let message = short.get(2).map_or("", |said| said.as_str());
            let (file, test) = path.split_once("::").unwrap_or((path, ""));
            let trace = said.get(&test.replace("::", "."));
            let text = trace.map(|(_, said)| said.text()).unwrap_or_default();
            found.push(Draft {
                suite: file.to_owned(),
                test: path.to_owned(),
                message: format!("{message}\n{}", text.trim_end()).trim().to_owned(),
                line: trace.map_or(index as u64 + 1, |(line, _)| *line),
                ..Draft::default()
            });
        } else if let Some((_, said)) = open.as_ref().and_then(|test| said.get_mut(test)) {
            said.push(line, limits.message);
            said.push("\n", limits.message);
        }
    }
    found
}
