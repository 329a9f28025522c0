//! History: the index over run directories, and what is asked of it.
//!
//! Owns: `index.db` with its migrations, what is kept of a run for ever (`history.json`), ingest, queries, comparison,
//! retention, reindex, import. Must not: hold a decision (that is the daemon's `state.db`), or anything that the
//! directories do not.

mod archive;
mod codes;
mod compare;
mod dump;
mod error;
mod import;
mod index;
mod ingest;
mod pack;
pub mod packed;
pub mod query;
mod reindex;
mod retain;
mod schema;
pub mod vector;

#[cfg(test)]
mod tests;

pub use archive::{Archive, Directory, Skipped, TOMBSTONE};
pub use compare::{Change, ChangeKind, Comparison, Group, LanePair};
pub use error::HistoryError;
pub use import::{Foreign, Imported, import};
pub use index::{FILE, Index};
pub use ingest::{ClusterOf, Ingested, NamesOf, by_signature};
pub use pack::{Details, Packed, pack};
pub use reindex::{Updated, record, reindex, reindex_with, update};
pub use retain::{Doomed, Facts, PIN, Pin, Policy, Tombstone, apply, pin, plan, survey};
