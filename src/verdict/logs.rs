//! The text of an attempt's files, line by line, whatever wrote it.
//!
//! The same message reaches us as a JSON journal entry, a short journal line, a serial console line with
//! colours, or a line that a Ginkgo report has indented. Rules are written against the message alone.

use std::{borrow::Cow, sync::LazyLock};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{Timestamp, civil, tz::TimeZone};
use regex::Regex;
use serde::Deserialize;

use crate::model::EvidenceLine;

/// Longer lines are shortened in evidence; the file has them whole.
const SHOWN: usize = 600;

/// One file of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Relative to the attempt's folder.
    pub name: Utf8PathBuf,
    /// Its text: parts in order, each with the number of its first line. More than one part means that
    /// the middle of a huge file was left out.
    pub parts: Vec<(u64, String)>,
}

impl Artifact {
    /// A whole file.
    #[must_use]
    pub fn new(name: impl Into<Utf8PathBuf>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parts: vec![(1, text.into())],
        }
    }

    /// Its lines.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        self.parts.iter().flat_map(|(first, text)| {
            // Counted from the front, so that the numbers hold when the iterator is read backwards.
            let lines: Vec<&str> = text.lines().collect();
            lines.into_iter().enumerate().map(move |(index, raw)| Line {
                number: first + index as u64,
                raw,
            })
        })
    }

    /// Its file name, without folders.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.name.file_name().unwrap_or(self.name.as_str())
    }
}

/// The files of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts(Vec<Artifact>);

impl Artifacts {
    /// These files.
    #[must_use]
    pub fn new(mut files: Vec<Artifact>) -> Self {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Self(files)
    }

    /// Files given as (relative name, content).
    #[must_use]
    pub fn from_pairs<N: Into<Utf8PathBuf>, T: Into<String>>(
        pairs: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        Self::new(
            pairs
                .into_iter()
                .map(|(n, t)| Artifact::new(n, t))
                .collect(),
        )
    }

    /// All files, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Artifact> {
        self.0.iter()
    }

    /// The first file whose file name is `name`, in whatever folder.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Artifact> {
        self.0.iter().find(|file| file.file_name() == name)
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: u64,
    /// As the file has it.
    pub raw: &'a str,
}

/// The message of a line, and who said it where the line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// The syslog identifier, such as `kernel` or `containerd`.
    pub by: Option<Cow<'a, str>>,
    /// The message without prefixes, colours and indentation.
    pub message: Cow<'a, str>,
}

#[derive(Deserialize)]
struct JournalEntry {
    #[serde(rename = "MESSAGE", default)]
    message: serde_json::Value,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    by: Option<String>,
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    at: Option<String>,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}

pattern!(
    SHORT,
    r"^(?:[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\S+) \S+ (?P<by>[^\s\[\]:]+)(?:\[\d+\])?: "
);
pattern!(KERNEL, r"^\[ *\d+\.\d+\] (?:(?P<by>[a-z-]+)\[\d+\]: )?");
pattern!(COLOUR, r"\x1b(?:\[[0-9;:?!]*[A-Za-z]|\][^\x07\x1b]*\x07?)");
pattern!(KLOG, r"^[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)");
pattern!(LOGRUS, r#"time="(\d{4}-\d\d-\d\dT[0-9:.]+Z)""#);
pattern!(MONTH, r"^([A-Z][a-z]{2}) ([ 0-9]\d) (\d\d):(\d\d):(\d\d)");

impl<'a> Line<'a> {
    /// Its message.
    #[must_use]
    pub fn said(self) -> Said<'a> {
        if self.raw.starts_with('{')
            && let Ok(entry) = serde_json::from_str::<JournalEntry>(self.raw)
            && let Some(message) = text_of(&entry.message)
        {
            let message = plain(&message).trim().to_owned();
            return Said {
                by: entry.by.map(Cow::Owned),
                message: Cow::Owned(message),
            };
        }
        let text = plain(self.raw);
        let (by, start) = prefix(&text);
        match text {
            Cow::Borrowed(text) => Said {
                by: by.map(|range| Cow::Borrowed(&text[range])),
                message: Cow::Borrowed(text[start..].trim()),
            },
            Cow::Owned(text) => Said {
                by: by.map(|range| Cow::Owned(text[range].to_owned())),
                message: Cow::Owned(text[start..].trim().to_owned()),
            },
        }
    }

    /// When it was written, for lines that tell; `year` is for those that leave it out. Node clocks run in UTC.
    #[must_use]
    pub fn at(self, year: i16) -> Option<Timestamp> {
        if self.raw.starts_with('{') {
            let entry: JournalEntry = serde_json::from_str(self.raw).ok()?;
            return Timestamp::from_microsecond(entry.at?.parse().ok()?).ok();
        }
        let raw = self.raw.trim_start();
        if let Some(found) = KLOG.as_ref().and_then(|re| re.captures(raw)) {
            let part = |n: usize| found[n].parse::<i8>().ok();
            return utc(year, part(1)?, part(2)?, part(3)?, part(4)?, part(5)?);
        }
        if let Some(found) = LOGRUS.as_ref().and_then(|re| re.captures(raw)) {
            return found[1].parse().ok();
        }
        let found = MONTH.as_ref()?.captures(raw)?;
        let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&found[1])? / 3 + 1;
        let part = |n: usize| found[n].trim().parse::<i8>().ok();
        utc(
            year,
            i8::try_from(month).ok()?,
            part(2)?,
            part(3)?,
            part(4)?,
            part(5)?,
        )
    }

    /// It as evidence: the message for journal entries, the trimmed line for everything else.
    #[must_use]
    pub fn evidence(self, file: &Utf8Path) -> EvidenceLine {
        let text = if self.raw.starts_with('{') {
            self.said().message.into_owned()
        } else {
            plain(self.raw).trim().to_owned()
        };
        EvidenceLine {
            file: file.to_owned(),
            line: self.number,
            text: shorten(&text, SHOWN),
        }
    }
}

