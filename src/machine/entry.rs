//! One line of a guest's log, with its sender, whatever form the log has. Pure.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::model::EvidenceLine;

/// The logs that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artifact {
    /// The serial console.
    Console,
    /// The node's journal, as it grows.
    Journal,
    /// The initramfs's journal, sent only when the first boot failed.
    Ignition,
}

impl Artifact {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Console, Self::Journal, Self::Ignition];

    /// Its file in the attempt's folder.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Console => "console.log",
            Self::Journal => "journal.log",
            Self::Ignition => "ignition.journal",
        }
    }
}

/// What one line says, and who said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The sender: `kernel`, `systemd`, `containerd`; empty where the log does not say.
    pub sender: String,
    /// The sender's process id, if known.
    pub pid: Option<u32>,
    /// The systemd unit that sent it, or that PID 1 speaks of.
    pub unit: String,
    /// The message.
    pub message: String,
    /// Whether the sender itself called it critical, or worse.
    pub critical: bool,
}

impl Entry {
    /// Whether PID 1 said it.
    #[must_use]
    pub fn is_init(&self) -> bool {
        self.sender == "systemd" && self.pid.is_none_or(|pid| pid == 1)
    }

    /// Whether the kernel itself said it.
    #[must_use]
    pub fn is_kernel(&self) -> bool {
        self.sender == "kernel"
    }

    /// Whether this unit's own processes said it. A text journal names no units, so there the sender's name
    /// decides; PID 1's child that becomes the service goes by the program's name, in parentheses.
    #[must_use]
    pub fn is_of(&self, unit: &str) -> bool {
        let (stem, kind) = unit.rsplit_once('.').unwrap_or((unit, ""));
        let child = self.sender.starts_with('(')
            && self
                .message
                .strip_prefix(unit)
                .is_some_and(|rest| rest.starts_with(": "));
        let by_name = self.sender == stem || child || (kind == "mount" && self.sender == "mount");
        !self.is_init() && (self.unit == unit || (self.unit.is_empty() && by_name))
    }

    /// For people: sender and message on one line, shortened.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = if self.sender.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.sender, self.message)
        };
        shorten(&text)
    }

    /// As evidence.
    #[must_use]
    pub fn evidence(&self, artifact: Artifact, line: u64) -> EvidenceLine {
        EvidenceLine {
            file: artifact.file().into(),
            line,
            text: self.shown(),
        }
    }
}

/// One line of at most 500 characters.
#[must_use]
pub fn shorten(text: &str) -> String {
    const MOST: usize = 500;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

/// Reads one line of any of the watched logs.
#[must_use]
pub fn parse(artifact: Artifact, line: &str) -> Entry {
    if artifact != Artifact::Console {
        if line.starts_with('{')
            && let Ok(value) = serde_json::from_str(line)
        {
            return from_json(&value);
        }
        if let Some(entry) = from_journal_text(line) {
            return entry;
        }
        // Not a console's line: what looks like the kernel here is a message's second line.
        return Entry {
            message: strip_escapes(line).trim().to_owned(),
            ..Entry::default()
        };
    }
    from_console(line)
}

fn from_json(value: &Value) -> Entry {
    let field = |name: &str| bytes_or_text(value.get(name));
    let kernel = field("_TRANSPORT") == "kernel";
    let mut sender = field("SYSLOG_IDENTIFIER");
    if sender.is_empty() {
        sender = field("_COMM");
    }
    // PID 1 writes to the kernel's buffer before journald runs; its lines say so themselves.
    let pid = [field("_PID"), field("SYSLOG_PID")]
        .iter()
        .find_map(|pid| pid.parse().ok());
    if kernel && sender.is_empty() {
        "kernel".clone_into(&mut sender);
    }
    let unit = match field("UNIT") {
        unit if unit.is_empty() => field("_SYSTEMD_UNIT"),
        unit => unit,
    };
    let message = field("MESSAGE");
    let critical =
        matches!(field("PRIORITY").as_str(), "0" | "1" | "2") || message.starts_with("CRITICAL");
    Entry {
        sender,
        pid,
        unit,
        message,
        critical,
    }
}

/// A field as `journalctl -o json` writes it: text, or a list of bytes where it is not clean text.
fn bytes_or_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => strip_escapes(text),
        Some(Value::Array(list)) if list.iter().all(Value::is_u64) => {
            let bytes: Vec<u8> = list
                .iter()
                .filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                .collect();
            strip_escapes(&String::from_utf8_lossy(&bytes))
        }
        // A field that was sent more than once.
        Some(Value::Array(list)) => bytes_or_text(list.first()),
        _ => String::new(),
    }
}

fn from_journal_text(line: &str) -> Option<Entry> {
    static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^(?:[A-Z][a-z]{2} +\d+ [\d:.]+|\d{4}-\d{2}-\d{2}T\S+) \S+ ([^\s:\[]+)(?:\[(\d+)\])?: (.*)$",
        )
        .ok()
    });
    let found = FORM.as_ref()?.captures(line)?;
    let mut entry = Entry {
        sender: found[1].to_owned(),
        pid: found.get(2).and_then(|pid| pid.as_str().parse().ok()),
        unit: String::new(),
        message: strip_escapes(&found[3]),
        critical: found[3].starts_with("CRITICAL"),
    };
    entry.unit = unit_of(&entry);
    Some(entry)
}

