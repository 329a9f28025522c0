//! JUnit of Ginkgo 1 and 2, pytest, surefire, go-junit-report, gotestsum and bats. Pure.

use super::found::{Draft, Format, Limits, Parsed, bounded};
use crate::{
    evidence::junit::{self, JunitCase, JunitError},
    suite::ginkgo::{Names, suite_node},
};

/// Messages that say no more than that there is a failure.
const EMPTY_WORDS: [&str; 8] = [
    "",
    "failed",
    "failure",
    "error",
    "test failed",
    "test failure",
    "no message",
    "none",
];

pub(super) fn read(bytes: &[u8], file: &str, limits: &Limits) -> Result<Parsed, JunitError> {
    let report = junit::read_with(
        bytes,
        file,
        junit::Limits {
            text: limits.message.max(limits.output),
            cases: 5_000_000,
            output: true,
            failed_only: true,
            ..junit::Limits::default()
        },
    )?;
    let mut parsed = Parsed::of(Format::Junit);
    parsed.tests = report.seen;
    parsed.note = report.problem.clone();
    if report.dry_run {
        parsed.note = Some("it comes from a dry run; nothing in it ran".to_owned());
        return Ok(parsed);
    }
    // Only Ginkgo has `[It]` in its names and label lists behind them.
    let names = Names::default();
    parsed.failures = report
        .cases
        .into_iter()
        .map(|case| Draft {
            test: test_name(&case, &names),
            message: bounded(&message(&case), limits.message),
            output: bounded(case.output.trim_end(), limits.output),
            line: case.line,
            suite: case.suite,
            ..Draft::default()
        })
        .collect();
    Ok(parsed)
}

/// The failure's text, led by its message where the text does not begin with it: pytest's begins with code.
fn message(case: &JunitCase) -> String {
    let text = case.text.trim();
    let said = case.message.as_deref().unwrap_or_default().trim();
    let first = said.lines().next().unwrap_or_default().trim();
    if text.is_empty() {
        return said.to_owned();
    }
    if EMPTY_WORDS.contains(&said.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let opening: String = first.chars().take(200).collect();
    let begins = text.lines().take(2).any(|line| line.contains(&opening));
    match begins {
        true => text.to_owned(),
        false => format!("{said}\n{text}"),
    }
}

fn test_name(case: &JunitCase, names: &Names) -> String {
    let name = case.name.trim();
    let ginkgo = name.starts_with("[It] ") || name.contains(" [It] ");
    if ginkgo {
        return names.resolve(name).0;
    }
    let class = case.class.trim();
    let own_class = !class.is_empty()
        && suite_node(name).is_none()
        && !case.suite.ends_with(class)
        && !name.starts_with(class);
    match own_class {
        true => format!("{class}.{name}"),
        false => name.to_owned(),
    }
}
