//! The time in which a failed test ran.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use regex::Regex;

use super::Failure;

/// Clocks of suite, kubelet and runtime are one clock, read at different moments.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// Ginkgo says behind each step when it was: `@ 03/02/26 09:41:30.5`.
static STEP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"@ (\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)").ok());

/// From when to when, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Window {
    /// The failure's own times, else those that it tells in its text.
    #[must_use]
    pub fn of(failure: &Failure, told: &str) -> Self {
        let mut steps: Vec<Timestamp> = [failure.output.as_str(), told, failure.message.as_str()]
            .into_iter()
            .flat_map(steps)
            .collect();
        steps.sort();
        let from = failure.began.or_else(|| steps.first().copied());
        // A job's end is no test's end: a later time than the text's own says nothing.
        let to = match failure.began {
            Some(_) => failure.at,
            None => steps.last().copied(),
        };
        Self { from, to }
    }

    /// Whether both ends are known.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.from.is_some() && self.to.is_some()
    }

    /// Whether a moment is in it. What is not known does not exclude.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from - SLACK) && self.to.is_none_or(|to| at <= to + SLACK)
    }

    /// Its beginning.
    #[must_use]
    pub const fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// Its end.
    #[must_use]
    pub const fn to(&self) -> Option<Timestamp> {
        self.to
    }

    /// A moment in it.
    #[must_use]
    pub fn any(&self) -> Option<Timestamp> {
        self.from.or(self.to)
    }
}

fn steps(text: &str) -> Vec<Timestamp> {
    if !text.contains("@ ") {
        return Vec::new();
    }
    let found = STEP
        .as_ref()
        .into_iter()
        .flat_map(|re| re.captures_iter(text));
    found
        .filter_map(|step| {
            let part = |n: usize| step[n].parse::<i8>().ok();
            let year = 2000 + i16::from(part(3)?);
            let (month, day) = (part(1)?, part(2)?);
            let (hour, minute, second) = (part(4)?, part(5)?, part(6)?);
            let civil = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
            Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })
        .collect()
}
