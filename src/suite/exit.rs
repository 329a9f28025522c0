//! How a suite's process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `exit.json`, as the guest writes it: one line, a status or a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteExit {
    /// The exit status; absent when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether it ran into its own limit in the guest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// How long it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// The line is not an exit status.
#[derive(Debug, thiserror::Error)]
#[error("`{line}` says neither `status` nor `signal`; the guest's runner writes one of them")]
pub struct ExitError {
    line: String,
}

/// What an exit status means for a Ginkgo suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// 0: the suite says that all specs it ran passed.
    Passed,
    /// 1: the suite says that something failed.
    Failed,
    /// 2: the Go program panicked or refused its flags.
    Crashed,
    /// 197: passed, but the code holds a programmatic focus, so most specs were left out.
    Focused,
    /// It ran into its limit and was ended.
    TimedOut,
    /// A signal ended it.
    Killed(i32),
    /// Any other status.
    Other(i32),
    /// Nothing said how it ended.
    Unknown,
}

impl SuiteExit {
    /// Reads what the guest wrote.
    ///
    /// # Errors
    /// When it is no such line.
    pub fn parse(text: &str) -> Result<Self, ExitError> {
        let line = text.trim();
        match serde_json::from_str::<Self>(line) {
            Ok(exit) if exit.status.is_some() || exit.signal.is_some() => Ok(exit),
            _ => Err(ExitError {
                line: line.chars().take(200).collect(),
            }),
        }
    }

    /// What it means.
    #[must_use]
    pub const fn class(&self) -> ExitClass {
        match (self.timed_out, self.signal, self.status) {
            (true, _, _) | (_, None, Some(124)) => ExitClass::TimedOut,
            (_, Some(signal), _) => ExitClass::Killed(signal),
            (_, None, Some(0)) => ExitClass::Passed,
            (_, None, Some(1)) => ExitClass::Failed,
            (_, None, Some(2)) => ExitClass::Crashed,
            (_, None, Some(197)) => ExitClass::Focused,
            (_, None, Some(status)) if status > 128 && status < 160 => {
                ExitClass::Killed(status - 128)
            }
            (_, None, Some(status)) => ExitClass::Other(status),
            (_, None, None) => ExitClass::Unknown,
        }
    }
}

impl fmt::Display for ExitClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("exit status 0"),
            Self::Failed => f.write_str("exit status 1"),
            Self::Crashed => f.write_str("exit status 2, a crash"),
            Self::Focused => f.write_str("exit status 197, a programmatic focus"),
            Self::TimedOut => f.write_str("ended at its time limit"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::Other(status) => write!(f, "exit status {status}"),
            Self::Unknown => f.write_str("no exit status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_class() {
        for (line, class) in [
            (r#"{"status":0,"seconds":310}"#, ExitClass::Passed),
            (r#"{"status":1}"#, ExitClass::Failed),
            (r#"{"status":2}"#, ExitClass::Crashed),
            (r#"{"status":197}"#, ExitClass::Focused),
            (r#"{"status":124,"timed_out":true}"#, ExitClass::TimedOut),
            (r#"{"status":124}"#, ExitClass::TimedOut),
            (r#"{"signal":9,"timed_out":true}"#, ExitClass::TimedOut),
            (r#"{"signal":9}"#, ExitClass::Killed(9)),
            (r#"{"status":137}"#, ExitClass::Killed(9)),
            (r#"{"status":77}"#, ExitClass::Other(77)),
        ] {
            assert_eq!(SuiteExit::parse(line).unwrap().class(), class, "{line}");
        }
    }

    #[test]
    fn a_torn_line_is_refused() {
        for line in ["", "{", r#"{"sta"#, "{}", "0", r#"{"seconds":3}"#] {
            assert!(SuiteExit::parse(line).is_err(), "{line}");
        }
    }
}
