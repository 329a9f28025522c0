//! Builds: a resolved source in, a cache entry of binaries and image tars out.
//!
//! Owns: recipes, the cache by input digest, OCI image tars. Must not: decide what is built (plan does)
//! or touch a machine.

pub mod cache;
