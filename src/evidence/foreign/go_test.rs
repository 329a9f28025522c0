//! `go test`: its JSON events, and its plain output with or without `-v`. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;

use super::found::{Draft, Format, Limits, Parsed, Tape};

/// An event of `go test -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    package: String,
    #[serde(default)]
    import_path: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    output: String,
}

#[derive(Default)]
struct Test {
    said: Tape,
    line: u64,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    failed: bool,
}

/// Whether a line is such an event.
pub(super) fn is_event(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<Event>(line).is_ok()
}

/// Reads events. Lines that are none are left out and counted.
pub(super) fn read_events(text: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::of(Format::GoTestJson);
    let mut open: BTreeMap<(String, String), Test> = BTreeMap::new();
    let mut builds: BTreeMap<String, Tape> = BTreeMap::new();
    let mut odd = 0;
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            odd += 1;
            continue;
        };
        if event.action == "build-output" {
            let said = builds.entry(event.import_path).or_default();
            said.push(&event.output, limits.message);
            continue;
        }
        let key = (event.package, event.test);
        match event.action.as_str() {
            "pass" | "skip" => {
                parsed.tests += u64::from(!key.1.is_empty());
                // A package's own output stays until it is known whether a test in it failed.
                open.remove(&key);
            }
            action => {
                let test = open.entry(key).or_default();
                match action {
                    "output" => test.said.push(&event.output, limits.message),
                    "run" | "start" => test.began = event.time,
                    "fail" => {
                        test.failed = true;
                        test.ended = event.time;
                        test.line = index as u64 + 1;
                    }
                    _ => {}
                }
            }
        }
    }
    parsed.tests += open.keys().filter(|(_, test)| !test.is_empty()).count() as u64;
    collect(&mut parsed, open, &builds);
    if odd > 0 {
        parsed.note = Some(format!("{odd} lines are no events"));
    }
    parsed
}

fn collect(
    parsed: &mut Parsed,
    mut open: BTreeMap<(String, String), Test>,
    builds: &BTreeMap<String, Tape>,
) {
    // A test that began and never ended was running when its package died.
    let dead: BTreeSet<String> = open
        .iter()
        .filter(|((_, test), state)| test.is_empty() && state.failed)
        .map(|((package, _), _)| package.clone())
        .collect();
    let ended_badly = |package: &str, test: &str, state: &Test| {
        !test.is_empty() && (state.failed || (dead.contains(package) && state.ended.is_none()))
    };
    let failing: BTreeSet<(String, String)> = open
        .iter()
        .filter(|((package, test), state)| ended_badly(package, test, state))
        .map(|(key, _)| key.clone())
        .collect();
    let mut told: BTreeSet<&String> = BTreeSet::new();
    for (package, test) in &failing {
        told.insert(package);
        let below = format!("{test}/");
        let is_parent = failing
            .range((package.clone(), below.clone())..)
            .next()
            .is_some_and(|(p, t)| p == package && t.starts_with(&below));
        let Some(state) = open.remove(&(package.clone(), test.clone())) else {
            continue;
        };
        if !is_parent {
            parsed.failures.push(Draft {
                suite: package.clone(),
                test: test.clone(),
                message: state.said.text().trim_end().to_owned(),
                line: state.line,
                began: state.began,
                at: state.ended,
                ..Draft::default()
            });
        }
    }
    for ((package, test), state) in &open {
        if !test.is_empty() || !state.failed || told.contains(package) {
            continue;
        }
        // It did not build, or died outside of any test.
        let built = builds
            .iter()
            .find(|(path, _)| path.split(' ').next() == Some(package.as_str()) && !path.is_empty());
        let said = built.map_or_else(|| state.said.text(), |(_, said)| said.text());
        parsed.failures.push(Draft {
            suite: package.clone(),
            test: "[package]".to_owned(),
            message: said.trim_end().to_owned(),
            line: state.line,
            began: state.began,
            at: state.ended,
            ..Draft::default()
        });
    }
}

static FAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?P<indent> *)--- (?P<how>FAIL|PASS|SKIP): (?P<test>\S+) \(\d+(?:\.\d+)?s\)$")
        .ok()
});
static PACKAGE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:FAIL|ok  )\t(\S+)\t").ok());

/// Failures in the plain output of `go test`, as a part of some log.
pub(super) fn read_plain(text: &str, limits: &Limits) -> (u64, Vec<Draft>) {
    let (mut tests, mut found, mut first_of_package) = (0, Vec::<Draft>::new(), 0);
    // With -v a test talks after `=== RUN`, `=== CONT` or `=== NAME`, without it after its result.
    let mut before: BTreeMap<String, Tape> = BTreeMap::new();
    let mut after: Option<(usize, Draft, Tape)> = None;
    let mut running = String::new();
    let mut panicking = false;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim_end();
        let result = line
            .contains("--- ")
            .then(|| FAIL.as_ref().and_then(|re| re.captures(line)))
            .flatten();
        let over = line == "FAIL" || line == "PASS" || line.starts_with("exit status ");
        let package = PACKAGE
            .as_ref()
            .filter(|_| line.contains('\t'))
            .and_then(|re| re.captures(line));
        if result.is_some() || over || package.is_some() || line.starts_with("=== ") {
            finish(&mut found, after.take());
        }
        if let Some(result) = result {
            tests += 1;
            let said = before.remove(&result["test"]).unwrap_or_default();
            if &result["how"] == "FAIL" {
                let draft = Draft {
                    test: result["test"].to_owned(),
                    line: index as u64 + 1,
                    ..Draft::default()
                };
                after = Some((result["indent"].len(), draft, said));
            }
            running.clear();
            panicking = false;
        } else if let Some(package) = package {
            for draft in found.iter_mut().skip(first_of_package) {
                package[1].clone_into(&mut draft.suite);
            }
            first_of_package = found.len();
            before.clear();
        } else if let Some(test) = ["RUN", "CONT", "NAME", "PAUSE"]
            .iter()
            .find_map(|word| line.strip_prefix("=== ")?.strip_prefix(word))
        {
            test.trim().clone_into(&mut running);
        } else if let Some((indent, _, said)) = &mut after {
            let deeper = line.len() - line.trim_start().len() > *indent;
            // A panic and its goroutines stand at the left margin.
            panicking |= line.starts_with("panic: ");
            if deeper || line.is_empty() || panicking {
                said.push(line, limits.message);
                said.push("\n", limits.message);
            } else {
                finish(&mut found, after.take());
            }
        } else if !running.is_empty() {
            let said = before.entry(running.clone()).or_default();
            said.push(line, limits.message);
            said.push("\n", limits.message);
        }
    }
    finish(&mut found, after);
    // A test that only failed because its subtest did says nothing of its own.
    let names: BTreeSet<String> = found.iter().map(|draft| draft.test.clone()).collect();
    found.retain(|draft| {
        let below = format!("{}/", draft.test);
        !names
            .range(below.clone()..)
            .next()
            .is_some_and(|name| name.starts_with(&below))
    });
    (tests, found)
}

fn finish(found: &mut Vec<Draft>, open: Option<(usize, Draft, Tape)>) {
    if let Some((_, mut draft, said)) = open {
        draft.message = said.text().trim_end().to_owned();
        found.push(draft);
    }
}
