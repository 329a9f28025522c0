//! Text before it is read: colours off, and where an indented dump ends.

use std::borrow::Cow;

/// Without terminal colours; also where the escape byte was lost on the way.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') && !text.contains("\u{fffd}[") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{fffd}']) {
        out.push_str(&rest[..at]);
        let mut after = rest[at..].chars();
        let first = after.next();
        rest = after.as_str();
        match colour(rest) {
            Some(end) => rest = &rest[end..],
            None => out.extend(first.filter(|letter| *letter != '\u{1b}')),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn colour(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('[')?;
    let end = body.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    (body.as_bytes()[end].is_ascii_alphabetic()).then_some(end + 2)
}

/// Whether the value is an object that goes on over the next lines.
pub(super) fn opens(value: &str) -> bool {
    value.ends_with('{') || value.ends_with('[') || value.ends_with("(")
}

/// Whether this line ends a dump that began at `indent`.
pub(super) fn closes(line: &str, trimmed: &str, indent: usize) -> bool {
    indent_of(line) <= indent && matches!(trimmed.as_bytes().first(), Some(b'}' | b']' | b')'))
}

pub(super) fn indent_of(line: &str) -> usize {
    line.bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count()
}

/// `<*errors.StatusError | 0xc0>: text` into type and text. The address is no part of the type.
pub(super) fn typed(trimmed: &str) -> Option<(&str, &str)> {
    let inner = trimmed.strip_prefix('<')?;
    let close = inner.find(">:")?;
    let kind = inner[..close].split(" | 0x").next().unwrap_or_default();
    (close < 120).then(|| (kind, inner[close + 2..].trim()))
}

/// The text of `s: "…"`, `msg: "…"` or `Message: "…"` in a dump.
pub(super) fn said(trimmed: &str) -> Option<&str> {
    let rest = ["s: \"", "msg: \"", "Message: \"", "Msg: \"", "text: \""]
        .iter()
        .find_map(|head| trimmed.strip_prefix(head))?;
    let text = quoted(rest);
    (!text.is_empty()).then_some(text)
}

/// What stands before the closing quote.
pub(super) fn quoted(rest: &str) -> &str {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let mut end = end.min(bytes.len());
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    &rest[..end]
}
