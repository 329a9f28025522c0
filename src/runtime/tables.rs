//! TOML tables, built and merged. Pure.

use toml::{Table, Value};

/// A text of the profile's is no TOML.
#[derive(Debug, thiserror::Error)]
#[error("the {what} of {whose}'s configuration is no TOML: {source}")]
pub struct ConfigError {
    /// Which text.
    what: String,
    /// Which runtime's.
    whose: &'static str,
    /// Why.
    source: Box<toml::de::Error>,
}

pub(super) fn parse(whose: &'static str, what: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|source| ConfigError {
        what: what.to_owned(),
        whose,
        source: Box::new(source),
    })
}

pub(super) fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

pub(super) fn nested<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(table(entries))
}

/// Tables merge key by key; anything else is replaced, lists too.
pub(super) fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}
