//! What is wrong with a profile: all of it, each with its place and what to do.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::texts::{Span, Texts, line_and_column};

/// Why a problem is one; decides which problems are only echoes of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key that does not exist. Without it the rest still means what it says.
    UnknownKey,
    /// A text that is not TOML, or a value of the wrong type: what it should have said is not known.
    Shape,
    /// A required key that is not there.
    Missing,
    /// A name that nothing bears.
    Reference,
    /// A value that cannot be.
    Value,
}

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    message: String,
    span: Option<Span>,
    hint: Option<String>,
    also: Option<(Span, String)>,
}

impl Problem {
    /// Adds what to do about it.
    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second place.
    pub(super) fn also(&mut self, span: Span, label: impl Into<String>) -> &mut Self {
        self.also = Some((span, label.into()));
        self
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Adds a problem at a place.
    pub(super) fn at(
        &mut self,
        kind: Kind,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.add(kind, Some(span), message.into())
    }

    /// Adds a problem that no text holds.
    pub(super) fn nowhere(&mut self, kind: Kind, message: impl Into<String>) -> &mut Problem {
        self.add(kind, None, message.into())
    }

    fn add(&mut self, kind: Kind, span: Option<Span>, message: String) -> &mut Problem {
        self.0.push(Problem {
            kind,
            message,
            span,
            hint: None,
            also: None,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// What was made, or the problems if there are any.
    pub(super) fn finish<T>(mut self, texts: &Texts, made: Option<T>) -> Result<T, ProfileErrors> {
        if self.0.iter().any(|problem| problem.kind == Kind::Shape) {
            self.0
                .retain(|problem| !matches!(problem.kind, Kind::Missing | Kind::Reference));
        }
        match made {
            Some(made) if self.0.is_empty() => return Ok(made),
            None if self.0.is_empty() => {
                self.nowhere(Kind::Value, "the profile cannot be read");
            }
            _ => {}
        }
        self.0
            .sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        // A value that several nodes inherit is checked for each, and wrong once.
        let mut seen: Vec<Problem> = Vec::new();
        for problem in self.0 {
            if !seen.contains(&problem) {
                seen.push(problem);
            }
        }
        Err(ProfileErrors {
            problems: seen,
            texts: texts.clone(),
        })
    }
}

/// Everything wrong with a profile. `Display` shows each with file, line, caret and hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ProfileErrors {
    problems: Vec<Problem>,
    texts: Texts,
}

/// One error as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileError {
    /// What is wrong.
    pub message: String,
    /// The file, if one holds it.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// Its column, from 1.
    pub column: Option<usize>,
    /// What to do.
    pub hint: Option<String>,
}

impl ProfileErrors {
    /// How many there are; never 0.
    #[must_use]
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// The errors as plain data, in the order of their places.
    #[must_use]
    pub fn list(&self) -> Vec<ProfileError> {
        self.problems
            .iter()
            .map(|problem| {
                let place = problem
                    .span
                    .as_ref()
                    .and_then(|span| self.texts.locate(span));
                let position = place
                    .as_ref()
                    .map(|(text, at)| line_and_column(&text.text, at.start));
                ProfileError {
                    message: problem.message.clone(),
                    file: place.map(|(text, _)| text.name.clone()),
                    line: position.map(|(line, _)| line),
                    column: position.map(|(_, column)| column),
                    hint: problem.hint.clone(),
                }
            })
            .collect()
    }

    /// The errors for people, with or without colour.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered: Vec<String> = self
            .problems
            .iter()
            .map(|problem| renderer.render(&[self.group(problem)]))
            .collect();
        rendered.join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
        if let Some((text, at)) = problem
            .span
            .as_ref()
            .and_then(|span| self.texts.locate(span))
        {
            let mut snippet = Snippet::source(text.text.as_str())
                .path(text.name.as_str())
                .annotation(AnnotationKind::Primary.span(at));
            let also = problem
                .also
                .as_ref()
                .and_then(|(span, label)| Some((self.texts.locate(span)?, label)));
            if let Some(((other, at), label)) = also {
                let annotation = AnnotationKind::Context.span(at).label(label.as_str());
                if other == text {
                    snippet = snippet.annotation(annotation);
                    group = group.element(snippet);
                } else {
                    group = group.element(snippet).element(
                        Snippet::source(other.text.as_str())
                            .path(other.name.as_str())
                            .annotation(annotation),
                    );
                }
            } else {
                group = group.element(snippet);
            }
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        group
    }
}

impl fmt::Display for ProfileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
