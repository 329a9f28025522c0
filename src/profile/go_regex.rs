//! Go's regular expressions, compiled by Rust's engine.
//!
//! Both descend from RE2, so nearly every pattern is the same in both. This turns what differs in spelling and
//! refuses what only Rust has, so that what compiles here also compiles in Ginkgo.

use std::iter::Peekable;
use std::str::CharIndices;

use regex::Regex;

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct GoRegexError {
    /// Where, as a byte of the pattern.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

fn fail<T>(at: usize, message: impl Into<String>) -> Result<T, GoRegexError> {
    Err(GoRegexError {
        at,
        message: message.into(),
    })
}

/// Compiles a pattern as Go means it.
///
/// # Errors
/// If Go's `regexp.Compile` would refuse it.
pub fn compile(pattern: &str) -> Result<Regex, GoRegexError> {
    let translated = translate(pattern)?;
    Regex::new(&translated).map_err(|error| {
        // The engine draws its own picture of the pattern; its last line is the reason.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim();
        GoRegexError {
            at: 0,
            message: reason.trim_start_matches("error: ").to_owned(),
        }
    })
}

fn translate(pattern: &str) -> Result<String, GoRegexError> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.char_indices().peekable();
    // Rust repeats a repetition, Go refuses to.
    let mut repeated = false;
    while let Some((at, c)) = chars.next() {
        let repeats = match c {
            '*' | '+' | '?' => true,
            '{' => repetition(&pattern[at..]).is_some(),
            _ => false,
        };
        if repeats && repeated {
            return fail(at, "a repetition of a repetition");
        }
        if repeats && c != '{' {
            out.push(c);
        }
        match c {
            '*' | '+' | '?' => {}
            '\\' => escape(pattern, at, &mut chars, &mut out)?,
            '[' => class(at, &mut chars, &mut out)?,
            '{' => match repetition(&pattern[at..]) {
                Some(count) if count > 1000 => return fail(at, "a repetition above 1000"),
                Some(_) => out.push('{'),
                // To Go a brace that counts nothing is just a brace.
                None => out.push_str("\\{"),
            },
            '}' => out.push('}'),
            '(' if pattern[at..].starts_with("(?") => {
                flags(pattern, at)?;
                out.push('(');
            }
            _ => out.push(c),
        }
        // Within a counted repetition only its `}` ends it; `?` after one makes it lazy.
        repeated = match c {
            '{' if repeats => {
                for (_, next) in chars.by_ref() {
                    out.push(next);
                    if next == '}' {
                        break;
                    }
                }
                true
            }
            _ => repeats,
        };
        if repeated && chars.next_if(|(_, next)| *next == '?').is_some() {
            out.push('?');
        }
    }
    Ok(out)
}

/// The largest count of `{n}`, `{n,}` or `{n,m}` at the start of `rest`.
fn repetition(rest: &str) -> Option<u32> {
    let inside = rest.strip_prefix('{')?.split_once('}')?.0;
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let number = |text: &str| -> Option<u32> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().unwrap_or(u32::MAX))
    };
    if low.is_empty() {
        return None;
    }
    let low = number(low)?;
    if high.is_empty() {
        return Some(low);
    }
    Some(number(high)?.max(low))
}

/// Go knows the flags i, m, s and U; Rust knows more.
fn flags(pattern: &str, at: usize) -> Result<(), GoRegexError> {
    let rest = &pattern[at + 2..];
    if rest.starts_with("P<") || rest.starts_with('<') {
        return match rest
            .find('<')
            .and_then(|open| rest.as_bytes().get(open + 1))
        {
            Some(b'=' | b'!') => fail(at, "Go has no look-around"),
            _ => Ok(()),
        };
    }
    let end = rest.find([')', ':']).unwrap_or(rest.len());
    match rest[..end].find(|c| !"imsU-".contains(c)) {
        Some(odd) if matches!(rest.as_bytes()[odd], b'=' | b'!') => {
            fail(at, "Go has no look-around")
        }
        Some(odd) => fail(at + 2 + odd, "not a flag that Go knows (i, m, s, U)"),
        None => Ok(()),
    }
}

type Chars<'a> = Peekable<CharIndices<'a>>;

