//! Reads a failure's text line by line, in one pass. Each line is either structure somebody's framework wrote, or
//! something the test's author wrote.

use super::{
    Verb,
    block::{closes, indent_of, opens, said, typed},
    site::{Site, inside, machinery},
};

/// Where the pass is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
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

    fn described(&mut self, text: &'a str) {
        let text = cut(text.trim());
        if !text.is_empty() && self.desc.len() < DESCRIBED && self.desc.last() != Some(&text) {
            self.desc.push(text);
        }
    }

    fn erred(&mut self, text: &'a str) {
        let text = cut(text.trim());
        if !text.is_empty() && self.errors.len() < 12 && self.errors.last() != Some(&text) {
            self.errors.push(text);
        }
    }

    fn expects(&mut self, text: &str) {
        if self.expectation.len() < KEPT {
            if !self.expectation.is_empty() {
                self.expectation.push(' ');
            }
            self.expectation.push_str(cut(text));
        }
    }

    fn at(&mut self, site: Option<Site>) {
        if let Some(site) = site
            && self.site.is_none()
            && !machinery(&site.file)
        {
            self.site = Some(site);
        }
    }
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
        let trimmed = trimmed.strip_prefix("> ").unwrap_or(trimmed);
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

/// Lines of a framework that mean the same in every state. False if it is none.
fn structure<'a>(line: &'a str, read: &mut Read<'a>, state: &mut State) -> bool {
    let first = line.as_bytes()[0];
    match first {
        b'[' => {
            for (mark, verb) in [
                ("[FAILED]", Verb::Said),
                ("[TIMEDOUT]", Verb::SuiteTimeout),
                ("[PANICKED]", Verb::Panicked),
                ("[INTERRUPTED]", Verb::Interrupted),
            ] {
                if let Some(rest) = line.strip_prefix(mark) {
                    if read.verb == Verb::Said {
                        read.verb = verb;
                    }
                    *state = State::Text;
                    let rest = rest.trim();
                    if rest.starts_with("in [") {
                        located(&rest[3..], " - ", read);
                    } else if !rest.is_empty() && !structure(rest, read, state) {
                        text_line(rest, read, state);
                    }
                    return true;
                }
            }
            line.starts_with("[FAIL] ")
        }
        b'I' if line.starts_with("In [") => {
            located(&line[3..], " at:", read);
            *state = State::Rest;
            true
        }
        b'T' => {
            if let Some(rest) = line.strip_prefix("Timed out after ")
                && let Some(dot) = rest.find("s.")
                && dot < 16
                && rest[..dot]
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
            {
                read.verb = Verb::TimedOut;
                *state = State::Text;
                after_dot(&rest[dot + 2..], read, state);
                return true;
            }
            if let Some(rest) = line
                .strip_prefix("The function passed to ")
                .or_else(|| line.strip_prefix("The matcher passed to "))
            {
                if let Some(at) = rest.find(" failed at ") {
                    let place = rest[at + 11..].trim_end_matches(" with:").trim();
                    read.helper = Site::parse(place);
                    *state = State::Text;
                } else {
                    read.compared = true;
                    *state = State::Error;
                }
                return true;
            }
            if line.starts_with("Told to stop trying after ") {
                read.verb = Verb::TimedOut;
                *state = State::Text;
                return true;
            }
            line.starts_with("There were additional failures")
                || line.starts_with("Test Suite Failed")
                || line.starts_with("Test Panicked")
                || line.starts_with("This is the Progress Report") && {
                    *state = State::Rest;
                    true
                }
        }
        b'F' => {
            if let Some(rest) = line.strip_prefix("Failed after ")
                && let Some(dot) = rest.find("s.")
                && dot < 16
            {
                read.verb = Verb::Changed;
                *state = State::Text;
                after_dot(&rest[dot + 2..], read, state);
                return true;
            }
            if line.starts_with("Full Stack Trace") {
                *state = State::Stack;
                return true;
            }
            false
        }
        b'E' => {
            if matches!(
                line,
                "Expected success, but got an error:" | "Expected error:"
            ) {
                if matches!(read.verb, Verb::Said) {
                    read.verb = Verb::UnexpectedError;
                }
                read.compared = true;
                *state = State::Error;
                return true;
            }
            if line == "Expected" {
                expected(read);
                *state = State::Values;
                return true;
            }
            if line.starts_with("Error matcher expects an error") {
                expected(read);
                read.expects("no error");
                *state = State::Values;
                return true;
            }
            if line.starts_with("Expected object to be comparable, diff:") {
                expected(read);
                read.expects("comparable");
                *state = State::Rest;
                return true;
            }
            if let Some(rest) = line.strip_prefix("Error Trace:") {
                read.at(Site::parse(rest));
                read.compared = true;
                *state = State::Text;
                return true;
            }
            if let Some(rest) = line.strip_prefix("Error:")
                && rest.starts_with([' ', '\t'])
            {
                let rest = rest.trim();
                match rest {
                    "Received unexpected error:" => *state = State::Error,
                    "Not equal:" => {
                        expected(read);
                        *state = State::Values;
                    }
                    _ => read.described(rest),
                }
                return true;
            }
            // pytest marks what it says with an E.
            if line.starts_with("E   ") || line.starts_with("E  \t") {
                if !read.compared {
                    read.desc.clear();
                }
                read.compared = true;
                let text = line[1..].trim();
                if read.errors.is_empty() {
                    read.erred(text);
                } else {
                    read.expects(text);
                }
                *state = State::Rest;
                return true;
            }
            false
        }
        b'U' if line == "Unexpected error:" => {
            if matches!(read.verb, Verb::Said) {
                read.verb = Verb::UnexpectedError;
            }
            read.compared = true;
            *state = State::Error;
            true
        }
        b'p' if line.starts_with("panic: ") => {
            read.verb = Verb::Panicked;
            read.erred(&line[7..]);
            *state = State::Stack;
            true
        }
        b'g' if line.starts_with("goroutine ") && line.ends_with("]:") => {
            *state = State::Stack;
            true
        }
        b'o' => line == "occurred",
        b'n' if line == "not to have occurred" => {
            *state = State::Text;
            true
        }
        b'n' if line.starts_with("not ok ") => {
            *state = State::Text;
            true
        }
        b'(' => bats_place(line, read),
        b'C' => {
            if let Some(rest) = line.strip_prefix("Caused by: ") {
                read.erred(rest);
                *state = State::Rest;
                return true;
            }
            false
        }
        b'a' => java_frame(line, read),
        b'-' | b'=' | b'.' => {
            line.starts_with("---") || line.starts_with("===") || line.starts_with("...")
        }
        _ => false,
    }
}

