//! The first line of a build's log that says what is wrong. Pure.

use std::sync::LazyLock;

use regex::Regex;

/// Whether the project's code or this host is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The code, or what it depends on.
    Code,
    /// The disk, the memory, the network or a missing package of this host.
    Host,
}

/// A line of a log that says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number in the log, from 1.
    pub line: u64,
    /// What it says, shortened.
    pub text: String,
    /// Who is at fault.
    pub origin: Origin,
    /// The program that could not be found, if that is what it says.
    pub missing_tool: Option<String>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

/// How much a line says. A compiler's error outranks make's "Error 1", wherever they stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Decisive,
    Tool,
    Summary,
}

struct Hit {
    rank: Rank,
    origin: Origin,
    tool: Option<String>,
    hint: Option<String>,
}

impl Hit {
    const fn new(rank: Rank, origin: Origin) -> Self {
        Self {
            rank,
            origin,
            tool: None,
            hint: None,
        }
    }
}

/// Finds the first decisive line of `log` after its first `skip` bytes. Line numbers count from the log's start.
#[must_use]
pub fn first_error(log: &str, skip: usize) -> Option<LogLine> {
    let before = log.as_bytes().get(..skip).unwrap_or_default();
    let skipped = before.iter().filter(|byte| **byte == b'\n').count();
    let mut best: Option<(Rank, LogLine)> = None;
    let lines: Vec<_> = log.lines().enumerate().skip(skipped).collect();
    for (at, (index, raw)) in lines.iter().enumerate() {
        let plain = COLOURS.replace_all(raw, "");
        let line = plain.trim_end();
        // rustc says where on the next line, and that tells its errors from anybody's "error: ".
        let place = lines.get(at + 1).and_then(|(_, next)| {
            let next = COLOURS.replace_all(next, "");
            Some(next.trim_start().strip_prefix("--> ")?.to_owned())
        });
        let place = place.filter(|_| line.starts_with("error"));
        let hit = match &place {
            Some(_) => Some(Hit::new(Rank::Decisive, Origin::Code)),
            None => judge(line),
        };
        let Some(hit) = hit else { continue };
        if best.as_ref().is_some_and(|(rank, _)| *rank <= hit.rank) {
            continue;
        }
        let text = match place {
            Some(place) => format!("{line} ({place})"),
            None => line.trim().to_owned(),
        };
        let found = LogLine {
            line: *index as u64 + 1,
            text: shorten(&text),
            origin: hit.origin,
            missing_tool: hit.tool,
            hint: hit.hint,
        };
        best = Some((hit.rank, found));
    }
    best.map(|(_, line)| line)
}

fn judge(line: &str) -> Option<Hit> {
    if let Some(tool) = missing_tool(line) {
        return Some(Hit {
            tool: Some(tool),
            ..Hit::new(Rank::Tool, Origin::Host)
        });
    }
    if let Some(hint) = missing_library(line) {
        return Some(Hit {
            hint: Some(hint),
            ..Hit::new(Rank::Decisive, Origin::Host)
        });
    }
    if HOST.is_match(line) {
        let hint = if line.contains("pace left") || line.contains("quota") {
            "free some disk space; `bellwether cache prune` helps"
        } else {
            "give the build more memory: it was killed or could not allocate"
        };
        return Some(Hit {
            hint: Some(hint.to_owned()),
            ..Hit::new(Rank::Decisive, Origin::Host)
        });
    }
    if DEBIAN.is_match(line) {
        let hint = "check the network and the Debian archive that mmdebstrap uses".to_owned();
        return Some(Hit {
            hint: Some(hint),
            ..Hit::new(Rank::Decisive, Origin::Host)
        });
    }
    if line.contains("warning:") {
        return None;
    }
    let error = GO_FILE.is_match(line)
        || GO_PACKAGE.is_match(line)
        || C_FILE.is_match(line)
        || LINKER.is_match(line)
        || MAKE.is_match(line)
        || SHELL.is_match(line)
        || RUST.is_match(line)
        || (line.starts_with("go: ") && !GO_TALK.is_match(line));
    if error {
        if NETWORK.is_match(line) {
            let hint = "check the network and `go env GOPROXY`".to_owned();
            return Some(Hit {
                hint: Some(hint),
                ..Hit::new(Rank::Decisive, Origin::Host)
            });
        }
        if line.contains("requires go >=") {
            let hint = "set GOTOOLCHAIN=auto, or install that Go".to_owned();
            return Some(Hit {
                hint: Some(hint),
                ..Hit::new(Rank::Decisive, Origin::Host)
            });
        }
        return Some(Hit::new(Rank::Decisive, Origin::Code));
    }
    SUMMARY
        .is_match(line)
        .then(|| Hit::new(Rank::Summary, Origin::Code))
}

fn missing_tool(line: &str) -> Option<String> {
    let named = TOOLS.iter().find_map(|rule| rule.captures(line))?;
    Some(named.get(1)?.as_str().to_owned())
}

