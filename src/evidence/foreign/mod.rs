//! Failures from anybody's files: JUnit of many tools, TAP, Ginkgo's and Go's JSON, plain logs, Prow's artifacts, our
//! own run directories, in folders and archives.
//!
//! Owns: knowing a file by its content, reading it within bounds, saying what was read and what was not. One file a
//! format, each of them pure; only `walk` and `archive` touch the file system. Must not: judge, or write anything.

mod archive;
mod build_log;
mod found;
mod ginkgo_json;
mod go_test;
mod json_lines;
mod junit_xml;
mod node_log;
mod own_run;
mod pytest_log;
mod settle;
mod sniff;
mod tap;
mod walk;

pub use found::{FileRead, Format, Limits, NodeLog, Reading};
pub use json_lines::{JsonLine, read_line};
pub use own_run::failures_of;
pub use walk::{ForeignError, read};

#[cfg(test)]
mod tests;
