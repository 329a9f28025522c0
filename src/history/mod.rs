//! History: the index over run directories, and what is asked of it.
//!
//! Owns: `index.db`, its migrations, ingest, queries, retention, reindex. Must not: hold a decision (that is the
//! daemon's `state.db`), or anything that the run directories do not.
