//! Failures into clusters: equal signatures, equal or alike errors, the same test.
//!
//! Owns: signatures, the rules that join them, ids that last, what is only related, and why. Must not: read text
//! (that is `extract`), or drop a failure.
//!
//! Nothing depends on the order of the input, on the number of threads or on a clock.

mod explain;
mod forest;
mod ids;
mod join;
mod near;
mod relate;
mod signature;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub use explain::{Explanation, Score, explain_pair};
pub use signature::Signature;

use super::{
    extract::{Extract, extract, mix, text_hash},
    failure::Failure,
};

/// Signatures of one cluster that are kept to find it again.
const EXEMPLARS: usize = 16;

/// Why two signatures are together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// They say the same.
    SameWords,
    /// The same error, strong enough to be a cause in any test.
    SameError,
    /// Nearly the same error.
    AlikeError,
    /// The same test, and nothing that disagrees.
    SameTest,
    /// Variants of one test that fail alike in one file.
    NearTest,
    /// One event that was told twice: same place, same instant.
    SameEvent,
}

/// Failures with one cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// `v1:` and twelve hexadecimal digits. Stays when the cluster is found again.
    pub id: String,
    /// Ids it also answers to.
    pub aliases: Vec<String>,
    /// Whether it was known before.
    pub known: bool,
    /// Indexes of its failures, ascending.
    pub members: Vec<usize>,
    /// The failure to show: of the commonest signature, the one with the smallest id.
    pub representative: usize,
    /// That failure's signature.
    pub signature: Signature,
    /// Clusters that may be related, best first. Never merged.
    pub related: Vec<Related>,
}

/// A cluster that may have to do with another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Related {
    /// Its id.
    pub id: String,
    /// How alike, from 0 to 1.
    pub score: f64,
}

/// A cluster of an earlier time, as it is stored to be found again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct KnownCluster {
    /// Its id.
    pub id: String,
    /// Ids it also answers to.
    pub aliases: Vec<String>,
    /// Some of its signatures.
    pub exemplars: Vec<Signature>,
}

/// All failures, each in exactly one cluster.
#[derive(Clone, Debug, Default)]
pub struct Clustering {
    /// The largest first; equal ones by id.
    pub clusters: Vec<Cluster>,
    of: Vec<u32>,
    known: Vec<KnownCluster>,
}

impl Clustering {
    /// The cluster of a failure, by the failure's index.
    #[must_use]
    pub fn cluster_of(&self, failure: usize) -> Option<&Cluster> {
        self.of
            .get(failure)
            .and_then(|at| self.clusters.get(*at as usize))
    }

    /// What to keep so that the clusters are found again: these and the known ones that were not seen.
    #[must_use]
    pub fn known(&self) -> &[KnownCluster] {
        &self.known
    }
}

/// Clusters a list of failures.
#[must_use]
pub fn cluster(failures: &[Failure], known: &[KnownCluster]) -> Clustering {
    let mut triage = Triage::default();
    for failure in failures {
        triage.add(failure);
    }
    triage.finish(known)
}

/// Takes failures one by one and keeps only their signatures: the texts need not be in memory together.
#[derive(Default)]
pub struct Triage {
    signatures: Vec<Signature>,
    seen: Vec<Seen>,
    index: HashMap<u128, u32>,
    of: Vec<u32>,
    events: HashMap<u64, u32>,
    told: Vec<(u32, u32)>,
}

/// How often a signature was seen, and which failure had it first.
struct Seen {
    count: usize,
    first_id: String,
    first: usize,
}

impl Triage {
    /// Takes one failure and gives back its index.
    pub fn add(&mut self, failure: &Failure) -> usize {
        self.add_extract(failure, &extract(failure))
    }

    /// The same, where the extract is at hand.
    pub fn add_extract(&mut self, failure: &Failure, extract: &Extract) -> usize {
        let signature = Signature::of(extract);
        let at = self.intern(signature);
        let index = self.of.len();
        let seen = &mut self.seen[at as usize];
        seen.count += 1;
        if seen.count == 1 || failure.id < seen.first_id {
            seen.first_id.clone_from(&failure.id);
            seen.first = index;
        }
        if let Some(event) = event(extract) {
            let other = *self.events.entry(event).or_insert(at);
            if other != at {
                self.told.push((other, at));
            }
        }
        self.of.push(at);
        index
    }

