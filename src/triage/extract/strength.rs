//! Which text names a cause by itself, and how alike two such texts are.

/// Words that every failure may say. They never make a reason strong.
const GENERIC: &[&str] = &[
    "timed",
    "time",
    "timeout",
    "out",
    "waiting",
    "wait",
    "for",
    "the",
    "condition",
    "context",
    "deadline",
    "exceeded",
    "exit",
    "exited",
    "code",
    "status",
    "eof",
    "not",
    "found",
    "already",
    "exists",
    "exist",
    "conflict",
    "error",
    "errors",
    "err",
    "failed",
    "failure",
    "fail",
    "unexpected",
    "expected",
    "expect",
    "expects",
    "got",
    "get",
    "object",
    "has",
    "have",
    "had",
    "been",
    "modified",
    "please",
    "apply",
    "your",
    "changes",
    "latest",
    "version",
    "and",
    "try",
    "again",
    "operation",
    "cannot",
    "fulfilled",
    "command",
    "terminated",
    "terminating",
    "with",
    "was",
    "were",
    "are",
    "but",
    "after",
    "before",
    "returned",
    "following",
    "success",
    "succeed",
    "test",
    "tests",
    "panicked",
    "assertion",
    "true",
    "false",
    "nil",
    "null",
    "none",
    "value",
    "values",
    "equal",
    "matcher",
    "should",
    "from",
    "that",
    "this",
    "did",
    "does",
    "process",
    "running",
    "run",
    "run_remote",
    "make",
    "see",
    "log",
    "logs",
    "details",
    "internal",
    "occurred",
    "receive",
    "rpc",
    "desc",
    "unknown",
    "signal",
];

/// Real words, in small letters and in order, without masks and generic ones.
fn real(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| {
        letter.is_whitespace()
            || matches!(letter, '"' | '\'' | '`' | '(' | ')' | ',' | '=' | '{' | '}')
    })
    .map(|word| {
        word.trim_matches(|letter: char| matches!(letter, ':' | '.' | ';' | '[' | ']' | '!'))
    })
    .filter(|word| {
        word.len() >= 3
            && !word.contains('<')
            && word.bytes().filter(u8::is_ascii_alphabetic).count() * 3 >= word.len() * 2
            && !GENERIC
                .iter()
                .any(|generic| generic.eq_ignore_ascii_case(word))
    })
}

/// Whether a masked text names a cause by itself: at least three words that not every failure says.
#[must_use]
pub fn strong(masked: &str) -> bool {
    let text = outside_quotes(head(masked));
    let mut seen: [&str; 3] = [""; 3];
    let mut count = 0;
    for word in real(&text) {
        if seen[..count].contains(&word) {
            continue;
        }
        seen[count] = word;
        count += 1;
        if count == 3 {
            return true;
        }
    }
    false
}

/// The part of a text that is compared. A reason is said at once, whatever follows it.
fn head(text: &str) -> &str {
    const COMPARED: usize = 2000;
    let mut end = text.len().min(COMPARED);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Names in quotes say whose failure it is, not what it is.
fn outside_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for letter in text.chars() {
        if letter == '"' {
            inside = !inside;
            out.push(' ');
        } else if !inside {
            out.push(letter);
        }
    }
    if inside { text.to_owned() } else { out }
}

/// The distinct words of a masked text as hashes with weights, sorted. A name in quotes weighs little.
#[must_use]
pub fn words(masked: &str) -> Vec<(u64, f32)> {
    let mut all = Vec::with_capacity(32);
    let mut quoted = false;
    let text = head(masked);
    let mut start = None;
    let mut push = |word: &str, quoted: bool| {
        let word =
            word.trim_matches(|letter: char| matches!(letter, ':' | '.' | ';' | '[' | ']' | '!'));
        if word.is_empty() {
            return;
        }
        let weight: f32 =
            if quoted || word.contains('<') || word.bytes().any(|byte| byte.is_ascii_digit()) {
                0.25
            } else if word.len() < 3 {
                0.1
            } else if GENERIC
                .iter()
                .any(|generic| generic.eq_ignore_ascii_case(word))
            {
                0.5
            } else {
                1.0
            };
        all.push((hash(word), weight));
    };
    for (at, letter) in text.char_indices() {
        let edge = letter.is_whitespace()
            || matches!(letter, '"' | '\'' | '`' | '(' | ')' | ',' | '=' | '{' | '}');
        if edge {
            if let Some(from) = start.take() {
                push(&text[from..at], quoted);
            }
            if letter == '"' {
                quoted = !quoted;
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(from) = start {
        push(&text[from..], quoted);
    }
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    all.dedup_by_key(|word| word.0);
    all
}

/// Weighted Jaccard of two word lists.
#[must_use]
pub fn similarity(a: &[(u64, f32)], b: &[(u64, f32)]) -> f64 {
    let (mut i, mut j) = (0, 0);
    let (mut both, mut all) = (0.0_f64, 0.0_f64);
    while i < a.len() || j < b.len() {
        let order = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.0.cmp(&y.0),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Less => {
                all += f64::from(a[i].1);
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                all += f64::from(b[j].1);
                j += 1;
            }
            std::cmp::Ordering::Equal => {
                let weight = f64::from(a[i].1.max(b[j].1));
                both += weight;
                all += weight;
                i += 1;
                j += 1;
            }
        }
    }
    if all == 0.0 { 0.0 } else { both / all }
}

/// The same on every machine and in every version: ids rest on it.
pub(in crate::triage) fn hash(text: &str) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let bytes = text.as_bytes();
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        state = mix(state ^ u64::from_le_bytes(eight));
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(state ^ u64::from_le_bytes(rest) ^ (bytes.len() as u64) << 56)
}

/// A bijection that spreads its bits.
pub(in crate::triage) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