fn expected(read: &mut Read<'_>) {
    if read.verb == Verb::Said {
        read.verb = Verb::Expected;
    }
    read.compared = true;
}

fn after_dot<'a>(rest: &'a str, read: &mut Read<'a>, state: &mut State) {
    let rest = rest.trim();
    if !rest.is_empty() && !structure(rest, read, state) {
        text_line(rest, read, state);
    }
}

/// `[It] at: FILE:LINE @ STAMP`
fn located<'a>(text: &'a str, between: &str, read: &mut Read<'a>) {
    let Some(close) = text.find(']') else { return };
    read.phase = &text[1..close];
    let Some(rest) = text[close + 1..].strip_prefix(between) else {
        return;
    };
    let (place, stamp) = rest.split_once(" @ ").unwrap_or((rest, ""));
    if let Some(site) = Site::parse(place) {
        read.site = Some(site);
    }
    read.stamp = stamp.trim();
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
    } else {
        read.expects(trimmed);
    }
}

fn text_line<'a>(line: &'a str, read: &mut Read<'a>, state: &mut State) {
    let line = undated(line);
    if line.is_empty() || wrapper(line) {
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
            let text = text.strip_prefix('"').unwrap_or(text);
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

/// Without the clock that a log puts before its text.
fn undated(line: &str) -> &str {
    let bytes = line.as_bytes();
    // klog: `E0114 19:26:38.350] text`
    if bytes.len() > 20
        && matches!(bytes[0], b'I' | b'W' | b'E' | b'F')
        && bytes[1..5].iter().all(u8::is_ascii_digit)
    {
        return line.split_once("] ").map_or(line, |(_, rest)| rest);
    }
    // `Aug 17 17:08:48.006: text`, `Jan 23 08:55:25 host bash[1]: text`
    if bytes.len() > 16
        && bytes[3] == b' '
        && bytes[9] == b':'
        && bytes[4..6]
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b' ')
    {
        let rest = line.get(7..).unwrap_or_default();
        if let Some((head, text)) = rest.split_once(": ")
            && head.len() < 60
        {
            return text.strip_prefix("INFO: ").unwrap_or(text);
        }
    }
    line
}

