//! Sources: a profile's source in, one exact [`Revision`](crate::model::Revision) out; later its files.
//!
//! Owns: git mirrors, Go module and crate queries, local folders, commit ranges, check-outs for builds, the wrapper module.
//! Must not: build anything or run code of a source. Bytes are moved by the `git`, `go` and `cargo` processes;
//! git2 only reads a mirror.

pub mod checkout;
pub mod commits;
mod crates;
mod error;
mod git;
mod go_module;
mod path;
mod reference;
mod resolve;
pub mod version;
pub mod wrapper;

pub use checkout::{Checkout, Shape, checkout, go_wanted};
pub use error::{SourceError, Trouble};
pub use git::{
    Mirror,
    dependencies::{Rewrite, environment},
    mirror_folder,
};
pub use resolve::{Resolved, resolve, resolve_with_notes};
