//! Matrices with a known cause, to measure attribution with.

use std::collections::BTreeMap;

use super::{Attribution, Axis, Cell, attribute};
use crate::model::Blame;

/// A small deterministic generator (splitmix64): the same seed gives the same matrices everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn chance(&mut self, of: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < of
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }
}

/// What a simulated world looks like.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Sandboxers.
    pub sandboxers: usize,
    /// Node variants.
    pub nodes: usize,
    /// Trials in each cell.
    pub trials: u32,
    /// How often it fails without a cause.
    pub base: f64,
    /// How often it fails with the cause.
    pub rate: f64,
}

impl World {
    /// The four pairings of main and stable, over every sandboxer and node.
    fn places(self) -> Vec<BTreeMap<Axis, String>> {
        let mut places = Vec::new();
        for (kubernetes, runtime) in [
            ("main", "main"),
            ("main", "stable"),
            ("stable", "main"),
            ("stable", "stable"),
        ] {
            for sandboxer in 0..self.sandboxers {
                for node in 0..self.nodes {
                    places.push(BTreeMap::from([
                        (Axis::Kubernetes, kubernetes.to_owned()),
                        (Axis::Runtime, runtime.to_owned()),
                        (Axis::Sandboxer, format!("s{sandboxer}")),
                        (Axis::Node, format!("n{node}")),
                    ]));
                }
            }
        }
        places
    }

    /// A matrix of this world. Where `cause` holds it fails at the rate, elsewhere at the base.
    #[must_use]
    pub fn matrix(self, dice: &mut Dice, cause: &[(Axis, String)]) -> Vec<Cell> {
        self.places()
            .into_iter()
            .map(|levels| {
                let holds = !cause.is_empty()
                    && cause
                        .iter()
                        .all(|(axis, level)| levels.get(axis) == Some(level));
                let of = if holds { self.rate } else { self.base };
                let failed = (0..self.trials).filter(|_| dice.chance(of)).count();
                let failed = u32::try_from(failed).unwrap_or(u32::MAX);
                Cell {
                    levels,
                    failed,
                    passed: self.trials - failed,
                }
            })
            .collect()
    }

    /// A cause on one axis, drawn at random.
    #[must_use]
    pub fn cause(self, dice: &mut Dice) -> (Axis, String) {
        let axes = if self.nodes > 1 { 4 } else { 3 };
        match dice.below(axes) {
            0 => (Axis::Kubernetes, "main".to_owned()),
            1 => (Axis::Runtime, "main".to_owned()),
            2 => (Axis::Sandboxer, format!("s{}", dice.below(self.sandboxers))),
            _ => (Axis::Node, format!("n{}", dice.below(self.nodes))),
        }
    }
}

/// How many matrices ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub matrices: u32,
    /// The cause was named.
    pub right: u32,
    /// Another was named.
    pub wrong: u32,
    /// Somebody was suspected.
    pub suspected: u32,
    /// It said that there is not enough data.
    pub not_enough: u32,
    /// It said that there is no difference.
    pub no_difference: u32,
}

impl Tally {
    /// The share of `count` in all.
    #[must_use]
    pub fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.matrices.max(1))
    }
}

/// Attributes that many matrices of this world, each with a cause of its own or none.
#[must_use]
pub fn tally(world: World, seed: u64, matrices: u32, with_cause: bool) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    for _ in 0..matrices {
        let cause = with_cause.then(|| world.cause(&mut dice));
        let cells = world.matrix(&mut dice, cause.as_slice());
        let truth = cause
            .as_ref()
            .map_or(Blame::Unknown, |cause| cause.0.blame());
        tally.matrices += 1;
        match attribute(&cells) {
            Attribution::Named { explanation } => {
                let level = cause
                    .as_ref()
                    .is_some_and(|cause| explanation.when == [cause.clone()]);
                // With two levels, blaming one is saying that the other is well.
                if explanation.blame == truth && level {
                    tally.right += 1;
                } else {
                    tally.wrong += 1;
                }
            }
            Attribution::Suspect { .. } => tally.suspected += 1,
            Attribution::NotEnough { .. } => tally.not_enough += 1,
            Attribution::NoDifference { .. } | Attribution::Everywhere { .. } => {
                tally.no_difference += 1;
            }
        }
    }
    tally
}
