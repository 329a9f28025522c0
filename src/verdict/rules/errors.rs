//! What is wrong with a rule pack: all of it, each with its file, line and place.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// One thing wrong with a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleProblem {
    /// The file.
    pub pack: String,
    /// The rule, where one is known.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What to write instead.
    pub hint: Option<String>,
    #[serde(skip)]
    span: Range<usize>,
    #[serde(skip)]
    text: String,
}

impl RuleProblem {
    pub(super) fn new(
        (pack, text): (&str, &str),
        rule: Option<&str>,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let whole = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = whole(span.start);
        let (line, column) = line_and_column(text, start);
        Self {
            pack: pack.to_owned(),
            rule: rule.map(str::to_owned),
            message: message.into(),
            line,
            column,
            hint: None,
            span: start..whole(span.end).max(start),
            text: text.to_owned(),
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn title(&self) -> String {
        match &self.rule {
            Some(rule) => format!("rule `{rule}`: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Line and column of an offset, both from 1.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before.get(start..).unwrap_or_default().chars().count() + 1,
    )
}

/// A rule pack that cannot be used, with every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RuleErrors(pub Vec<RuleProblem>);

impl RuleErrors {
    /// The errors for people, with or without colour.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered: Vec<String> = self
            .0
            .iter()
            .map(|problem| {
                let mut group = Group::with_title(Level::ERROR.primary_title(problem.title()))
                    .element(
                        Snippet::source(problem.text.as_str())
                            .path(problem.pack.as_str())
                            .annotation(AnnotationKind::Primary.span(problem.span.clone())),
                    );
                if let Some(hint) = &problem.hint {
                    group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
                }
                renderer.render(&[group])
            })
            .collect();
        rendered.join("\n\n")
    }
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
