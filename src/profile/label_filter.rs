//! Ginkgo's label filters: read, shown again, and asked about a list of labels.
//!
//! The language is that of Ginkgo 2: labels, `/regular expressions/`, `&&`, `||` or `,`, `!`, parentheses, and the
//! set operations `Key: containsAny { A, B }`, `containsAll`, `consistsOf`, `isSubsetOf`, `isEmpty`. Labels match
//! whole and without regard to case; a label may hold spaces.

use std::{collections::BTreeSet, fmt};

use regex::Regex;

use super::go_regex;

/// Characters that end a label.
const ENDS: &str = "&|!,()/";

/// A filter that was read.
#[derive(Clone, Debug)]
pub struct LabelFilter(Option<Filter>);

#[derive(Clone, Debug)]
enum Filter {
    Label(String),
    Matches(Regex, String),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Set(String, Operation, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    ContainsAny,
    ContainsAll,
    ConsistsOf,
    IsSubsetOf,
    IsEmpty,
}

const OPERATIONS: [(&str, Operation); 5] = [
    ("containsAny", Operation::ContainsAny),
    ("containsAll", Operation::ContainsAll),
    ("consistsOf", Operation::ConsistsOf),
    ("isSubsetOf", Operation::IsSubsetOf),
    ("isEmpty", Operation::IsEmpty),
];

/// Why a text is not a label filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct LabelFilterError {
    /// Where, as a byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

impl LabelFilter {
    /// Reads a filter; an empty text lets everything through, as in Ginkgo.
    ///
    /// # Errors
    /// If Ginkgo would not read it either.
    pub fn parse(text: &str) -> Result<Self, LabelFilterError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let filter = parser.any()?;
        match parser.peek() {
            None => Ok(Self(Some(filter))),
            Some(')') => parser.fail("this `)` has no `(`"),
            Some(_) => parser.fail("two labels need an operator between them: `&&` or `||`"),
        }
    }

    /// Whether a spec with these labels is let through.
    #[must_use]
    pub fn matches<L: AsRef<str>>(&self, labels: &[L]) -> bool {
        self.0.as_ref().is_none_or(|filter| filter.matches(labels))
    }
}

impl fmt::Display for LabelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => Ok(()),
            Some(filter) => filter.fmt(f),
        }
    }
}

impl Filter {
    fn matches<L: AsRef<str>>(&self, labels: &[L]) -> bool {
        match self {
            Self::Label(wanted) => labels
                .iter()
                .any(|label| label.as_ref().to_lowercase() == wanted.to_lowercase()),
            Self::Matches(regex, _) => labels.iter().any(|label| regex.is_match(label.as_ref())),
            Self::Not(inner) => !inner.matches(labels),
            Self::And(left, right) => left.matches(labels) && right.matches(labels),
            Self::Or(left, right) => left.matches(labels) || right.matches(labels),
            Self::Set(key, operation, values) => {
                let set = set_of(key, labels);
                match operation {
                    Operation::IsEmpty => set.is_empty(),
                    Operation::ContainsAny => values.iter().any(|value| set.contains(value)),
                    Operation::ContainsAll => values.iter().all(|value| set.contains(value)),
                    // Ginkgo counts the values as written, so a value given twice never fits.
                    Operation::ConsistsOf => {
                        set.len() == values.len() && values.iter().all(|value| set.contains(value))
                    }
                    Operation::IsSubsetOf => set.iter().all(|value| values.contains(value)),
                }
            }
        }
    }
}

