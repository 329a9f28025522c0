//! From bytes to cases. Pure; expands no entity but XML's own five and characters by number.

use quick_xml::events::{BytesStart, Event};

use super::{
    JunitCase, JunitError, JunitReport,
    xml::{attribute, attributes, reference, skip, tolerant},
};

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Elements inside each other.
    pub depth: usize,
    /// Cases in a file.
    pub cases: usize,
    /// Bytes kept of one failure's text, and of one case's output.
    pub text: usize,
    /// Whether `<system-out>` and `<system-err>` are kept.
    pub output: bool,
    /// Whether only failed cases are kept, and a file that passes a limit counts as one that broke there.
    pub failed_only: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            cases: 1_000_000,
            text: 1 << 20,
            output: false,
            failed_only: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Suites,
    Suite,
    Case,
    Failure,
    Skipped,
    Output,
    Other,
}

/// Reads a file. One that ends or breaks early gives its complete cases and says so.
///
/// # Errors
/// When it is no JUnit file, or passes a limit.
pub fn read(bytes: &[u8], file: &str) -> Result<JunitReport, JunitError> {
    read_with(bytes, file, Limits::default())
}

/// As [`read`], with limits of one's own.
///
/// # Errors
/// As [`read`].
pub fn read_with(bytes: &[u8], file: &str, limits: Limits) -> Result<JunitReport, JunitError> {
    let mut parser = Parser {
        bytes,
        limits,
        counted: (0, 1),
        tags: Vec::new(),
        names: Vec::new(),
        suites: Vec::new(),
        case: None,
        rooted: false,
        report: JunitReport {
            file: file.to_owned(),
            ..JunitReport::default()
        },
    };
    match parser.run() {
        Err(error @ JunitError::Limit { .. }) if limits.failed_only => {
            parser.report.truncated = true;
            parser.report.problem = Some(error.to_string());
        }
        other => other?,
    }
    Ok(parser.report)
}

