//! Two runs against each other: what changed, in seven kinds, by cause.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{
    HistoryError, Index,
    query::{Cell, FailureRow, RunCell, RunRow, SourceChange, changes, quantile, statements},
};
use crate::model::SpecOutcome;

/// How a spec changed from one run to another. Specs that did not change are only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It fails, and did not.
    NewFailure,
    /// It failed, and passes.
    Fixed,
    /// It fails in both; perhaps for another cause.
    StillFailing,
    /// It failed in one of them and passed there when it ran again.
    Flaky,
    /// It ran, and did not run again.
    Missing,
    /// It did not run, and passes now.
    Added,
    /// It passed in both, and takes longer than its usual spread.
    Slower,
}

/// One changed spec.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The lane.
    pub lane: String,
    /// The spec; `[<phase>]` for a cell that stopped.
    pub spec: String,
    /// How.
    pub kind: ChangeKind,
    /// How it ended before; absent where it was not there or the cell stopped.
    pub before: Option<SpecOutcome>,
    /// How it ended after.
    pub after: Option<SpecOutcome>,
    /// Its run time before.
    pub before_ms: u64,
    /// Its run time after.
    pub after_ms: u64,
    /// Whether it failed before and after for different causes.
    pub other_cause: bool,
    /// What it said, in the run in which it failed; the newer one if in both.
    pub message: String,
}

/// Changes of one kind with one cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The kind.
    pub kind: ChangeKind,
    /// The cluster's handle, where something failed.
    pub cluster: Option<String>,
    /// What the failures of that cluster share.
    pub key: Option<String>,
    /// Its changes, by lane and spec.
    pub changes: Vec<Change>,
}

/// One lane of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LanePair {
    /// The lane; `a → b` where two were asked for.
    pub lane: String,
    /// Its cell in the first run.
    pub before: Option<Cell>,
    /// Its cell in the second run.
    pub after: Option<Cell>,
    /// Specs in both that did not change.
    pub unchanged: u32,
}

/// Two runs against each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first run.
    pub before: RunRow,
    /// The second run.
    pub after: RunRow,
    /// What moved, by pairing.
    pub moved: BTreeMap<String, Vec<SourceChange>>,
    /// The lanes.
    pub lanes: Vec<LanePair>,
    /// How many changes of each kind.
    pub counts: BTreeMap<ChangeKind, u32>,
    /// The changes, by kind, the largest group first.
    pub groups: Vec<Group>,
    /// Lanes whose times are not compared: what ran the guests was not the same.
    pub times_not_compared: Vec<String>,
}

/// One spec of a cell, and its failure if it has one.
#[derive(Clone, Copy, Debug, Default)]
struct Side<'a> {
    result: Option<(SpecOutcome, u64)>,
    failure: Option<&'a FailureRow>,
}

impl Side<'_> {
    fn fails(&self) -> bool {
        match self.result {
            Some((outcome, _)) => outcome.is_failure(),
            None => self.failure.is_some_and(FailureRow::counts),
        }
    }

    fn good(&self) -> bool {
        self.result.is_some_and(|(outcome, _)| {
            matches!(
                outcome,
                SpecOutcome::Passed | SpecOutcome::UnexpectedPass | SpecOutcome::ExpectedFailure
            )
        })
    }

    fn flaky(&self) -> bool {
        let said = self.failure.and_then(|it| it.confirmation.as_deref());
        self.fails() && said == Some("flaky")
    }
}

