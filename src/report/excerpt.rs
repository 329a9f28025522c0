//! A few lines of a log around the one that matters. Pure.

use serde::Serialize;

/// Lines shown before the one that matters.
const BEFORE: usize = 3;
/// Lines shown after it: a message goes on there.
const AFTER: usize = 6;
/// No line is shown longer than this; node dumps run to tens of kilobytes.
const LONGEST: usize = 400;

/// Lines of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The file, relative to the run directory.
    pub file: String,
    /// The same as a link.
    pub href: String,
    /// The number of the line that matters, from 1.
    pub line: u64,
    /// The lines.
    pub lines: Vec<ExcerptLine>,
}

/// One line of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExcerptLine {
    /// Its number, from 1.
    pub number: u64,
    /// Its text, shortened, without terminal colours.
    pub text: String,
    /// Whether it is the one that matters.
    pub hit: bool,
}

/// The lines around `line` (from 1) of `text`; nothing when the file is shorter than that.
#[must_use]
pub fn around(text: &str, line: u64) -> Vec<ExcerptLine> {
    let Some(hit) = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1))
    else {
        return Vec::new();
    };
    let first = hit.saturating_sub(BEFORE);
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .skip(first)
        .take(hit + AFTER + 1 - first)
        .map(|(index, text)| ExcerptLine {
            number: index as u64 + 1,
            text: shorten(&plain(text)),
            hit: index == hit,
        })
        .collect();
    if lines.iter().any(|line| line.hit) {
        lines
    } else {
        Vec::new()
    }
}

/// The line of a Ginkgo log (from 1) where the spec's failure is told: the first line of its message
/// within its block, else the block's own heading.
#[must_use]
pub fn failed_spec_line(log: &str, spec: &str, message: &str) -> Option<u64> {
    let lines: Vec<&str> = log.lines().collect();
    // Ginkgo heads a finished spec with a bullet and names it on the next line, with node texts between.
    let heading = lines.windows(2).position(|pair| {
        pair[0].starts_with('•') && {
            let name = pair[1].replace("[It] ", "");
            name.starts_with(spec)
        }
    })?;
    let end = lines[heading..]
        .iter()
        .position(|line| line.starts_with("----"))
        .map_or(lines.len(), |length| heading + length);
    let message = message.lines().next().unwrap_or_default().trim();
    let told = (heading + 2..end)
        .rev()
        .find(|at| lines[*at].trim_start().starts_with("[FAILED]") && lines[*at].contains(message))
        .or_else(|| {
            (heading + 2..end).find(|at| !message.is_empty() && lines[*at].contains(message))
        });
    Some(told.unwrap_or(heading + 1) as u64 + 1)
}

/// Without terminal colours and other control characters.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    let _ = chars.by_ref().find(|c| ('@'..='~').contains(c));
                }
            }
            '\t' | '\n' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_the_line_and_its_neighbours() {
        let text = (1..=20).map(|n| format!("line {n}\n")).collect::<String>();
        let numbers = |line| {
            around(&text, line)
                .iter()
                .map(|l| l.number)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(10), [7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(numbers(20), [17, 18, 19, 20]);
        assert!(numbers(0).is_empty());
        assert!(
            numbers(22).is_empty(),
            "a line that is not there shows nothing else"
        );
        assert!(around(&text, 10).iter().any(|l| l.hit && l.number == 10));
    }

    #[test]
    fn colours_and_endless_lines_do_not_get_through() {
        let line = format!("\u{1b}[0;37mOS\u{1b}[0m: \u{7}{}", "x".repeat(9000));
        let shown = &around(&line, 1)[0].text;
        assert!(shown.starts_with("OS: xxx"));
        assert!(shown.chars().count() < 410);
    }

    #[test]
    fn a_real_failure_is_found_in_its_log() {
        let log = include_str!(
            "../../tests/fixtures/report/run-failed/releases.plain.gvisor.smoke/1/suite.log"
        );
        let spec = "[sig-storage] EmptyDir volumes should support (root,0644,tmpfs) [LinuxOnly] [NodeConformance] [Conformance]";
        let message = "expected \"mount type of \\\"/test-volume\\\": tmpfs\" in container output";
        assert_eq!(failed_spec_line(log, spec, message), Some(366));
        assert_eq!(
            failed_spec_line(log, spec, "another message"),
            Some(311),
            "else its heading"
        );
        assert_eq!(failed_spec_line(log, "no such spec", message), None);
    }
}