fn missing_library(line: &str) -> Option<String> {
    let named = LIBRARIES.iter().find_map(|rule| rule.captures(line))?;
    let library = named.get(1)?.as_str();
    let package = match library.trim_start_matches("lib").trim_end_matches(".h") {
        "seccomp" => "libseccomp-dev",
        "btrfs" | "btrfs/ioctl" | "btrfsutil" => "libbtrfs-dev",
        "systemd" | "systemd/sd-journal" => "libsystemd-dev",
        "gpgme" => "libgpgme-dev",
        "c" | "pthread" | "resolv" | "stdio" | "stdlib" | "signal" => "build-essential",
        // A header may as well be one that the tree itself should have.
        _ if library.ends_with(".h") => return None,
        _ => return Some(format!("install the development package of {library}")),
    };
    Some(format!("apt-get install {package}"))
}

fn shorten(text: &str) -> String {
    const LIMIT: usize = 300;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

macro_rules! rule {
    ($name:ident, $pattern:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).unwrap());
    };
}

rule!(COLOURS, "\x1b\\[[0-9;]*m");
// `-extldflags` and test data may quote these words: only at the end of a line do they report.
rule!(
    HOST,
    r"(?i)(: no space left on device|: disk quota exceeded|: cannot allocate memory|: signal: killed|^killed|\*\*\* \[.*\] killed|runtime: out of memory.*|virtual memory exhausted.*)$"
);
rule!(
    GO_FILE,
    r"^(vet: )?[^\s:]+\.(go|s):\d+:\d+: \S|^[^\s:]*go\.(mod|work):\d+: \S"
);
rule!(
    GO_PACKAGE,
    r"^(package \S+ is not in (std|GOROOT)|package .*: (build constraints exclude|cannot find)|no required module provides package|cannot find (module|package) |(package \S+: )?no Go files in |import cycle not allowed|can't load package)"
);
rule!(
    GO_TALK,
    r"^go: (downloading|finding|extracting|added|upgraded|downgraded|found|to add|creating|updates to|trying|removed|warning)"
);
rule!(
    C_FILE,
    r"^[^\s:]+\.(c|cc|cpp|cxx|h|hh|hpp|S):\d+(:\d+)?: (fatal )?error: |^(gcc|cc|cc1|g\+\+): (fatal )?error: "
);
rule!(
    LINKER,
    r"(^|/)ld(\.\w+)?: (.*: )?(cannot find |undefined reference)|^[^\s:]+: undefined reference to |: in function .*undefined reference|relocation target \S+ not defined"
);
rule!(
    MAKE,
    r"^make(\[\d+\])?: \*\*\* No |^[^\s:]*(Makefile|\.mk)[^\s:]*:\d+: \*\*\* "
);
// dash and bash, on a script that they cannot read.
rule!(
    SHELL,
    r"^[^\s:]+: (\d+: Syntax error: |line \d+: syntax error[ :])"
);
rule!(
    RUST,
    r"^error\[E\d+\]: |^error: failed to (download|get|parse|load|select|resolve) "
);
rule!(
    NETWORK,
    r#"dial tcp|Get "https?://|reading https?://|disabled by GOPROXY=off|^error: failed to (download|get) "#
);
// apt and mmdebstrap; klog's errors have a date after the letter.
rule!(DEBIAN, r"^E: \S");
rule!(
    SUMMARY,
    r"^make(\[\d+\])?: \*\*\* |^collect2: error|^\S+/link: running |^error: |^(ERROR|FATAL|Error|fatal error): |^FAIL\b|^!!! "
);

#[expect(clippy::unwrap_used, reason = "constant patterns; a test runs each")]
static TOOLS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"^(?:\S+: )?(?:line )?\d+: ([\w.+-]+): (?:command )?not found$",
        r"^make(?:\[\d+\])?: ([\w.+-]+): (?:No such file or directory|Command not found|Permission denied)$",
        r"^(?:/usr/bin/)?env: [‘']?([\w.+-]+)['’]?: No such file or directory$",
        r#"exec: "([\w.+-]+)": executable file not found in \$PATH"#,
        r#"^cgo: C compiler "([\w.+-]+)" not found"#,
        r"^error: linker `([\w.+-]+)` not found",
        r"Can't find '([\w.+-]+)' in PATH",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).unwrap())
    .collect()
});

#[expect(clippy::unwrap_used, reason = "constant patterns; a test runs each")]
static LIBRARIES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?:^|/)ld(?:\.\w+)?: cannot find -l(\w+)",
        r"^Package '?([\w.+-]+)'?,? (?:was not found in the pkg-config search path|required by .*, not found|not found)",
        r"^[^\s:]+:\d+(?::\d+)?: fatal error: ([\w/]+\.h): No such file or directory$",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).unwrap())
    .collect()
});

#[cfg(test)]
mod tests;