/// How a spec changed. `slow` says whether a time is beyond its usual spread.
fn kind(before: Side<'_>, after: Side<'_>, slow: impl Fn(u64, u64) -> bool) -> Option<ChangeKind> {
    let ran = |side: Side<'_>| side.fails() || side.good();
    match (before.fails(), after.fails()) {
        (_, true) if after.flaky() => Some(ChangeKind::Flaky),
        (true, false) if before.flaky() && after.good() => Some(ChangeKind::Flaky),
        (true, true) => Some(ChangeKind::StillFailing),
        (false, true) => Some(ChangeKind::NewFailure),
        (true, false) if after.good() => Some(ChangeKind::Fixed),
        // The stop of a cell is no spec: once it is gone, it is fixed.
        (true, false) if before.result.is_none() => Some(ChangeKind::Fixed),
        _ if ran(before) && !ran(after) => Some(ChangeKind::Missing),
        _ if !ran(before) && ran(after) => Some(ChangeKind::Added),
        _ => match (before.result, after.result) {
            (Some((SpecOutcome::Passed, a)), Some((SpecOutcome::Passed, b))) if slow(a, b) => {
                Some(ChangeKind::Slower)
            }
            _ => None,
        },
    }
}

/// Whether a time stands out of earlier ones: by four times their usual spread, by a quarter of their middle, and by a
/// second. With fewer than five of them: twice as long, and two seconds.
fn stands_out(earlier: &[u64], before: u64, after: u64) -> bool {
    if earlier.len() < 5 {
        return after >= before.saturating_mul(2) && after >= before + 2000;
    }
    let mut sorted = earlier.to_vec();
    sorted.sort_unstable();
    let middle = quantile(&sorted, 0.5).unwrap_or(0);
    let mut spread: Vec<u64> = sorted.iter().map(|ms| ms.abs_diff(middle)).collect();
    spread.sort_unstable();
    // 1.4826 makes the median deviation of a normal spread its standard deviation.
    let noise = quantile(&spread, 0.5).unwrap_or(0) as f64 * 1.4826 * 4.0;
    let limit = middle as f64 + noise.max(middle as f64 / 4.0).max(1000.0);
    after as f64 > limit && after > before
}

impl Index {
    /// Compares two runs, lane by lane; or one lane of each, which may be two.
    ///
    /// # Errors
    /// When the index cannot be read, or a run has no such lane.
    pub fn compare(
        &self,
        before: &RunRow,
        after: &RunRow,
        lanes: Option<(&str, &str)>,
    ) -> Result<Comparison, HistoryError> {
        let (a, b) = (self.cells_of_run(before)?, self.cells_of_run(after)?);
        let mut pairs: Vec<(String, Option<&RunCell>, Option<&RunCell>)> = Vec::new();
        match lanes {
            Some((one, other)) => {
                let (a, b) = (cell(&a, one)?, cell(&b, other)?);
                pairs.push((format!("{} → {}", a.lane, b.lane), Some(a), Some(b)));
            }
            None => {
                let mut names: Vec<&String> = a.iter().chain(&b).map(|cell| &cell.lane).collect();
                names.sort();
                names.dedup();
                for name in names {
                    let of = |cells: &'_ [RunCell]| cells.iter().position(|it| it.lane == *name);
                    let (x, y) = (of(&a), of(&b));
                    pairs.push((
                        name.clone(),
                        x.and_then(|at| a.get(at)),
                        y.and_then(|at| b.get(at)),
                    ));
                }
            }
        }
        let mut result = Comparison {
            before: before.clone(),
            after: after.clone(),
            moved: self.moved(before, after)?,
            lanes: Vec::new(),
            counts: BTreeMap::new(),
            groups: Vec::new(),
            times_not_compared: Vec::new(),
        };
        let mut groups: BTreeMap<(ChangeKind, Option<String>), Group> = BTreeMap::new();
        for (lane, a, b) in pairs {
            self.compare_cells(&lane, a, b, &mut result, &mut groups)?;
        }
        result.groups = groups.into_values().collect();
        for group in &mut result.groups {
            group
                .changes
                .sort_by(|a, b| (&a.lane, &a.spec).cmp(&(&b.lane, &b.spec)));
            let many = u32::try_from(group.changes.len()).unwrap_or(u32::MAX);
            *result.counts.entry(group.kind).or_insert(0) += many;
        }
        let size = |group: &Group| (group.kind, std::cmp::Reverse(group.changes.len()));
        result.groups.sort_by_key(size);
        Ok(result)
    }

