//! Lines that a framework writes and that mean the same wherever they stand.

use super::{
    Verb,
    dialect::{bats_place, java_frame},
    lines::{Read, State, text_line},
    site::Site,
};

/// Lines of a framework that mean the same in every state. False if it is none.
pub(super) fn structure<'a>(line: &'a str, read: &mut Read<'a>, state: &mut State) -> bool {
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
            line.starts_with("[FAIL] ") || line.starts_with("[Fail] ")
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
        b'i' if line.starts_with("in test file ") => bats_place(line, read),
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

pub(super) fn expected(read: &mut Read<'_>) {
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
