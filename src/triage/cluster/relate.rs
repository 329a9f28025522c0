//! Clusters that may have to do with each other, for people to look at. Nothing is merged here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Cluster, Related, Signature, near};
use crate::triage::extract::{name_key, similarity, text_hash, words};

/// From here on two clusters are worth a look.
const WORTH: f64 = 0.3;
/// At most so many are listed.
const LISTED: usize = 5;
/// Clusters of one bucket that are compared with each other.
const WIDTH: usize = 12;

pub(super) fn relate(clusters: &mut [Cluster]) {
    let mut buckets: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut texts = Vec::with_capacity(clusters.len());
    let mut names = Vec::with_capacity(clusters.len());
    for (at, cluster) in clusters.iter().enumerate() {
        let one = &cluster.signature;
        let Ok(at) = u32::try_from(at) else { break };
        for (kind, key) in [("name ", name_key(&one.name)), ("desc ", one.own_words())] {
            if !key.is_empty() {
                buckets
                    .entry(text_hash(kind) ^ text_hash(key))
                    .or_default()
                    .push(at);
            }
        }
        texts.push(words(&one.text()));
        names.push(words(&one.name));
    }
    let mut pairs: BTreeSet<(u32, u32)> = near::candidates(&texts).into_iter().collect();
    for bucket in buckets.into_values() {
        for (at, a) in bucket.iter().enumerate() {
            for b in bucket.iter().skip(at + 1).take(WIDTH) {
                pairs.insert((*a.min(b), *a.max(b)));
            }
        }
    }
    let mut found: BTreeMap<u32, Vec<(f64, u32)>> = BTreeMap::new();
    for (a, b) in pairs {
        let (i, j) = (a as usize, b as usize);
        let score = score(
            (&clusters[i].signature, &texts[i], &names[i]),
            (&clusters[j].signature, &texts[j], &names[j]),
        );
        if score >= WORTH {
            found.entry(a).or_default().push((score, b));
            found.entry(b).or_default().push((score, a));
        }
    }
    for (at, mut others) in found {
        others.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| clusters[a.1 as usize].id.cmp(&clusters[b.1 as usize].id))
        });
        let related = others
            .into_iter()
            .take(LISTED)
            .map(|(score, other)| Related {
                id: clusters[other as usize].id.clone(),
                score: (score * 1000.0).round() / 1000.0,
            })
            .collect();
        clusters[at as usize].related = related;
    }
}

/// How much two signatures have in common: mostly what they say, then the test, then the place.
pub(super) fn score(
    a: (&Signature, &near::Words, &near::Words),
    b: (&Signature, &near::Words, &near::Words),
) -> f64 {
    let place = if a.0.site.is_empty() || a.0.site != b.0.site {
        0.0
    } else {
        1.0
    };
    0.55 * similarity(a.1, b.1) + 0.3 * similarity(a.2, b.2) + 0.15 * place
}
