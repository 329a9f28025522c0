//! The last words of a sandboxer that was called directly. Pure.

use super::CANARY_FILE;
use crate::model::EvidenceLine;

/// What a direct call said before it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// `create` or `start`.
    pub step: String,
    /// `exit status 1`.
    pub status: String,
    /// The reason, as far down as the runtime told it.
    pub words: String,
    /// The line it is from.
    pub line: EvidenceLine,
}

/// What a direct call said, from the lines of [`super::direct_script`] in `canary.log`. Absent when every step worked.
#[must_use]
pub fn last_words<'a>(text: &'a str) -> Option<LastWords> {
    let lines: Vec<&str> = text.lines().collect();
    let (step, status) = lines.iter().find_map(|line| {
        let (step, status) = line.strip_prefix("direct ")?.split_once(": ")?;
        let failed = ["create", "start"].contains(&step) && status != "exit status 0";
        failed.then_some((step, status))
    })?;
    let said = |kind: &str| -> Vec<(usize, &'a str)> {
        let prefix = format!("direct {step} {kind}: ");
        let of_kind = |(at, line): (usize, &&'a str)| Some((at, line.strip_prefix(&prefix)?));
        lines.iter().enumerate().filter_map(of_kind).collect()
    };
    let (log, errors) = (said("log"), said("stderr"));
    let (at, words) = caused_by(&errors)
        .or_else(|| logged(&log))
        .or_else(|| logged(&errors))
        .or_else(|| plain(&errors))
        .or_else(|| plain(&said("stdout")))
        .unwrap_or_else(|| {
            let at = lines
                .iter()
                .position(|line| line.starts_with(&format!("direct {step}: ")));
            (at.unwrap_or_default(), "it said nothing".to_owned())
        });
    Some(LastWords {
        step: step.to_owned(),
        status: status.to_owned(),
        words,
        line: EvidenceLine {
            file: CANARY_FILE.into(),
            line: at as u64 + 1,
            text: lines[at].to_owned(),
        },
    })
}

/// The innermost of the reasons that a Rust program lists under `Caused by:`.
fn caused_by(errors: &[(usize, &str)]) -> Option<(usize, String)> {
    let start = errors
        .iter()
        .position(|(_, line)| line.trim() == "Caused by:")?;
    let reasons = errors[start + 1..]
        .iter()
        .take_while(|(_, line)| line.starts_with("    "));
    let (at, words) = reasons.last()?;
    let words = words.trim();
    // Several are numbered from 0.
    let bare = match words.split_once(": ") {
        Some((number, rest)) if number.parse::<u8>().is_ok() => rest.trim(),
        _ => words,
    };
    Some((*at, bare.to_owned()))
}

/// The message of the last line that says of itself that it is an error: JSON, or `level=error msg="…"`.
fn logged(lines: &[(usize, &str)]) -> Option<(usize, String)> {
    lines.iter().rev().find_map(|(at, line)| {
        let words = json_error(line).or_else(|| keyed_error(line))?;
        Some((*at, words))
    })
}

fn json_error(line: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_str(line.trim()).ok()?;
    let level = entry["level"].as_str()?.to_lowercase();
    if !["error", "fatal", "panic"].contains(&level.as_str()) {
        return None;
    }
    let fields = &entry["fields"];
    let message = [&entry["msg"], &fields["message"], &entry["message"]]
        .into_iter()
        .find_map(|words| words.as_str())?;
    // tracing keeps the reason beside the message.
    let reason = [&fields["err"], &fields["error"]]
        .into_iter()
        .find_map(|words| words.as_str());
    Some(reason.map_or_else(
        || message.to_owned(),
        |reason| format!("{message}: {reason}"),
    ))
}

fn keyed_error(line: &str) -> Option<String> {
    if !line.contains("level=error") && !line.contains("level=fatal") {
        return None;
    }
    let (_, rest) = line.split_once("msg=")?;
    let words = match rest.strip_prefix('"') {
        Some(quoted) => quoted.rsplit_once('"').map_or(quoted, |(words, _)| words),
        None => rest.split(' ').next().unwrap_or_default(),
    };
    Some(words.replace("\\\"", "\""))
}

/// The last line that says anything.
fn plain(lines: &[(usize, &str)]) -> Option<(usize, String)> {
    let (at, words) = lines
        .iter()
        .rev()
        .find(|(_, line)| !line.trim().is_empty())?;
    Some((*at, words.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (u64, String) {
        let words = last_words(text).unwrap();
        (
            words.line.line,
            format!("{} {}: {}", words.step, words.status, words.words),
        )
    }

    #[test]
    fn the_innermost_reason_of_a_rust_program() {
        let text = "journal x\n\
            direct create log: {\"level\":\"ERROR\",\"fields\":{\"message\":\"failed\",\"err\":\"outer\"}}\n\
            direct create stderr: Error: failed to create container\n\
            direct create stderr: \n\
            direct create stderr: Caused by:\n\
            direct create stderr:     0: cannot make the cgroup manager\n\
            direct create stderr:     1: v2 cgroup feature is required, but was not enabled during compile time\n\
            direct create: exit status 1\n";
        let words = "create exit status 1: v2 cgroup feature is required, but was not enabled during compile time";
        assert_eq!(said(text), (7, words.to_owned()));
        let one = text.replace(
            "    0: cannot make the cgroup manager\n",
            "    one: reason\n",
        );
        let one = one.replace(
            "direct create stderr:     1: v2",
            "direct create stderr: 1: v2",
        );
        assert_eq!(
            said(&one),
            (6, "create exit status 1: one: reason".to_owned())
        );
    }

    #[test]
    fn logs_in_json_and_in_keys() {
        let json = "direct create log: {\"level\":\"error\",\"msg\":\"runc create failed: no such thing\",\"time\":\"x\"}\n\
            direct create stderr: time=\"x\" level=error msg=\"other\"\ndirect create: exit status 1\n";
        assert_eq!(
            said(json),
            (
                1,
                "create exit status 1: runc create failed: no such thing".to_owned()
            )
        );
        let keys = "direct create stderr: time=\"x\" level=error msg=\"cannot \\\"run\\\" it\"\ndirect create: exit status 2\n";
        assert_eq!(
            said(keys),
            (1, "create exit status 2: cannot \"run\" it".to_owned())
        );
        let tracing = "direct start log: {\"level\":\"ERROR\",\"fields\":{\"message\":\"failed\",\"err\":\"EPERM\"}}\ndirect create: exit status 0\ndirect start: exit status 255\n";
        assert_eq!(
            said(tracing),
            (1, "start exit status 255: failed: EPERM".to_owned())
        );
    }

    #[test]
    fn plain_words_and_none_at_all() {
        let plain = "direct create stderr: first\ndirect create stderr: the last\ndirect create: exit status 1\n";
        assert_eq!(
            said(plain),
            (2, "create exit status 1: the last".to_owned())
        );
        assert_eq!(
            said("direct create: exit status 1\n"),
            (1, "create exit status 1: it said nothing".to_owned())
        );
        assert_eq!(
            last_words("direct exec: /usr/bin/crun is not there\n"),
            None
        );
        assert_eq!(
            last_words("direct create: exit status 0\ndirect start: exit status 0\n"),
            None
        );
        assert_eq!(last_words("journal all is well\n"), None);
    }
}
