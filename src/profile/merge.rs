//! `extends`: one profile on top of another.

use camino::Utf8PathBuf;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    files::{self, Files, normalised, shipped_names, shipped_profile},
    nearest::hint_for,
    problem::{Kind, Problems},
    read::{extends, read},
    texts::{Place, Span, Texts},
};

/// Lists of tables that merge by `name`.
const NAMED: [&str; 4] = ["pairing", "node", "sandboxer", "suite"];

/// The list of tables that has no names: a profile's own entries come before those it inherits.
const ADDED: &str = "expect";

/// Keys that are not inherited.
const OWN: [&str; 3] = ["name", "description", "extends"];

/// Tables in which one key says what kind of thing it is. A profile that names another kind than the one it extends
/// means a new thing: nothing of the old one stays.
const KINDS: [(&str, &[&str]); 3] = [
    ("source", &["git", "go-module", "crate", "path"]),
    ("image", &["debian", "file", "coreos-stream"]),
    ("sandboxer", &["package", "build"]),
];

/// Which file a profile argument means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    File(Utf8PathBuf),
    Shipped(String),
}

impl Address {
    /// A path if it holds a slash or ends in `.toml`, else a shipped name.
    fn of(argument: &str, folder: Option<&Utf8PathBuf>) -> Self {
        if !argument.contains('/') && !argument.ends_with(".toml") {
            return Self::Shipped(argument.to_owned());
        }
        match folder {
            Some(folder) => Self::File(normalised(&folder.join(argument))),
            None => Self::File(argument.into()),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Shipped(_) => Place::Shipped,
            Self::File(path) => Place::Folder(path.parent().map(Into::into).unwrap_or_default()),
        }
    }
}

/// Collects a profile's text and those of all it extends.
pub(super) struct Collector<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) texts: &'a mut Texts,
    pub(super) problems: &'a mut Problems,
}

impl Collector<'_> {
    /// The texts that make the profile that `argument` means, its own first.
    pub(super) fn collect(&mut self, argument: &str) -> Vec<Span> {
        let folder = self.files.current_folder().ok();
        let mut address = Address::of(argument, folder.as_ref());
        let mut shown = argument.to_owned();
        let mut named_at = None;
        let mut seen = Vec::new();
        let mut spans = Vec::new();
        while let Some(text) = self.text_of(&address, &shown, named_at) {
            let name = match &address {
                Address::Shipped(name) => format!("shipped profile {name}"),
                // What the user typed is what the user finds again.
                Address::File(_) if spans.is_empty() => shown,
                Address::File(path) => path.to_string(),
            };
            let place = address.place();
            let span = self.texts.add_whole(name, place.clone(), &text);
            spans.push(span.clone());
            seen.push(address);
            let Some((parent, at)) = extends(&text, span.start) else {
                break;
            };
            let folder = match &place {
                Place::Folder(folder) => Some(folder),
                _ => None,
            };
            address = Address::of(&parent, folder);
            if seen.contains(&address) {
                let message = format!("`{parent}` extends this profile, so this goes in a circle");
                self.problems
                    .at(Kind::Value, at, message)
                    .hint("take one of the `extends` out");
                break;
            }
            shown = parent;
            named_at = Some(at);
        }
        spans
    }

    fn text_of(
        &mut self,
        address: &Address,
        shown: &str,
        named_at: Option<Span>,
    ) -> Option<String> {
        let (message, hint) = match address {
            Address::Shipped(name) => match shipped_profile(name) {
                Some(text) => return Some(text),
                None => (
                    format!("no shipped profile is called `{shown}`"),
                    format!(
                        "{}; a path needs a slash: `./{shown}`, or `{shown}.toml`",
                        hint_for(
                            name,
                            shipped_names().iter().map(String::as_str),
                            "none is shipped"
                        ),
                    ),
                ),
            },
            Address::File(path) => match self.files.read(path) {
                Ok(Some(text)) => return Some(text),
                Ok(None) => (
                    format!("there is no profile at {path}"),
                    "`bellwether profile list` shows the shipped ones".to_owned(),
                ),
                Err(error) => (
                    format!("cannot read the profile: {error}"),
                    "see that it is a text file you may read".to_owned(),
                ),
            },
        };
        match named_at {
            Some(span) => self.problems.at(Kind::Value, span, message),
            None => self.problems.nowhere(Kind::Value, message),
        }
        .hint(hint);
        None
    }
}