/// `text` cut to at most `most` characters, with an ellipsis where something is gone.
#[must_use]
pub(super) fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}

fn utc(year: i16, month: i8, day: i8, hour: i8, minute: i8, second: i8) -> Option<Timestamp> {
    let civil = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// journald writes messages that are not UTF-8 as arrays of bytes.
fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    }
}

fn plain(raw: &str) -> Cow<'_, str> {
    match COLOUR.as_ref() {
        Some(colour) if raw.contains(['\x1b', '\r']) => {
            Cow::Owned(colour.replace_all(raw, "").replace('\r', ""))
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Where the identifier is, and where the message starts.
fn prefix(text: &str) -> (Option<std::ops::Range<usize>>, usize) {
    let first = text.as_bytes().first();
    let pattern = match first {
        Some(b'[') => &KERNEL,
        Some(byte) if byte.is_ascii_uppercase() || byte.is_ascii_digit() => &SHORT,
        _ => return (None, 0),
    };
    let Some(found) = pattern.as_ref().and_then(|re| re.captures(text)) else {
        return (None, 0);
    };
    let end = found.get(0).map_or(0, |whole| whole.end());
    (found.name("by").map(|by| by.range()), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(raw: &str) -> (Option<String>, String) {
        let said = Line { number: 1, raw }.said();
        (said.by.map(Cow::into_owned), said.message.into_owned())
    }

    #[test]
    fn one_message_in_many_coats() {
        let plain = "Kernel panic - not syncing: sysrq triggered crash";
        let coats = [
            format!("[   41.002000] {plain}"),
            format!("Nov 20 11:06:33 node1 kernel: {plain}"),
            format!(r#"{{"SYSLOG_IDENTIFIER":"kernel","MESSAGE":"{plain}"}}"#),
            format!("   {plain}"),
            format!("\x1b[0;1;31m{plain}\x1b[0m\r"),
        ];
        for coat in coats {
            assert_eq!(said(&coat).1, plain, "{coat}");
        }
        assert_eq!(
            said("Nov 20 11:06:33 node1 containerd[654]: x").0.unwrap(),
            "containerd"
        );
        assert_eq!(
            said("2026-11-20T11:06:33.1+0000 node1 systemd[1]: x")
                .0
                .unwrap(),
            "systemd"
        );
        assert_eq!(
            said(r#"{"MESSAGE":[104,105],"SYSLOG_IDENTIFIER":"x"}"#).1,
            "hi"
        );
        assert_eq!(said("{not json").1, "{not json");
    }

    #[test]
    fn times_of_every_log() {
        let at = |raw| Line { number: 1, raw }.at(2026).unwrap().to_string();
        assert_eq!(
            at("E1120 12:03:02.710098     873 x.go:1] y"),
            "2026-11-20T12:03:02Z"
        );
        assert_eq!(
            at("  I1120 12:03:02.710098     873 x.go:1] y"),
            "2026-11-20T12:03:02Z"
        );
        assert_eq!(
            at("Nov  2 12:03:02 node1 systemd[1]: y"),
            "2026-11-02T12:03:02Z"
        );
        assert_eq!(
            at(r#"{"__REALTIME_TIMESTAMP":"1795176182000000","MESSAGE":"y"}"#),
            "2026-11-20T12:03:02Z"
        );
        assert!(
            Line {
                number: 1,
                raw: "no time"
            }
            .at(2026)
            .is_none()
        );
    }

    #[test]
    fn line_numbers_hold_across_a_gap() {
        let file = Artifact {
            name: "big.log".into(),
            parts: vec![(1, "a\nb\n".into()), (900, "y\nz".into())],
        };
        let numbers: Vec<u64> = file.lines().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 2, 900, 901]);
        assert_eq!(file.lines().next_back().unwrap().raw, "z");
    }

    proptest::proptest! {
        #[test]
        fn any_line_can_be_read(raw in r#"(\{"MESSAGE":|\[ *[0-9.]*\] |Nov 20 11:06:33 é |E1399 99:99:99|\x1b\[)?\PC{0,40}"#) {
            let line = Line { number: 1, raw: &raw };
            proptest::prop_assert!(line.said().message.len() <= raw.len());
            let _ = line.at(2026);
            proptest::prop_assert_eq!(line.evidence(Utf8Path::new("x")).line, 1);
        }
    }

    #[test]
    fn shortening_keeps_characters_whole() {
        assert_eq!(shorten("äöü", 2), "äö…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }
}
