//! The lines by which Ginkgo says that a spec or a suite-level node ended. Pure.

use crate::model::SpecOutcome;

/// What ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A spec; its name stands before or after this line.
    Spec,
    /// A suite-level node of this type.
    Node(String),
}

/// One such line.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultLine {
    /// What ended.
    pub subject: Subject,
    /// How. None is a pending spec, which nobody planned.
    pub outcome: Option<SpecOutcome>,
    /// Its run time.
    pub seconds: f64,
}

/// Nodes that belong to the whole suite.
const SUITE_NODES: [&str; 8] = [
    "BeforeSuite",
    "SynchronizedBeforeSuite",
    "AfterSuite",
    "SynchronizedAfterSuite",
    "ReportBeforeSuite",
    "ReportAfterSuite",
    "DeferCleanup (Suite)",
    "CleanupAfterSuite",
];

/// The suite-level node that a text begins with: `[BeforeSuite] …`.
pub fn suite_node(text: &str) -> Option<&'static str> {
    let (kind, _) = text.strip_prefix('[')?.split_once(']')?;
    SUITE_NODES.into_iter().find(|node| *node == kind)
}

/// Ginkgo's word for a state, in any case.
pub fn outcome(state: &str) -> Option<SpecOutcome> {
    Some(
        match state.trim_end_matches('!').to_ascii_lowercase().as_str() {
            "passed" => SpecOutcome::Passed,
            "failed" => SpecOutcome::Failed,
            "timedout" => SpecOutcome::TimedOut,
            "panicked" => SpecOutcome::Panicked,
            "interrupted" | "aborted" => SpecOutcome::Interrupted,
            "skipped" => SpecOutcome::Skipped,
            _ => return None,
        },
    )
}

/// Reads a line of Ginkgo 2.
pub fn read(line: &str) -> Option<ResultLine> {
    if matches!(line, "P [PENDING]") || line.strip_prefix("S").is_some_and(glued_pending) {
        return Some(ResultLine {
            subject: Subject::Spec,
            outcome: None,
            seconds: 0.0,
        });
    }
    let (head, seconds) = split_seconds(line)?;
    if let Some(node) = suite_node(head) {
        let state = head.get(node.len() + 2..)?.trim();
        let state = state
            .strip_prefix('[')
            .and_then(|state| state.strip_suffix(']'))
            .unwrap_or(state);
        return Some(ResultLine {
            subject: Subject::Node(node.to_owned()),
            outcome: Some(outcome(state)?),
            seconds,
        });
    }
    Some(ResultLine {
        subject: Subject::Spec,
        outcome: Some(spec_outcome(head)?),
        seconds,
    })
}

/// `SSSSP [PENDING]` without a line break between.
fn glued_pending(rest: &str) -> bool {
    rest.trim_start_matches('S') == "P [PENDING]"
}

/// What a line before its ` [1.234 seconds]` says. What a spec printed last, without a line break, may
/// stand before it.
fn spec_outcome(head: &str) -> Option<SpecOutcome> {
    if head.ends_with('•') {
        return Some(SpecOutcome::Passed);
    }
    let head = match head.rsplit_once(" DURING REPETITION #") {
        Some((head, number)) if number.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => head,
    };
    let (mark, state) = head.strip_suffix(']')?.rsplit_once(" [")?;
    let mark = mark.trim_end_matches('!');
    if mark.ends_with('↺') && state.starts_with("FLAKEY TEST - TOOK ") {
        return Some(SpecOutcome::Passed);
    }
    if mark.ends_with('•') {
        return outcome(state).filter(|outcome| outcome.is_failure());
    }
    // A letter alone is too common to be found in the middle of a line.
    (mark.bytes().all(|b| b == b'S') && state == "SKIPPED").then_some(SpecOutcome::Skipped)
}

