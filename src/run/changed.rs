//! What changed since a pairing's last run: the files that its git sources differ in.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::past::Past;
use crate::{
    model::{Candidate, Origin, Revision},
    source::{self, Mirror},
};

/// More files than this are a rebase or a release: everything is touched, and so nothing is.
const MOST: usize = 500;

/// By pairing, the changed files of all its git sources. What cannot be known is left out: it only orders the work.
pub async fn changed(
    past: &Past,
    candidates: &[Candidate],
    cache_root: &Utf8Path,
) -> BTreeMap<String, Vec<String>> {
    let mut by_pairing = BTreeMap::new();
    for now in candidates {
        let Some(before) = past.last_candidate(&now.pairing) else {
            continue;
        };
        let mut files = Vec::new();
        for (name, revision) in &now.revisions {
            if let Some(before) = before.revisions.get(name) {
                files.extend(between(before, revision, cache_root).await);
            }
        }
        if files.len() <= MOST {
            by_pairing.insert(now.pairing.clone(), files);
        }
    }
    by_pairing
}

async fn between(before: &Revision, now: &Revision, cache_root: &Utf8Path) -> Vec<String> {
    let (
        Origin::Git { commit: older, .. },
        Origin::Git {
            url, commit: newer, ..
        },
    ) = (&before.origin, &now.origin)
    else {
        return Vec::new();
    };
    if older == newer {
        return Vec::new();
    }
    let mirror = match Mirror::open(&now.source, url, cache_root).await {
        Ok(mirror) => mirror,
        Err(error) => {
            tracing::info!("cannot tell what changed in {}: {error}", now.source);
            return Vec::new();
        }
    };
    let (older, newer, name) = (older.clone(), newer.clone(), now.source.clone());
    let read = move || source::commits::changed(&mirror, &older, &newer);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(files)) => files,
        Ok(Err(error)) => {
            tracing::info!("cannot tell what changed in {name}: {error}");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}
