//! The one line of a failure text that a person needs.

use std::borrow::Cow;

/// Longer messages are cut; the whole text is kept beside them.
const LONGEST: usize = 300;

/// The innermost error message of a Ginkgo or Gomega failure text, on one line.
///
/// Gomega's dump of a wrapped error gives the deepest message in it; a mismatch gives itself,
/// `Expected … to equal …`; a panic gives its value; anything else its first line.
#[must_use]
pub fn innermost(text: &str) -> String {
    let text = without_ansi(text);
    let text = text.trim();
    let text = strip_state(text);
    let (message, rest) = split_at_location(text);
    let line = panic_value(message, rest)
        .or_else(|| dumped_error(message))
        .or_else(|| mismatch(message))
        .unwrap_or_else(|| first_sentence(message));
    shorten(&line)
}

/// Without terminal escapes.
pub fn without_ansi(text: &str) -> Cow<'_, str> {
    // XML writers replace the escape character, which is not allowed there.
    if !text.contains(['\u{1b}', '\u{fffd}']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let sequence = chars.as_str().starts_with('[');
        if c != '\u{1b}' && !(c == '\u{fffd}' && sequence) {
            out.push(c);
            continue;
        }
        if sequence {
            chars.next();
            // Parameters end at the first letter.
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
    }
    Cow::Owned(out)
}

fn strip_state(text: &str) -> &str {
    const STATES: [&str; 6] = [
        "[FAILED] ",
        "[PANICKED] ",
        "[TIMEDOUT] ",
        "[INTERRUPTED] ",
        "[ABORTED] ",
        "[SKIPPED] ",
    ];
    STATES
        .iter()
        .find_map(|state| text.strip_prefix(state))
        .unwrap_or(text)
        .trim_start()
}

/// The message, and what Ginkgo prints after its `In [It] at: file:line` line.
fn split_at_location(text: &str) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("In [") && line.contains("] at: ") {
            let rest = text.get(at + line.len()..).unwrap_or_default();
            return (text.get(..at).unwrap_or(text).trim_end(), rest.trim_start());
        }
        at += line.len();
    }
    (text, "")
}

fn panic_value(message: &str, rest: &str) -> Option<String> {
    let after = message.strip_prefix("Test Panicked")?;
    let value = [after, rest]
        .into_iter()
        .flat_map(str::lines)
        .map(str::trim)
        .find(|line| !line.is_empty() && *line != "Full Stack Trace")?;
    Some(format!("Test Panicked: {value}"))
}

/// The deepest message inside Gomega's `<*pkg.Error | 0xc000…>: … { msg: "…" }`.
fn dumped_error(message: &str) -> Option<String> {
    let header = message.lines().position(|line| {
        // Only errors: a pod's dump says nothing on one line.
        let line = line.trim_start();
        line.strip_prefix("<*")
            .and_then(|line| line.split_once(" | 0x"))
            .is_some_and(|(kind, _)| kind.to_ascii_lowercase().contains("err"))
    })?;
    let mut deepest: Option<(usize, String)> = None;
    for line in message.lines().skip(header) {
        let trimmed = line.trim_start();
        let depth = line.len() - trimmed.len();
        let Some(value) = ["msg: \"", "s: \"", "Message: \"", "Err: \""]
            .iter()
            .find_map(|key| trimmed.strip_prefix(key))
        else {
            continue;
        };
        let value = unquote(value);
        if !value.trim().is_empty() && deepest.as_ref().is_none_or(|(d, _)| depth >= *d) {
            deepest = Some((depth, value));
        }
    }
    if let Some((_, value)) = deepest {
        return Some(mismatch(&value).unwrap_or_else(|| first_sentence(&value)));
    }
    // A dump without a known key: the error's own text stands before its fields.
    let mut lines = message.lines().skip(header);
    let header = lines.next()?;
    let inline = header.split_once(">: ").map_or("", |(_, text)| text).trim();
    let text = if matches!(inline, "" | "{") {
        lines.next()?.trim()
    } else {
        inline
    };
    (!text.is_empty() && text != "{").then(|| text.to_owned())
}

/// A Go string literal's value, up to its closing quote.
fn unquote(literal: &str) -> String {
    let mut out = String::new();
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => break,
            },
            c => out.push(c),
        }
    }
    out
}

