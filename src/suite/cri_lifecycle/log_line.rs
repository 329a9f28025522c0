//! A container's log as CRI writes it: `TIME STREAM TAG TEXT`, where tag P means that the line goes on. Pure.

use jiff::Timestamp;

/// One line as the container wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Its text, put together from its parts.
    pub text: String,
}

/// Reads a whole log.
///
/// # Errors
/// With the first line that is not as CRI wants it.
pub fn read(log: &str) -> Result<Vec<LogLine>, String> {
    let mut lines: Vec<LogLine> = Vec::new();
    let mut open: Vec<LogLine> = Vec::new();
    for line in log.lines() {
        let wrong = |why: &str| Err(format!("the log line `{}` {why}", shortened(line)));
        let mut parts = line.splitn(4, ' ');
        let (Some(time), Some(stream), Some(tag)) = (parts.next(), parts.next(), parts.next())
        else {
            return wrong("has no time, stream and tag");
        };
        let text = parts.next().unwrap_or_default();
        if time.parse::<Timestamp>().is_err() {
            return wrong("does not begin with a time");
        }
        if !matches!(stream, "stdout" | "stderr") {
            return wrong("is of no stream");
        }
        let mut whole = match open.iter().position(|part| part.stream == stream) {
            Some(at) => open.swap_remove(at),
            None => LogLine {
                stream: stream.to_owned(),
                text: String::new(),
            },
        };
        whole.text.push_str(text);
        match tag.split(':').next() {
            Some("F") => lines.push(whole),
            Some("P") => open.push(whole),
            _ => return wrong("has a tag that is neither F nor P"),
        }
    }
    Ok(lines)
}

fn shortened(line: &str) -> String {
    line.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_lines_and_streams_stay_apart() {
        let log = "2026-11-20T12:00:00.000000001Z stdout P one \n\
                   2026-11-20T12:00:00.1Z stderr F other\n\
                   2026-11-20T12:00:00.2Z stdout F two\n\
                   2026-11-20T12:00:00.3+01:00 stdout F \n";
        let lines = read(log).unwrap();
        let said: Vec<(&str, &str)> = (lines.iter())
            .map(|line| (line.stream.as_str(), line.text.as_str()))
            .collect();
        assert_eq!(
            said,
            [("stderr", "other"), ("stdout", "one two"), ("stdout", "")]
        );
    }

    #[test]
    fn what_is_no_log_is_named() {
        for (log, why) in [
            ("hello", "no time, stream and tag"),
            ("now stdout F x", "does not begin with a time"),
            ("2026-11-20T12:00:00Z stdin F x", "is of no stream"),
            ("2026-11-20T12:00:00Z stdout X x", "neither F nor P"),
        ] {
            let error = read(log).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
