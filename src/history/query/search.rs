//! One box for everything: texts of failures, specs, clusters, revisions, candidates, runs, lanes.

use serde::Serialize;

use super::{FailureRow, LaneRef, RunRow, statements};
use crate::{
    history::{HistoryError, Index},
    model::Revision,
};

/// What fits, at most 20 of each kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Found {
    /// Lanes with the text in their names.
    pub lanes: Vec<LaneRef>,
    /// Specs with the text in their names.
    pub specs: Vec<String>,
    /// Texts of failures with all of its words: the best ones, the newest first.
    pub messages: Vec<FoundMessage>,
    /// Clusters whose handle begins so: handle, and what their failures share.
    pub clusters: Vec<(String, String)>,
    /// Revisions whose commit or sum begins so, with the candidates that have them.
    pub revisions: Vec<(Revision, Vec<String>)>,
    /// Candidates whose digest begins so.
    pub candidates: Vec<String>,
    /// Runs whose id begins so.
    pub runs: Vec<RunRow>,
}

/// A text, with the newest failure that said it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundMessage {
    /// The newest failure.
    #[serde(flatten)]
    pub newest: FailureRow,
}

impl Index {
    /// Looks everywhere.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, text: &str) -> Result<Found, HistoryError> {
        let text = text.trim();
        let mut found = Found::default();
        // What is searched is data, never a query language: each word is a phrase.
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .map(|word| format!("\"{word}\""))
            .collect();
        if words.is_empty() {
            return Ok(found);
        }
        found.lanes = self.lanes(None)?;
        found.lanes.retain(|lane| lane.lane.contains(text));
        found.lanes.truncate(20);
        found.specs = self.specs_with(text)?;
        let messages: Vec<i64> =
            self.all(statements::MESSAGES, [words.join(" ")], |row| row.get(0))?;
        for message in messages {
            let newest = self.all(statements::FAILURE_OF_MESSAGE, [message], FailureRow::of)?;
            // A text whose last run was forgotten is nobody's.
            found
                .messages
                .extend(newest.into_iter().map(|newest| FoundMessage { newest }));
        }
        let mut failures: Vec<FailureRow> =
            found.messages.iter().map(|it| it.newest.clone()).collect();
        self.name_lanes(&mut failures)?;
        for (message, named) in found.messages.iter_mut().zip(failures) {
            message.newest = named;
        }
        // Equally good texts come in no order of their own.
        found.messages.sort_by(|a, b| {
            let (a, b) = (&a.newest, &b.newest);
            (b.at, &a.message, &a.run).cmp(&(a.at, &b.message, &b.run))
        });
        // Ids are found by their start only: two letters fit half of them.
        if text.len() < 4 || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Ok(found);
        }
        found.clusters = self.all(statements::CLUSTERS_BY_HANDLE, Self::range(text), |row| {
            Ok((row.get(1)?, row.get(2)?))
        })?;
        found.runs = self.all(
            statements::RUNS_BY_START_OF_ID,
            Self::range(text),
            RunRow::of,
        )?;
        let documents: Vec<String> =
            self.all(statements::REVISIONS, Self::range(text), |row| row.get(0))?;
        for document in documents {
            let sql = statements::CANDIDATES_OF_REVISION;
            let mut candidates: Vec<String> = self.all(sql, [&document], |row| row.get(0))?;
            candidates.sort();
            candidates.dedup();
            let revision = serde_json::from_str(&document)?;
            found.revisions.push((revision, candidates));
        }
        found.candidates =
            self.all(statements::CANDIDATES_BY_DIGEST, Self::range(text), |row| {
                row.get::<_, String>(1)
            })?;
        let digests = found.candidates.iter().map(|text| {
            let candidate: crate::history::packed::PackedCandidate = serde_json::from_str(text)?;
            Ok::<_, HistoryError>(candidate.digest.to_string())
        });
        found.candidates = digests.collect::<Result<_, _>>()?;
        found.candidates.dedup();
        Ok(found)
    }
}