/// `Expected` / indented actual / `to …` / indented expected, as one sentence.
fn mismatch(message: &str) -> Option<String> {
    let lines: Vec<&str> = message.lines().collect();
    let start = lines.iter().position(|line| {
        let line = line.trim_end();
        line == "Expected" || line.ends_with(" Expected") || line.ends_with(": Expected")
    })?;
    let indent = |line: &str| line.starts_with([' ', '\t']) || line.trim().is_empty();
    let verb = (start + 1..lines.len()).find(|at| lines.get(*at).is_some_and(|l| !indent(l)))?;
    let actual = values(lines.get(start + 1..verb)?);
    let wanted = values(
        lines
            .get(verb + 1..)?
            .split(|line| !indent(line))
            .next()
            .unwrap_or_default(),
    );
    let verb = lines.get(verb)?.trim();
    if !verb.starts_with("to ") && !verb.starts_with("not to ") {
        return None;
    }
    let first = wanted.first().map_or("", String::as_str);
    // Of a long actual value, the line that is most like what was wanted says what is wrong.
    let nearest = actual
        .iter()
        .rev()
        .max_by_key(|line| common_prefix(line, first))
        .map_or("", String::as_str);
    Some(format!("Expected {nearest} {verb} {first}"))
}

/// The values' lines without Gomega's `<type>: ` and without the blank ones.
fn values(lines: &[&str]) -> Vec<String> {
    lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_once(">: ") {
            Some((kind, value)) if kind.starts_with('<') && !kind.contains(' ') => value,
            _ => line,
        })
        .map(str::to_owned)
        .collect()
}

fn common_prefix(one: &str, two: &str) -> usize {
    one.bytes()
        .zip(two.bytes())
        .take_while(|(a, b)| a == b)
        .count()
}

/// The first line; with the next one if it only announces that.
fn first_sentence(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(next) if first.ends_with(':') || is_prelude(first) => format!("{first} {next}"),
        _ => first.to_owned(),
    }
}

/// How long something took, before what it was.
fn is_prelude(line: &str) -> bool {
    line.ends_with('.')
        && ["Timed out after ", "Told to stop trying after "]
            .iter()
            .any(|start| line.starts_with(start))
}

fn shorten(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let mut short: String = line.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_shapes() {
        for (text, line) in [
            (
                "expected \"mount type\" in container output: Expected\n    <string>: mount type of \"/v\": 16914839\n    perms: -rw\n    \nto contain substring\n    <string>: mount type of \"/v\": tmpfs",
                r#"Expected mount type of "/v": 16914839 to contain substring mount type of "/v": tmpfs"#,
            ),
            (
                "Expected\n    <string>: perms: x\n    mount type: 1\nto contain substring\n    <string>: mount type: tmpfs",
                "Expected mount type: 1 to contain substring mount type: tmpfs",
            ),
            (
                "[FAILED] should be able to start node services.\nExpected success, but got an error:\n    <*fmt.wrapError | 0xc0>: \n    failed a: failed b: exit status 255\n    {\n        msg: \"failed a: failed b: exit status 255\",\n        err: <*fmt.wrapError | 0xc1>{\n            msg: \"failed b \\\"services\\\": exit status 255\",\n            err: <*exec.ExitError | 0xc2>{\n                pid: 986,\n            },\n        },\n    }\nIn [SynchronizedBeforeSuite] at: x.go:272 @ 11/20/26 11:09:46.787",
                r#"failed b "services": exit status 255"#,
            ),
            (
                "Timed out after 120.002s.\nExpected\n    <*errors.errorString | 0xc0>: {\n        s: \"expected the mirror pod \\\"g\\\" to be running, got \\\"Pending\\\"\",\n    }\nto be nil",
                r#"expected the mirror pod "g" to be running, got "Pending""#,
            ),
            (
                "[PANICKED] Test Panicked\nIn [It] at: a.go:34 @ 11/20/26\n\nboom\n\nFull Stack Trace\n  x",
                "Test Panicked: boom",
            ),
            (
                "[TIMEDOUT] A suite timeout occurred\nIn [It] at: a.go:3 @ x\n\nThis is",
                "A suite timeout occurred",
            ),
            (
                "Unexpected error:\n    <*net.OpError | 0xc0>: \n    dial tcp: refused\n    {\n        Op: 1,\n    }",
                "dial tcp: refused",
            ),
            (
                "Timed out after 300.000s.\nExpected Pod to be in <v1.PodPhase>: \"Running\"\nGot instead:\n    <*v1.Pod | 0xc0>: \n        metadata:",
                r#"Timed out after 300.000s. Expected Pod to be in <v1.PodPhase>: "Running""#,
            ),
            ("could not do:\n  that thing", "could not do: that thing"),
            (
                "\u{1b}[1m\u{1b}[38;5;9mit failed\u{1b}[0m\n  more",
                "it failed",
            ),
            (
                "Expected\n    <int>: 1\nto equal\n    <int>: 2",
                "Expected 1 to equal 2",
            ),
            ("Expected success", "Expected success"),
            ("", ""),
        ] {
            assert_eq!(innermost(text), line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_one_short_line(text in r#"([ \t\n"\\{}<>:*|0-9a-zé\x1b\[]|Expected|to equal|msg: "|<\*x \| 0x1>: |In \[It\] at: ){0,60}"#) {
            let line = innermost(&text);
            prop_assert!(!line.contains('\n'));
            prop_assert!(line.chars().count() <= LONGEST);
        }
    }
}