    fn moved(
        &self,
        before: &RunRow,
        after: &RunRow,
    ) -> Result<BTreeMap<String, Vec<SourceChange>>, HistoryError> {
        let old = self.candidates_of(before.id)?;
        let mut moved = BTreeMap::new();
        for new in self.candidates_of(after.id)? {
            if let Some(old) = old.iter().find(|it| it.pairing == new.pairing) {
                let what = changes(old, &new);
                if !what.is_empty() {
                    moved.insert(new.pairing, what);
                }
            }
        }
        Ok(moved)
    }

    fn compare_cells(
        &self,
        lane: &str,
        before: Option<&RunCell>,
        after: Option<&RunCell>,
        result: &mut Comparison,
        groups: &mut BTreeMap<(ChangeKind, Option<String>), Group>,
    ) -> Result<(), HistoryError> {
        let specs = |cell: Option<&RunCell>| match cell {
            Some(cell) => self.specs_of_cell(&cell.cell),
            None => Ok(BTreeMap::new()),
        };
        let (old, new) = (specs(before)?, specs(after)?);
        let (old_failures, new_failures) = (failures(before), failures(after));
        let same_times = match (before, after) {
            (Some(a), Some(b)) => {
                let same = a.cell.accelerator == b.cell.accelerator;
                if !same {
                    result.times_not_compared.push(lane.to_owned());
                }
                same
            }
            _ => false,
        };
        let earlier = match after {
            Some(cell) if same_times => self.earlier_times(&cell.cell)?,
            _ => HashMap::new(),
        };
        let mut ids: Vec<i64> = old.keys().chain(new.keys()).copied().collect();
        ids.extend(old_failures.keys().chain(new_failures.keys()));
        ids.sort_unstable();
        ids.dedup();
        // What is missing since its cell stopped is missing for that cause.
        let stop = after.and_then(|cell| cell.failures.iter().find(|it| it.outcome.is_none()));
        let mut unchanged = 0;
        for id in ids {
            let a = Side {
                result: old.get(&id).copied(),
                failure: old_failures.get(&id).copied(),
            };
            let b = Side {
                result: new.get(&id).copied(),
                failure: new_failures.get(&id).copied(),
            };
            let nothing = Vec::new();
            let times = earlier.get(&id).unwrap_or(&nothing);
            let slow = |a, b| same_times && stands_out(times, a, b);
            let Some(kind) = kind(a, b, slow) else {
                unchanged += u32::from(b.result.is_some());
                continue;
            };
            let failed = b.failure.filter(|_| b.fails()).or(a.failure);
            let failed = match kind {
                ChangeKind::Missing => stop,
                _ => failed,
            };
            let change = Change {
                lane: lane.to_owned(),
                spec: self.spec_name(id)?,
                kind,
                before: a.result.map(|(outcome, _)| outcome),
                after: b.result.map(|(outcome, _)| outcome),
                before_ms: a.result.map_or(0, |(_, ms)| ms),
                after_ms: b.result.map_or(0, |(_, ms)| ms),
                other_cause: kind == ChangeKind::StillFailing
                    && a.failure.map(|it| &it.cluster) != b.failure.map(|it| &it.cluster),
                message: failed.map_or_else(String::new, |it| it.message.clone()),
            };
            let cluster = failed.map(|it| it.cluster.clone());
            let group = groups
                .entry((kind, cluster.clone()))
                .or_insert_with(|| Group {
                    kind,
                    cluster,
                    key: failed.map(|it| it.cluster_key.clone()),
                    changes: Vec::new(),
                });
            group.changes.push(change);
        }
        result.lanes.push(LanePair {
            lane: lane.to_owned(),
            before: before.map(|it| it.cell.clone()),
            after: after.map(|it| it.cell.clone()),
            unchanged,
        });
        Ok(())
    }