fn escape(
    pattern: &str,
    at: usize,
    chars: &mut Chars<'_>,
    out: &mut String,
) -> Result<(), GoRegexError> {
    let Some((_, c)) = chars.next() else {
        return fail(at, "a `\\` at the end escapes nothing");
    };
    match c {
        'Q' => {
            let rest = &pattern[at + 2..];
            let end = rest.find("\\E").unwrap_or(rest.len());
            out.push_str(&regex::escape(&rest[..end]));
            while chars
                .peek()
                .is_some_and(|(next, _)| *next < at + 2 + end + 2)
            {
                chars.next();
            }
            Ok(())
        }
        '0'..='7' => octal(c, at, chars, out),
        // Rust reads `\b{start}` as one thing.
        'b' | 'B' if chars.peek().is_some_and(|(_, next)| *next == '{') => {
            fail(at, "a word boundary cannot be repeated")
        }
        c if c.is_ascii_punctuation() || c == ' ' => {
            out.push_str(&regex::escape(&c.to_string()));
            Ok(())
        }
        c if !"aftnrvxAbBzdswDSWpP".contains(c) => {
            fail(at, format!("`\\{c}` is not an escape that Go knows"))
        }
        _ => {
            out.push('\\');
            out.push(c);
            if matches!(c, 'x' | 'p' | 'P') && chars.peek().is_some_and(|(_, next)| *next == '{') {
                for (_, next) in chars.by_ref() {
                    out.push(next);
                    if next == '}' {
                        break;
                    }
                }
            }
            Ok(())
        }
    }
}

/// `\0`, `\012`, `\12`: one to three octal digits, where a lone one above 0 would be a reference to a group.
fn octal(
    first: char,
    at: usize,
    chars: &mut Chars<'_>,
    out: &mut String,
) -> Result<(), GoRegexError> {
    let mut value = first.to_digit(8).unwrap_or(0);
    let mut digits = 1;
    while digits < 3 {
        let Some((_, next)) = chars.next_if(|(_, c)| c.is_digit(8)) else {
            break;
        };
        value = value * 8 + next.to_digit(8).unwrap_or(0);
        digits += 1;
    }
    if digits == 1 && first != '0' {
        return fail(at, "Go has no references to groups");
    }
    out.push_str(&format!("\\x{{{value:x}}}"));
    Ok(())
}

/// A class: Rust reads `[`, `&&` and `~~` inside as set notation, Go as characters.
fn class(at: usize, chars: &mut Chars<'_>, out: &mut String) -> Result<(), GoRegexError> {
    out.push('[');
    if chars.next_if(|(_, c)| *c == '^').is_some() {
        out.push('^');
    }
    if chars.next_if(|(_, c)| *c == ']').is_some() {
        out.push_str("\\]");
    }
    while let Some((_, c)) = chars.next() {
        match c {
            ']' => {
                out.push(']');
                return Ok(());
            }
            '[' if chars.peek().is_some_and(|(_, next)| *next == ':') => {
                out.push('[');
                for (_, next) in chars.by_ref() {
                    out.push(next);
                    if next == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => match chars.next() {
                Some((_, next)) if next.is_ascii_punctuation() => {
                    out.push_str(&regex::escape(&next.to_string()));
                }
                Some((_, next)) => out.extend(['\\', next]),
                None => return fail(at, "this `[` has no `]`"),
            },
            _ => out.push(c),
        }
    }
    fail(at, "this `[` has no `]`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_compiles_compiles_and_matches() {
        for (pattern, text) in [
            (r"\[NodeConformance\]", "x [NodeConformance] y"),
            (
                r"EmptyDir.*\(root,0644,tmpfs\)",
                "EmptyDir should (root,0644,tmpfs)",
            ),
            (r"\Q(root,0644)\E$", "a (root,0644)"),
            (r"\Q[x", "[x"),
            (r"[[a]b", "[b"),
            (r"[a&&b]{2}", "&&"),
            (r"[]a]+", "]a"),
            (r"[[:alpha:]\]]+", "b]"),
            (r"a{,2}", "a{,2}"),
            (r"{name}", "{name}"),
            (r"(?i)pods?", "POD"),
            (r"(?P<n>x)(?:y)(?s:.)", "xy\n"),
            (r"\x{41}\x42\pL\104", "ABCD"),
            (r"^a*?b{1,2}?\<\_[\-\]]$", "aab<_-"),
        ] {
            assert!(compile(pattern).unwrap().is_match(text), "{pattern}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "a(",
            "a)",
            "[a",
            "*a",
            "a**",
            "a*+",
            "a{2}{3}",
            "a\\",
            r"(a)\1",
            "(?=a)",
            "(?<!a)",
            "(?x)a",
            r"\u{41}",
            r"\b{start}",
            "a{1001}",
            r"\y",
            r"\é",
            "[z-a]",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_is_too_odd(pattern in r"[-a-zé0-9(){}\[\]\\^$.*+?|&~:<>=!, QE]{0,24}") {
            let _ = compile(&pattern);
        }

        #[test]
        fn escaped_text_matches_itself(text in ".{0,20}") {
            let regex = compile(&format!("^{}$", regex::escape(&text))).unwrap();
            prop_assert!(regex.is_match(&text));
        }
    }
}
