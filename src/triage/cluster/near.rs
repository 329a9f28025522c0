//! Pairs of texts that may be alike, found without comparing all with all.

use crate::triage::extract::mix;

const BANDS: usize = 12;
const ROWS: usize = 3;
/// The most texts of one bucket that are compared with each other; beyond, each with as many after it.
const WIDTH: usize = 24;

/// Word lists: hashes and weights, sorted by hash.
pub(super) type Words = Vec<(u64, f32)>;

/// Candidate pairs, each once, sorted. Depends on the texts only, not on their order.
pub(super) fn candidates(texts: &[Words]) -> Vec<(u32, u32)> {
    let mut keyed: Vec<(u64, u32)> = Vec::with_capacity(texts.len() * BANDS);
    for (index, words) in texts.iter().enumerate() {
        let Ok(index) = u32::try_from(index) else {
            break;
        };
        let sketch = sketch(words);
        for band in 0..BANDS {
            let mut key = band as u64;
            for row in 0..ROWS {
                key = mix(key ^ sketch[band * ROWS + row]);
            }
            keyed.push((key, index));
        }
    }
    let mut pairs = Vec::new();
    keyed.sort_unstable();
    for run in keyed.chunk_by(|a, b| a.0 == b.0) {
        if run.len() < 2 {
            continue;
        }
        let mut bucket: Vec<u32> = run.iter().map(|entry| entry.1).collect();
        if bucket.len() > WIDTH {
            bucket.sort_unstable_by(|a, b| {
                hashes(&texts[*a as usize]).cmp(hashes(&texts[*b as usize]))
            });
        }
        for (at, a) in bucket.iter().enumerate() {
            for b in bucket.iter().skip(at + 1).take(WIDTH) {
                pairs.push((*a.min(b), *a.max(b)));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn hashes(words: &Words) -> impl Iterator<Item = u64> {
    words.iter().map(|word| word.0)
}

/// MinHash over the words that weigh something.
fn sketch(words: &Words) -> [u64; BANDS * ROWS] {
    let mut least = [u64::MAX; BANDS * ROWS];
    let heavy = words.iter().any(|word| word.1 >= 0.5);
    for (hash, weight) in words {
        if heavy && *weight < 0.5 {
            continue;
        }
        let mut state = *hash;
        for slot in &mut least {
            state = mix(state);
            *slot = (*slot).min(state);
        }
    }
    least
}