/// What wraps a failure and is never its reason.
fn wrapper(line: &str) -> bool {
    const HEADS: [&str; 22] = [
        "•",
        "STEP",
        "INFO:",
        "exit status ",
        "Node Tests",
        "make: ***",
        "Summarizing ",
        "Gomega truncated",
        "Consider having",
        "Learn more here",
        "Ran ",
        "FAIL!",
        "FAIL\t",
        "ok  \t",
        "}",
        "to equal",
        "to be ",
        "Full Stack",
        "Messages:",
        "error running tests",
        "Error: process completed",
        "Process completed with exit code",
    ];
    HEADS.iter().any(|head| line.starts_with(head))
        || line.contains("run_remote.go")
        || line == "FAIL"
        || line == "Failure"
        || line == "Failed"
        || (line.starts_with("command terminated with exit code")
            || line.starts_with("Command failed with exit"))
}

/// `(in test file ./ctr.bats, line 429)`, `(from function `f' in file x, line 1,`
fn bats_place(line: &str, read: &mut Read<'_>) -> bool {
    let Some((head, rest)) = line.split_once("file ") else {
        return false;
    };
    let Some((file, rest)) = rest.split_once(", line ") else {
        return false;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut site = Site {
        file: inside(file.trim_start_matches("./")).to_owned(),
        function: String::new(),
        line: rest[..digits].parse().unwrap_or(0),
    };
    if let Some(function) = head
        .strip_prefix("(from function `")
        .and_then(|rest| rest.split('\'').next())
    {
        site.function = function.to_owned();
        read.helper = Some(site);
    } else {
        read.at(Some(site));
    }
    true
}

/// `at org.x.ThingTest.method(ThingTest.java:12)`
fn java_frame(line: &str, read: &mut Read<'_>) -> bool {
    let Some(rest) = line.strip_prefix("at ") else {
        return false;
    };
    let Some((function, place)) = rest.strip_suffix(')').and_then(|rest| rest.split_once('('))
    else {
        return false;
    };
    let foreign = [
        "org.junit",
        "java.",
        "jdk.",
        "sun.",
        "org.testng",
        "org.apache.maven",
        "org.assertj",
        "org.hamcrest",
    ]
    .iter()
    .any(|head| function.starts_with(head));
    if !foreign
        && read.site.is_none()
        && let Some(mut site) = Site::parse(place)
    {
        site.function = function.to_owned();
        read.site = Some(site);
    }
    true
}

/// `java.lang.AssertionError: text`, also Python's `ValueError: text` at the end of a traceback.
fn java_exception(line: &str) -> Option<&str> {
    let kind = line.split(':').next()?;
    let named = !kind.contains(' ')
        && kind.contains('.')
        && (kind.ends_with("Exception") || kind.ends_with("Error") || kind.ends_with("Failure"));
    named.then_some(line)
}

/// In a Go stack: the first function that belongs to neither the runtime nor a test library.
fn frame<'a>(line: &'a str, previous: &'a str, read: &mut Read<'a>) {
    let Some((place, _)) = line.split_once(" +0x").or(Some((line, ""))) else {
        return;
    };
    if !place.contains(".go:") || place.contains(' ') {
        return;
    }
    let function = previous.split('(').next().unwrap_or_default();
    let function = function.rsplit('/').next().unwrap_or_default();
    if [
        "runtime.",
        "testing.",
        "panic",
        "ginkgo",
        "gomega",
        "internal.",
    ]
    .iter()
    .any(|head| function.starts_with(head))
    {
        return;
    }
    let Some(mut site) = Site::parse(place) else {
        return;
    };
    if machinery(&site.file) {
        return;
    }
    match &mut read.site {
        None => {
            site.function = function.to_owned();
            read.site = Some(site);
        }
        Some(known) if known.function.is_empty() && known.file == site.file => {
            known.function = function.to_owned()
        }
        Some(_) => {}
    }
}
