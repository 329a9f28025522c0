//! Text to table: TOML syntax, then unknown keys and wrong types, all of them and not just the first.

use serde::Deserialize as _;
use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::{
    nearest::hint_for,
    problem::{Kind, Problems},
    raw::RawProfile,
    texts::{Span, line_and_column},
};

/// How many syntax errors are worth showing.
const SYNTAX_ERRORS: usize = 3;

/// Reads a profile's text, which starts at `base` in the texts; the table's spans count from there too. What is wrong
/// with it is reported and left out.
pub(super) fn read<'t>(text: &'t str, base: usize, problems: &mut Problems) -> DeTable<'t> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    // After the first few the parser only trips over where it fell.
    let mut lines = Vec::new();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let (line, _) = line_and_column(text, span.start);
        if lines.contains(&line) || lines.len() == SYNTAX_ERRORS {
            continue;
        }
        lines.push(line);
        problems
            .at(
                Kind::Shape,
                base + span.start..base + span.end,
                format!("not TOML: {}", error.message()),
            )
            .hint("TOML is described at https://toml.io");
    }
    if !errors.is_empty() {
        // What a broken text means is a guess; errors in the guess would only confuse.
        return DeTable::new();
    }
    let mut table = shift(table.into_inner(), base);
    while let Err(error) = check(&table) {
        let span = error.span().unwrap_or(base..base);
        report(&error, span.clone(), problems);
        if !remove(&mut table, &span) {
            return DeTable::new();
        }
    }
    table
}

/// What a profile's text extends, and where it says so; nothing is checked.
pub(super) fn extends(text: &str, base: usize) -> Option<(String, Span)> {
    let (table, _) = DeTable::parse_recoverable(text);
    let value = table.get_ref().get("extends")?;
    let at = value.span();
    let name = value.get_ref().as_str()?.to_owned();
    Some((name, at.start + base..at.end + base))
}

/// A table as the typed raw layer.
pub(super) fn check(table: &DeTable<'_>) -> Result<RawProfile, Error> {
    RawProfile::deserialize(Deserializer::from(Spanned::new(0..0, table.clone())))
}

fn shift(table: DeTable<'_>, base: usize) -> DeTable<'_> {
    table
        .into_iter()
        .map(|(key, value)| {
            let at = key.span();
            (
                Spanned::new(at.start + base..at.end + base, key.into_inner()),
                shift_value(value, base),
            )
        })
        .collect()
}

fn shift_value(value: Spanned<DeValue<'_>>, base: usize) -> Spanned<DeValue<'_>> {
    let at = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift(table, base)),
        DeValue::Array(array) => {
            let shifted = array.into_iter().map(|element| shift_value(element, base));
            DeValue::Array(shifted.collect())
        }
        other => other,
    };
    Spanned::new(at.start + base..at.end + base, value)
}

fn report(error: &Error, span: Span, problems: &mut Problems) {
    let message = error.message();
    let quoted = quoted(message);
    if message.starts_with("unknown field") {
        let (name, known) = quoted.split_first().unwrap_or((&"", &[]));
        problems
            .at(
                Kind::UnknownKey,
                span,
                format!("there is no key `{name}` here"),
            )
            .hint(hint_for(
                name,
                known.iter().copied(),
                "this table has no keys",
            ));
    } else if message.starts_with("unknown variant") {
        let (name, known) = quoted.split_first().unwrap_or((&"", &[]));
        problems
            .at(
                Kind::Shape,
                span,
                format!("`{name}` is not one of the values this key takes"),
            )
            .hint(hint_for(name, known.iter().copied(), "it takes none"));
    } else if let Some((found, wanted)) = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        problems
            .at(
                Kind::Shape,
                span,
                format!("this is {}, not {}", article(found), plain(wanted)),
            )
            .hint(example(wanted));
    } else if message == "wanted string or table" {
        // The parser's words for a number or list where a name is wanted.
        problems
            .at(Kind::Shape, span, "this is not a string")
            .hint(example("a string"));
    } else {
        problems
            .at(Kind::Shape, span, message.to_owned())
            .hint("profiles/reference.toml has every key with its type");
    }
}

/// The names between backticks.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// The parser's name of what it found, in TOML's words.
fn article(found: &str) -> String {
    let found = found.replace("map", "table").replace("sequence", "list");
    match found.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {found}"),
        _ => format!("a {found}"),
    }
}

fn plain(wanted: &str) -> &str {
    match wanted {
        wanted if wanted.starts_with("struct") || wanted.contains("map") => "a table",
        wanted if wanted.contains("sequence") => "a list",
        "u32" => "a whole number",
        "f64" => "a number",
        other => other,
    }
}

fn example(wanted: &str) -> &'static str {
    match plain(wanted) {
        "a table" => "write a table: `{ key = value }`, or `[name]` on a line of its own",
        "a list" => {
            "write a list: `[\"one\", \"two\"]`; of tables, `[[name]]` on a line of its own"
        }
        "a string" => "write a text between quotes: `\"…\"`",
        "a boolean" => "write `true` or `false`",
        _ => "write a number without quotes or unit",
    }
}

/// Takes out what lies exactly at `span`, so that the rest can be checked.
fn remove(table: &mut DeTable<'_>, span: &Span) -> bool {
    let hit = table
        .iter()
        .find(|(key, value)| key.span() == *span || value.span() == *span)
        .map(|(key, _)| key.get_ref().clone());
    match hit {
        Some(key) => table.remove(&*key).is_some(),
        None => table
            .iter_mut()
            .any(|(_, value)| remove_inside(value.get_mut(), span)),
    }
}

fn remove_inside(value: &mut DeValue<'_>, span: &Span) -> bool {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => match array.iter().position(|element| element.span() == *span) {
            Some(index) => {
                // This kind of array has no `remove`.
                let kept = std::mem::replace(array, DeArray::new())
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| *at != index)
                    .map(|(_, element)| element);
                *array = kept.collect();
                true
            }
            None => array
                .iter_mut()
                .any(|element| remove_inside(element.get_mut(), span)),
        },
        _ => false,
    }
}
