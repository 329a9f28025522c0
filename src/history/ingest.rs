//! One packed run into the index, in one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    HistoryError, Index, codes,
    packed::{PackedCandidate, PackedCell, PackedFailure, PackedRun},
    vector,
};
use crate::model::{CellOutcome, Digest, Lane, NodeStart};

/// The names of a list of specs, by its digest.
pub type NamesOf<'a> = &'a dyn Fn(&Digest) -> Result<Vec<String>, HistoryError>;

/// The key of the cluster that a failure belongs to: failures with one key are one cluster.
pub type ClusterOf<'a> = &'a dyn Fn(&Lane, &PackedFailure) -> String;

/// The cluster that triage gave, or else the signature.
#[must_use]
pub fn by_signature(_: &Lane, failure: &PackedFailure) -> String {
    failure
        .cluster
        .clone()
        .unwrap_or_else(|| failure.signature.clone())
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// It was not there.
    New,
    /// It was there with other content, which was replaced.
    Changed,
    /// It was there.
    Same,
}

impl Index {
    /// Takes a run in. `stamp` tells whether its directory has changed since.
    ///
    /// # Errors
    /// When its vectors or lists are not whole, or the index refuses. Then nothing of it is in.
    pub fn ingest(
        &mut self,
        run: &PackedRun,
        stamp: &str,
        names: NamesOf<'_>,
        cluster: ClusterOf<'_>,
    ) -> Result<Ingested, HistoryError> {
        let path = self.path().to_owned();
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|error| HistoryError::of(&path, error))?;
        let done = put(&transaction, run, stamp, names, cluster)?;
        transaction
            .commit()
            .map_err(|error| HistoryError::of(&path, error))?;
        Ok(done)
    }

    /// Forgets a run whose directory is gone.
    ///
    /// # Errors
    /// When the index refuses.
    pub fn forget(&mut self, uuid: &str) -> Result<bool, HistoryError> {
        let path = self.path().to_owned();
        let of = |error| HistoryError::of(&path, error);
        let transaction = self.connection.transaction().map_err(of)?;
        let known = known(&transaction, uuid)?;
        if let Some((id, _)) = &known {
            remove(&transaction, *id)?;
        }
        transaction.commit().map_err(of)?;
        Ok(known.is_some())
    }
}

fn known(transaction: &Connection, uuid: &str) -> Result<Option<(i64, String)>, HistoryError> {
    let mut statement =
        transaction.prepare_cached("SELECT id, content FROM run WHERE uuid = ?1")?;
    let found = statement.query_row([uuid], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

pub(super) fn put(
    transaction: &Connection,
    run: &PackedRun,
    stamp: &str,
    names: NamesOf<'_>,
    cluster: ClusterOf<'_>,
) -> Result<Ingested, HistoryError> {
    let uuid = run.run.to_string();
    let content = Digest::of(&serde_json::to_vec(run)?).0;
    let done = match known(transaction, &uuid)? {
        Some((id, before)) if before == content => {
            let mut statement =
                transaction.prepare_cached("UPDATE run SET stamp = ?2 WHERE id = ?1")?;
            statement.execute(params![id, stamp])?;
            return Ok(Ingested::Same);
        }
        Some((id, _)) => {
            remove(transaction, id)?;
            Ingested::Changed
        }
        None => Ingested::New,
    };
    Writer {
        transaction,
        names,
        cluster,
    }
    .run(run, &uuid, &content, stamp)?;
    Ok(done)
}

fn remove(transaction: &Connection, run: i64) -> Result<(), HistoryError> {
    for table in ["nonpass", "vector", "phase", "attempt"] {
        let sql = format!("DELETE FROM {table} WHERE cell IN (SELECT id FROM cell WHERE run = ?1)");
        transaction.execute(&sql, [run])?;
    }
    for table in ["cell", "step", "run_candidate"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [run])?;
    }
    transaction.execute("DELETE FROM run WHERE id = ?1", [run])?;
    Ok(())
}

struct Writer<'a> {
    transaction: &'a Connection,
    names: NamesOf<'a>,
    cluster: ClusterOf<'a>,
}

