//! Profiles: TOML in, a validated [`Profile`] out.
//!
//! Owns: the schema, `extends`, defaults, validation, errors with file, line, caret and hint.
//! Must not: resolve sources, look at the host, or know what a lane is.

mod go_regex;
mod label_filter;
mod nearest;
mod problem;
mod settings;
mod texts;
mod units;

pub use go_regex::{GoRegexError, compile as compile_go_regex};
pub use label_filter::{LabelFilter, LabelFilterError};
pub use problem::{ProfileError, ProfileErrors};
pub use settings::{
    Build, Gate, Ginkgo, Image, Node, Pairing, Preset, Profile, Recipe, Runtime, RuntimeKind,
    Sandboxer, SandboxerBinary, Schedule, Selection, Source, SourceKind, Suite, SuiteKind,
};
pub use units::{UnitError, format_duration, format_size, parse_duration, parse_size};
