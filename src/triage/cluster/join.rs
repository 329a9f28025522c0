//! Which signatures are one cause. Every rule looks at contents only, so the order of the input changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Reason, forest::Forest, near, signature::Signature};
use crate::triage::extract::{name_key, similarity, text_hash, words};

/// Reasons of different tests from here on are one.
pub(super) const SAME_REASON: f64 = 0.8;
/// Reasons of one test from here on do not disagree.
pub(super) const COMPATIBLE: f64 = 0.25;
/// Names from here on are variants of one test.
pub(super) const NEAR_NAME: f64 = 0.75;
/// Up to so many reasons of one test are all compared with each other.
const COMPARED: usize = 48;

/// Joins signatures. `events`: pairs that are one event, told twice.
pub(super) fn join(all: &[Signature], events: &[(u32, u32)]) -> Forest {
    let mut forest = Forest::new(all.len());
    equal_reasons(all, &mut forest);
    alike_reasons(all, &mut forest);
    let groups = name_groups(all);
    let spread = spread(all, &groups, &mut forest);
    for group in groups.values() {
        one_test(all, group, &spread, &mut forest);
    }
    near_names(all, &mut forest);
    unnamed(all, &mut forest);
    for (a, b) in events {
        forest.join(*a, *b, Reason::SameEvent);
    }
    forest
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn equal_reasons(all: &[Signature], forest: &mut Forest) {
    let mut first: HashMap<(u64, bool), u32> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        if let Some(reason) = &one.reason {
            let at = index(at);
            let other = *first.entry((text_hash(reason), one.ruled)).or_insert(at);
            forest.join(other, at, Reason::SameError);
        }
    }
}

fn alike_reasons(all: &[Signature], forest: &mut Forest) {
    let mut distinct: HashMap<u64, u32> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        if let Some(reason) = &one.reason
            && !one.ruled
        {
            distinct.entry(text_hash(reason)).or_insert(index(at));
        }
    }
    let members: Vec<u32> = distinct.into_values().collect();
    let texts: Vec<near::Words> = members
        .iter()
        .map(|at| words(all[*at as usize].reason.as_deref().unwrap_or_default()))
        .collect();
    for (a, b) in near::candidates(&texts) {
        if similarity(&texts[a as usize], &texts[b as usize]) >= SAME_REASON {
            forest.join(members[a as usize], members[b as usize], Reason::AlikeError);
        }
    }
}

/// Signatures by test. A short name that is the tail of a longer one is the same test if the file agrees.
fn name_groups(all: &[Signature]) -> BTreeMap<&str, Vec<u32>> {
    let mut groups: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        if one.named() {
            groups
                .entry(name_key(&one.name))
                .or_default()
                .push(index(at));
        }
    }
    // Reversed, a tail is a prefix: everything that ends with it follows it directly.
    let mut reversed: Vec<(String, &str)> = groups
        .keys()
        .map(|name| (name.chars().rev().collect(), *name))
        .collect();
    reversed.sort_unstable();
    let mut moved: Vec<(&str, &str)> = Vec::new();
    for pair in reversed.windows(2) {
        let [(short, name), (long, longer)] = pair else {
            continue;
        };
        // One more word is as often a label that somebody put before the name.
        let tail = long
            .strip_prefix(short.as_str())
            .is_some_and(|rest| rest.starts_with(' ') && rest[1..].contains(' '));
        if tail && name.split(' ').count() >= 5 && share_file(all, &groups[name], &groups[longer]) {
            moved.push((*name, *longer));
        }
    }
    // From the shortest on, so that a chain of tails ends in one group.
    for (name, longer) in moved {
        if let Some(members) = groups.remove(name) {
            groups.entry(longer).or_default().extend(members);
        }
    }
    groups
}

fn share_file(all: &[Signature], a: &[u32], b: &[u32]) -> bool {
    let files = |of: &[u32]| -> BTreeSet<String> {
        of.iter()
            .map(|at| all[*at as usize].site.clone())
            .filter(|site| !site.is_empty())
            .collect()
    };
    let (a, b) = (files(a), files(b));
    a.is_empty() && b.is_empty() || a.intersection(&b).next().is_some()
}

/// In how many tests each set of reasons was seen. An error of many tests is no test's own.
fn spread(
    all: &[Signature],
    groups: &BTreeMap<&str, Vec<u32>>,
    forest: &mut Forest,
) -> HashMap<u32, usize> {
    let mut seen: HashMap<u32, BTreeSet<usize>> = HashMap::new();
    for (number, group) in groups.values().enumerate() {
        for at in group {
            if all[*at as usize].reason.is_some() {
                seen.entry(forest.find(*at)).or_default().insert(number);
            }
        }
    }
    seen.into_iter()
        .map(|(root, tests)| (root, tests.len()))
        .collect()
}

