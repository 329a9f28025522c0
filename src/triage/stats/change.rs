//! Since when a rate is another one: a beta-binomial changepoint.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, wilson};

/// With fewer runs nothing is said of a change.
pub const CHANGE_RUNS: usize = 20;
/// How much likelier a change must be than none: one in a thousand histories without a change shows one.
const ODDS: f64 = 1000.0;
/// How much of the likelihood the given range of starts holds.
const MASS: f64 = 0.99;

/// A change of a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// The first trial of the new rate, as an index into the history, oldest first.
    pub at: usize,
    /// The earliest and the latest trial that it may have been, at 99 %.
    pub between: (usize, usize),
    /// The rate before.
    pub before: Interval,
    /// The rate since.
    pub after: Interval,
}

/// The newest change in a history of trials, oldest first; each is (failed, all) of one run.
#[must_use]
pub fn change(history: &[(u32, u32)]) -> Option<Change> {
    if history.iter().filter(|run| run.1 > 0).count() < CHANGE_RUNS {
        return None;
    }
    // Changes before the newest one are history; the newest part is looked at for another.
    let mut from = 0;
    let mut found = None;
    while let Some(here) = one_change(&history[from..]) {
        let at = from + here.at;
        found = Some(Change {
            at,
            between: (from + here.between.0, from + here.between.1),
            ..here
        });
        if history[at..].iter().filter(|run| run.1 > 0).count() < CHANGE_RUNS {
            break;
        }
        from = at;
    }
    found
}

fn one_change(history: &[(u32, u32)]) -> Option<Change> {
    let sum = |part: &[(u32, u32)]| {
        part.iter()
            .fold((0, 0), |all, run| (all.0 + run.0, all.1 + run.1))
    };
    let whole = sum(history);
    let mut before = (0, 0);
    // The likelihood of a change at each place, relative to none.
    let mut places: Vec<(usize, f64)> = Vec::new();
    for at in 1..history.len() {
        before = (before.0 + history[at - 1].0, before.1 + history[at - 1].1);
        let after = (whole.0 - before.0, whole.1 - before.1);
        if before.1 > 0 && after.1 > 0 && history[at].1 > 0 {
            places.push((at, evidence(before) + evidence(after) - evidence(whole)));
        }
    }
    let (at, best) = places
        .iter()
        .copied()
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    let weights: Vec<f64> = places.iter().map(|(_, ln)| (ln - best).exp()).collect();
    let mass: f64 = weights.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "no history has 2^52 runs")]
    let average = best + (mass / places.len() as f64).ln();
    if average < ODDS.ln() {
        return None;
    }
    let tail = (1.0 - MASS) / 2.0 * mass;
    let edge = |order: &mut dyn Iterator<Item = usize>| {
        let mut left = tail;
        for index in order {
            left -= weights[index];
            if left < 0.0 {
                return Some(places[index].0);
            }
        }
        None
    };
    let first = edge(&mut (0..places.len()))?;
    let last = edge(&mut (0..places.len()).rev())?;
    let (old, new) = (sum(&history[..at]), sum(&history[at..]));
    Some(Change {
        at,
        between: (first.min(at), last.max(at)),
        before: wilson(old.0, old.1)?,
        after: wilson(new.0, new.1)?,
    })
}

/// ln of the chance of these trials in this order when every rate is as likely as another (a beta(½, ½) prior).
fn evidence((failed, trials): (u32, u32)) -> f64 {
    let (a, b) = (f64::from(failed) + 0.5, f64::from(trials - failed) + 0.5);
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b) - std::f64::consts::PI.ln()
}

/// ln Γ(x) for x > 0, by Stirling's series after moving x up.
fn ln_gamma(mut x: f64) -> f64 {
    let mut moved = 0.0;
    while x < 12.0 {
        moved -= x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    moved + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::attribute::simulate::Dice;

    fn runs(parts: &[(usize, u32)]) -> Vec<(u32, u32)> {
        parts
            .iter()
            .flat_map(|(count, failed)| std::iter::repeat_n((*failed, 1), *count))
            .collect()
    }

    #[test]
    fn gamma_is_known() {
        assert!((ln_gamma(5.0) - 24_f64.ln()).abs() < 1e-10);
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-10);
    }

    #[test]
    fn a_break_is_found_where_it_is() {
        let found = change(&runs(&[(18, 0), (6, 1)])).unwrap();
        assert_eq!(found.at, 18);
        assert_eq!((found.before.failed, found.after.failed), (0, 6));
        assert!(found.between.0 <= 18 && found.between.1 >= 18);
        assert!(
            change(&runs(&[(14, 0), (5, 1)])).is_none(),
            "19 runs are too few"
        );
        assert!(change(&runs(&[(30, 0)])).is_none());
        assert!(
            change(&runs(&[(29, 0), (1, 1)])).is_none(),
            "one failure is no change"
        );
    }

    #[test]
    fn the_newest_change_counts() {
        let found = change(&runs(&[(25, 0), (25, 1), (25, 0)])).unwrap();
        assert_eq!(found.at, 50);
        assert_eq!(found.after.failed, 0);
    }

    #[test]
    fn a_steady_flake_shows_no_change() {
        let mut dice = Dice::new(5);
        let mut seen = 0;
        for _ in 0..300 {
            let history: Vec<(u32, u32)> = (0..40)
                .map(|_| (u32::from(dice.below(10) == 0), 1))
                .collect();
            seen += u32::from(change(&history).is_some());
        }
        assert!(seen <= 3, "{seen} of 300");
    }
}
