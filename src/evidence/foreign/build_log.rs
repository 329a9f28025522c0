//! What a suite or a build printed: Ginkgo, `go test`, pytest, else its decisive last words. Pure.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    found::{Draft, Format, Limits, Parsed, bounded},
    go_test, pytest_log, tap,
};
use crate::suite::ginkgo::{Names, StreamLog};

/// A line that tells why something ended, strongest first.
static STRONG: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"^(?:panic: |fatal error: |SIGSEGV)|Kernel panic|Out of memory: Killed",
        r"^\S+\.(?:go|c|cc|cpp|h|rs|java|ts|js|py):\d+(?::\d+)?: (?:error|fatal error|undefined|cannot|syntax error|\w)",
        r"(?i)(?:^|[\s:\[])(?:fatal|error|err!)(?:\[\w+\])?\]?: ?\S|##\[error\]|^E: |level=(?:fatal|error)",
        r"(?i)\bfailed to |\bcannot |\bcould not |\bunable to |no such file or directory|permission denied|timed ?out|deadline exceeded|connection refused",
    ]
    .iter()
    .filter_map(|text| Regex::new(text).ok())
    .collect()
});
/// A line that only says that something below it went wrong.
static WRAPPER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)exit(?:ed)?(?: with)? (?:status|code)|^make(?:\[\d+\])?: |process completed with|command .*failed|Error: Process|errors? encountered|tests? (?:have )?failed|failed with exit|wrapped process failed|entrypoint|continuing|retrying|ignored|warning").ok()
});
/// Clocks and levels in front of a line's own words.
static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:\x1b\[[0-9;]*m|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\]?\s+|\[\d\d:\d\d:\d\d\]\s+|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+(?:\d+ )?)+").ok()
});

/// Lines kept before and after the decisive one.
const AROUND: (usize, usize) = (6, 14);
/// A log without a strong line is looked at from its end.
const LAST: usize = 40;

/// Failed tests in a log; none where no known suite printed it.
pub(super) fn read(bytes: &[u8], text: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::of(Format::Log);
    if tap::is_tap(text) {
        return tap::read(text, "", limits);
    }
    if text.contains("[It]") || text.contains("Running Suite:") || text.contains("[Fail]") {
        ginkgo(bytes, limits, &mut parsed);
    }
    if text.contains("--- FAIL: ") {
        let (tests, found) = go_test::read_plain(text, limits);
        // A suite that runs inside `go test` is one failed test there, and that test says nothing more.
        let known = !parsed.failures.is_empty();
        parsed.tests += tests;
        parsed.failures.extend(
            found
                .into_iter()
                .filter(|draft| !known || !draft.message.is_empty()),
        );
    }
    if text.contains("short test summary info") {
        parsed.failures.extend(pytest_log::read(text, limits));
    }
    parsed
}

fn ginkgo(bytes: &[u8], limits: &Limits, parsed: &mut Parsed) {
    let log = StreamLog::read(bytes, Names::default());
    parsed.tests += log.specs.len() as u64;
    let place = |location: Option<&String>| {
        location.map_or(String::new(), |at| format!("\nIn [It] at: {at}"))
    };
    for spec in log.specs.iter().filter(|spec| spec.outcome.is_failure()) {
        let said = spec.failure.as_ref();
        let text = said.map(|said| format!("{}{}", said.text, place(said.location.as_ref())));
        parsed.failures.push(Draft {
            test: spec.name.0.clone(),
            message: bounded(&text.unwrap_or_default(), limits.message),
            ..Draft::default()
        });
    }
    for node in &log.failures {
        let text = node.failure.as_ref().map(|failure| failure.text.as_str());
        parsed.failures.push(Draft {
            test: format!("[{}]", node.node),
            message: bounded(text.unwrap_or_default(), limits.message),
            ..Draft::default()
        });
    }
    for name in &log.unfinished {
        parsed.failures.push(Draft {
            test: name.0.clone(),
            message: "The output ends while this spec runs".to_owned(),
            ..Draft::default()
        });
    }
}

/// The decisive last words of a log, as one failure that is nobody's test.
pub(super) fn last_words(text: &str, limits: &Limits) -> Option<Draft> {
    let lines: Vec<&str> = text.lines().collect();
    let own = |line: &str| {
        let clock = CLOCK.as_ref().and_then(|re| re.find(line));
        clock.map_or(0, |found| found.end())
    };
    let decisive = |at: usize| {
        // A line of megabytes is no sentence.
        let line = lines[at];
        let words = &line[own(line)..line.floor_char_boundary(2000.max(own(line)))];
        let wrapped = WRAPPER.as_ref().is_some_and(|re| re.is_match(words));
        let rank = STRONG.iter().position(|re| re.is_match(words))?;
        (!wrapped).then_some(rank)
    };
    // Of the strongest lines near the end the first: what comes after follows from it.
    let from = lines.len().saturating_sub(2000);
    let best = (from..lines.len())
        .filter_map(|at| Some((decisive(at)?, at)))
        .min_by_key(|(rank, at)| (*rank, *at));
    let (first, last, at) = match best {
        Some((_, at)) => (at, (at + AROUND.1).min(lines.len()), at),
        None => (lines.len().saturating_sub(LAST), lines.len(), lines.len()),
    };
    let message = lines.get(first..last)?.join("\n");
    if message.trim().is_empty() {
        return None;
    }
    let around = lines.get(first.saturating_sub(AROUND.0)..)?;
    Some(Draft {
        message: bounded(message.trim_end(), limits.message),
        output: bounded(&around.join("\n"), limits.output / 4),
        line: at.min(lines.len().saturating_sub(1)) as u64 + 1,
        ..Draft::default()
    })
}
