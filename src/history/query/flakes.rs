//! Specs that both pass and fail on the same inputs.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::{LaneRef, Window, lane::ran, rows, statements};
use crate::{
    history::{HistoryError, Index, codes},
    model::SpecOutcome,
};

/// A flaky spec of a lane. A rate never stands without its number of results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flake {
    /// The spec.
    pub spec: String,
    /// The lane.
    #[serde(flatten)]
    pub lane: LaneRef,
    /// How often it ran.
    pub ran: u32,
    /// How often it failed so that it counts.
    pub failed: u32,
    /// Failures that passed when they ran again, with the same candidate.
    pub confirmed: u32,
    /// Failures with a candidate with which it also passed on this lane, in another run.
    pub mixed: u32,
    /// `(confirmed + mixed) / ran`; no failure is counted twice.
    pub rate: f64,
    /// Its 95 % interval, by Wilson.
    pub interval: (f64, f64),
    /// The newest of those failures.
    pub last: Timestamp,
    /// Wall time of all tries that ran failed specs of those cells once more, in milliseconds.
    pub cost_ms: u64,
}

#[derive(Default)]
struct Seen {
    /// Candidate, when, whether running it again passed, cell.
    failures: Vec<(Option<i64>, Timestamp, bool, i64)>,
    passed_with: Vec<i64>,
    ran: u32,
}

impl Index {
    /// Flaky specs, the most expensive first, then by rate.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn flakes(
        &self,
        profile: Option<&str>,
        lane: Option<&str>,
        window: Window,
    ) -> Result<Vec<Flake>, HistoryError> {
        let lanes = match lane {
            Some(text) => vec![self.lane(profile, text)?],
            None => self.lanes(profile)?,
        };
        let mut flakes = Vec::new();
        for lane in lanes {
            for (spec, seen) in self.failed_on(&lane, window)? {
                if let Some(flake) = self.flake(&lane, spec, &seen)? {
                    flakes.push(flake);
                }
            }
        }
        flakes.sort_by(|a, b| {
            let cost = b.cost_ms.cmp(&a.cost_ms);
            cost.then_with(|| b.rate.total_cmp(&a.rate))
                .then_with(|| (&a.spec, &a.lane).cmp(&(&b.spec, &b.lane)))
        });
        Ok(flakes)
    }

    /// What failed on a lane, with all of its results there.
    fn failed_on(
        &self,
        lane: &LaneRef,
        window: Window,
    ) -> Result<BTreeMap<i64, Seen>, HistoryError> {
        let (from, to) = window.bounds();
        let mut failed: HashMap<(i64, i64), bool> = HashMap::new();
        let mut seen: BTreeMap<i64, Seen> = BTreeMap::new();
        let rows = self.all(statements::SPECS_THAT_FAILED, (lane.id, from, to), |row| {
            let flaky = row.get::<_, Option<String>>(5)?.as_deref() == Some("flaky");
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(3)?,
                flaky,
            ))
        })?;
        for (cell, spec, outcome, flaky) in rows {
            if outcome != codes::STOPPED && codes::outcome(outcome).is_failure() {
                failed.insert((cell, spec), flaky);
                seen.entry(spec).or_default();
            }
        }
        if seen.is_empty() {
            return Ok(seen);
        }
        let mut places: HashMap<i64, Vec<(usize, i64)>> = HashMap::new();
        self.each_vector(statements::VECTORS_OF_LANE, (lane.id, from, to), |packed| {
            let ids = self.list(packed.list)?;
            let places = places.entry(packed.list).or_insert_with(|| {
                let places = ids.iter().enumerate();
                let known = places.filter(|(_, id)| seen.contains_key(id));
                known.map(|(place, id)| (place, *id)).collect()
            });
            let outcomes = packed.outcomes(ids.len())?;
            for (place, spec) in places {
                let (Some(outcome), Some(seen)) = (outcomes.get(*place), seen.get_mut(spec)) else {
                    continue;
                };
                seen.ran += u32::from(ran(*outcome));
                if *outcome == SpecOutcome::Passed {
                    seen.passed_with.extend(packed.candidate);
                } else if let Some(flaky) = failed.get(&(packed.cell, *spec)) {
                    let failure = (packed.candidate, packed.at, *flaky, packed.cell);
                    seen.failures.push(failure);
                }
            }
            Ok(())
        })?;
        Ok(seen)
    }

    fn flake(&self, lane: &LaneRef, spec: i64, seen: &Seen) -> Result<Option<Flake>, HistoryError> {
        let (mut confirmed, mut mixed, mut cost_ms) = (0, 0, 0);
        let mut last = None;
        for (candidate, at, flaky, cell) in &seen.failures {
            if *flaky {
                confirmed += 1;
            } else if candidate.is_some_and(|it| seen.passed_with.contains(&it)) {
                mixed += 1;
            } else {
                continue;
            }
            last = last.max(Some(*at));
            let tries = self.all(statements::ATTEMPTS_OF_CELL, [cell], |row| {
                Ok((row.get::<_, bool>(1)?, rows::unsigned(row.get(3)?)))
            })?;
            let again = tries.into_iter().filter(|(confirm, _)| *confirm);
            cost_ms += again.map(|(_, ms)| ms).sum::<u64>();
        }
        let Some(last) = last else {
            return Ok(None);
        };
        let flaky = confirmed + mixed;
        Ok(Some(Flake {
            spec: self.spec_name(spec)?,
            lane: lane.clone(),
            ran: seen.ran,
            failed: u32::try_from(seen.failures.len()).unwrap_or(u32::MAX),
            confirmed,
            mixed,
            rate: f64::from(flaky) / f64::from(seen.ran.max(1)),
            interval: wilson(flaky, seen.ran),
            last,
            cost_ms,
        }))
    }
}

/// The 95 % interval of a share, by Wilson.
#[must_use]
pub fn wilson(hits: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_964_f64;
    let (n, p) = (f64::from(of), f64::from(hits) / f64::from(of));
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    (
        ((middle - half) / whole).max(0.0),
        ((middle + half) / whole).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn wilson_is_wilsons() {
        let (low, high) = wilson(10, 100);
        assert!(
            (low - 0.0552).abs() < 0.0005 && (high - 0.1744).abs() < 0.0005,
            "{low} {high}"
        );
        let (low, high) = wilson(0, 20);
        assert!(
            low.abs() < 1e-9 && (high - 0.1611).abs() < 0.0005,
            "{low} {high}"
        );
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