    fn intern(&mut self, signature: Signature) -> u32 {
        let next = u32::try_from(self.signatures.len()).unwrap_or(u32::MAX);
        let key = signature.key();
        let at = *self.index.entry(key).or_insert(next);
        if at == next {
            self.signatures.push(signature);
            self.seen.push(Seen {
                count: 0,
                first_id: String::new(),
                first: usize::MAX,
            });
        }
        at
    }

    /// Puts every failure into its cluster. Known clusters keep their ids.
    #[must_use]
    pub fn finish(mut self, known: &[KnownCluster]) -> Clustering {
        let mut known_of: Vec<(u32, usize)> = Vec::new();
        for (number, cluster) in known.iter().enumerate() {
            for exemplar in &cluster.exemplars {
                known_of.push((self.intern(exemplar.clone()), number));
            }
        }
        let mut forest = join::join(&self.signatures, &self.told);
        let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for at in 0..u32::try_from(self.signatures.len()).unwrap_or(u32::MAX) {
            parts.entry(forest.find(at)).or_default().push(at);
        }
        let parts: Vec<Vec<u32>> = parts.into_values().collect();
        let named = ids::name(&self.signatures, &parts, known, &known_of);
        self.gather(&parts, named, known)
    }

    fn gather(
        self,
        parts: &[Vec<u32>],
        named: Vec<ids::Named>,
        known: &[KnownCluster],
    ) -> Clustering {
        let mut part_of = vec![0_u32; self.signatures.len()];
        let mut clusters = Vec::new();
        let mut kept: Vec<KnownCluster> = Vec::new();
        let mut slot = vec![u32::MAX; parts.len()];
        for (number, (part, named)) in parts.iter().zip(named).enumerate() {
            for at in part {
                part_of[*at as usize] = u32::try_from(number).unwrap_or(u32::MAX);
            }
            let mut by_count: Vec<(&Seen, &Signature)> = part
                .iter()
                .map(|at| (&self.seen[*at as usize], &self.signatures[*at as usize]))
                .collect();
            by_count.sort_by(|a, b| {
                b.0.count
                    .cmp(&a.0.count)
                    .then_with(|| a.0.first_id.cmp(&b.0.first_id))
            });
            kept.push(KnownCluster {
                id: named.id.clone(),
                aliases: named.aliases.clone(),
                exemplars: by_count
                    .iter()
                    .take(EXEMPLARS)
                    .map(|(_, signature)| (*signature).clone())
                    .collect(),
            });
            let (shown, signature) = by_count[0];
            // Only known ones lie in it: nothing of it was seen today.
            if shown.count == 0 {
                continue;
            }
            slot[number] = u32::try_from(clusters.len()).unwrap_or(u32::MAX);
            clusters.push(Cluster {
                id: named.id,
                aliases: named.aliases,
                known: named.known,
                members: Vec::new(),
                representative: shown.first,
                signature: signature.clone(),
                related: Vec::new(),
            });
        }
        for (index, at) in self.of.iter().enumerate() {
            let number = slot[part_of[*at as usize] as usize];
            clusters[number as usize].members.push(index);
        }
        let seen: std::collections::BTreeSet<&str> = kept
            .iter()
            .flat_map(|one| std::iter::once(&one.id).chain(&one.aliases))
            .map(String::as_str)
            .collect();
        let unseen: Vec<KnownCluster> = known
            .iter()
            .filter(|one| !seen.contains(one.id.as_str()))
            .cloned()
            .collect();
        kept.extend(unseen);
        kept.sort_by(|a, b| a.id.cmp(&b.id));
        clusters.sort_by(|a, b| {
            b.members
                .len()
                .cmp(&a.members.len())
                .then_with(|| a.id.cmp(&b.id))
        });
        relate::relate(&mut clusters);
        let mut of = vec![0; self.of.len()];
        for (number, cluster) in clusters.iter().enumerate() {
            for member in &cluster.members {
                of[*member] = u32::try_from(number).unwrap_or(u32::MAX);
            }
        }
        Clustering {
            clusters,
            of,
            known: kept,
        }
    }
}

/// The instant and the place of a failure, if its text gives both exactly.
fn event(extract: &Extract) -> Option<u64> {
    let site = extract.site.as_ref()?;
    let fraction = extract.stamp.rsplit_once('.')?.1;
    (fraction.len() >= 2 && extract.stamp.len() >= 18)
        .then(|| mix(text_hash(&extract.stamp) ^ mix(text_hash(&site.file)) ^ u64::from(site.line)))
}

#[cfg(test)]
mod tests;
