//! When a runtime is ready: it says so, over CRI.

use std::time::Duration;

use camino::Utf8Path;

use super::{
    Cri, CriError,
    v1::{StatusResponse, VersionResponse},
};

/// How often a runtime that is not ready is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// A runtime that answered and is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The connection.
    pub cri: Cri,
    /// Who it is.
    pub version: VersionResponse,
    /// The runtime handlers it says it serves; empty for one that does not say.
    pub handlers: Vec<String>,
}
/// What keeps a runtime from being ready; absent when it is. Pure.
#[must_use]
pub fn obstacle(status: &StatusResponse) -> Option<String> {
    let conditions = status
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let words: Vec<String> = ["RuntimeReady", "NetworkReady"]
        .iter()
        .filter_map(|name| {
            match conditions
                .iter()
                .find(|condition| condition.r#type == *name)
            {
                Some(condition) if condition.status => None,
                Some(condition) => Some(format!(
                    "{name}=false reason {}: {}",
                    condition.reason, condition.message
                )),
                None => Some(format!("{name} is not reported")),
            }
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Waits until the runtime answers, and says that itself and its network are ready.
///
/// # Errors
/// After `limit`, with what was seen last.
pub async fn ready(socket: &Utf8Path, limit: Duration) -> Result<Ready, CriError> {
    let last = std::sync::Mutex::new(String::from("nothing"));
    let wait = async {
        loop {
            let words = match look(socket).await {
                Ok(Ok(ready)) => return ready,
                Ok(Err(words)) => words,
                Err(error) => error.to_string(),
            };
            if let Ok(mut last) = last.lock() {
                *last = words;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    match tokio::time::timeout(limit, wait).await {
        Ok(ready) => Ok(ready),
        Err(_) => Err(CriError::NotReady {
            limit,
            last: last.into_inner().unwrap_or_default(),
        }),
    }
}

async fn look(socket: &Utf8Path) -> Result<Result<Ready, String>, CriError> {
    let cri = Cri::connect(socket).await?;
    let version = cri.version().await?;
    let status = cri.status().await?;
    if let Some(words) = obstacle(&status) {
        return Ok(Err(words));
    }
    let handlers = status
        .runtime_handlers
        .into_iter()
        .map(|handler| handler.name)
        .filter(|name| !name.is_empty())
        .collect();
    Ok(Ok(Ready {
        cri,
        version,
        handlers,
    }))
}
