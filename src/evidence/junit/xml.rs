//! XML without complaints: references, attributes, elements to be skipped. Pure.

use std::borrow::Cow;

use quick_xml::{Reader, events::BytesStart};

/// A reader that accepts what a killed or careless writer leaves.
pub fn tolerant(bytes: &[u8]) -> Reader<&[u8]> {
    let mut reader = Reader::from_reader(bytes);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    reader
}

/// Where the element that was opened before `from` ends: after its end tag. Text cannot hold `</`
/// unescaped, except in a CDATA section.
pub fn skip(bytes: &[u8], mut from: usize, name: &[u8]) -> Option<usize> {
    loop {
        let rest = bytes.get(from..)?;
        let at = rest.iter().position(|byte| *byte == b'<')?;
        let tail = rest.get(at..)?;
        if tail.starts_with(b"<![CDATA[") {
            let end = tail.windows(3).position(|window| window == b"]]>")?;
            from += at + end + 3;
            continue;
        }
        if let Some(after) = tail.strip_prefix(b"</").and_then(|t| t.strip_prefix(name)) {
            let close = after.iter().position(|byte| *byte == b'>')?;
            return Some(from + at + 2 + name.len() + close + 1);
        }
        from += at + 1;
    }
}

/// All attributes that can be read, with their references resolved.
pub fn attributes<'a>(start: &'a BytesStart<'_>) -> impl Iterator<Item = (&'a [u8], Cow<'a, str>)> {
    let mut attributes = start.attributes();
    attributes.with_checks(false);
    attributes.filter_map(Result::ok).map(|attribute| {
        let value = match attribute.value {
            Cow::Borrowed(bytes) => unescape(String::from_utf8_lossy(bytes)),
            Cow::Owned(bytes) => Cow::Owned(unescape(String::from_utf8_lossy(&bytes)).into_owned()),
        };
        (attribute.key.into_inner(), value)
    })
}

/// One attribute.
pub fn attribute(start: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    attributes(start)
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.into_owned())
}

/// Resolves references; what is none stays as it is.
fn unescape(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('&') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        match from
            .split_once(';')
            .and_then(|(name, after)| Some((reference(name)?, after)))
        {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that `&name;` stands for.
pub fn reference(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}
