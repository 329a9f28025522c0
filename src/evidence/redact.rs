//! Redaction of secrets in everything that is written.
//!
//! Line by line, so that line numbers of evidence stay right; doing it twice changes nothing.

use std::{
    borrow::Cow,
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    sync::LazyLock,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use regex::{Regex, RegexSet};

const MARK: &str = "[redacted]";
/// A shorter value would take harmless words with it.
const SHORTEST: usize = 6;
/// A private key that has no end within so many lines was cut off.
const KEY_LINES: u32 = 200;

/// A file could not be redacted. It must not be published as it is.
#[derive(Debug, thiserror::Error)]
#[error("cannot redact {file}: {source}; do not publish it")]
pub struct RedactError {
    file: Utf8PathBuf,
    source: io::Error,
}

/// What is recognised, and what takes its place. Group 1, where there is one, stays.
const RULES: [(&str, &str); 11] = [
    // Flags: --bearer-token=…, --password …
    (
        r#"(?i)(--?[a-z0-9_.-]*(?:token|password|passwd|secret|api-?key)=["']?)[^\s"'&<>\\\[\],;]+"#,
        "${1}[redacted]",
    ),
    (
        r"(?i)(--[a-z0-9_.-]*(?:token|password|passwd|secret|api-?key) )[A-Za-z0-9._~+/=-]{16,}",
        "${1}[redacted]",
    ),
    // Authorization: Bearer …, "Authorization":["Basic …"]
    (
        r#"(?i)(authorization["']?\s*[:=]\s*[\["'\\]*(?:bearer|basic|token|digest)\s+)[A-Za-z0-9._~+/=-]{6,}"#,
        "${1}[redacted]",
    ),
    (
        r#"(?i)(authorization["']?\s*[:=]\s*[\["'\\]*)[A-Za-z0-9._~+/=-]{16,}"#,
        "${1}[redacted]",
    ),
    (
        r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}",
        "${1}[redacted]",
    ),
    // scheme://user:password@host
    (
        r#"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@"'<>\[\]]+@"#,
        "${1}[redacted]@",
    ),
    (
        r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})",
        MARK,
    ),
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", MARK),
    (
        r#"(?i)(aws_?secret_?access_?key["']?\s*[:=]\s*["']?)[A-Za-z0-9/+=]{16,}"#,
        "${1}[redacted]",
    ),
    (
        r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*",
        MARK,
    ),
    // Long hexadecimal with a telling label.
    (
        r#"(?i)((?:key|token|secret|password|passwd)["']?\s*[:=]\s*["']?)[0-9a-f]{32,}\b"#,
        "${1}[redacted]",
    ),
];

struct Patterns {
    any: RegexSet,
    each: Vec<(Regex, &'static str)>,
    key: Option<Regex>,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compiled = |rule: &(&str, &'static str)| Some((Regex::new(rule.0).ok()?, rule.1));
    Patterns {
        any: RegexSet::new(RULES.map(|rule| rule.0)).unwrap_or_default(),
        each: RULES.iter().filter_map(compiled).collect(),
        key: Regex::new(
            r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----).+?(-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)",
        )
        .ok(),
    }
});

/// A line-wise redactor; it remembers whether it is inside a private key.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Values to hide wherever they stand, longest first.
    values: Vec<String>,
    /// Lines left in which a private key may go on; 0 outside of one.
    key: u32,
}

