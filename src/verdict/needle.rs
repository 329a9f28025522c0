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
    use super::needle;
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
    fn most_shipped_rules_have_one() {
        let rules = Rules::shipped();
        let without = rules
            .iter()
            .filter(|rule| needle(rule.pattern.as_str()).is_none());
        assert!(without.count() * 3 < rules.iter().count());
    }
}