/// Failures of one test are one cause, unless what they say disagrees.
fn one_test(all: &[Signature], group: &[u32], spread: &HashMap<u32, usize>, forest: &mut Forest) {
    if group.len() < 2 {
        return;
    }
    // What each says for itself, with who says it.
    let mut said: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut silent: Vec<u32> = Vec::new();
    let mut own: BTreeSet<u32> = BTreeSet::new();
    for at in group {
        let one = &all[*at as usize];
        let text = one.reason.as_deref().unwrap_or_else(|| one.own_words());
        if text.is_empty() {
            silent.push(*at);
            continue;
        }
        let root = forest.find(*at);
        if spread.get(&root).is_none_or(|tests| *tests < 2) {
            own.insert(*at);
        }
        said.entry(text).or_default().push(*at);
    }
    for same in said.values() {
        for pair in same.windows(2) {
            forest.join(pair[0], pair[1], Reason::SameTest);
        }
    }
    let who: Vec<&Vec<u32>> = said.values().collect();
    let texts: Vec<near::Words> = said.keys().map(|text| words(text)).collect();
    for (a, b) in compared(&texts) {
        let (left, right) = (who[a as usize], who[b as usize]);
        let theirs = left.iter().chain(right).all(|one| own.contains(one));
        let ruled = all[left[0] as usize].ruled || all[right[0] as usize].ruled;
        if theirs && !ruled && similarity(&texts[a as usize], &texts[b as usize]) >= COMPATIBLE {
            forest.join(left[0], right[0], Reason::SameTest);
        }
    }
    for pair in silent.windows(2) {
        forest.join(pair[0], pair[1], Reason::SameTest);
    }
    // Who says nothing joins those who do, if these agree and the error is this test's own.
    let roots: BTreeSet<u32> = said.values().flatten().map(|at| forest.find(*at)).collect();
    if let (Some(silent), 1) = (silent.first(), roots.len())
        && let Some(at) = said.values().flatten().min()
        && own.contains(at)
    {
        forest.join(*silent, *at, Reason::SameTest);
    }
}

/// All pairs, or where a test has said very many things, those that are likely to be alike. Which these are depends on
/// the two texts alone.
fn compared(texts: &[near::Words]) -> Vec<(u32, u32)> {
    if texts.len() > COMPARED {
        return near::candidates(texts);
    }
    let count = index(texts.len());
    (0..count)
        .flat_map(|a| (a + 1..count).map(move |b| (a, b)))
        .collect()
}

/// Variants of one test that fail alike in one file.
fn near_names(all: &[Signature], forest: &mut Forest) {
    let mut buckets: HashMap<u64, Vec<u32>> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        if one.named()
            && one.reason.is_none()
            && (!one.site.is_empty() || names_a_thing(one.own_words()))
            && (telling(&one.expectation) || !one.own_words().is_empty())
        {
            // What names a thing (a quoted value) is the same whatever the test is called, and whatever was there instead.
            let key = if names_a_thing(one.own_words()) {
                text_hash(&format!("{}|{:?}|{}", one.site, one.verb, one.desc))
            } else {
                text_hash(&one.unnamed())
            };
            buckets.entry(key).or_default().push(index(at));
        }
    }
    for mut bucket in buckets.into_values() {
        bucket.sort_unstable_by(|a, b| all[*a as usize].name.cmp(&all[*b as usize].name));
        bucket.dedup_by(|a, b| {
            all[*a as usize].name == all[*b as usize].name && forest.find(*a) == forest.find(*b)
        });
        let names: Vec<near::Words> = bucket
            .iter()
            .map(|at| words(&all[*at as usize].name))
            .collect();
        for a in 0..bucket.len() {
            let specific = names_a_thing(all[bucket[a] as usize].own_words());
            for b in a + 1..bucket.len().min(a + 33) {
                if specific || similarity(&names[a], &names[b]) >= NEAR_NAME {
                    forest.join(bucket[a], bucket[b], Reason::NearTest);
                }
            }
        }
    }
}

/// Whether the author's words quote a value.
fn names_a_thing(words: &str) -> bool {
    words.contains('"')
}

/// Whether compared values say more than numbers and truth do.
fn telling(expectation: &str) -> bool {
    expectation
        .split_whitespace()
        .any(|word| word.len() >= 4 && word.starts_with(|letter: char| letter.is_ascii_uppercase()))
}

/// Without a name, saying the same at the same place is all there is.
fn unnamed(all: &[Signature], forest: &mut Forest) {
    let mut first: HashMap<u64, u32> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        // Where a rule names the cause, only that rule does.
        if !one.named() && one.speaks() && !one.ruled {
            let at = index(at);
            let other = *first.entry(text_hash(&one.unnamed())).or_insert(at);
            forest.join(other, at, Reason::SameWords);
        }
    }
}
