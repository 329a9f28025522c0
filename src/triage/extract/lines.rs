//! Reads a failure's text line by line, in one pass. Each line is either structure somebody's framework wrote, or
//! something the test's author wrote.

use super::{
    Verb,
    block::{closes, indent_of, opens, quoted, said, typed},
    dialect::{frame, java_exception, logged, undated, wrapper},
    site::{Site, machinery},
    structure::{expected, structure},
};

/// Where the pass is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Free text.
    Text,
    /// An error follows or has begun.
    Error,
    /// Values follow or have begun.
    Values,
    /// Inside an object that was opened at this indentation.
    Dump { indent: usize, error: bool },
    /// A diff, stack or progress report: structure of its own that says nothing.
    Rest,
    /// A Go stack, whose functions are wanted.
    Stack,
}

/// What was found, as slices of the text.
#[derive(Default)]
pub(super) struct Read<'a> {
    pub phase: &'a str,
    pub site: Option<Site>,
    pub helper: Option<Site>,
    pub verb: Verb,
    pub desc: Vec<&'a str>,
    pub expectation: String,
    /// Outermost first.
    pub errors: Vec<&'a str>,
    pub stamp: &'a str,
    /// Whether an assertion library compared something: the description then only comments.
    pub compared: bool,
}

/// Lines of description that are kept.
const DESCRIBED: usize = 5;
/// Bytes of one line that are kept.
const KEPT: usize = 600;

impl<'a> Read<'a> {
    /// Whether there is no reason in it at all.
    pub(super) fn says_nothing(&self) -> bool {
        self.desc.is_empty() && self.errors.is_empty() && self.expectation.is_empty()
    }

    /// Takes from another text what this one left open.
    pub(super) fn fill(&mut self, other: Self) {
        if self.phase.is_empty() {
            self.phase = other.phase;
        }
        self.site = self.site.take().or(other.site);
        self.helper = self.helper.take().or(other.helper);
        if self.verb == Verb::Said {
            self.verb = other.verb;
        }
        self.desc = other.desc;
        self.errors = other.errors;
        self.expectation = other.expectation;
        self.compared = other.compared;
        if self.stamp.is_empty() {
            self.stamp = other.stamp;
        }
    }

    pub(super) fn described(&mut self, text: &'a str) {
        let text = cut(without_object(text.trim()));
        if !text.is_empty() && self.desc.len() < DESCRIBED && self.desc.last() != Some(&text) {
            self.desc.push(text);
        }
    }

    pub(super) fn erred(&mut self, text: &'a str) {
        let text = cut(text.trim());
        if !text.is_empty() && self.errors.len() < 12 && self.errors.last() != Some(&text) {
            self.errors.push(text);
        }
    }

    pub(super) fn expects(&mut self, text: &str) {
        if self.expectation.len() < KEPT {
            if !self.expectation.is_empty() {
                self.expectation.push(' ');
            }
            self.expectation.push_str(cut(text));
        }
    }

    pub(super) fn at(&mut self, site: Option<Site>) {
        if let Some(site) = site
            && self.site.is_none()
            && !machinery(&site.file)
        {
            self.site = Some(site);
        }
    }
}