/// The texts at `spans` as one table, each on top of the next.
pub(super) fn merged<'t>(texts: &'t Texts, spans: &[Span], problems: &mut Problems) -> DeTable<'t> {
    let mut out = DeTable::new();
    for span in spans.iter().rev() {
        let text = texts
            .locate(span)
            .map_or("", |(text, _)| text.text.as_str());
        for key in OWN {
            out.remove(key);
        }
        out = merge(out, read(text, span.start, problems), &mut Vec::new());
    }
    out
}

/// `over` on top of `base`; `path` is the keys that lead here.
fn merge<'t>(mut base: DeTable<'t>, over: DeTable<'t>, path: &mut Vec<String>) -> DeTable<'t> {
    let group = path.first().cloned().unwrap_or_default();
    if path.len() == 2 {
        let new_kind = KINDS.iter().any(|(table, kinds)| {
            *table == group
                && kinds.iter().any(|kind| over.contains_key(*kind))
                && kinds
                    .iter()
                    .any(|kind| base.contains_key(*kind) && !over.contains_key(*kind))
        });
        if new_kind {
            base = match group.as_str() {
                "sandboxer" => without(base, &["package", "path", "build", "binary"]),
                _ => DeTable::new(),
            };
        }
    }
    for (key, value) in over {
        let name = key.get_ref().clone().into_owned();
        path.push(name);
        let merged = match base.remove(&**key.get_ref()) {
            Some(old) => merge_values(old, value, path),
            None => value,
        };
        path.pop();
        base.insert(key, merged);
    }
    base
}

fn without<'t>(mut table: DeTable<'t>, keys: &[&str]) -> DeTable<'t> {
    for key in keys {
        table.remove(*key);
    }
    table
}

fn merge_values<'t>(
    base: Spanned<DeValue<'t>>,
    over: Spanned<DeValue<'t>>,
    path: &mut Vec<String>,
) -> Spanned<DeValue<'t>> {
    let span = over.span();
    let is_added = matches!(path.as_slice(), [only] if only == ADDED);
    let is_named = matches!(path.as_slice(), [only] if NAMED.contains(&only.as_str()));
    let value = match (base.into_inner(), over.into_inner()) {
        (DeValue::Table(base), DeValue::Table(over)) => DeValue::Table(merge(base, over, path)),
        (DeValue::Array(mut base), DeValue::Array(over)) if is_named => {
            // A name merges once: a second one is for validation to refuse.
            let mut open: Vec<Option<String>> =
                base.iter().map(|old| name_of(old.get_ref())).collect();
            for element in over {
                let name = name_of(element.get_ref());
                let same = open
                    .iter_mut()
                    .zip(base.iter_mut())
                    .find(|(open, _)| name.is_some() && **open == name);
                match same {
                    Some((open, old)) => {
                        *open = None;
                        let taken =
                            std::mem::replace(old, Spanned::new(0..0, DeValue::Boolean(false)));
                        path.push(name.unwrap_or_default());
                        *old = merge_values(taken, element, path);
                        path.pop();
                    }
                    None => base.push(element),
                }
            }
            DeValue::Array(base)
        }
        (DeValue::Array(base), DeValue::Array(over)) if is_added => {
            DeValue::Array(over.into_iter().chain(base).collect())
        }
        (_, over) => over,
    };
    Spanned::new(span, value)
}

fn name_of(value: &DeValue<'_>) -> Option<String> {
    value
        .as_table()?
        .get("name")?
        .get_ref()
        .as_str()
        .map(str::to_owned)
}

/// Name and description of each shipped profile.
pub(super) fn shipped() -> Vec<(String, String)> {
    files::shipped_names()
        .into_iter()
        .map(|name| {
            let text = shipped_profile(&name).unwrap_or_default();
            let table: toml::Table = toml::from_str(&text).unwrap_or_default();
            let description = table.get("description").and_then(toml::Value::as_str);
            let description = description.unwrap_or_default().to_owned();
            (name, description)
        })
        .collect()
}