impl Writer<'_> {
    /// The id of a row that is told by one text; makes it if need be.
    fn intern(&self, table: &str, column: &str, text: &str) -> Result<i64, HistoryError> {
        let select = format!("SELECT id FROM {table} WHERE {column} = ?1");
        let mut statement = self.transaction.prepare_cached(&select)?;
        if let Some(id) = statement.query_row([text], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        let insert = format!("INSERT INTO {table} ({column}) VALUES (?1)");
        self.transaction.prepare_cached(&insert)?.execute([text])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn run(
        &self,
        run: &PackedRun,
        uuid: &str,
        content: &str,
        stamp: &str,
    ) -> Result<(), HistoryError> {
        let profile = self.intern("profile", "name", &run.profile)?;
        let sum = |get: fn(&PackedCell) -> u32| -> i64 {
            run.cells.iter().map(|cell| i64::from(get(cell))).sum()
        };
        let flaky: usize = run.cells.iter().map(flaky).sum();
        let green = run.cells.iter().filter(|cell| cell.outcome.is_green());
        let started = run.started_at.as_microsecond();
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO run (uuid, profile, started, ended, imported, accelerator, bellwether, exit, cells, green,
             planned, passed, failed, flaky, content, stamp)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        statement.execute(params![
            uuid,
            profile,
            started,
            run.ended_at.map(jiff::Timestamp::as_microsecond),
            run.imported,
            run.accelerator
                .map(|it| codes::code(&codes::ACCELERATORS, &it)),
            run.bellwether,
            codes::code(&codes::EXITS, &run.exit),
            int(run.cells.len()),
            int(green.count()),
            sum(|cell| cell.counts.planned),
            sum(|cell| cell.counts.passed),
            sum(|cell| cell.counts.failed),
            int(flaky),
            content,
            stamp,
        ])?;
        let id = self.transaction.last_insert_rowid();
        let mut candidates = HashMap::new();
        for (place, candidate) in run.candidates.iter().enumerate() {
            let known = self.candidate(candidate)?;
            candidates.insert(candidate.pairing.as_str(), known);
            let mut statement = self.transaction.prepare_cached(
                "INSERT INTO run_candidate (run, place, candidate) VALUES (?1, ?2, ?3)",
            )?;
            statement.execute(params![id, int(place), known])?;
        }
        for (place, step) in run.steps.iter().enumerate() {
            let mut statement = self.transaction.prepare_cached(
                "INSERT INTO step (run, place, name, outcome, ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            statement.execute(params![
                id,
                int(place),
                step.step,
                step.outcome,
                big(step.ms)
            ])?;
        }
        for (place, cell) in run.cells.iter().enumerate() {
            let candidate = candidates.get(cell.lane.pairing.as_str()).copied();
            let lane = self.lane(profile, &cell.lane)?;
            let row = self.cell(run, id, place, lane, candidate, cell)?;
            self.vector(row, lane, cell)?;
            self.details(row, cell)?;
            for failure in &cell.failures {
                self.failure(row, lane, started, &cell.lane, failure)?;
            }
        }
        Ok(())
    }

    fn candidate(&self, candidate: &PackedCandidate) -> Result<i64, HistoryError> {
        // One digest may be described in several ways: an archive moves without touching a package.
        let document = serde_json::to_string(candidate)?;
        let mut statement = self
            .transaction
            .prepare_cached("SELECT id FROM candidate WHERE document = ?1")?;
        if let Some(id) = statement
            .query_row([&document], |row| row.get(0))
            .optional()?
        {
            return Ok(id);
        }
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO candidate (digest, pairing, document) VALUES (?1, ?2, ?3)",
        )?;
        statement.execute(params![
            candidate.digest.as_str(),
            candidate.pairing,
            document
        ])?;
        let id = self.transaction.last_insert_rowid();
        for (source, revision) in &candidate.revisions {
            let document = serde_json::to_string(revision)?;
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO revision (source, identity, document) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![source, revision.identity(), document])?;
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO candidate_revision (revision, candidate)
                     SELECT id, ?2 FROM revision WHERE document = ?1",
                )?
                .execute(params![document, id])?;
        }
        Ok(id)
    }

    fn lane(&self, profile: i64, lane: &Lane) -> Result<i64, HistoryError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT id FROM lane WHERE profile = ?1 AND name = ?2")?;
        let found = statement.query_row(params![profile, lane.id.as_str()], |row| row.get(0));
        if let Some(id) = found.optional()? {
            return Ok(id);
        }
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO lane (profile, name, pairing, node, sandboxer, suite) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        statement.execute(params![
            profile,
            lane.id.as_str(),
            lane.pairing,
            lane.node,
            lane.sandboxer,
            lane.suite
        ])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn cell(
        &self,
        run: &PackedRun,
        run_id: i64,
        place: usize,
        lane: i64,
        candidate: Option<i64>,
        cell: &PackedCell,
    ) -> Result<i64, HistoryError> {
        let cause = match &cell.outcome {
            CellOutcome::Stopped { cause } => Some(cause),
            _ => None,
        };
        let said = match &cell.outcome {
            CellOutcome::Stopped { cause } => Some(&cause.summary),
            CellOutcome::Reduced { reason } | CellOutcome::NotRun { reason } => Some(reason),
            CellOutcome::Passed | CellOutcome::Failed | CellOutcome::NoTests => None,
        };
        let restored = cell
            .start
            .as_ref()
            .map(|start| matches!(start, NodeStart::Restored { .. }));
        let counts = &cell.counts;
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO cell (run, place, lane, candidate, started, outcome, conclusive, role, accelerator, planned,
             passed, failed, skipped, not_run, expected, unexpected, flaky, ms, suite_ms, restored, start_ms, phase,
             class, blame, handler, said, identity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
             ?22, ?23, ?24, ?25, ?26, ?27)",
        )?;
        statement.execute(params![
            run_id,
            int(place),
            lane,
            candidate,
            run.started_at.as_microsecond(),
            codes::code(&codes::CELLS, &cell.outcome.name()),
            codes::conclusive(&cell.outcome),
            codes::code(&codes::ROLES, &cell.lane.role),
            run.accelerator
                .map(|it| codes::code(&codes::ACCELERATORS, &it)),
            counts.planned,
            counts.passed,
            counts.failed,
            counts.skipped,
            counts.not_run,
            counts.expected,
            counts.unexpected,
            int(flaky(cell)),
            big(cell.ms),
            big(cell.suite_ms),
            restored,
            cell.start
                .as_ref()
                .map(|start| big(super::pack::ms(start.seconds()))),
            cause.map(|it| codes::code(&codes::PHASES, &it.phase)),
            cause.map(|it| codes::code(&codes::CLASSES, &it.class)),
            cause.map(|it| codes::code(&codes::BLAMES, &it.blame)),
            cell.lane.handler,
            said,
            cell.identity,
        ])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn vector(&self, row: i64, lane: i64, cell: &PackedCell) -> Result<(), HistoryError> {
        let (outcomes, durations) = cell.vectors().map_err(|source| HistoryError::Vector {
            lane: cell.lane.id.to_string(),
            source,
        })?;
        if cell.specs == 0 {
            return Ok(());
        }
        let list = self.list(&cell.list)?;
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO vector (cell, list, outcomes, durations) VALUES (?1, ?2, ?3, ?4)",
        )?;
        statement.execute(params![row, list, outcomes, durations])?;
        let mut statement = self
            .transaction
            .prepare_cached("INSERT OR IGNORE INTO lane_list (list, lane) VALUES (?1, ?2)")?;
        statement.execute(params![list, lane])?;
        Ok(())
    }

    fn list(&self, digest: &Digest) -> Result<i64, HistoryError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT id FROM spec_list WHERE digest = ?1")?;
        let found = statement.query_row([digest.as_str()], |row| row.get(0));
        if let Some(id) = found.optional()? {
            return Ok(id);
        }
        let (mut packed, mut ids) = (Vec::new(), Vec::new());
        for name in (self.names)(digest)? {
            let id = self.intern("spec", "name", &name)?;
            vector::push_varint(&mut packed, id.unsigned_abs());
            ids.push(id);
        }
        let mut statement = self
            .transaction
            .prepare_cached("INSERT INTO spec_list (digest, specs) VALUES (?1, ?2)")?;
        statement.execute(params![digest.as_str(), packed])?;
        let list = self.transaction.last_insert_rowid();
        let mut statement = self
            .transaction
            .prepare_cached("INSERT OR IGNORE INTO list_spec (spec, list) VALUES (?1, ?2)")?;
        for id in ids {
            statement.execute(params![id, list])?;
        }
        Ok(list)
    }

    fn details(&self, row: i64, cell: &PackedCell) -> Result<(), HistoryError> {
        let mut statement = self
            .transaction
            .prepare_cached("INSERT INTO phase (cell, phase, ms) VALUES (?1, ?2, ?3)")?;
        for (phase, ms) in &cell.phases {
            statement.execute(params![row, codes::code(&codes::PHASES, phase), big(*ms)])?;
        }
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO attempt (cell, attempt, confirm, outcome, ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for it in &cell.attempts {
            statement.execute(params![row, it.attempt, it.confirm, it.outcome, big(it.ms)])?;
        }
        Ok(())
    }

    fn failure(
        &self,
        row: i64,
        lane: i64,
        started: i64,
        of: &Lane,
        failure: &PackedFailure,
    ) -> Result<(), HistoryError> {
        let spec = self.intern("spec", "name", &failure.spec)?;
        let message = self.intern("message", "text", &failure.message)?;
        let key = (self.cluster)(of, failure);
        let outcome = failure
            .outcome
            .map_or(codes::STOPPED, |it| codes::code(&codes::OUTCOMES, &it));
        let mut statement = self.transaction.prepare_cached(
            "INSERT OR IGNORE INTO nonpass (cell, spec, started, lane, outcome, ms, cluster, message, confirmation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        statement.execute(params![
            row,
            spec,
            started,
            lane,
            outcome,
            big(failure.ms),
            self.cluster_id(&key)?,
            message,
            failure.confirmation
        ])?;
        Ok(())
    }

    fn cluster_id(&self, key: &str) -> Result<i64, HistoryError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT id FROM cluster WHERE key = ?1")?;
        if let Some(id) = statement.query_row([key], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        let handle = Digest::of(key.as_bytes()).short().to_owned();
        let mut statement = self
            .transaction
            .prepare_cached("INSERT INTO cluster (handle, key) VALUES (?1, ?2)")?;
        statement.execute(params![handle, key])?;
        Ok(self.transaction.last_insert_rowid())
    }
}

fn flaky(cell: &PackedCell) -> usize {
    let failures = cell.failures.iter();
    failures
        .filter(|failure| failure.confirmation.as_deref() == Some("flaky"))
        .count()
}

fn int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
