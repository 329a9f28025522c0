//! Every text a profile was read from, laid end to end, so that one span says both the file and the place.

use std::ops::Range;

use camino::Utf8PathBuf;

/// A place in [`Texts`].
pub(super) type Span = Range<usize>;

/// Where a text lies; what it names is looked for from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file on disk, in this folder.
    Folder(Utf8PathBuf),
    /// A file that bellwether ships.
    Shipped,
    /// An argument.
    CommandLine,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// How people find it: a path, or what it is.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) text: String,
    base: usize,
}

/// All texts read so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(Vec<Text>);

impl Texts {
    /// Adds a text; what it returns is to be added to offsets in it.
    pub(super) fn add(&mut self, name: impl Into<String>, place: Place, text: &str) -> usize {
        // One unused offset between two texts keeps the end of one apart from the start of the next.
        let base = self
            .0
            .last()
            .map_or(0, |last| last.base + last.text.len() + 1);
        self.0.push(Text {
            name: name.into(),
            place,
            text: text.to_owned(),
            base,
        });
        base
    }

    /// Adds a text; its whole span.
    pub(super) fn add_whole(&mut self, name: impl Into<String>, place: Place, text: &str) -> Span {
        let base = self.add(name, place, text);
        base..base + text.len()
    }

    /// The text that `span` lies in, and where in it.
    pub(super) fn locate(&self, span: &Span) -> Option<(&Text, Range<usize>)> {
        let text = self.0.iter().rev().find(|text| text.base <= span.start)?;
        let clamp = |at: usize| {
            let mut at = at.saturating_sub(text.base).min(text.text.len());
            while !text.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = clamp(span.start);
        Some((text, start..clamp(span.end).max(start)))
    }

    /// Where the text that `span` lies in is.
    pub(super) fn place(&self, span: &Span) -> Option<&Place> {
        self.locate(span).map(|(text, _)| &text.place)
    }
}

/// Line and column of `at` in `text`, both from 1; the column counts characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before.get(start..).unwrap_or_default().chars().count() + 1,
    )
}

/// The offset of a line and column, both from 1; the column counts bytes.
pub(super) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (start + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_finds_its_text() {
        let mut texts = Texts::default();
        let first = texts.add_whole("a", Place::Shipped, "abc");
        let second = texts.add_whole("b", Place::CommandLine, "dé");
        let name = |span: Span| {
            texts
                .locate(&span)
                .map(|(text, at)| (text.name.clone(), at))
        };
        assert_eq!(name(first), Some(("a".into(), 0..3)));
        assert_eq!(name(second.clone()), Some(("b".into(), 0..3)));
        assert_eq!(
            name(second.start + 1..second.start + 2),
            Some(("b".into(), 1..1)),
            "no cut through a character"
        );
    }

    #[test]
    fn lines_and_columns_go_both_ways() {
        let text = "one\ntwo\n";
        assert_eq!(line_and_column(text, 5), (2, 2));
        assert_eq!(offset_of(text, 2, 2), 5);
        assert_eq!(offset_of(text, 9, 9), text.len());
    }
}