    /// Run times of passed specs in the last cells of the same lane and accelerator.
    fn earlier_times(&self, cell: &Cell) -> Result<HashMap<i64, Vec<u64>>, HistoryError> {
        let mut times: HashMap<i64, Vec<u64>> = HashMap::new();
        let before = (cell.lane, cell.at.as_microsecond());
        self.each_vector(statements::VECTORS_BEFORE, before, |packed| {
            if packed.accelerator != cell.accelerator {
                return Ok(());
            }
            let ids = self.list(packed.list)?;
            let outcomes = packed.outcomes(ids.len())?;
            for ((id, outcome), ms) in ids.iter().zip(outcomes).zip(packed.millis(ids.len())?) {
                if outcome == SpecOutcome::Passed {
                    times.entry(*id).or_default().push(ms);
                }
            }
            Ok(())
        })?;
        Ok(times)
    }
}

fn failures(cell: Option<&RunCell>) -> HashMap<i64, &FailureRow> {
    let all = cell.iter().flat_map(|cell| &cell.failures);
    all.map(|failure| (failure.spec_id, failure)).collect()
}

fn cell<'c>(cells: &'c [RunCell], text: &str) -> Result<&'c RunCell, HistoryError> {
    let exact = cells.iter().find(|cell| cell.lane == text);
    let mut part = cells.iter().filter(|cell| cell.lane.contains(text));
    match (exact, part.next(), part.next()) {
        (Some(cell), _, _) | (None, Some(cell), None) => Ok(cell),
        _ => Err(HistoryError::Unknown {
            what: "lane",
            text: text.to_owned(),
            near: cells.iter().map(|cell| cell.lane.clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(outcome: SpecOutcome) -> Side<'static> {
        Side {
            result: Some((outcome, 1000)),
            failure: None,
        }
    }

    #[test]
    fn every_pair_of_outcomes_has_its_kind() {
        use ChangeKind::{Added, Fixed, Missing, NewFailure, StillFailing};
        use SpecOutcome::{ExpectedFailure, Failed, NotRun, Passed, Skipped, TimedOut};
        let none = Side::default();
        let never = |_, _| false;
        for (before, after, wanted) in [
            (side(Passed), side(Failed), Some(NewFailure)),
            (side(Skipped), side(Failed), Some(NewFailure)),
            (none, side(TimedOut), Some(NewFailure)),
            (side(ExpectedFailure), side(Failed), Some(NewFailure)),
            (side(Failed), side(Passed), Some(Fixed)),
            (side(Failed), side(ExpectedFailure), Some(Fixed)),
            (side(Failed), side(TimedOut), Some(StillFailing)),
            (side(Failed), side(NotRun), Some(Missing)),
            (side(Passed), none, Some(Missing)),
            (side(Passed), side(Skipped), Some(Missing)),
            (none, side(Passed), Some(Added)),
            (side(NotRun), side(Passed), Some(Added)),
            (side(Passed), side(Passed), None),
            (side(Skipped), side(NotRun), None),
            (side(Passed), side(ExpectedFailure), None),
            (none, none, None),
        ] {
            assert_eq!(kind(before, after, never), wanted, "{before:?} {after:?}");
        }
        let both = (side(Passed), side(Passed));
        assert_eq!(kind(both.0, both.1, |_, _| true), Some(ChangeKind::Slower));
    }

    #[test]
    fn slower_is_beyond_the_noise() {
        let calm = vec![10_000, 10_100, 9_900, 10_050, 9_950, 10_000];
        assert!(!stands_out(&calm, 10_000, 12_000), "a fifth is no news");
        assert!(stands_out(&calm, 10_000, 13_000));
        let wild = vec![4_000, 16_000, 9_000, 12_000, 5_000, 15_000];
        assert!(!stands_out(&wild, 10_000, 20_000), "it always was wild");
        assert!(
            !stands_out(&[20, 20, 20, 20, 20], 20, 900),
            "below a second"
        );
        assert!(!stands_out(&[], 1_000, 2_500) && stands_out(&[], 2_000, 4_000));
    }
}
