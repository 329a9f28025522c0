//! Our own runs: every failed spec and every stopped cell of a summary. Pure.

use crate::model::{
    Cause, CellOutcome, CellSummary, Digest, RunSummary,
    failed::{ArtifactLine, Failure, Place},
};

/// Every failure of a run, in the order of its cells and specs; that of a stopped cell with its cause.
#[must_use]
pub fn failures_of(summary: &RunSummary) -> Vec<(Failure, Option<Cause>)> {
    let run = summary.run.to_string();
    summary
        .cells
        .iter()
        .flat_map(|cell| of_cell(&run, cell))
        .collect()
}

/// Every failure of a cell: why it stopped, and its failed specs.
pub(super) fn of_cell(run: &str, cell: &CellSummary) -> Vec<(Failure, Option<Cause>)> {
    let mut found = Vec::new();
    if let CellOutcome::Stopped { cause } = &cell.outcome {
        let lines = cause.evidence.iter().map(|line| ArtifactLine {
            file: line.file.to_string(),
            line: line.line,
            text: line.text.clone(),
        });
        let lines: Vec<ArtifactLine> = lines.collect();
        let texts = lines.iter().map(|line| line.text.as_str());
        let said: Vec<&str> = std::iter::once(cause.summary.as_str())
            .chain(texts)
            .collect();
        let mut failure = failure(run, cell, "", &said.join("\n"));
        failure.place.phase = cause.phase.name().to_owned();
        if let Some(first) = lines.first() {
            let steps = first.file.starts_with("steps/") || cell.attempts == 0;
            failure.place.file = match steps {
                true => first.file.clone(),
                false => format!("{}{}", folder(cell), first.file),
            };
            failure.place.line = first.line;
        }
        failure.lines = lines;
        failure.id = id(&failure, 0);
        found.push((failure, Some((**cause).clone())));
    }
    for (at, spec) in cell.specs.iter().enumerate() {
        if !spec.outcome.is_failure() {
            continue;
        }
        let said = spec.failure.as_ref();
        let text = said.map_or("", |said| match said.text.as_str() {
            "" => said.message.as_str(),
            text => text,
        });
        let mut failure = failure(run, cell, &spec.name.0, text);
        (failure.began, failure.at) = (spec.started_at, spec.ended_at);
        failure.id = id(&failure, at + 1);
        found.push((failure, None));
    }
    found
}

fn folder(cell: &CellSummary) -> String {
    format!("{}/{}/", cell.lane.id, cell.attempts.max(1))
}

fn failure(run: &str, cell: &CellSummary, test: &str, message: &str) -> Failure {
    Failure {
        suite: cell.lane.suite.clone(),
        test: test.to_owned(),
        message: message.to_owned(),
        place: Place {
            run: run.to_owned(),
            lane: cell.lane.id.to_string(),
            attempt: cell.attempts,
            file: format!("{}suite.log", folder(cell)),
            ..Place::default()
        },
        ..Failure::default()
    }
}

fn id(failure: &Failure, at: usize) -> String {
    let place = &failure.place;
    let words = format!(
        "{}\0{}\0{}\0{}\0{at}",
        place.run, place.lane, place.attempt, failure.test
    );
    Digest::of(words.as_bytes()).short().to_owned()
}
