//! A place in somebody's source.

use serde::{Deserialize, Serialize};

/// A place in source code. The line is kept and never compared: it moves with every change above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Site {
    /// The file, from its repository's root as far as that can be told.
    pub file: String,
    /// The function; empty if unknown.
    pub function: String,
    /// The line; 0 if unknown.
    pub line: u32,
}

impl Site {
    /// `file:line`, with whatever path stands before; none if it is no such thing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (path, line) = text.trim().rsplit_once(':')?;
        let line = line.parse().ok()?;
        if path.is_empty() || path.contains(char::is_whitespace) || !path.contains('.') {
            return None;
        }
        Some(Self {
            file: inside(path).to_owned(),
            function: String::new(),
            line,
        })
    }

    /// `file:function`, for people and keys.
    #[must_use]
    pub fn key(&self) -> String {
        if self.function.is_empty() {
            self.file.clone()
        } else {
            format!("{}:{}", self.file, self.function)
        }
    }
}

/// The path inside its repository: builders, users and forks have roots of their own.
pub(super) fn inside(path: &str) -> &str {
    for root in [
        "/test/",
        "/pkg/",
        "/cmd/",
        "/integration/",
        "/internal/",
        "/staging/",
        "/vendor/",
    ] {
        if let Some(at) = path.find(root) {
            return &path[at + 1..];
        }
    }
    let mut at = path.len();
    for _ in 0..3 {
        match path[..at].rfind('/') {
            Some(slash) => at = slash,
            None => return path,
        }
    }
    &path[at + 1..]
}

/// Files that run tests and say nothing about this one.
pub(super) fn machinery(file: &str) -> bool {
    [
        "framework/framework.go",
        "leafnodes/runner.go",
        "testing/testing.go",
        "gomega/internal",
        "onsi/ginkgo",
        "/asm_amd64.s",
        "testing.go",
    ]
    .iter()
    .any(|part| file.ends_with(part) || file.contains(part))
}
