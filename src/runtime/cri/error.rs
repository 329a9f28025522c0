//! What goes wrong between bellwether and a runtime.

use std::time::Duration;

use tonic::{Response, Status};

/// Talking to a runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum CriError {
    /// The socket does not answer.
    #[error("the runtime does not answer: {}", innermost(.0))]
    Connect(#[from] tonic::transport::Error),
    /// The runtime refused a call.
    #[error("the runtime's {call} failed: {}", words(.status))]
    Call {
        /// The call.
        call: &'static str,
        /// What it said.
        status: Box<Status>,
    },
    /// It answered, and left out what the interface demands.
    #[error("the runtime's {call} answered without `{field}`")]
    Lacking {
        /// The call.
        call: &'static str,
        /// What is not there.
        field: &'static str,
    },
    /// It did not become ready.
    #[error("the runtime was not ready within {} s; last seen: {last}", .limit.as_secs())]
    NotReady {
        /// How long it had.
        limit: Duration,
        /// What it said last.
        last: String,
    },
}

impl CriError {
    /// What the runtime itself said, when it refused a call.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Call { status, .. } => Some(status),
            _ => None,
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn words(status: &Status) -> String {
    let source = std::error::Error::source(status).map(innermost);
    match (status.message(), source) {
        ("", Some(source)) => source,
        (message, Some(source)) if message.contains("transport error") => source,
        (message, _) => format!("{}: {message}", status.code()),
    }
}

/// The answer of a call by this name.
pub(super) fn answered<T>(
    call: &'static str,
    answer: Result<Response<T>, Status>,
) -> Result<T, CriError> {
    answer
        .map(Response::into_inner)
        .map_err(|status| CriError::Call {
            call,
            status: Box::new(status),
        })
}

/// A part of an answer that must be there.
pub(super) fn present<T>(
    call: &'static str,
    field: &'static str,
    value: Option<T>,
) -> Result<T, CriError> {
    value.ok_or(CriError::Lacking { call, field })
}
