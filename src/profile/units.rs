//! Sizes and durations as people write them.

use std::time::Duration;

/// Binary units, largest first.
const SIZES: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Units of time in nanoseconds, largest first; those of Go.
const TIMES: [(&str, u64); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// A year: nothing here takes longer.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Why a text is not a size or a duration: what is wrong, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct UnitError {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: String,
}

fn wrong<T>(message: String, hint: impl Into<String>) -> Result<T, UnitError> {
    Err(UnitError {
        message,
        hint: hint.into(),
    })
}

/// A size such as `4GiB`, in bytes.
///
/// # Errors
/// If it is not a whole number above 0 with one of the units KiB, MiB, GiB, TiB.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    if number.is_empty() {
        return wrong(
            format!("`{text}` is not a size"),
            "write a whole number and a unit, such as \"4GiB\"",
        );
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let letter = unit.chars().next().map(|c| c.to_ascii_uppercase());
        let meant = SIZES
            .iter()
            .find(|(name, _)| letter.is_some() && name.chars().next() == letter);
        return match meant {
            Some((name, _)) => wrong(
                format!("`{unit}` is not a unit of size"),
                format!("units are powers of 1024: write \"{number}{name}\""),
            ),
            None => wrong(
                format!("`{text}` has no unit that is known"),
                format!("units are KiB, MiB, GiB, TiB: write \"{number}GiB\", for example"),
            ),
        };
    };
    match number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(*factor))
    {
        None => wrong(
            format!("`{text}` is too large"),
            "sizes end below 2^64 bytes",
        ),
        Some(0) => wrong(format!("`{text}` is nothing"), "write a size above 0"),
        Some(bytes) => Ok(bytes),
    }
}

/// A size as [`parse_size`] reads it.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    match SIZES
        .iter()
        .find(|(_, factor)| bytes.is_multiple_of(*factor))
    {
        Some((unit, factor)) if bytes > 0 => format!("{}{unit}", bytes / factor),
        _ => format!("{bytes} bytes"),
    }
}

/// A duration such as `60m`, `2h 30m` or Go's `1h30m0s`.
///
/// # Errors
/// If it is not numbers with units, or is 0.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let duration = read_duration(text)?;
    if duration.is_zero() {
        return wrong(
            format!("`{text}` is no time at all"),
            "write a duration above 0, such as \"60m\"",
        );
    }
    Ok(duration)
}

/// A duration in Go's way, where `0` stands for "no limit".
pub(super) fn parse_go_duration(text: &str) -> Result<Option<Duration>, UnitError> {
    if text == "0" {
        return Ok(None);
    }
    read_duration(text).map(|duration| (!duration.is_zero()).then_some(duration))
}

fn read_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return wrong(
            "an empty text is not a duration".to_owned(),
            "write \"60m\" or \"2h 30m\"",
        );
    }
    while !rest.is_empty() {
        let end =
            |text: &str, part: fn(char) -> bool| text.find(|c| !part(c)).unwrap_or(text.len());
        let (number, tail) = rest.split_at(end(rest, |c| c.is_ascii_digit() || c == '.'));
        let tail = tail.trim_start();
        let (unit, tail) = tail.split_at(end(tail, char::is_alphabetic));
        if !number.starts_with(|c: char| c.is_ascii_digit()) || number.matches('.').count() > 1 {
            return wrong(
                format!("`{text}` is not a duration"),
                "write \"60m\" or \"2h 30m\"",
            );
        }
        let Some((_, factor)) = TIMES.iter().find(|(name, _)| *name == unit) else {
            return wrong(
                match unit {
                    "" => format!("`{text}` has no unit"),
                    _ => format!("`{unit}` is not a unit of time"),
                },
                format!("units are h, m, s, ms: write \"{number}m\" for minutes"),
            );
        };
        if *factor >= smallest {
            return wrong(
                format!("`{text}` is out of order"),
                "write the larger unit first, each once: \"2h 30m\"",
            );
        }
        smallest = *factor;
        sum += match amount(number, *factor).filter(|part| *part <= LONGEST) {
            Some(part) => part,
            None => {
                return wrong(
                    format!("`{text}` is more than a year"),
                    "write a shorter one",
                );
            }
        };
        rest = tail.trim_start();
    }
    Ok(sum)
}

/// `1.5` of a unit that is `factor` nanoseconds long. Exact, which floating point would not be.
fn amount(number: &str, factor: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut nanoseconds = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    let mut part = factor;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        nanoseconds = nanoseconds.checked_add(u64::from(digit) * (part / 10))?;
        part /= 10;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// A duration as [`parse_duration`] reads it, to the millisecond.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() {
        parts.push("0s".to_owned());
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("60m", 3600.0),
            ("2h 30m", 9000.0),
            ("2h30m", 9000.0),
            ("1h30m0s", 5400.0),
            ("1.5h", 5400.0),
            ("90 s", 90.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(
                parse_duration(text).unwrap().as_secs_f64(),
                seconds,
                "{text}"
            );
        }
        for text in [
            "", "60", "m", "1d", "30m 2h", "1m 1m", "-5m", "0s", "1..5h", "9999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_go_duration("0"), Ok(None));
        assert_eq!(parse_go_duration("0s"), Ok(None));
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("4GiB"), Ok(4 << 30));
        assert_eq!(parse_size("512 MiB"), Ok(512 << 20));
        for (text, hint) in [
            ("4GB", "write \"4GiB\""),
            ("4g", "write \"4GiB\""),
            ("4", "write \"4GiB\""),
            ("GiB", "such as \"4GiB\""),
            ("1.5GiB", "KiB, MiB, GiB, TiB"),
            ("0GiB", "above 0"),
            ("99999999TiB", "2^64"),
        ] {
            let error = parse_size(text).unwrap_err();
            assert!(error.hint.contains(hint), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes in 1u64..u64::MAX / 1024, milliseconds in 1u64..31_000_000_000) {
            let bytes = bytes * 1024;
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = (parse_size(&text), parse_duration(&text));
        }
    }
}