/// An object that was printed into the line in Go's own way says too much: the text before it is what was meant.
fn without_object(text: &str) -> &str {
    if text.len() < 160 {
        return text;
    }
    let Some(brace) = text.find('{') else {
        return text;
    };
    let head = &text[..brace];
    let kind = head.rsplit([' ', '(']).next().unwrap_or_default();
    if kind.is_empty()
        || !kind.starts_with(|letter: char| {
            letter.is_ascii_alphabetic() || matches!(letter, '&' | '*' | '[')
        })
    {
        return text;
    }
    head
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(KEPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads a text.
pub(super) fn read(text: &str) -> Read<'_> {
    let mut read = Read::default();
    let mut state = State::Text;
    let mut previous = "";
    for line in text.lines() {
        let trimmed = line.trim();
        if let State::Dump { indent, error } = state {
            if closes(line, trimmed, indent) {
                state = if error { State::Error } else { State::Values };
            } else if trimmed.starts_with("In [") {
                state = State::Text;
                structure(trimmed, &mut read, &mut state);
            } else if error && let Some(text) = said(trimmed) {
                read.erred(text);
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        let trimmed = trimmed.strip_prefix("# ").unwrap_or(trimmed);
        let trimmed = trimmed.strip_prefix("> ").unwrap_or(trimmed).trim_start();
        if !structure(trimmed, &mut read, &mut state) {
            match state {
                State::Text => text_line(trimmed, &mut read, &mut state),
                State::Error => error_line(line, trimmed, &mut read, &mut state),
                State::Values => value_line(line, trimmed, &mut read, &mut state),
                State::Stack => frame(trimmed, previous, &mut read),
                State::Rest | State::Dump { .. } => {}
            }
        }
        previous = trimmed;
    }
    read
}

fn error_line<'a>(line: &'a str, trimmed: &'a str, read: &mut Read<'a>, state: &mut State) {
    if let Some((kind, text)) = typed(trimmed) {
        if text.is_empty() {
            return;
        }
        if opens(text) {
            *state = State::Dump {
                indent: indent_of(line),
                error: true,
            };
        } else if text == "nil" {
            read.expects(kind);
        } else {
            read.erred(text);
        }
    } else if trimmed.starts_with('{') {
        if !trimmed.ends_with('}') {
            *state = State::Dump {
                indent: indent_of(line),
                error: true,
            };
        }
    } else if trimmed.starts_with(['}', ']']) {
    } else if let Some(text) = said(trimmed) {
        read.erred(text);
    } else if trimmed.starts_with("Test:")
        || trimmed.contains("/")
            && trimmed.ends_with(|letter: char| letter.is_ascii_digit())
            && !trimmed.contains(' ')
    {
        *state = State::Rest;
    } else {
        read.erred(trimmed);
    }
}

fn value_line<'a>(line: &'a str, trimmed: &'a str, read: &mut Read<'a>, state: &mut State) {
    if let Some((kind, text)) = typed(trimmed) {
        if opens(text) {
            read.expects(kind);
            *state = State::Dump {
                indent: indent_of(line),
                error: false,
            };
        } else {
            read.expects(kind);
            read.expects(text);
        }
    } else if trimmed.starts_with(['}', ']', ')']) {
    } else if opens(trimmed) {
        *state = State::Dump {
            indent: indent_of(line),
            error: false,
        };
    } else if trimmed.starts_with("Test:") || trimmed.starts_with("Gomega truncated") {
        *state = State::Rest;
    } else if !trimmed.contains(' ')
        && trimmed.starts_with('/')
        && let Some(site) = Site::parse(trimmed)
    {
        read.at(Some(site));
        *state = State::Rest;
    } else {
        read.expects(trimmed);
    }
}

pub(super) fn text_line<'a>(line: &'a str, read: &mut Read<'a>, state: &mut State) {
    let line = undated(line);
    if line.is_empty() || wrapper(line) || logged(line) {
        return;
    }
    if let Some(head) = line.strip_suffix(": Expected") {
        read.described(head);
        expected(read);
        *state = State::Values;
        return;
    }
    // A path alone: where Ginkgo v1 and stack traces say it happened.
    if !line.contains(' ')
        && line.contains('/')
        && let Some(site) = Site::parse(line)
    {
        if !machinery(&site.file) {
            read.site = Some(site);
        }
        return;
    }
    // `file_test.go:12: text`, `ocicni/ocicni.go:298`, `tests/test_a.py:12: AssertionError`
    if let Some((place, rest)) = line
        .split_once(": ")
        .or_else(|| line.strip_suffix(':').map(|place| (place, "")))
        && !place.contains(' ')
        && let Some(site) = Site::parse(place)
    {
        read.at(Some(site));
        if !rest.is_empty() && !structure(rest, read, state) {
            read.described(rest);
        }
        return;
    }
    if let Some(rest) = line.strip_prefix("at ")
        && let Some(site) = Site::parse(rest.trim_end_matches('.'))
    {
        read.at(Some(site));
        return;
    }
    if line.starts_with("time=\"") {
        if let Some(at) = line.find(" msg=") {
            let text = &line[at + 5..];
            let text = text.strip_prefix('"').map_or(text, quoted);
            if line.contains("level=fatal") || line.contains("level=error") {
                read.erred(text);
            }
        }
        return;
    }
    if let Some(command) = line.strip_prefix('`')
        && let Some(end) = command.rfind("' failed")
    {
        read.described(&command[..end]);
        return;
    }
    if let Some(text) = java_exception(line) {
        read.erred(text);
        *state = State::Rest;
        return;
    }
    if opens(line) {
        read.described(line);
        *state = State::Dump {
            indent: 0,
            error: true,
        };
        return;
    }
    read.described(line);
}
