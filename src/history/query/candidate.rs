//! Candidates: what was in them, what moved since the one before, and how every lane took it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Cell, RunRow, statements};
use crate::{
    history::{HistoryError, Index, packed::PackedCandidate},
    model::Revision,
};

/// One candidate of the list: in which runs in a row it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CandidateRow {
    /// The candidate.
    #[serde(flatten)]
    pub candidate: PackedCandidate,
    /// The profile.
    pub profile: String,
    /// When its first run of these started.
    pub first: Timestamp,
    /// When its newest run started.
    pub last: Timestamp,
    /// Those runs, newest first.
    pub runs: Vec<String>,
    /// What moved against the candidate before it.
    pub changes: Vec<SourceChange>,
}

/// One candidate's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CandidatePage {
    /// The candidate.
    #[serde(flatten)]
    pub candidate: PackedCandidate,
    /// The candidate before it on the same lanes.
    pub previous: Option<PackedCandidate>,
    /// What moved since that one.
    pub changes: Vec<SourceChange>,
    /// Cells that had it, newest first, with the lane.
    pub cells: Vec<(String, Cell)>,
}

/// One source that moved. The commits between are the source's own to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceChange {
    /// The source, or `image <name>`, or `sandboxer <name>`.
    pub source: String,
    /// What it was; absent when it is new.
    pub from: Option<Revision>,
    /// What it is; absent when it is gone.
    pub to: Option<Revision>,
    /// Both as versions.
    pub words: String,
}

impl Index {
    /// The newest candidates of a profile, or of all.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn candidates(
        &self,
        profile: Option<&str>,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<CandidateRow>, HistoryError> {
        // A pairing's candidates stand in a row; several runs may share one.
        let mut rows: Vec<CandidateRow> = Vec::new();
        let mut newest: BTreeMap<(String, String), usize> = BTreeMap::new();
        for run in self.runs(profile, before, most.saturating_mul(4).max(40))? {
            for candidate in self.candidates_of(run.id)? {
                let key = (run.profile.clone(), candidate.pairing.clone());
                let of_pairing = newest.get(&key).copied();
                if let Some(row) = of_pairing.and_then(|at| rows.get_mut(at)) {
                    if row.candidate.digest == candidate.digest {
                        row.first = run.started_at;
                        row.runs.push(run.run.clone());
                        continue;
                    }
                    row.changes = changes(&candidate, &row.candidate);
                }
                newest.insert(key, rows.len());
                rows.push(CandidateRow {
                    candidate,
                    profile: run.profile.clone(),
                    first: run.started_at,
                    last: run.started_at,
                    runs: vec![run.run.clone()],
                    changes: Vec::new(),
                });
            }
        }
        rows.truncate(most as usize);
        Ok(rows)
    }

    pub(in crate::history) fn candidates_of(
        &self,
        run: i64,
    ) -> Result<Vec<PackedCandidate>, HistoryError> {
        let documents = self.all(statements::CANDIDATES_OF_RUN, [run], |row| {
            row.get::<_, String>(1)
        })?;
        let parsed = documents.iter().map(|text| Ok(serde_json::from_str(text)?));
        parsed.collect()
    }

