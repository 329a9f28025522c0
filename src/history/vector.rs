//! Outcomes and durations of all specs of a cell, packed in the order of its list of specs.
//!
//! Outcomes are runs of equal ones: one byte holds an outcome (low four bits) and how often it repeats (high four bits:
//! 1 to 15, or 0 when the count follows as a varint). Durations are varints of milliseconds.

use super::codes::{self, OUTCOMES};
use crate::model::SpecOutcome;

/// No honest list is longer.
const MOST: usize = 1 << 20;

/// Packed results are not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// A byte stands for no outcome.
    #[error("byte {at} stands for no outcome")]
    Outcome {
        /// Which byte.
        at: usize,
    },
    /// The last number breaks off, or is too large.
    #[error("the number at byte {at} breaks off")]
    Number {
        /// Which byte.
        at: usize,
    },
    /// There are more or fewer than specs.
    #[error("it holds {found} results for {specs} specs")]
    Length {
        /// How many it holds.
        found: usize,
        /// How many there should be.
        specs: usize,
    },
    /// It is no base64.
    #[error("it is no base64")]
    Base64,
}

/// Packs outcomes.
#[must_use]
pub fn pack_outcomes(outcomes: &[SpecOutcome]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in outcomes.chunk_by(|a, b| a == b) {
        let code = run
            .first()
            .map_or(0, |outcome| codes::code(&OUTCOMES, outcome)) as u8;
        match u8::try_from(run.len()) {
            Ok(count @ 1..=15) => out.push(count << 4 | code),
            _ => {
                out.push(code);
                push_varint(&mut out, run.len() as u64);
            }
        }
    }
    out
}

/// Packs durations in milliseconds.
#[must_use]
pub fn pack_millis(millis: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(millis.len() * 2);
    for ms in millis {
        push_varint(&mut out, *ms);
    }
    out
}

/// Runs of equal outcomes: how many, and which.
fn runs(packed: &[u8]) -> impl Iterator<Item = Result<(usize, SpecOutcome), VectorError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *packed.get(at)?;
        let Some(outcome) = codes::value(&OUTCOMES, i64::from(byte & 15)) else {
            let bad = at;
            at = packed.len();
            return Some(Err(VectorError::Outcome { at: bad }));
        };
        at += 1;
        let count = match byte >> 4 {
            0 => match varint(packed, &mut at) {
                Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
                None => {
                    let bad = at;
                    at = packed.len();
                    return Some(Err(VectorError::Number { at: bad }));
                }
            },
            count => usize::from(count),
        };
        Some(Ok((count, outcome)))
    })
}

/// Unpacks the outcomes of `specs` specs.
///
/// # Errors
/// When they are not whole.
pub fn outcomes(packed: &[u8], specs: usize) -> Result<Vec<SpecOutcome>, VectorError> {
    let mut out = Vec::with_capacity(specs.min(MOST));
    for run in runs(packed) {
        let (count, outcome) = run?;
        let found = out.len().saturating_add(count);
        if found > specs {
            return Err(VectorError::Length { found, specs });
        }
        out.resize(found, outcome);
    }
    match out.len() {
        found if found == specs => Ok(out),
        found => Err(VectorError::Length { found, specs }),
    }
}

/// The outcome at one place, without unpacking the rest.
#[must_use]
pub fn outcome_at(packed: &[u8], place: usize) -> Option<SpecOutcome> {
    let mut passed = 0_usize;
    for run in runs(packed) {
        let (count, outcome) = run.ok()?;
        passed = passed.saturating_add(count);
        if place < passed {
            return Some(outcome);
        }
    }
    None
}

/// Unpacks the durations of `specs` specs.
///
/// # Errors
/// When they are not whole.
pub fn millis(packed: &[u8], specs: usize) -> Result<Vec<u64>, VectorError> {
    let mut out = Vec::with_capacity(specs.min(MOST));
    let mut at = 0;
    while at < packed.len() {
        let begin = at;
        out.push(varint(packed, &mut at).ok_or(VectorError::Number { at: begin })?);
    }
    match out.len() {
        found if found == specs => Ok(out),
        found => Err(VectorError::Length { found, specs }),
    }
}

/// The duration at one place.
#[must_use]
pub fn millis_at(packed: &[u8], place: usize) -> Option<u64> {
    // Every number ends with the one byte that has no high bit: count those, a block at a time while that is not too far.
    const BLOCK: usize = 32;
    let ends = |bytes: &[u8]| bytes.iter().filter(|byte| **byte < 0x80).count();
    let (mut at, mut left) = (0, place);
    while let Some(block) = packed.get(at..at + BLOCK) {
        let here = ends(block);
        if here >= left {
            break;
        }
        left -= here;
        at += BLOCK;
    }
    while left > 0 {
        left -= usize::from(*packed.get(at)? < 0x80);
        at += 1;
    }
    varint(packed, &mut at)
}

/// Appends a number, seven bits a byte, lowest first.
pub fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number at `at`, and goes past it.
pub fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = SpecOutcome> {
        prop_oneof![8 => Just(SpecOutcome::Passed), 1 => proptest::sample::select(&OUTCOMES[..])]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(outcomes_in in prop::collection::vec(outcome(), 0..600)) {
            let packed = pack_outcomes(&outcomes_in);
            prop_assert_eq!(outcomes(&packed, outcomes_in.len()).unwrap(), outcomes_in.clone());
            for (at, outcome) in outcomes_in.iter().enumerate() {
                prop_assert_eq!(outcome_at(&packed, at), Some(*outcome));
            }
            prop_assert_eq!(outcome_at(&packed, outcomes_in.len()), None);
        }

        #[test]
        fn durations_come_back(ms in prop::collection::vec(any::<u64>(), 0..300)) {
            let packed = pack_millis(&ms);
            prop_assert_eq!(millis(&packed, ms.len()).unwrap(), ms.clone());
            for (at, ms) in ms.iter().enumerate() {
                prop_assert_eq!(millis_at(&packed, at), Some(*ms));
            }
            prop_assert_eq!(millis_at(&packed, ms.len()), None);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), specs in 0_usize..2000) {
            let _ = millis(&bytes, specs);
            let _ = millis_at(&bytes, specs);
            let _ = outcome_at(&bytes, specs);
            if let Ok(out) = outcomes(&bytes, specs) {
                prop_assert_eq!(out.len(), specs);
            }
        }
    }

    #[test]
    fn a_usual_night_is_small() {
        let mut night = vec![SpecOutcome::Passed; 1200];
        night[700] = SpecOutcome::Failed;
        assert_eq!(pack_outcomes(&night).len(), 3 + 1 + 3);
    }

    #[test]
    fn a_torn_vector_is_no_vector() {
        let packed = pack_outcomes(&vec![SpecOutcome::Passed; 1200]);
        assert!(matches!(
            outcomes(&packed, 1201),
            Err(VectorError::Length {
                found: 1200,
                specs: 1201
            })
        ));
        assert!(matches!(
            outcomes(&packed[..2], 1200),
            Err(VectorError::Number { .. })
        ));
        assert!(matches!(
            outcomes(&[0xff], 1),
            Err(VectorError::Outcome { at: 0 })
        ));
    }
}
