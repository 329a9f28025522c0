//! Ids that last: a cluster that is found again keeps its id, whatever joined it since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{KnownCluster, signature::Signature};
use crate::triage::extract::mix;

/// What a cluster is called.
pub(super) struct Named {
    pub id: String,
    pub aliases: Vec<String>,
    pub known: bool,
}

/// Names each part. `known_of`: which signatures are exemplars of which known cluster.
pub(super) fn name(
    all: &[Signature],
    parts: &[Vec<u32>],
    known: &[KnownCluster],
    known_of: &[(u32, usize)],
) -> Vec<Named> {
    let mut part_of = vec![0_usize; all.len()];
    for (number, part) in parts.iter().enumerate() {
        for at in part {
            part_of[*at as usize] = number;
        }
    }
    let handles: Vec<BTreeSet<u64>> = parts
        .iter()
        .map(|part| part.iter().map(|at| all[*at as usize].handle()).collect())
        .collect();
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for (number, cluster) in known.iter().enumerate() {
        for id in std::iter::once(&cluster.id).chain(&cluster.aliases) {
            by_id.entry(id).or_insert(number);
        }
    }
    // How much of each known cluster lies in each part.
    let mut share: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (at, number) in known_of {
        *share.entry((*number, part_of[*at as usize])).or_default() += 2;
    }
    if !by_id.is_empty() {
        for (part, handles) in handles.iter().enumerate() {
            for handle in handles {
                if let Some(number) = by_id.get(id(*handle).as_str()) {
                    *share.entry((*number, part)).or_default() += 1;
                }
            }
        }
    }
    // Each known cluster goes to the part that has most of it.
    let mut best: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for ((number, part), score) in share {
        let first = handles[part].first();
        best.entry(number)
            .and_modify(|held| {
                if score > held.1 || score == held.1 && first < handles[held.0].first() {
                    *held = (part, score);
                }
            })
            .or_insert((part, score));
    }
    let mut won: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, (part, _)) in best {
        won.entry(part).or_default().push(number);
    }
    let mut taken: BTreeSet<String> = known.iter().map(|cluster| cluster.id.clone()).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| handles[*a].cmp(&handles[*b]));
    let mut named: Vec<Option<Named>> = (0..parts.len()).map(|_| None).collect();
    for part in order {
        let mut aliases: BTreeSet<String> =
            handles[part].iter().map(|handle| id(*handle)).collect();
        let numbers = won.get(&part);
        let name = match numbers.and_then(|numbers| numbers.first()) {
            Some(number) => known[*number].id.clone(),
            None => fresh(&handles[part], &taken),
        };
        for number in numbers.into_iter().flatten() {
            aliases.insert(known[*number].id.clone());
            aliases.extend(known[*number].aliases.iter().cloned());
        }
        taken.insert(name.clone());
        aliases.remove(&name);
        named[part] = Some(Named {
            id: name,
            aliases: aliases.into_iter().collect(),
            known: numbers.is_some(),
        });
    }
    named.into_iter().flatten().collect()
}

/// The first handle nobody has; handles that are all taken give one of their own.
fn fresh(handles: &BTreeSet<u64>, taken: &BTreeSet<String>) -> String {
    let mut last = 0;
    for handle in handles {
        last = *handle;
        let id = id(*handle);
        if !taken.contains(&id) {
            return id;
        }
    }
    loop {
        last = mix(last);
        let id = id(last);
        if !taken.contains(&id) {
            return id;
        }
    }
}

fn id(handle: u64) -> String {
    format!("v1:{:012x}", handle >> 16)
}