/// The values of the labels `key: value`.
fn set_of<L: AsRef<str>>(key: &str, labels: &[L]) -> BTreeSet<String> {
    labels
        .iter()
        .filter_map(|label| label.as_ref().split_once(':'))
        .filter(|(found, _)| found.trim().to_lowercase() == key.to_lowercase())
        .map(|(_, value)| value.trim().to_lowercase())
        .collect()
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => f.write_str(label),
            Self::Matches(_, source) => write!(f, "/{source}/"),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::And(left, right) => write!(f, "({left}) && ({right})"),
            Self::Or(left, right) => write!(f, "({left}) || ({right})"),
            Self::Set(key, operation, values) => {
                let name = OPERATIONS
                    .iter()
                    .find(|(_, known)| known == operation)
                    .map_or("", |(name, _)| name);
                write!(f, "{key}: {name}")?;
                match operation {
                    Operation::IsEmpty => Ok(()),
                    _ => write!(f, " {{{}}}", values.join(", ")),
                }
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is not a space. Ginkgo skips nothing but U+0020.
    fn peek(&mut self) -> Option<char> {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
        self.rest().chars().next()
    }

    fn until(&mut self, ends: &str) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| ends.contains(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, LabelFilterError> {
        self.fail_at(self.at, message)
    }

    fn fail_at<T>(&self, at: usize, message: impl Into<String>) -> Result<T, LabelFilterError> {
        Err(LabelFilterError {
            at: at.min(self.text.len()),
            message: message.into(),
        })
    }

    fn any(&mut self) -> Result<Filter, LabelFilterError> {
        let mut left = self.all()?;
        loop {
            match self.peek() {
                Some(',') => self.at += 1,
                Some('|') if self.rest().starts_with("||") => self.at += 2,
                Some('|') => return self.fail("`|` alone is no operator; did you mean `||`?"),
                _ => return Ok(left),
            }
            left = Filter::Or(Box::new(left), Box::new(self.all()?));
        }
    }

    fn all(&mut self) -> Result<Filter, LabelFilterError> {
        let mut left = self.not()?;
        while self.peek() == Some('&') {
            if !self.rest().starts_with("&&") {
                return self.fail("`&` alone is no operator; did you mean `&&`?");
            }
            self.at += 2;
            left = Filter::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Filter, LabelFilterError> {
        // Each level is a stack frame; nobody writes a hundred.
        if self.depth >= 100 {
            return self.fail("more than 100 levels of `!` and `(`");
        }
        self.depth += 1;
        let filter = match self.peek() {
            None => self.fail("a label is missing at the end"),
            Some('!') => {
                self.at += 1;
                Ok(Filter::Not(Box::new(self.not()?)))
            }
            Some('(') => self.group(),
            Some('/') => self.regex(),
            Some(')') => self.fail("a label is missing before this `)`"),
            Some(c @ ('&' | '|' | ',')) => {
                self.fail(format!("a label is missing before this `{c}`"))
            }
            Some(_) => self.label(),
        }?;
        self.depth -= 1;
        Ok(filter)
    }

    fn group(&mut self) -> Result<Filter, LabelFilterError> {
        let open = self.at;
        self.at += 1;
        if self.peek() == Some(')') {
            return self.fail_at(open, "`()` holds nothing");
        }
        let filter = self.any()?;
        match self.peek() {
            Some(')') => {
                self.at += 1;
                Ok(filter)
            }
            None => self.fail_at(open, "this `(` has no `)`"),
            Some(_) => self.fail("two labels need an operator between them: `&&` or `||`"),
        }
    }

    fn regex(&mut self) -> Result<Filter, LabelFilterError> {
        self.at += 1;
        let start = self.at;
        let source = self.until("/");
        // Ginkgo does without the second `/` at the very end.
        self.at = (self.at + 1).min(self.text.len());
        match go_regex::compile(source) {
            Ok(regex) => Ok(Filter::Matches(regex, source.to_owned())),
            Err(error) => self.fail_at(start + error.at, error.message),
        }
    }

    fn label(&mut self) -> Result<Filter, LabelFilterError> {
        let start = self.at;
        let name = self.until("&|!,()/:").trim();
        if !self.rest().starts_with(':') {
            return self.plain(start, name.to_owned());
        }
        if self.rest().starts_with(": ") {
            if name.is_empty() {
                return self.fail("a key is missing before this `:`");
            }
            self.at += 1;
            return self.set(name);
        }
        let colon = self.at;
        let value = self.until(ENDS).trim();
        if value == ":" {
            return self.fail_at(colon, "a set operation is missing after this `:`");
        }
        self.plain(start, format!("{name}{value}"))
    }

    fn plain(&self, start: usize, label: String) -> Result<Filter, LabelFilterError> {
        let folded = label.to_lowercase();
        for (name, _) in OPERATIONS {
            if let Some(at) = folded
                .find(&format!(" {}", name.to_lowercase()))
                .filter(|at| *at > 0)
            {
                return self.fail_at(
                    start + at + 1,
                    format!("`{name}` needs a key with a colon before it: `Key: {name} …`"),
                );
            }
        }
        Ok(Filter::Label(label))
    }

    fn set(&mut self, key: &str) -> Result<Filter, LabelFilterError> {
        if self.peek().is_none() {
            return self.fail("a set operation is missing at the end");
        }
        let start = self.at;
        let name = self.until(" )");
        let found = OPERATIONS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((name, operation)) = found else {
            let known = OPERATIONS.map(|(known, _)| known).join(", ");
            return self.fail_at(start, format!("`{name}` is not a set operation ({known})"));
        };
        let values = self.values(name, *operation)?;
        Ok(Filter::Set(key.to_owned(), *operation, values))
    }

    fn values(
        &mut self,
        name: &str,
        operation: Operation,
    ) -> Result<Vec<String>, LabelFilterError> {
        let next = self.peek();
        let start = self.at;
        let argument = if next == Some('{') {
            self.at += 1;
            let inside = self.until("}");
            if self.rest().is_empty() {
                return self.fail_at(start, "this `{` has no `}`");
            }
            self.at += 1;
            inside
        } else {
            self.until(ENDS).trim()
        };
        if operation == Operation::IsEmpty {
            return match argument {
                "" => Ok(Vec::new()),
                _ => self.fail_at(start, "`isEmpty` takes no values"),
            };
        }
        if argument.is_empty() {
            return match self.rest().starts_with('/') {
                true => self.fail("set operations take no regular expressions"),
                false => self.fail_at(start, format!("`{name}` needs values: `{{A, B}}`")),
            };
        }
        let values: Vec<String> = argument
            .split(',')
            .map(|value| value.trim().to_lowercase())
            .collect();
        match values
            .iter()
            .find(|value| value.is_empty() || value.contains(|c| ENDS.contains(c)))
        {
            None => Ok(values),
            Some(value) if value.is_empty() => self.fail_at(start, "one of these values is empty"),
            Some(value) => self.fail_at(start, format!("`{value}` cannot be a label's value")),
        }
    }
}

#[cfg(test)]
mod tests;
