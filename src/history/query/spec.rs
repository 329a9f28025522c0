//! One spec: every night on every lane.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{FailureRow, LaneRef, Window, after, lane::ran, quantile, statements, vectors::Places};
use crate::{
    history::{HistoryError, Index},
    model::{Accelerator, SpecOutcome},
};

/// A spec on all lanes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpecHistory {
    /// Its name.
    pub spec: String,
    /// Its lanes, by profile and name.
    pub lanes: Vec<SpecLane>,
    /// Clusters that its failures belong to, newest failure of each, newest first.
    pub clusters: Vec<FailureRow>,
}

/// A spec on one lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpecLane {
    /// The lane.
    #[serde(flatten)]
    pub lane: LaneRef,
    /// Its results, oldest first.
    pub marks: Vec<Mark>,
    /// How often it passed.
    pub passed: u32,
    /// How often it failed so that it counts.
    pub failed: u32,
    /// How often it ran.
    pub ran: u32,
    /// The newest pass.
    pub last_good: Option<Mark>,
    /// The first failure after that, or of all when it never passed.
    pub first_bad: Option<Mark>,
    /// Half of its passes took no longer, by what ran the guest.
    pub p50_ms: BTreeMap<String, u64>,
    /// 95 of 100 passes took no longer, by what ran the guest.
    pub p95_ms: BTreeMap<String, u64>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// When its run started.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// How it ended.
    pub outcome: SpecOutcome,
    /// Its run time.
    pub ms: u64,
    /// What ran the guest.
    pub accelerator: Option<Accelerator>,
}

impl Index {
    /// The spec that `text` names: its whole name, or a part of it that no other has.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn find_spec(&self, text: &str) -> Result<String, HistoryError> {
        if self
            .one(statements::SPEC_BY_NAME, [text], |row| row.get::<_, i64>(0))?
            .is_some()
        {
            return Ok(text.to_owned());
        }
        let mut fits = self.specs_with(text)?;
        match fits.len() {
            1 => Ok(fits.remove(0)),
            0 => Err(HistoryError::Unknown {
                what: "spec",
                text: text.to_owned(),
                near: Vec::new(),
            }),
            _ => Err(HistoryError::Ambiguous {
                what: "spec",
                text: text.to_owned(),
                fits,
            }),
        }
    }

    /// At most 20 specs with this text in their names.
    pub(super) fn specs_with(&self, text: &str) -> Result<Vec<String>, HistoryError> {
        // Shorter than three letters there is nothing to look up.
        if text.chars().count() < 3 {
            return Ok(Vec::new());
        }
        let phrase = format!("\"{}\"", text.replace('"', "\"\""));
        let mut found = self.all(statements::SPECS_BY_PART, [phrase], |row| row.get(1))?;
        found.sort();
        Ok(found)
    }

    /// A spec by its whole name, on all lanes.
    ///
    /// # Errors
    /// When there is no such spec.
    pub fn spec_history(&self, name: &str, window: Window) -> Result<SpecHistory, HistoryError> {
        let id: i64 = self
            .one(statements::SPEC_BY_NAME, [name], |row| row.get(0))?
            .ok_or_else(|| HistoryError::Unknown {
                what: "spec",
                text: name.to_owned(),
                near: Vec::new(),
            })?;
        let on: Vec<i64> = self.all(statements::LANES_OF_SPEC, [id], |row| row.get(0))?;
        let (from, to) = window.bounds();
        let mut places = Places::of(id);
        let mut lanes = Vec::new();
        for lane in self.lanes(None)? {
            if !on.contains(&lane.id) {
                continue;
            }
            let mut marks = Vec::new();
            self.each_vector(statements::VECTORS_OF_LANE, (lane.id, from, to), |packed| {
                if let Some(place) = places.in_list(self, packed.list)?
                    && let Some((outcome, ms)) = packed.at(place)
                {
                    marks.push(Mark {
                        at: packed.at,
                        run: packed.run(),
                        outcome,
                        ms,
                        accelerator: packed.accelerator,
                    });
                }
                Ok(())
            })?;
            if !marks.is_empty() {
                lanes.push(spec_lane(lane, marks));
            }
        }
        let mut clusters =
            self.all(statements::FAILURES_OF_SPEC, (id, from, to), FailureRow::of)?;
        clusters.reverse();
        let mut seen = Vec::new();
        clusters.retain(|failure| {
            let new = !seen.contains(&failure.cluster);
            seen.push(failure.cluster.clone());
            new
        });
        self.name_lanes(&mut clusters)?;
        Ok(SpecHistory {
            spec: name.to_owned(),
            lanes,
            clusters,
        })
    }

    /// The end of a range of texts that begin with `start`.
    pub(super) fn range(start: &str) -> (String, String) {
        (start.to_owned(), after(start))
    }
}

fn is_pass(outcome: SpecOutcome) -> bool {
    matches!(outcome, SpecOutcome::Passed | SpecOutcome::UnexpectedPass)
}

fn spec_lane(lane: LaneRef, marks: Vec<Mark>) -> SpecLane {
    let count = |wanted: fn(SpecOutcome) -> bool| {
        let fits = marks.iter().filter(|mark| wanted(mark.outcome));
        u32::try_from(fits.count()).unwrap_or(u32::MAX)
    };
    let last_good = marks.iter().rposition(|mark| is_pass(mark.outcome));
    let since = last_good.map_or(0, |at| at + 1);
    let first_bad = marks
        .iter()
        .skip(since)
        .find(|mark| mark.outcome.is_failure());
    // Emulation takes ten times as long: the two are never one number.
    let mut took: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for mark in marks.iter().filter(|mark| is_pass(mark.outcome)) {
        let by = mark.accelerator.map_or("unknown", Accelerator::name);
        took.entry(by.to_owned()).or_default().push(mark.ms);
    }
    let mut share = |of: f64| {
        let each = took.iter_mut().filter_map(|(by, ms)| {
            ms.sort_unstable();
            Some((by.clone(), quantile(ms, of)?))
        });
        each.collect()
    };
    SpecLane {
        passed: count(is_pass),
        failed: count(SpecOutcome::is_failure),
        ran: count(ran),
        p50_ms: share(0.5),
        p95_ms: share(0.95),
        last_good: last_good.and_then(|at| marks.get(at).cloned()),
        first_bad: first_bad.cloned(),
        lane,
        marks,
    }
}
