//! Which sources still work together: pairing × lane.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Cell, LaneRef, Window, statements};
use crate::{
    history::{HistoryError, Index, packed::PackedCandidate},
    model::Revision,
};

/// Pairings by node configuration and suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compatibility {
    /// Pairings, by name.
    pub pairings: Vec<String>,
    /// One row for each profile, node, sandboxer and suite.
    pub rows: Vec<PairRow>,
}

/// One node configuration's suite under all pairings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairRow {
    /// The profile.
    pub profile: String,
    /// The node variant.
    pub node: String,
    /// The sandboxer.
    pub sandboxer: String,
    /// The suite.
    pub suite: String,
    /// One entry a pairing, in their order.
    pub pairs: Vec<Option<Pair>>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The lane.
    pub lane: String,
    /// Its newest conclusive cell.
    pub now: Option<Cell>,
    /// Its newest green cell.
    pub last_good: Option<Cell>,
    /// The sources of that cell.
    pub last_good_sources: BTreeMap<String, String>,
    /// Since when it is broken.
    pub broken_since: Option<Cell>,
    /// By source: the oldest and the newest revision that passed in the window.
    pub passing: BTreeMap<String, Passing>,
}

/// Revisions of a source that passed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passing {
    /// The oldest.
    pub oldest: Revision,
    /// The newest.
    pub newest: Revision,
}

impl Index {
    /// Pairings × lanes.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn compatibility(
        &self,
        profile: Option<&str>,
        window: Window,
    ) -> Result<Compatibility, HistoryError> {
        let lanes = self.lanes(profile)?;
        let mut pairings: Vec<String> = lanes.iter().map(|lane| lane.pairing.clone()).collect();
        pairings.sort();
        pairings.dedup();
        let mut known = HashMap::new();
        let mut rows: Vec<PairRow> = Vec::new();
        for lane in lanes {
            let place = pairings.iter().position(|it| *it == lane.pairing);
            let pair = self.pair(&lane, window, &mut known)?;
            let same = |row: &PairRow| {
                row.profile == lane.profile
                    && row.node == lane.node
                    && row.sandboxer == lane.sandboxer
                    && row.suite == lane.suite
            };
            let at = rows.iter().position(same).unwrap_or_else(|| {
                rows.push(PairRow {
                    profile: lane.profile.clone(),
                    node: lane.node.clone(),
                    sandboxer: lane.sandboxer.clone(),
                    suite: lane.suite.clone(),
                    pairs: vec![None; pairings.len()],
                });
                rows.len() - 1
            });
            let slot = rows.get_mut(at).zip(place);
            if let Some(slot) = slot.and_then(|(row, place)| row.pairs.get_mut(place)) {
                *slot = Some(pair);
            }
        }
        Ok(Compatibility { pairings, rows })
    }

    fn pair(
        &self,
        lane: &LaneRef,
        window: Window,
        known: &mut HashMap<i64, Option<PackedCandidate>>,
    ) -> Result<Pair, HistoryError> {
        let (from, to) = window.bounds();
        let last = |sql| self.one(sql, (lane.id, to), Cell::of);
        let last_good = last(statements::LAST_GREEN)?;
        let green: Vec<Option<i64>> =
            self.all(statements::GREEN_CANDIDATES, (lane.id, from, to), |row| {
                row.get(0)
            })?;
        let mut ids: Vec<i64> = green.into_iter().flatten().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut passing: BTreeMap<String, Passing> = BTreeMap::new();
        for id in ids {
            if let Some(candidate) = self.remembered(id, known)? {
                for (source, revision) in &candidate.revisions {
                    widen(&mut passing, source, revision);
                }
            }
        }
        let good = last_good.as_ref().and_then(|cell| cell.candidate_id);
        let mut last_good_sources = BTreeMap::new();
        if let Some(id) = good
            && let Some(candidate) = self.remembered(id, known)?
        {
            let versions = candidate.revisions.iter();
            last_good_sources = versions
                .map(|(source, it)| (source.clone(), it.version.clone()))
                .collect();
        }
        Ok(Pair {
            lane: lane.lane.clone(),
            now: last(statements::LAST_CONCLUSIVE)?,
            broken_since: self.red_since(lane, last_good.as_ref(), to)?,
            last_good,
            last_good_sources,
            passing,
        })
    }

    fn remembered<'k>(
        &self,
        id: i64,
        known: &'k mut HashMap<i64, Option<PackedCandidate>>,
    ) -> Result<&'k Option<PackedCandidate>, HistoryError> {
        Ok(match known.entry(id) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(self.candidate(id)?),
        })
    }
}

/// Older and newer by date; a revision without one counts as the oldest.
fn widen(passing: &mut BTreeMap<String, Passing>, source: &str, revision: &Revision) {
    match passing.get_mut(source) {
        None => {
            let both = Passing {
                oldest: revision.clone(),
                newest: revision.clone(),
            };
            passing.insert(source.to_owned(), both);
        }
        Some(known) => {
            let order = |it: &Revision| (it.date, it.version.clone());
            if order(revision) < order(&known.oldest) {
                known.oldest = revision.clone();
            }
            if order(revision) > order(&known.newest) {
                known.newest = revision.clone();
            }
        }
    }
}