struct Parser<'a> {
    bytes: &'a [u8],
    limits: Limits,
    /// A position and the line it is in.
    counted: (usize, u64),
    /// Open elements, each with where its name begins in `names`.
    tags: Vec<(Tag, usize)>,
    names: Vec<u8>,
    suites: Vec<String>,
    case: Option<JunitCase>,
    rooted: bool,
    report: JunitReport,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), JunitError> {
        // A byte order mark is not the text's.
        let start = match self.bytes.starts_with(b"\xef\xbb\xbf") {
            true => 3,
            false => 0,
        };
        let mut offset = start;
        let mut reader = tolerant(self.bytes.get(offset..).unwrap_or_default());
        loop {
            let before = offset + usize::try_from(reader.buffer_position()).unwrap_or(0);
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return self.broken(before, &error.to_string()),
            };
            match event {
                Event::Start(start) => {
                    let tag = self.open(&start, before)?;
                    let after = offset + usize::try_from(reader.buffer_position()).unwrap_or(0);
                    if tag == Tag::Output && !self.limits.output {
                        // Most of a file is output that nobody asked for: go to its end in one step.
                        match skip(self.bytes, after, start.name().as_ref()) {
                            Some(end) => {
                                offset = end;
                                reader = tolerant(self.bytes.get(offset..).unwrap_or_default());
                                self.close();
                            }
                            None => return self.broken(before, "the file ends inside an output"),
                        }
                    }
                }
                Event::Empty(start) => {
                    self.open(&start, before)?;
                    self.close();
                }
                Event::End(end) => {
                    let open = self.tags.last().and_then(|(_, at)| self.names.get(*at..));
                    if open != Some(end.name().as_ref()) {
                        let name = String::from_utf8_lossy(end.name().as_ref()).into_owned();
                        return self.broken(before, &format!("</{name}> ends nothing"));
                    }
                    self.close();
                }
                Event::Text(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::CData(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::GeneralRef(name) => {
                    let name = String::from_utf8_lossy(&name);
                    match reference(&name) {
                        Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                        None => self.text(&format!("&{name};")),
                    }
                }
                Event::Eof => return self.end(),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<Tag, JunitError> {
        if self.tags.len() >= self.limits.depth {
            return Err(self.limit(
                at,
                format!("more than {} elements inside each other", self.limits.depth),
            ));
        }
        let name = start.name();
        let tag = match (name.as_ref(), self.case.is_some()) {
            (b"testsuites", false) => Tag::Suites,
            (b"testsuite", false) => {
                let name = attribute(start, b"name").unwrap_or_default();
                self.suites.push(name);
                Tag::Suite
            }
            (b"testcase", false) if self.rooted => {
                if self.report.seen >= self.limits.cases as u64 {
                    return Err(self.limit(at, format!("more than {} cases", self.limits.cases)));
                }
                let case = self.begin_case(start, at);
                self.case = Some(case);
                Tag::Case
            }
            (b"failure" | b"error", true) => {
                self.begin_failure(start);
                Tag::Failure
            }
            (b"skipped", true) => {
                if let Some(case) = &mut self.case {
                    case.skipped = true;
                    if !case.failed {
                        case.message = attribute(start, b"message");
                    }
                }
                Tag::Skipped
            }
            (b"system-out" | b"system-err", _) => Tag::Output,
            (b"property", false) => {
                if let (Some(name), Some(value)) =
                    (attribute(start, b"name"), attribute(start, b"value"))
                {
                    self.report.dry_run |= name == "DryRun" && value == "true";
                    self.report.properties.insert(name, value);
                }
                Tag::Other
            }
            _ => Tag::Other,
        };
        if !self.rooted {
            if !matches!(tag, Tag::Suites | Tag::Suite) {
                let found = format!("<{}>", String::from_utf8_lossy(name.as_ref()));
                return Err(self.not_junit(at, found));
            }
            self.rooted = true;
        }
        self.tags.push((tag, self.names.len()));
        self.names.extend_from_slice(name.as_ref());
        Ok(tag)
    }

    fn begin_case(&mut self, start: &BytesStart<'_>, at: usize) -> JunitCase {
        let mut case = JunitCase {
            suite: self.suites.join(" / "),
            line: self.line(at),
            ..JunitCase::default()
        };
        for (key, value) in attributes(start) {
            match key {
                b"name" => case.name = value.into_owned(),
                b"classname" => case.class = value.into_owned(),
                b"status" => case.status = Some(value.into_owned()),
                b"time" => {
                    // Some writers group thousands.
                    case.seconds = value
                        .replace(',', "")
                        .trim()
                        .parse()
                        .ok()
                        .filter(|s: &f64| s.is_finite() && *s >= 0.0);
                }
                _ => {}
            }
        }
        case
    }

    fn begin_failure(&mut self, start: &BytesStart<'_>) {
        let Some(case) = &mut self.case else { return };
        if !case.failed {
            case.message = None;
        }
        case.failed = true;
        case.kind = case.kind.take().or_else(|| attribute(start, b"type"));
        let message = attribute(start, b"message").filter(|message| !message.is_empty());
        case.message = case.message.take().or(message);
    }

    fn close(&mut self) {
        let Some((tag, name)) = self.tags.pop() else {
            return;
        };
        self.names.truncate(name);
        match tag {
            Tag::Case => {
                let case = self.case.take();
                self.report.seen += 1;
                let kept =
                    |case: &JunitCase| !self.limits.failed_only || case.outcome().is_failure();
                self.report.cases.extend(case.filter(kept));
            }
            Tag::Suite => {
                self.suites.pop();
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let limit = self.limits.text;
        let Some(case) = &mut self.case else { return };
        let target = match self.tags.last().map(|(tag, _)| tag) {
            Some(Tag::Failure) => &mut case.text,
            Some(Tag::Output) => &mut case.output,
            _ => return,
        };
        // A text of many megabytes keeps its beginning.
        let room = limit.saturating_sub(target.len());
        let end = text.floor_char_boundary(room);
        target.push_str(text.get(..end).unwrap_or_default());
    }

    fn end(&mut self) -> Result<(), JunitError> {
        let at = self.bytes.len();
        if !self.rooted {
            // Nothing at all is what a suite leaves that was killed while it opened the file.
            return match self.bytes.iter().all(u8::is_ascii_whitespace) {
                true => self.broken(at, "the file is empty"),
                false => Err(self.not_junit(0, "text".to_owned())),
            };
        }
        match self.tags.is_empty() {
            true => Ok(()),
            false => self.broken(at, "the file ends inside an element"),
        }
    }

    fn broken(&mut self, at: usize, why: &str) -> Result<(), JunitError> {
        if !self.rooted
            && !self.bytes.iter().all(u8::is_ascii_whitespace)
            && !self.bytes.starts_with(b"<")
        {
            return Err(self.not_junit(at, "text".to_owned()));
        }
        self.report.truncated = true;
        let line = self.line(at);
        self.report.problem = Some(format!("{}:{line}: {why}", self.report.file));
        Ok(())
    }

    fn not_junit(&mut self, at: usize, found: String) -> JunitError {
        JunitError::NotJunit {
            file: self.report.file.clone(),
            line: self.line(at),
            found,
        }
    }

    fn limit(&mut self, at: usize, what: String) -> JunitError {
        JunitError::Limit {
            file: self.report.file.clone(),
            line: self.line(at),
            what,
        }
    }

    /// The line of a position; positions only grow.
    fn line(&mut self, at: usize) -> u64 {
        let (from, line) = self.counted;
        let between = self.bytes.get(from..at).unwrap_or_default();
        let breaks = between.iter().filter(|byte| **byte == b'\n').count();
        self.counted = (at.max(from), line + breaks as u64);
        self.counted.1
    }
}
