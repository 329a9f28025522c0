//! Names of the objects that a failure is about.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

/// A word as Kubernetes names things, with a part that was made up for one run.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b[a-z][a-z0-9]*(?:-[a-z0-9]+)+\b").ok());
static ID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b").ok()
});
/// A pod's place in a line of the kubelet.
static POD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:pod|pods|object)=\[?"(?P<namespace>[a-z0-9.-]+)/(?P<name>[a-z0-9.-]+)""#).ok()
});

/// Words that look like made-up names and are none.
const KNOWN: [&str; 16] = [
    "cgroup-v2",
    "x86-64",
    "utf-8",
    "sha-256",
    "containerd-shim-runc-v2",
    "containerd-shim-kata-v2",
    "containerd-shim-runsc-v1",
    "io-v1",
    "e2e-node",
    "node-e2e",
    "ipv4-only",
    "http-1",
    "oom-killer",
    "rfc-3339",
    "iso-8601",
    "test-infra",
];
/// More names than this are a dump of everything.
const MOST: usize = 200;

/// Names and ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    names: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Objects {
    /// Those in some texts.
    #[must_use]
    pub fn of(texts: &[&str]) -> Self {
        let mut objects = Self::default();
        for text in texts {
            let text = &text[..text.floor_char_boundary(256 << 10)];
            let names = NAME.as_ref().into_iter().flat_map(|re| re.find_iter(text));
            for name in names.map(|found| found.as_str()) {
                if objects.names.len() < MOST && is_own(name) {
                    objects.names.insert(name.to_owned());
                }
            }
            objects.adopt_ids(text);
        }
        objects
    }

    /// Takes the ids in a line that names one of the objects.
    pub fn adopt_ids(&mut self, line: &str) {
        let line = &line[..line.floor_char_boundary(256 << 10)];
        let ids = ID.as_ref().into_iter().flat_map(|re| re.find_iter(line));
        for id in ids {
            if self.ids.len() < MOST {
                self.ids.insert(id.as_str().to_owned());
            }
        }
    }

    /// Whether a line names one of them by name, and nobody else's pod.
    #[must_use]
    pub fn named(&self, line: &str) -> bool {
        if self.names.is_empty() {
            return false;
        }
        if let Some(pod) = POD.as_ref().and_then(|re| re.captures(line)) {
            return self.names.contains(&pod["namespace"]) || self.names.contains(&pod["name"]);
        }
        // Word by word: looking for each name in each line would be slow where both are many.
        let words = NAME.as_ref().into_iter().flat_map(|re| re.find_iter(line));
        words
            .map(|found| found.as_str())
            .any(|word| self.names.contains(word))
    }

    /// Whether a line names one of them by name or by id.
    #[must_use]
    pub fn named_at_all(&self, line: &str) -> bool {
        let ids = || {
            let found = ID.as_ref().into_iter().flat_map(|re| re.find_iter(line));
            found.map(|id| id.as_str()).any(|id| self.ids.contains(id))
        };
        self.named(line) || (!self.ids.is_empty() && ids())
    }
}

/// `default` and `kube-system` stand in many texts; what a suite makes up has a digit in its last parts.
fn is_own(name: &str) -> bool {
    name.len() >= 7
        && name.len() <= 253
        && name.bytes().any(|byte| byte.is_ascii_digit())
        && !KNOWN.contains(&name)
        && !name.ends_with("-go")
        && !looks_like_a_date(name)
}

fn looks_like_a_date(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    digits * 10 > name.len() * 8
}
