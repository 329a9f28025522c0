//! Questions to the index: the answer as JSON, or as a table.

use serde::Serialize;

use super::{CliError, HistoryCommand, details, tables};
use crate::{
    cli::{Printer, printer::columns},
    clock,
    history::Index,
};

/// Prints one answer: the document, or the table that is made of it.
fn say<T: Serialize>(
    printer: &Printer,
    answer: &T,
    table: impl FnOnce(&T) -> tables::Table,
) -> Result<(), CliError> {
    if printer.json {
        return printer.document(answer);
    }
    let table = table(answer);
    if table.rows.len() > 1 {
        printer.data(&columns(&table.rows))?;
    }
    for line in table.below {
        printer.say(&line);
    }
    Ok(())
}

pub fn answer(question: HistoryCommand, index: &Index, printer: &Printer) -> Result<(), CliError> {
    let now = clock::now();
    match question {
        HistoryCommand::Grid(scope) => {
            let grid = index.grid(scope.profile.as_deref(), scope.window())?;
            say(printer, &grid, tables::grid)
        }
        HistoryCommand::Runs { run: Some(run), .. } => {
            let page = index.run_page(&index.find_run(&run)?)?;
            say(printer, &page, details::run)
        }
        HistoryCommand::Runs {
            run: None,
            scope,
            number,
        } => {
            let runs = index.runs(scope.profile.as_deref(), now, number)?;
            say(printer, &runs, |runs| tables::runs(runs))
        }
        HistoryCommand::Lane {
            lane: Some(lane),
            scope,
            all,
            trends,
        } => {
            let lane = index.lane(scope.profile.as_deref(), &lane)?;
            if trends {
                let trends = index.lane_trends(&lane, scope.window())?;
                return say(printer, &trends, |trends| tables::trends(trends));
            }
            let page = index.lane_page(&lane, scope.window(), all, 0, usize::MAX)?;
            say(printer, &page, details::lane)
        }
        HistoryCommand::Lane {
            lane: None, scope, ..
        } => {
            let health = index.lane_health(scope.profile.as_deref(), scope.window(), now)?;
            say(printer, &health, |health| tables::health(health))
        }
        HistoryCommand::Spec { spec, scope } => {
            let history = index.spec_history(&index.find_spec(&spec)?, scope.window())?;
            say(printer, &history, details::spec)
        }
        HistoryCommand::Cluster {
            cluster: Some(cluster),
            ..
        } => say(printer, &index.cluster(&cluster)?, details::cluster),
        HistoryCommand::Cluster {
            cluster: None,
            scope,
        } => {
            let clusters = index.clusters(scope.profile.as_deref(), scope.window())?;
            say(printer, &clusters, |clusters| tables::clusters(clusters))
        }
        HistoryCommand::Flakes { scope, lane } => {
            let profile = scope.profile.as_deref();
            let flakes = index.flakes(profile, lane.as_deref(), scope.window())?;
            say(printer, &flakes, |flakes| tables::flakes(flakes))
        }
        HistoryCommand::Candidates {
            candidate: Some(digest),
            ..
        } => say(printer, &index.candidate_page(&digest)?, details::candidate),
        HistoryCommand::Candidates {
            candidate: None,
            scope,
            number,
        } => {
            let rows = index.candidates(scope.profile.as_deref(), now, number)?;
            say(printer, &rows, |rows| tables::candidates(rows))
        }
        HistoryCommand::Compat(scope) => {
            let all = index.compatibility(scope.profile.as_deref(), scope.window())?;
            say(printer, &all, tables::compat)
        }
        HistoryCommand::Compare { before, after } => {
            let (a, lane_a) = split(&before);
            let (b, lane_b) = split(&after);
            let lanes = match (lane_a, lane_b) {
                (None, None) => None,
                (Some(lane), None) | (None, Some(lane)) => Some((lane, lane)),
                (Some(one), Some(other)) => Some((one, other)),
            };
            let runs = (index.find_run(a)?, index.find_run(b)?);
            say(
                printer,
                &index.compare(&runs.0, &runs.1, lanes)?,
                details::compare,
            )
        }
        HistoryCommand::Search { text } => {
            say(printer, &index.search(&text.join(" "))?, details::search)
        }
        // They ask nothing, and were done before.
        HistoryCommand::Reindex
        | HistoryCommand::Prune { .. }
        | HistoryCommand::Pin { .. }
        | HistoryCommand::Import { .. } => Ok(()),
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((run, lane)) if !lane.is_empty() => (run, Some(lane)),
        _ => (text.trim_end_matches('/'), None),
    }
}
