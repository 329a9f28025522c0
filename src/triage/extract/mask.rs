//! Typed masks: what differs from one appearance to the next becomes `<TS>`, `<POD>` …; words stay.
//!
//! One pass over the bytes, no regular expressions: time grows with length, whatever the text is.

/// The letters and digits Kubernetes makes random suffixes from. No vowels, so words are not eaten.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A longer token is no word, path or name.
const LONGEST: usize = 256;

/// Numbers after these words say what happened: they stay.
const KEPT_AFTER: [&str; 6] = ["code", "status", "signal", "errno", "exit", "error"];

/// Masks one text.
#[must_use]
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut copied = 0;
    // The word before the token: `pod x-1` is a pod, `exit code 2` keeps its number.
    let mut before = "";
    while at < bytes.len() {
        if !starts_token(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        let mut special = false;
        while at < bytes.len() && in_token(bytes[at]) {
            special |= bytes[at].is_ascii_digit() || matches!(bytes[at], b'-' | b'/');
            at += 1;
        }
        if special && url(&bytes[start..at]) {
            while at < bytes.len() && !ends_url(bytes[at]) {
                at += 1;
            }
            out.push_str(&text[copied..start]);
            out.push_str("<URL>");
            copied = at;
            before = "";
            continue;
        }
        // A sentence's dot or colon is not part of the token.
        let mut end = at;
        while end > start && matches!(bytes[end - 1], b'.' | b':' | b'-' | b'/' | b'+') {
            end -= 1;
        }
        let token = &text[start..end];
        if special && !token.is_empty() {
            out.push_str(&text[copied..start]);
            if token.len() > LONGEST {
                out.push_str("<BLOB>");
            } else {
                one(token, before, &mut out);
            }
            copied = end;
        }
        before = token;
    }
    out.push_str(&text[copied..]);
    collapse(&mut out);
    out
}

fn starts_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'/' || byte >= 0x80
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/' | b'+' | b'@' | b'~')
        || byte >= 0x80
}

fn url(token: &[u8]) -> bool {
    token.windows(3).any(|three| three == b"://") && !token.starts_with(b"unix:")
}

fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'"' | b'\'' | b'\\' | b')' | b']' | b'>' | b'<' | b'`'
        )
}

/// `<TS> <TS>` is one time: a date, its clock and its zone.
fn collapse(out: &mut String) {
    if out.contains("<TS> ") {
        for _ in 0..3 {
            if !out.contains("<TS> <TS>") {
                break;
            }
            *out = out.replace("<TS> <TS>", "<TS>");
        }
        for zone in ["<TS> +<N> UTC", "<TS> -<N> UTC", "<TS> UTC"] {
            if out.contains(zone) {
                *out = out.replace(zone, "<TS>");
            }
        }
    }
}

fn one(token: &str, before: &str, out: &mut String) {
    let bytes = token.as_bytes();
    let digits = bytes.iter().any(u8::is_ascii_digit);
    let named = match before {
        "pod" | "Pod" | "pods" => "<POD>",
        "node" | "Node" => "<NODE>",
        "namespace" | "Namespace" | "ns" => "<NS>",
        _ => "",
    };
    if !named.is_empty()
        && !token.contains('/')
        && !token.contains(':')
        && (digits || token.contains('-'))
    {
        out.push_str(named);
        return;
    }
    if named == "<POD>" && token.bytes().filter(|byte| *byte == b'/').count() == 1 {
        out.push_str("<NS>/<POD>");
        return;
    }
    if token.starts_with("/tmp/") || token.starts_with("/var/folders/") || token.contains("//tmp/")
    {
        out.push_str("<TMP>");
        return;
    }
    if !digits {
        if token.contains('-') {
            parts(token, out);
        } else {
            out.push_str(token);
        }
        return;
    }
    if bytes[0].is_ascii_digit() || bytes[0] == b'+' {
        if number_like(token, before, out) {
            return;
        }
    } else if (bytes.len() == 5 && matches!(bytes[0], b'I' | b'W' | b'E' | b'F'))
        && bytes[1..].iter().all(u8::is_ascii_digit)
    {
        out.push_str("<TS>");
        return;
    }
    if let Some((base, port)) = token.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && !base.is_empty()
    {
        if source_file(base) {
            parts(base, out);
            out.push_str(":<L>");
        } else {
            one(base, before, out);
            let host = base.contains('.') || base.ends_with("localhost");
            out.push_str(if host { ":<PORT>" } else { ":<N>" });
        }
        return;
    }
    parts(token, out);
}

fn source_file(base: &str) -> bool {
    base.rsplit_once('.').is_some_and(|(stem, ext)| {
        !stem.is_empty()
            && matches!(
                ext,
                "go" | "py"
                    | "bats"
                    | "sh"
                    | "bash"
                    | "java"
                    | "rs"
                    | "c"
                    | "cc"
                    | "ts"
                    | "js"
                    | "kt"
                    | "rb"
            )
    })
}

