//! One failure a line: `{id, suite, test, message, output}`. Pure. Every line counts, also one that is no JSON.

use serde_json::{Map, Value};

use super::found::{Draft, Format, Limits, Parsed, bounded};
use crate::model::failed::{Failure, Place};

/// A line, and the id to answer with.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonLine {
    /// The id as the line has it, whatever its type; `line-<n>` for a line without one.
    pub id: Value,
    /// The failure. Its own id is unique by the line's number.
    pub failure: Failure,
}

/// Reads line `number` (from 1). A line that is no object is a message.
#[must_use]
pub fn read_line(bytes: &[u8], number: u64, file: &str) -> JsonLine {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut fields = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => Map::new(),
        _ => Map::from_iter([("message".to_owned(), Value::String(text.to_owned()))]),
    };
    let fallback = || Value::String(format!("line-{number}"));
    let id = match fields.remove("id") {
        None | Some(Value::Null) => fallback(),
        Some(id) => id,
    };
    let mut take = |name: &str| fields.remove(name).map(words).unwrap_or_default();
    JsonLine {
        id,
        failure: Failure {
            id: format!("line-{number}"),
            suite: take("suite"),
            test: take("test"),
            message: take("message"),
            output: take("output"),
            place: Place {
                file: file.to_owned(),
                line: number,
                ..Place::default()
            },
            ..Failure::default()
        },
    }
}

/// A field's text, whatever its type.
fn words(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(parts) => {
            let parts: Vec<String> = parts.into_iter().map(words).collect();
            parts.join("\n")
        }
        other => other.to_string(),
    }
}

/// Whether a line is a failure in this form.
pub(super) fn is_failure(line: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    fields.contains_key("message") && (fields.contains_key("id") || fields.contains_key("test"))
}

pub(super) fn read(bytes: &[u8], file: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::of(Format::JsonLines);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        parsed.tests += 1;
        let number = index as u64 + 1;
        let read = read_line(line, number, file);
        let id = match read.id {
            Value::String(id) => id,
            other => other.to_string(),
        };
        parsed.failures.push(Draft {
            id: Some(id),
            suite: read.failure.suite,
            test: read.failure.test,
            message: bounded(&read.failure.message, limits.message),
            output: bounded(&read.failure.output, limits.output),
            line: number,
            ..Draft::default()
        });
    }
    parsed
}
