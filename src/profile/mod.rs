//! Profiles: TOML in, a validated [`Profile`] out.
//!
//! Owns: the schema, `extends`, defaults, validation, errors with file, line, caret and hint.
//! Must not: resolve sources, look at the host, or know what a lane is.

mod settings;

pub use settings::{
    Build, Gate, Ginkgo, Image, Node, Pairing, Preset, Profile, Recipe, Runtime, RuntimeKind,
    Sandboxer, SandboxerBinary, Schedule, Selection, Source, SourceKind, Suite, SuiteKind,
};