/// Dates, clocks, durations, addresses, quantities, plain numbers. False if it is none of them.
fn number_like(token: &str, before: &str, out: &mut String) -> bool {
    let bytes = token.as_bytes();
    let count = |wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count();
    let lead = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if token.starts_with("0x") {
        out.push_str("<HEX>");
        return true;
    }
    if bytes
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.' || *byte == b'+')
    {
        if count(b'.') == 3 {
            out.push_str("<IP>");
        } else if bytes.len() <= 3 && KEPT_AFTER.contains(&before.trim_end_matches(':')) {
            out.push_str(token);
        } else {
            out.push_str("<N>");
        }
        return true;
    }
    // 2025-12-10, 2025-12-10T13:51:30Z, 13:51:30.244, 12/10/25
    if (lead == 4 && bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-'))
        || ((lead == 2 || lead == 1)
            && count(b':') == 2
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')))
        || (lead <= 2
            && count(b'/') == 2
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'/'))
    {
        out.push_str("<TS>");
        return true;
    }
    if let Some((host, port)) = token.split_once(':')
        && host.bytes().filter(|byte| *byte == b'.').count() == 3
        && host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && !port.is_empty()
    {
        out.push_str("<IP>:<PORT>");
        return true;
    }
    if let Some((host, _)) = token.split_once('/')
        && host.bytes().filter(|byte| *byte == b'.').count() == 3
        && host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        out.push_str("<IP>");
        return true;
    }
    if duration(bytes) {
        out.push_str("<DUR>");
        return true;
    }
    let unit = token.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    if matches!(
        unit,
        "Ki" | "Mi"
            | "Gi"
            | "Ti"
            | "KiB"
            | "MiB"
            | "GiB"
            | "TiB"
            | "k"
            | "M"
            | "G"
            | "T"
            | "kB"
            | "KB"
            | "MB"
            | "GB"
            | "B"
    ) {
        out.push_str("<QTY>");
        return true;
    }
    false
}

fn duration(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut any = false;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && (bytes[at].is_ascii_digit() || bytes[at] == b'.') {
            at += 1;
        }
        if at == start {
            return false;
        }
        let rest = &bytes[at..];
        let unit = ["ns", "us", "µs", "ms", "s", "m", "h"].iter().find(|unit| {
            rest.starts_with(unit.as_bytes()) && rest.get(unit.len()).is_none_or(u8::is_ascii_digit)
        });
        let Some(unit) = unit else { return false };
        at += unit.len();
        any = true;
    }
    any
}

/// A name or a path: each part by itself.
fn parts(token: &str, out: &mut String) {
    let mut token = token;
    while let Some((head, tail)) = uuid_inside(token) {
        pieces(head, out);
        out.push_str("<UUID>");
        token = tail;
    }
    pieces(token, out);
}

fn pieces(token: &str, out: &mut String) {
    let mut start = 0;
    let mut first = true;
    let bytes = token.as_bytes();
    for at in 0..=bytes.len() {
        let edge =
            at == bytes.len() || matches!(bytes[at], b'-' | b'/' | b'.' | b':' | b'_' | b'@');
        if !edge {
            continue;
        }
        let part = &token[start..at];
        let after_dash = !first && bytes[start - 1] == b'-';
        segment(part, after_dash, out);
        if at < bytes.len() {
            out.push(bytes[at] as char);
        }
        start = at + 1;
        first = false;
    }
}

fn segment(part: &str, after_dash: bool, out: &mut String) {
    let bytes = part.as_bytes();
    if bytes.is_empty() {
        return;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == bytes.len() {
        out.push_str("<N>");
        return;
    }
    if after_dash
        && (bytes.len() == 5 || (8..=10).contains(&bytes.len()))
        && bytes.iter().all(|byte| RANDOM.contains(byte))
    {
        out.push_str("<R>");
        return;
    }
    if bytes.len() >= 8 && digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) {
        out.push_str(if bytes.len() == 64 {
            "<CID64>"
        } else {
            "<HEX>"
        });
        return;
    }
    out.push_str(part);
}

fn uuid_inside(token: &str) -> Option<(&str, &str)> {
    let bytes = token.as_bytes();
    if bytes.len() < 36 {
        return None;
    }
    (0..=bytes.len() - 36).find_map(|at| {
        let shape = bytes[at + 8] == b'-'
            && bytes[at + 13] == b'-'
            && bytes[at + 18] == b'-'
            && bytes[at + 23] == b'-';
        let hex = shape
            && bytes[at..at + 36]
                .iter()
                .enumerate()
                .all(|(index, byte)| matches!(index, 8 | 13 | 18 | 23) || byte.is_ascii_hexdigit());
        hex.then(|| (&token[..at], &token[at + 36..]))
    })
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn what_differs_is_masked_by_its_kind() {
        for (text, masked) in [
            ("start=2025-12-10 13:51:30 +0000 UTC end", "start=<TS> end"),
            ("@ 12/10/25 13:52:29.244", "@ <TS>"),
            ("Timed out after 10.001s.", "Timed out after <DUR>."),
            (
                "pod pod-terminate-status-2-7 on node kind-worker2 container",
                "pod <POD> on node <NODE> container",
            ),
            ("unexpected exit code 137: x", "unexpected exit code 137: x"),
            (
                "dial tcp 10.244.1.9:9443: connect",
                "dial tcp <IP>:<PORT>: connect",
            ),
            (
                "kueue-controller-manager-59598f4b99-pc2h5 restarted 3 times",
                "kueue-controller-manager-<R>-<R> restarted <N> times",
            ),
            (
                "Post \"https://a.b.svc:443/convert?timeout=30s\": EOF",
                "Post \"<URL>\": EOF",
            ),
            ("unix:///tmp/tmp.PiZMelzV6x/crio.sock", "<TMP>"),
            ("pvc-e96533e3-f55b-4652-853c-55d89c4f087a", "pvc-<UUID>"),
            (
                "at k8s.io/kubernetes/test/e2e/node/pods.go:1022",
                "at k8s.io/kubernetes/test/e2e/node/pods.go:<L>",
            ),
            ("0xc000c6fcc0 512Mi", "<HEX> <QTY>"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
    }

    #[test]
    fn words_and_versions_of_interfaces_stay() {
        for text in [
            "well-known test-volume",
            "Kind=LocalQueue v1beta1 failed",
            "not-ready sandbox-changed",
            "ümläut – text",
            "a-worker",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
