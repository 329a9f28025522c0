//! Five cron fields: whether they say a time that ever comes.

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CronError {
    pub(super) at: usize,
    pub(super) message: String,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        low: 0,
        high: 59,
        names: &[],
    },
    Field {
        name: "hour",
        low: 0,
        high: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        low: 1,
        high: 31,
        names: &[],
    },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &MONTHS,
    },
    // 7 is Sunday too.
    Field {
        name: "day of week",
        low: 0,
        high: 7,
        names: &DAYS,
    },
];

/// The longest each month gets.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Whether `text` is a cron expression of five fields.
pub(super) fn check(text: &str) -> Result<(), CronError> {
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for word in text.split(|c: char| c.is_ascii_whitespace()) {
        if !word.is_empty() {
            words.push((at, word));
        }
        at += word.len() + 1;
    }
    if words.len() != FIELDS.len() {
        return Err(CronError {
            at: words.get(FIELDS.len()).map_or(0, |(at, _)| *at),
            message: format!("it has {} fields, not five", words.len()),
        });
    }
    let mut values = Vec::new();
    for (field, (at, word)) in FIELDS.iter().zip(&words) {
        values.push(field_values(field, *at, word)?);
    }
    let [_, _, days, months, _] = values.as_slice() else {
        return Ok(());
    };
    // With a day of week given, either day will do.
    let any_weekday = words.last().is_some_and(|(_, word)| word.starts_with('*'));
    let comes = months.iter().any(|month| {
        let length = LENGTHS.get(*month as usize - 1).copied().unwrap_or(31);
        days.iter().any(|day| *day <= length)
    });
    if any_weekday && !comes {
        return Err(CronError {
            at: words.get(2).map_or(0, |(at, _)| *at),
            message: "no month it names has that day, so it never comes".to_owned(),
        });
    }
    Ok(())
}

fn field_values(field: &Field, at: usize, word: &str) -> Result<Vec<u32>, CronError> {
    let mut out = Vec::new();
    let mut start = at;
    for part in word.split(',') {
        let fail = |message: String| CronError { at: start, message };
        let (range, step) = match part.split_once('/') {
            None => (part, 1),
            Some((range, step)) => match step.parse::<u32>() {
                Ok(step) if step > 0 => (range, step),
                _ => return Err(fail(format!("`{step}` is not a step"))),
            },
        };
        let number = |text: &str| {
            value(field, text).ok_or_else(|| {
                fail(format!(
                    "`{text}` is no {} ({} to {})",
                    field.name, field.low, field.high
                ))
            })
        };
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (field.low, field.high),
            Some((low, high)) => (number(low)?, number(high)?),
            None if part.contains('/') => (number(range)?, field.high),
            None => (number(range)?, number(range)?),
        };
        if low > high {
            return Err(fail(format!("`{range}` goes backwards")));
        }
        out.extend((low..=high).step_by(step as usize));
        start += part.len() + 1;
    }
    Ok(out)
}

fn value(field: &Field, text: &str) -> Option<u32> {
    if let Some(index) = field
        .names
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name))
    {
        return Some(index as u32 + field.low);
    }
    let digits =
        !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten()?;
    (field.low..=field.high).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cron_takes() {
        for text in [
            "0 2 * * *",
            "*/15 * * * *",
            "0 0,12 1-15/2 * mon-fri",
            "30 4 29 feb *",
            "0 0 31 2 1",
            "5/10 * * * 7",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_it_does_not() {
        for (text, at, part) in [
            ("", 0, "0 fields"),
            ("@daily", 0, "1 fields"),
            ("0 2 * * * *", 10, "6 fields"),
            ("60 2 * * *", 0, "minute"),
            ("0 24 * * *", 2, "hour"),
            ("0 0 0 * *", 4, "day of month"),
            ("0 0 1,x * *", 6, "`x`"),
            ("0 0 * 13 *", 6, "month"),
            ("*/0 * * * *", 0, "step"),
            ("0 5-3 * * *", 2, "backwards"),
            ("0 0 30 2 *", 4, "never"),
            ("0 0 31 4,6,9,11 *", 4, "never"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.message.contains(part), "{text}: {}", error.message);
            assert_eq!(error.at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[-0-9a-z*/, ]{0,30}") {
            let _ = check(&text);
        }
    }
}
