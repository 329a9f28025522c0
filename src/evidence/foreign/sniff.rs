//! Which format a file has, by its content first and its name second. Pure.

use serde::Deserialize;

use super::{
    build_log,
    found::{Format, Limits, Parsed},
    ginkgo_json, go_test, json_lines, junit_xml, node_log, tap,
};
use crate::model::{CellSummary, RunSummary};

/// What a file is, beyond its failures.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Test results.
    Results(Parsed),
    /// A run's summary.
    Run(Box<RunSummary>),
    /// An attempt's judgement.
    Cell(Box<CellSummary>),
    /// A document about a Prow job.
    Prow(ProwDocument),
    /// A log of a node.
    NodeLog(String),
}

/// `started.json`, `finished.json` and `prowjob.json`, as far as they are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProwDocument {
    pub timestamp: Option<i64>,
    pub passed: Option<bool>,
    pub result: Option<String>,
    pub spec: ProwSpec,
    pub status: ProwStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProwSpec {
    pub job: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProwStatus {
    pub build_id: String,
    pub state: String,
}

/// Endings of files that hold no results.
const OTHER: [&str; 36] = [
    "png", "jpg", "jpeg", "gif", "svg", "ico", "css", "js", "html", "htm", "md", "yaml", "yml",
    "toml", "go", "py", "sh", "rs", "so", "o", "a", "bin", "exe", "img", "qcow2", "pcap", "prof",
    "pprof", "db", "sqlite", "pem", "key", "crt", "xz", "bz2", "zst",
];

/// Logs that are looked at for their last words when nothing else tells of a failure.
const BUILD_LOGS: [&str; 7] = [
    "build-log.txt",
    "build.log",
    "build-log.log",
    "consoleText",
    "console.txt",
    "output.log",
    "job.log",
];

/// Why a file is not worth opening, by its name alone.
pub(super) fn unwanted(name: &str, explicit: bool) -> Option<String> {
    let base = base(name);
    let ending = base.rsplit_once('.').map_or("", |(_, ending)| ending);
    if !explicit && OTHER.contains(&ending.to_ascii_lowercase().as_str()) {
        return Some(format!(".{ending} files hold no test results"));
    }
    None
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Reads a file.
///
/// # Errors
/// Why it was not read, in words.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    explicit: bool,
    limits: &Limits,
) -> Result<Content, String> {
    let base = base(name);
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = body.trim_ascii_start();
    if start.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(content) = document(base, bytes) {
        return Ok(content);
    }
    match start.first() {
        Some(b'<') => return xml(start, bytes, name, limits),
        Some(b'[') if json_array(start) => {
            return match ginkgo_json::read(bytes, name, limits) {
                Ok(parsed) => Ok(Content::Results(parsed)),
                Err(why) => Err(why),
            };
        }
        _ => {}
    }
    if body.iter().take(8192).any(|byte| *byte == 0) {
        return Err("it is no text".to_owned());
    }
    if node_log::is_node_log(base) && !(explicit && base.starts_with("console")) {
        return Ok(Content::NodeLog(
            String::from_utf8_lossy(bytes).into_owned(),
        ));
    }
    let text = String::from_utf8_lossy(body);
    if start.first() == Some(&b'{') {
        return json(&text, bytes, name, limits);
    }
    // Whoever ran `go test -json` often talked before it.
    if text.lines().take(20).any(go_test::is_event) {
        return Ok(Content::Results(go_test::read_events(&text, limits)));
    }
    log(name, bytes, &text, explicit, limits)
}

fn document(base: &str, bytes: &[u8]) -> Option<Content> {
    match base {
        "summary.json" => {
            let summary = serde_json::from_slice(bytes).ok()?;
            Some(Content::Run(Box::new(summary)))
        }
        "cell.json" => {
            let cell = serde_json::from_slice(bytes).ok()?;
            Some(Content::Cell(Box::new(cell)))
        }
        "started.json" | "finished.json" | "prowjob.json" => {
            let document = serde_json::from_slice(bytes).ok()?;
            Some(Content::Prow(document))
        }
        _ => None,
    }
}

fn xml(start: &[u8], bytes: &[u8], name: &str, limits: &Limits) -> Result<Content, String> {
    let head = String::from_utf8_lossy(start.get(..4096).unwrap_or(start)).to_ascii_lowercase();
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        return Err("it is a page of HTML".to_owned());
    }
    junit_xml::read(bytes, name, limits)
        .map(Content::Results)
        .map_err(|error| error.to_string())
}

fn json_array(start: &[u8]) -> bool {
    let rest = start.get(1..).unwrap_or_default().trim_ascii_start();
    matches!(rest.first(), Some(b'{' | b']'))
}

fn json(text: &str, bytes: &[u8], name: &str, limits: &Limits) -> Result<Content, String> {
    let mut opening = text.lines().filter(|line| !line.trim().is_empty()).take(5);
    let first = opening.next().unwrap_or_default();
    if go_test::is_event(first) {
        return Ok(Content::Results(go_test::read_events(text, limits)));
    }
    if json_lines::is_failure(first) || opening.any(json_lines::is_failure) {
        return Ok(Content::Results(json_lines::read(bytes, name, limits)));
    }
    Err("it is JSON of a kind that holds no test results".to_owned())
}

fn log(
    name: &str,
    bytes: &[u8],
    text: &str,
    explicit: bool,
    limits: &Limits,
) -> Result<Content, String> {
    let mut parsed = build_log::read(bytes, text, limits);
    let base = base(name);
    if parsed.format == Format::Tap {
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        for draft in &mut parsed.failures {
            stem.clone_into(&mut draft.suite);
        }
        return Ok(Content::Results(parsed));
    }
    let build = explicit || BUILD_LOGS.contains(&base);
    if parsed.failures.is_empty() && build && !tap::is_tap(text) && parsed.tests == 0 {
        parsed.failures.extend(build_log::last_words(text, limits));
        parsed.weak = true;
    }
    if parsed.failures.is_empty() && parsed.tests == 0 {
        return Err("it is a log in which no known suite reports".to_owned());
    }
    Ok(Content::Results(parsed))
}
