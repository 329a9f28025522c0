//! Bellwether: conformance runs of container runtimes under Kubernetes' own node suite.
//!
//! Data flows one way: sources, builds, node image, machine, suite, evidence, verdict, report. Each arrow is
//! plain data of [`model`]; each box is one module. `docs/architecture.md` is the map, with the rules
//! that `tests/layers.rs` holds.

pub mod build;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod evidence;
pub mod github;
pub mod history;
pub mod ignition;
pub mod image;
pub mod machine;
pub mod model;
pub mod plan;
pub mod process;
pub mod profile;
pub mod report;
pub mod run;
pub mod runtime;
pub mod source;
pub mod suite;
pub mod triage;
pub mod verdict;
