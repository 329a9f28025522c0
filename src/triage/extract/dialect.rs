//! Lines of particular frameworks and logs: bats, Java, Go stacks, clocks before a text, wrappers.

use super::{
    lines::Read,
    site::{Site, inside, machinery},
};

/// Without the clock that a log puts before its text.
pub(super) fn undated(line: &str) -> &str {
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

/// A line of a component's own log: it went by, nobody failed with it.
pub(super) fn logged(line: &str) -> bool {
    let bytes = line.as_bytes();
    line.starts_with("\"level\"=")
        || line.starts_with("{\"level\"")
        || bytes.len() > 20
            && bytes[..4].iter().all(u8::is_ascii_digit)
            && bytes[4] == b'-'
            && matches!(bytes[10], b'T' | b' ')
            && bytes[13] == b':'
}

/// What wraps a failure and is never its reason.
pub(super) fn wrapper(line: &str) -> bool {
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
pub(super) fn bats_place(line: &str, read: &mut Read<'_>) -> bool {
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
pub(super) fn java_frame(line: &str, read: &mut Read<'_>) -> bool {
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
pub(super) fn java_exception(line: &str) -> Option<&str> {
    let kind = line.split(':').next()?;
    let named = !kind.contains(' ')
        && kind.contains('.')
        && (kind.ends_with("Exception") || kind.ends_with("Error") || kind.ends_with("Failure"));
    named.then_some(line)
}

/// In a Go stack: the first function that belongs to neither the runtime nor a test library.
pub(super) fn frame<'a>(line: &'a str, previous: &'a str, read: &mut Read<'a>) {
    let Some((place, _)) = line.split_once(" +0x").or(Some((line, ""))) else {
        return;
    };
    if !place.contains(".go:") || place.contains(' ') {
        return;
    }
    let function = previous
        .rsplit_once('(')
        .map_or(previous, |(function, _)| function);
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
