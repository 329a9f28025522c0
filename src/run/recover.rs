//! Finishes what a killed bellwether left: its run is marked interrupted and judged by the files it has.

use super::{
    finish,
    state::RunState,
    store::{Store, StoreError},
};
use crate::{
    clock,
    evidence::EvidenceDir,
    model::{Event, EventKind},
};

/// Marks every run that no living process holds and that has no end; returns their folders.
///
/// # Errors
/// When the state folder cannot be read. A run that cannot be judged is left as it is, and said by tracing.
pub async fn recover(store: &Store) -> Result<Vec<EvidenceDir>, StoreError> {
    let mut recovered = Vec::new();
    for (_, run) in store.runs()? {
        if run.file("summary.json").exists() {
            continue;
        }
        let Some(_lock) = store.lock(&run)? else {
            continue;
        };
        match RunState::load(run.path()) {
            Ok(state) if state.run.is_none() => continue,
            Ok(state) if !state.is_over() => {
                let reason = format!(
                    "bellwether (process {}) ended without finishing it",
                    state.pid
                );
                let event = Event {
                    at: clock::now(),
                    kind: EventKind::RunInterrupted { reason },
                };
                if let Err(error) = run.append(&event) {
                    tracing::warn!("cannot mark {} as interrupted: {error}", run.path());
                    continue;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("cannot read {}: {error}", run.path());
                continue;
            }
        }
        match finish::all(&run, store, None).await {
            Ok(_) => recovered.push(run.clone()),
            Err(error) => tracing::warn!("cannot judge {}: {error}", run.path()),
        }
    }
    Ok(recovered)
}
