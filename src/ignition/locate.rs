//! Where in a JSON text a value stands.

/// The line, from 1, of the value at a dotted path such as `storage.files.2.path`, or of the nearest value around it.
/// The text must be valid JSON; None for an empty path.
pub(super) fn line(text: &str, path: &str) -> Option<usize> {
    if path.is_empty() {
        return None;
    }
    let mut scanner = Scanner { text, at: 0 };
    let at = scanner.find(path);
    let before = text.get(..at)?;
    Some(before.matches('\n').count() + 1)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The start of the value at `path`, seen from the value at the current place.
    fn find(&mut self, path: &str) -> usize {
        self.space();
        let start = self.at;
        let open = self.peek();
        if path.is_empty() || !matches!(open, Some(b'{' | b'[')) {
            return start;
        }
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.space();
            match self.peek() {
                None | Some(b'}' | b']') => return start,
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let step = if open == Some(b'{') {
                let key = self.string();
                self.space();
                self.at += 1;
                key
            } else {
                index += 1;
                (index - 1).to_string()
            };
            if let Some(rest) = below(path, &step) {
                return self.find(rest);
            }
            self.skip();
        }
    }

    /// The string at the current place, without its quotes; escapes are left as they are, no key has any.
    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += match byte {
                b'\\' => 2,
                _ => 1,
            };
            if byte == b'"' {
                break;
            }
        }
        let end = self.at.saturating_sub(1);
        self.text.get(start + 1..end).unwrap_or_default().to_owned()
    }

    /// Steps over the value at the current place.
    fn skip(&mut self) {
        self.space();
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// The rest of `path` after its first step, if that is `step`. Keys may hold dots themselves.
fn below<'p>(path: &'p str, step: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(step)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{
  "ignition": { "version": "3.3.0" },
  "storage": {
    "files": [
      { "path": "/a,}\"]", "mode": 420 },
      {
        "path": "relative"
      }
    ]
  }
}"#;

    #[test]
    fn values_are_found_past_strings_that_look_like_structure() {
        for (path, expected) in [
            ("ignition.version", 2),
            ("storage", 3),
            ("storage.files.0.mode", 5),
            ("storage.files.1.path", 7),
            ("storage.files.1.missing", 6),
            ("storage.files.9", 4),
        ] {
            assert_eq!(line(TEXT, path), Some(expected), "{path}");
        }
        assert_eq!(line(TEXT, ""), None);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_hangs(text in any::<String>(), path in "[a-z0-9.]{0,12}") {
            let _ = line(&text, &path);
            let _ = line(&format!("{{\"a\":[{text}"), "a.1");
        }
    }
}