/// Cuts ` [1.234 seconds]` off the end.
fn split_seconds(line: &str) -> Option<(&str, f64)> {
    let (head, number) = line.strip_suffix(" seconds]")?.rsplit_once(" [")?;
    let (whole, part) = number.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && part.len() == 3 && digits(part))
        .then(|| number.parse().ok())
        .flatten()
        .map(|seconds| (head, seconds))
}

/// Reads a line of Ginkgo 1, where a dot alone is a fast pass, and more dots and letters may follow.
pub fn read_v1(line: &str) -> Option<ResultLine> {
    let rest = line.strip_prefix('•')?;
    let seconds = rest
        .rsplit_once('[')
        .and_then(|(_, tail)| tail.trim_end().strip_suffix(" seconds]"))
        .and_then(|number| number.trim_start_matches("SLOW TEST:").parse().ok())
        .unwrap_or(0.0);
    let outcome = if rest.starts_with(" Failure") {
        SpecOutcome::Failed
    } else if rest.starts_with("! Panic") {
        SpecOutcome::Panicked
    } else if rest.starts_with("... Timeout") {
        SpecOutcome::TimedOut
    } else {
        SpecOutcome::Passed
    };
    Some(ResultLine {
        subject: Subject::Spec,
        outcome: Some(outcome),
        seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ginkgo_2() {
        use SpecOutcome::*;
        for (line, outcome) in [
            ("• [0.716 seconds]", Some(Some(Passed))),
            ("no newline here• [0.000 seconds]", Some(Some(Passed))),
            ("• [FAILED] [60.066 seconds]", Some(Some(Failed))),
            ("• [PANICKED] [0.000 seconds]", Some(Some(Panicked))),
            ("•! [PANICKED] [0.000 seconds]", Some(Some(Panicked))),
            ("• [TIMEDOUT] [3.000 seconds]", Some(Some(TimedOut))),
            ("• [INTERRUPTED] [3.000 seconds]", Some(Some(Interrupted))),
            (
                "• [FAILED] DURING REPETITION #2 [3.000 seconds]",
                Some(Some(Failed)),
            ),
            (
                "↺ [FLAKEY TEST - TOOK 2 ATTEMPTS TO PASS] [0.000 seconds]",
                Some(Some(Passed)),
            ),
            ("S [SKIPPED] [0.000 seconds]", Some(Some(Skipped))),
            ("P [PENDING]", Some(None)),
            ("SSSP [PENDING]", Some(None)),
            (
                "[SynchronizedBeforeSuite] PASSED [27.668 seconds]",
                Some(Some(Passed)),
            ),
            (
                "[SynchronizedBeforeSuite] [FAILED] [7.187 seconds]",
                Some(Some(Failed)),
            ),
            (
                "[ReportAfterSuite] PASSED [0.417 seconds]",
                Some(Some(Passed)),
            ),
            ("• [FAILED] not a result", None),
            ("• [0.716 second", None),
            ("• [0.7 seconds]", None),
            ("• [PASSED] [0.716 seconds]", None),
            ("it took [0.716 seconds]", None),
            ("• ", None),
            ("", None),
        ] {
            assert_eq!(read(line).map(|r| r.outcome), outcome, "{line}");
        }
    }

    #[test]
    fn lines_of_ginkgo_1() {
        use SpecOutcome::*;
        for (line, outcome, seconds) in [
            ("•SSSSI1120 04:49:33 x", Passed, 0.0),
            ("• [SLOW TEST:5.111 seconds]", Passed, 5.111),
            (
                "• Failure in Spec Setup (BeforeEach) [139.589 seconds]",
                Failed,
                139.589,
            ),
            ("•! Panic [1.000 seconds]", Panicked, 1.0),
            ("•... Timeout [1.000 seconds]", TimedOut, 1.0),
        ] {
            let result = read_v1(line).unwrap();
            assert_eq!(result.outcome, Some(outcome), "{line}");
            assert!((result.seconds - seconds).abs() < 1e-9, "{line}");
        }
    }
}
