//! A literal that every match of a pattern must hold. One search for all literals rules out almost every line
//! of a large log before any pattern is tried.

/// The longest literal that the pattern requires, if one of at least four bytes is easy to see.
#[must_use]
pub(super) fn needle(pattern: &str) -> Option<String> {
    if pattern.starts_with("(?i") {
        return None;
    }
    let mut best = String::new();
    let mut run = String::new();
    let mut depth = 0_usize;
    let mut chars = pattern.chars().peekable();
    let mut close = |run: &mut String| {
        if run.len() > best.len() {
            best.clone_from(run);
        }
        run.clear();
    };
    while let Some(c) = chars.next() {
        let literal = match c {
            // A class or an escape such as `\d` stands for many characters; an escaped mark for itself.
            '\\' => chars
                .next()
                .filter(|escaped| !escaped.is_ascii_alphanumeric()),
            '[' => {
                skip_class(&mut chars);
                None
            }
            '(' => {
                depth += 1;
                None
            }
            ')' => {
                depth = depth.saturating_sub(1);
                None
            }
            // With alternatives at the top there is nothing that all matches share.
            '|' if depth == 0 => return None,
            '.' | '^' | '$' | '|' => None,
            // A quantifier makes what stands before it optional, or repeats it: either way the run ends there.
            '*' | '?' | '{' | '+' => {
                if c != '+' {
                    run.pop();
                }
                if c == '{' {
                    chars.by_ref().find(|c| *c == '}');
                }
                None
            }
            other => Some(other),
        };
        match literal {
            Some(literal) if depth == 0 => run.push(literal),
            _ => close(&mut run),
        }
    }
    close(&mut run);
    (best.len() >= 4).then_some(best)
}

/// Literals of which every match of the pattern holds one: its [`needle`], or one from each alternative of a group
/// that must be there. Empty when none are easy to see.
#[must_use]
pub(super) fn needles(pattern: &str) -> Vec<String> {
    if let Some(needle) = needle(pattern) {
        return vec![needle];
    }
    if pattern.starts_with("(?i") {
        return Vec::new();
    }
    groups(pattern)
        .into_iter()
        .find_map(|alternatives| {
            let each: Vec<Vec<String>> = alternatives.iter().map(|text| needles(text)).collect();
            let all = each.iter().all(|of_one| !of_one.is_empty());
            all.then(|| each.concat())
        })
        .unwrap_or_default()
}

/// The alternatives of the pattern itself, else of each of its top groups that must be there.
fn groups(pattern: &str) -> Vec<Vec<String>> {
    let mut top = vec![String::new()];
    let mut inner: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let mut taken = c.to_string();
        match c {
            '\\' => taken.extend(chars.next()),
            '[' => {
                let mut rest = chars.clone();
                skip_class(&mut rest);
                let length = chars.clone().count() - rest.clone().count();
                taken.extend(chars.by_ref().take(length));
            }
            '(' if depth == 0 => {
                depth = 1;
                inner = vec![String::new()];
                skip_group_name(&mut chars);
                continue;
            }
            '(' => depth += 1,
            ')' if depth == 1 => {
                depth = 0;
                if !matches!(chars.peek(), Some('?' | '*' | '{')) {
                    found.push(std::mem::take(&mut inner));
                }
                continue;
            }
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                top.push(String::new());
                continue;
            }
            '|' if depth == 1 => {
                inner.push(String::new());
                continue;
            }
            _ => {}
        }
        let list = if depth == 0 { &mut top } else { &mut inner };
        if let Some(last) = list.last_mut() {
            last.push_str(&taken);
        }
    }
    if top.len() > 1 { vec![top] } else { found }
}

fn skip_group_name(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.peek() != Some(&'?') {
        return;
    }
    chars.next();
    if let Some('P' | '<') = chars.next() {
        chars.by_ref().find(|c| *c == '>');
    }
}

fn skip_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            // A bracket right after the opening one, or after `^`, is a member.
            ']' if !first => return,
            '^' if first => continue,
            _ => {}
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{needle, needles};
    use crate::verdict::Rules;

    #[test]
    fn what_every_match_holds() {
        let of = |pattern| needle(pattern).unwrap_or_default();
        assert_eq!(
            of("^Kernel panic - not syncing: (?P<reason>.+)$"),
            "Kernel panic - not syncing: "
        );
        assert_eq!(
            of(r#"runtime \\*"(?P<x>[^"]+)\\*" binary not installed"#),
            r#"" binary not installed"#
        );
        assert_eq!(of("(?i)no space left on device"), "");
        assert_eq!(of("one long|other long"), "");
        assert_eq!(of("(only|groups)"), "");
        assert_eq!(of("[Ff]ailed to pull"), "ailed to pull");
        assert_eq!(of("colours?: red"), "colour");
        assert_eq!(of("abcd{0,3}efgh"), "efgh");
        assert_eq!(of(r"[]abcdef]wxyz"), "wxyz");
        assert_eq!(of(r"a\[b\]c\.d"), "a[b]c.d");
    }

    #[test]
    fn one_of_several() {
        assert!(needles("^(?P<x>first|sec|third)$").is_empty());
        assert_eq!(
            needles("^(?P<x>first one|other (?:b|c))$"),
            ["first one", "other "]
        );
        assert_eq!(needles("first one|(?:x|y) other"), ["first one", " other"]);
        assert!(needles("(?:first|other)? x").is_empty());
        assert!(needles("(?i)first|other").is_empty());
        assert_eq!(needles("[)(|]+(?:a]bcd|[]|]efgh)"), ["a]bcd", "efgh"]);
    }

    #[test]
    fn shipped_rules_have_some() {
        let rules = Rules::shipped();
        let without: Vec<&str> = rules
            .iter()
            .filter(|rule| needles(rule.pattern.as_str()).is_empty())
            .map(|rule| rule.id.as_str())
            .collect();
        assert!(without.len() * 8 < rules.iter().count(), "{without:?}");
        // A rule of texts without one is tried on every line of every failure.
        let slow = rules
            .iter()
            .filter(|rule| rule.texts && without.contains(&rule.id.as_str()));
        assert_eq!(slow.map(|rule| &rule.id).collect::<Vec<_>>(), [""; 0]);
    }
}
