//! Everything the index says, without its own ids: two indexes that say the same have the same dump.

use rusqlite::Row;
use serde_json::{Map, Value, json};

use super::{HistoryError, Index, codes, vector};

impl Index {
    /// One JSON document a run, in the order of run ids, each on a line. Reads everything: for tests and repairs.
    ///
    /// # Errors
    /// When the index cannot be read, or what it holds is not whole.
    pub fn dump(&self) -> Result<String, HistoryError> {
        let mut out = String::new();
        let runs = self.rows(
            "SELECT run.*, profile.name AS profile_name FROM run JOIN profile ON profile.id = run.profile ORDER BY uuid",
            None,
        )?;
        for mut run in runs {
            let id = run.get("id").and_then(Value::as_i64).unwrap_or(-1);
            for own in ["id", "profile", "stamp"] {
                run.remove(own);
            }
            let candidates = self.rows(
                "SELECT candidate.document FROM run_candidate JOIN candidate ON candidate.id = candidate
                 WHERE run = ?1 ORDER BY place",
                Some(id),
            )?;
            let steps = self.rows(
                "SELECT name, outcome, ms FROM step WHERE run = ?1 ORDER BY place",
                Some(id),
            )?;
            let mut cells = self.rows(
                "SELECT cell.*, lane.name AS lane_name, candidate.document AS inputs FROM cell
                 JOIN lane ON lane.id = cell.lane LEFT JOIN candidate ON candidate.id = cell.candidate
                 WHERE run = ?1 ORDER BY place",
                Some(id),
            )?;
            for cell in &mut cells {
                self.dump_cell(cell)?;
            }
            let line =
                json!({"run": run, "candidates": candidates, "steps": steps, "cells": cells});
            out.push_str(&serde_json::to_string(&line)?);
            out.push('\n');
        }
        Ok(out)
    }

    fn dump_cell(&self, cell: &mut Map<String, Value>) -> Result<(), HistoryError> {
        let id = cell.get("id").and_then(Value::as_i64);
        for own in ["id", "run", "lane", "candidate"] {
            cell.remove(own);
        }
        let phases = self.rows(
            "SELECT phase, ms FROM phase WHERE cell = ?1 ORDER BY phase",
            id,
        )?;
        let attempts = self.rows(
            "SELECT attempt, confirm, outcome, ms FROM attempt WHERE cell = ?1 ORDER BY attempt, confirm",
            id,
        )?;
        let failures = self.rows(
            "SELECT spec.name, nonpass.outcome, nonpass.ms, nonpass.started, cluster.key, cluster.handle, message.text,
             nonpass.confirmation FROM nonpass JOIN spec ON spec.id = nonpass.spec
             JOIN cluster ON cluster.id = nonpass.cluster JOIN message ON message.id = nonpass.message
             WHERE cell = ?1 ORDER BY spec.name",
            id,
        )?;
        cell.insert("phases".to_owned(), json!(phases));
        cell.insert("attempts".to_owned(), json!(attempts));
        cell.insert("failures".to_owned(), json!(failures));
        cell.insert("specs".to_owned(), self.dump_specs(id)?);
        Ok(())
    }

    fn dump_specs(&self, cell: Option<i64>) -> Result<Value, HistoryError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT list, outcomes, durations FROM vector WHERE cell = ?1")?;
        let mut rows = statement.query([cell])?;
        let Some(row) = rows.next()? else {
            return Ok(Value::Null);
        };
        let (list, outcomes, durations): (i64, Vec<u8>, Vec<u8>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let ids = self.list(list)?;
        let whole = |source| HistoryError::Vector {
            lane: String::new(),
            source,
        };
        let outcomes = vector::outcomes(&outcomes, ids.len()).map_err(whole)?;
        let durations = vector::millis(&durations, ids.len()).map_err(whole)?;
        let mut specs = Vec::with_capacity(ids.len());
        for ((id, outcome), ms) in ids.iter().zip(outcomes).zip(durations) {
            specs.push(json!([
                self.spec_name(*id)?,
                codes::code(&codes::OUTCOMES, &outcome),
                ms
            ]));
        }
        Ok(Value::Array(specs))
    }

    fn rows(&self, sql: &str, of: Option<i64>) -> Result<Vec<Map<String, Value>>, HistoryError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let map = |row: &Row<'_>| {
            let mut map = Map::new();
            for (at, name) in names.iter().enumerate() {
                let value = match row.get::<_, rusqlite::types::Value>(at)? {
                    rusqlite::types::Value::Integer(number) => json!(number),
                    rusqlite::types::Value::Text(text) => json!(text),
                    _ => Value::Null,
                };
                map.insert(name.clone(), value);
            }
            Ok(map)
        };
        let rows = match of {
            Some(of) => statement.query_map([of], map)?.collect::<Result<_, _>>(),
            None => statement.query_map([], map)?.collect::<Result<_, _>>(),
        };
        Ok(rows?)
    }
}