impl Redactor {
    /// One that also hides these values, such as those of secret environment variables.
    #[must_use]
    pub fn with_values(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut values: Vec<String> = values
            .into_iter()
            .map(Into::into)
            .flat_map(|value: String| {
                value
                    .lines()
                    .map(|l| l.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|value| value.len() >= SHORTEST && !MARK.contains(value.as_str()))
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values, key: 0 }
    }

    /// A redactor of the same values for another text.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self {
            values: self.values.clone(),
            key: 0,
        }
    }

    /// The next line, without its line break, and without its secrets.
    pub fn line<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        let before = self.key;
        let Cow::Owned(mut out) = self.pass(line) else {
            return Cow::Borrowed(line);
        };
        // What one rule leaves may be what another one takes: until nothing changes.
        for _ in 0..8 {
            self.key = before;
            match self.pass(&out) {
                Cow::Owned(next) if next != out => out = next,
                _ => break,
            }
        }
        Cow::Owned(out)
    }

    fn pass<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(line);
        for value in &self.values {
            if out.contains(value.as_str()) {
                out = Cow::Owned(out.replace(value.as_str(), MARK));
            }
        }
        out = self.private_key(out);
        for at in PATTERNS.any.matches(&out).into_iter().collect::<Vec<_>>() {
            if let Some((rule, with)) = PATTERNS.each.get(at)
                && let Cow::Owned(changed) = rule.replace_all(&out, *with)
            {
                out = Cow::Owned(changed);
            }
        }
        out
    }

    /// A whole text.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut redactor = self.fresh();
        let lines: Vec<_> = text.split('\n').map(|line| redactor.line(line)).collect();
        lines.join("\n")
    }

    fn private_key<'a>(&mut self, line: Cow<'a, str>) -> Cow<'a, str> {
        if self.key > 0 {
            self.key -= 1;
            if line.contains("-----END ") {
                self.key = 0;
                return line;
            }
            if !line.contains("-----BEGIN ") {
                return self.key_line(line);
            }
        }
        if !line.contains("PRIVATE KEY") {
            return line;
        }
        // A key on one line, as JSON and XML have it.
        let line = match &PATTERNS.key {
            Some(rule) => match rule.replace_all(&line, format!("${{1}}{MARK}${{2}}")) {
                Cow::Owned(changed) => Cow::Owned(changed),
                Cow::Borrowed(_) => line,
            },
            None => line,
        };
        let Some((before, after)) = line.rsplit_once("-----BEGIN ") else {
            return line;
        };
        let Some((kind, rest)) = after.split_once("-----") else {
            return line;
        };
        if after.contains("-----END ") || !kind.contains("PRIVATE KEY") {
            return line;
        }
        self.key = KEY_LINES;
        if rest.trim().is_empty() {
            return line;
        }
        // The file breaks lines elsewhere, or is cut off: all that follows may be the key.
        Cow::Owned(format!("{before}-----BEGIN {kind}-----{MARK}"))
    }

    /// A line inside a key: its last word is the key's, whatever a log puts before it.
    fn key_line<'a>(&mut self, line: Cow<'a, str>) -> Cow<'a, str> {
        let trimmed = line.trim_end();
        let Some(word) = trimmed.split_whitespace().next_back() else {
            return line;
        };
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let header = ["Proc-Type: ", "DEK-Info: ", "Version: ", "Comment: "];
        if word == MARK || header.iter().any(|header| trimmed.contains(header)) {
            return line;
        }
        if !word.chars().all(base64) {
            self.key = 0;
            return line;
        }
        let head = trimmed.len() - word.len();
        Cow::Owned(format!("{}{MARK}", line.get(..head).unwrap_or_default()))
    }

    /// Redacts a file where it is; true if anything was hidden. Binary files are left alone.
    ///
    /// # Errors
    /// When it cannot be read or replaced.
    pub fn file_in_place(&self, file: &Utf8Path) -> Result<bool, RedactError> {
        self.rewrite(file).map_err(|source| RedactError {
            file: file.to_owned(),
            source,
        })
    }

    fn rewrite(&self, file: &Utf8Path) -> io::Result<bool> {
        let mut input = BufReader::with_capacity(64 << 10, fs::File::open(file)?);
        if input
            .fill_buf()?
            .iter()
            .take(8 << 10)
            .any(|byte| *byte == 0)
        {
            return Ok(false);
        }
        let folder = file.parent().unwrap_or(Utf8Path::new("."));
        let mut output = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
        let (mut redactor, mut changed, mut line) = (self.fresh(), false, Vec::new());
        // A line of any length is taken in pieces, each treated as a line.
        while (&mut input).take(16 << 20).read_until(b'\n', &mut line)? > 0 {
            let (text, end) = match line.strip_suffix(b"\n") {
                Some(text) => (text, &b"\n"[..]),
                None => (line.as_slice(), &b""[..]),
            };
            let decoded = String::from_utf8_lossy(text);
            let redacted = redactor.line(&decoded);
            if redacted == decoded {
                output.write_all(text)?;
            } else {
                changed = true;
                output.write_all(redacted.as_bytes())?;
            }
            output.write_all(end)?;
            line.clear();
        }
        if changed {
            let output = output
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            let permissions = fs::metadata(file)?.permissions();
            output.as_file().set_permissions(permissions)?;
            output.persist(file).map_err(|error| error.error)?;
        }
        Ok(changed)
    }
}

/// Redacts a file where it is, of all that can be recognised by its shape.
///
/// # Errors
/// When it cannot be read or replaced.
pub fn file_in_place(file: &Utf8Path) -> Result<bool, RedactError> {
    Redactor::default().file_in_place(file)
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