fn from_console(line: &str) -> Entry {
    static KERNEL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? (?:([\w()@.-]+)\[(\d+)\]: )?(.*)$").ok()
    });
    static STATUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^\[(?:FAILED|DEPEND| TIME |  OK  |UNSUPP| INFO | WARN )\] (.*)$").ok()
    });
    let text = strip_escapes(line);
    let text = text.trim();
    if let Some(found) = KERNEL.as_ref().and_then(|form| form.captures(text)) {
        let message = found[3].to_owned();
        if let Some(sender) = found.get(1) {
            let mut entry = Entry {
                sender: sender.as_str().to_owned(),
                pid: found.get(2).and_then(|pid| pid.as_str().parse().ok()),
                unit: String::new(),
                critical: message.starts_with("CRITICAL"),
                message,
            };
            entry.unit = unit_of(&entry);
            return entry;
        }
        // `dracut: …` without a process id is a script that writes to the kernel's buffer.
        let (sender, message) = match message.split_once(": ") {
            Some((name, rest)) if name.starts_with("dracut") => (name.to_owned(), rest.to_owned()),
            _ => ("kernel".to_owned(), message),
        };
        return Entry {
            sender,
            message,
            ..Entry::default()
        };
    }
    if let Some(found) = STATUS.as_ref().and_then(|form| form.captures(text)) {
        let mut entry = Entry {
            sender: "systemd".into(),
            pid: Some(1),
            message: found[1].to_owned(),
            ..Entry::default()
        };
        entry.unit = unit_of(&entry);
        return entry;
    }
    Entry {
        message: text.to_owned(),
        ..Entry::default()
    }
}

/// The unit a message of PID 1 speaks of, where only its text says so.
fn unit_of(entry: &Entry) -> String {
    const VERBS: [&str; 6] = [
        "Failed to start ",
        "Failed to mount ",
        "Dependency failed for ",
        "Timed out waiting for device ",
        "Started ",
        "Starting ",
    ];
    if !entry.is_init() {
        return String::new();
    }
    let verb = VERBS
        .iter()
        .find_map(|verb| entry.message.strip_prefix(verb));
    let word = match verb {
        Some(rest) => rest.split_whitespace().next().unwrap_or_default(),
        None => entry.message.split(": ").next().unwrap_or_default(),
    };
    let word = word.trim_end_matches(['.', ':']);
    if word.contains('.') && !word.contains(' ') {
        word.to_owned()
    } else {
        String::new()
    }
}

/// Without terminal control: colours, cursor moves, other control characters.
#[must_use]
pub fn strip_escapes(text: &str) -> String {
    static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\x1b(?:\[[0-9;:?!]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>78c])")
            .ok()
    });
    let clean = match FORM.as_ref() {
        Some(form) => form.replace_all(text, ""),
        None => text.into(),
    };
    clean
        .chars()
        .filter(|c| !c.is_control() || *c == '\t' || *c == '\n')
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn console(line: &str) -> Entry {
        parse(Artifact::Console, line)
    }

    #[test]
    fn console_lines_say_who_spoke() {
        let panic = console("[   12.345678] Kernel panic - not syncing: Attempted to kill init!\r");
        assert!(panic.is_kernel());
        assert_eq!(
            panic.message,
            "Kernel panic - not syncing: Attempted to kill init!"
        );
        let told = console("[   28.847635] systemd-ssh-generator[534]: Failed to query");
        assert_eq!(
            (told.sender.as_str(), told.pid),
            ("systemd-ssh-generator", Some(534))
        );
        let script = console("[    2.100000] dracut: FATAL: Don't know how to handle 'root=x'");
        assert_eq!(script.sender, "dracut");
        let failed = console(
            "\u{1b}[!p\u{1b}]104\u{7}\u{1b}[?7h[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start \u{1b}[0;1;39mignition-files.service\u{1b}[0m - Ignition (files).\r",
        );
        assert!(failed.is_init());
        assert_eq!(failed.unit, "ignition-files.service");
        let depend = console(
            "[\u{1b}[0;1;38:5:185mDEPEND\u{1b}[0m] Dependency failed for \u{1b}[0;1;39minitrd.target\u{1b}[0m - Initrd Default Target.",
        );
        assert!(depend.is_init());
        assert_eq!(depend.unit, "initrd.target");
    }

    #[test]
    fn the_journal_is_read_in_both_forms() {
        let json = r#"{"MESSAGE":"Failed to start containerd.service - x.","UNIT":"containerd.service","_PID":"1","SYSLOG_IDENTIFIER":"systemd","_TRANSPORT":"journal","_SYSTEMD_UNIT":"init.scope"}"#;
        let text =
            "2026-11-20T11:06:33+0000 node1 systemd[1]: Failed to start containerd.service - x.";
        let short = "Nov 20 11:06:33 node1 systemd[1]: Failed to start containerd.service - x.";
        let want = parse(Artifact::Journal, json);
        assert_eq!(want.unit, "containerd.service");
        assert_eq!(parse(Artifact::Journal, text), want);
        assert_eq!(parse(Artifact::Journal, short), want);
        let bytes = r#"{"MESSAGE":[27,91,51,49,109,104,105],"_COMM":"sh"}"#;
        assert_eq!(parse(Artifact::Journal, bytes).message, "hi");
    }

    #[test]
    fn long_lines_are_shortened_at_a_character() {
        let text = shorten(&"ü".repeat(600));
        assert_eq!(text.chars().count(), 501);
        assert_eq!(shorten("a\n\tb  c"), "a b c");
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "\\PC*|[\\x00-\\x7f]*|\\{.*") {
            for artifact in Artifact::ALL {
                let entry = parse(artifact, &line);
                let escapes = entry.message.contains('\u{1b}');
                prop_assert!(!escapes, "{}", entry.message);
            }
        }
    }
}
