//! Report: a finished run in, what people and other tools read out.
//!
//! Owns: the terminal summary, the HTML page, merged JUnit, the Prow layout. Must not: judge, or change
//! what the evidence says. Rendering is pure; [`context`] reads the run directory and [`write_all`] writes it.

mod cluster_view;
pub mod clusters;
mod compose;
mod context;
mod excerpt;
mod expected;
mod gather;
mod grid;
mod html;
mod junit;
mod links;
mod matrix;
mod prow;
mod terminal;
mod timeline;
mod triage_page;
pub mod words;
mod write;

#[cfg(test)]
mod samples;

pub use clusters::{Triaged, triage};
pub use compose::compose;
pub use context::ReportContext;
pub use excerpt::plain;
pub use gather::{Found, context, gather};
pub use html::html;
pub use junit::{junit, lane_junit};
pub use prow::{Finished, Started, finished, started};
pub use terminal::{TerminalOptions, terminal, triage_terminal};
pub use triage_page::triage_html;
pub use write::write_all;

use crate::evidence::RunDirError;

/// A report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page's template does not fit its context: a bug of bellwether's own.
    #[error("the report's template failed: {0}")]
    Template(#[from] tera::Error),
    /// JUnit could not be written: a bug of bellwether's own.
    #[error("the JUnit file could not be written: {0}")]
    Junit(#[from] junit_report::Error),
    /// The run directory could not be read or written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
}