    pub(super) fn candidate(&self, id: i64) -> Result<Option<PackedCandidate>, HistoryError> {
        let text = self.one(statements::CANDIDATE, [id], |row| row.get::<_, String>(0))?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// A candidate by its digest or the start of it.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn candidate_page(&self, digest: &str) -> Result<CandidatePage, HistoryError> {
        let found = self.all(
            statements::CANDIDATES_BY_DIGEST,
            Self::range(digest),
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )?;
        let mut parsed = Vec::new();
        for (id, text) in found {
            parsed.push((id, serde_json::from_str::<PackedCandidate>(&text)?));
        }
        // Two pairings may have the same inputs.
        parsed.sort_by(|(_, a), (_, b)| (&a.digest.0, &a.pairing).cmp(&(&b.digest.0, &b.pairing)));
        let mut digests: Vec<_> = parsed.iter().map(|(_, it)| it.digest.to_string()).collect();
        digests.dedup();
        if digests.len() > 1 {
            return Err(HistoryError::Ambiguous {
                what: "candidate",
                text: digest.to_owned(),
                fits: digests,
            });
        }
        let lanes = self.lanes(None)?;
        let mut cells = Vec::new();
        for (id, _) in &parsed {
            for cell in self.all(statements::CELLS_OF_CANDIDATE, [id], Cell::of)? {
                let lane = lanes.iter().find(|lane| lane.id == cell.lane);
                cells.push((lane.map_or_else(String::new, |it| it.lane.clone()), cell));
            }
        }
        cells.sort_by(|(a, x), (b, y)| y.at.cmp(&x.at).then_with(|| a.cmp(b)));
        let Some((id, candidate)) = parsed.into_iter().next() else {
            return Err(HistoryError::Unknown {
                what: "candidate",
                text: digest.to_owned(),
                near: Vec::new(),
            });
        };
        let own = |(_, cell): &&(String, Cell)| cell.candidate_id == Some(id);
        let previous = self.before(cells.iter().rev().filter(own), id)?;
        Ok(CandidatePage {
            changes: previous
                .as_ref()
                .map_or_else(Vec::new, |before| changes(before, &candidate)),
            previous,
            candidate,
            cells,
        })
    }

    /// The candidate before this one, on the first of its lanes that had another one before.
    fn before<'c>(
        &self,
        oldest_first: impl Iterator<Item = &'c (String, Cell)>,
        candidate: i64,
    ) -> Result<Option<PackedCandidate>, HistoryError> {
        let mut asked = Vec::new();
        for (_, cell) in oldest_first {
            if asked.contains(&cell.lane) {
                continue;
            }
            asked.push(cell.lane);
            let key = (cell.lane, cell.at.as_microsecond(), candidate);
            let before = self.one(statements::OTHER_CANDIDATE_BEFORE, key, |row| row.get(0))?;
            if let Some(before) = before {
                return self.candidate(before);
            }
        }
        Ok(None)
    }

    /// Runs that started before a moment, newest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn runs(
        &self,
        profile: Option<&str>,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<RunRow>, HistoryError> {
        let before = before.as_microsecond();
        match profile {
            None => self.all(statements::RUNS, (before, most), RunRow::of),
            Some(name) => {
                let sql = statements::RUNS_OF_PROFILE;
                self.all(sql, (name, before, most), RunRow::of)
            }
        }
    }
}

/// What moved from one candidate to another.
pub fn changes(from: &PackedCandidate, to: &PackedCandidate) -> Vec<SourceChange> {
    let mut out = Vec::new();
    for source in keys(&from.revisions, &to.revisions) {
        let (a, b) = (from.revisions.get(source), to.revisions.get(source));
        if a.map(Revision::identity) != b.map(Revision::identity) {
            out.push(SourceChange {
                source: source.clone(),
                words: moved(
                    a.map(|it| it.version.as_str()),
                    b.map(|it| it.version.as_str()),
                ),
                from: a.cloned(),
                to: b.cloned(),
            });
        }
    }
    let kinds = [
        ("image", &from.node_images, &to.node_images),
        ("sandboxer", &from.sandboxers, &to.sandboxers),
    ];
    for (kind, from, to) in kinds {
        for name in keys(from, to) {
            let (a, b) = (from.get(name), to.get(name));
            if a != b {
                out.push(SourceChange {
                    source: format!("{kind} {name}"),
                    from: None,
                    to: None,
                    words: moved(a.map(String::as_str), b.map(String::as_str)),
                });
            }
        }
    }
    out
}

fn keys<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a String> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn moved(from: Option<&str>, to: Option<&str>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => format!("{to}, new"),
        (Some(from), None) => format!("{from}, gone"),
        (None, None) => String::new(),
    }
}
