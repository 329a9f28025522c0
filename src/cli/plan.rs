//! `bellwether plan`: what a run would do, without doing it.

use clap::Args;
use serde::Serialize;

use super::{CliError, Globals, printer::columns, progress::view::Usual, selection::Selection};
use crate::{
    model::{Candidate, ExitCode},
    plan::Plan,
    run::{self, Planned, state::RunState},
};

/// Show what a run would do: exact revisions, lanes, steps, and what the cache holds already
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Serialize)]
struct Document<'a> {
    candidates: &'a [Candidate],
    notes: &'a [String],
    plan: &'a Plan,
}

/// Runs the subcommand.
///
/// # Errors
/// When the profile is wrong, or something cannot be resolved.
pub async fn run(args: PlanArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let profile = args.selection.load()?;
    let store = globals.store()?;
    let host = globals.host()?;
    let planned = run::plan_only(&host, &profile).await?;
    let printer = globals.printer();
    if printer.json {
        let document = Document {
            candidates: &planned.candidates,
            notes: &planned.notes,
            plan: &planned.plan,
        };
        printer.document(&document)?;
        return Ok(ExitCode::Passed);
    }
    let past = run::finish::past(&store, &profile.name, 5);
    let states: Vec<RunState> = past
        .iter()
        .filter_map(|(run, _)| RunState::load(run.path()).ok())
        .collect();
    printer.data(&text(&planned, &Usual::of(&states)))?;
    Ok(ExitCode::Passed)
}

fn text(planned: &Planned, usual: &Usual) -> String {
    let mut out = String::new();
    for candidate in &planned.candidates {
        out.push_str(&format!(
            "Candidate {} ({})\n",
            candidate.pairing,
            candidate.digest().short()
        ));
        let mut rows: Vec<Vec<String>> = candidate
            .revisions
            .values()
            .map(|revision| {
                let date = revision
                    .date
                    .map_or_else(String::new, |date| date.strftime("%Y-%m-%d").to_string());
                vec![
                    format!("  {}", revision.source),
                    revision.version.clone(),
                    date,
                ]
            })
            .collect();
        rows.extend(candidate.node_images.values().map(|image| {
            let packages = match image.packages.len() {
                0 => String::new(),
                count => format!("{count} packages"),
            };
            vec![format!("  {}", image.name), image.version.clone(), packages]
        }));
        rows.extend(candidate.sandboxers.values().map(|sandboxer| {
            vec![
                format!("  {}", sandboxer.name),
                sandboxer.version.clone(),
                sandboxer.origin.clone(),
            ]
        }));
        rows.extend(
            candidate
                .toolchains
                .iter()
                .map(|(tool, version)| vec![format!("  {tool}"), version.clone()]),
        );
        out.push_str(&columns(&rows));
    }
    out.push_str("\nSteps\n");
    let rows: Vec<Vec<String>> = planned
        .plan
        .steps
        .iter()
        .map(|step| {
            let state = if step.cached {
                "cached".to_owned()
            } else {
                usual.step(&step.id).map_or_else(
                    || "to do".to_owned(),
                    |s| format!("to do, usually {s:.0} s"),
                )
            };
            vec![format!("  {}", step.id), state, step.what.clone()]
        })
        .collect();
    out.push_str(&columns(&rows));
    out.push_str("\nLanes\n");
    let rows: Vec<Vec<String>> = planned
        .plan
        .lanes
        .iter()
        .map(|lane| {
            let usual = usual
                .lane(&lane.lane.id)
                .map_or_else(String::new, |s| format!("usually {s:.0} s"));
            vec![
                format!("  {}", lane.lane.id),
                lane.lane.role.to_string(),
                usual,
            ]
        })
        .collect();
    out.push_str(&columns(&rows));
    if !planned.plan.left_out.is_empty() {
        out.push_str("\nNot run here\n");
        let rows: Vec<Vec<String>> = (planned.plan.left_out.iter())
            .map(|out| vec![format!("  {}", out.lane.id), out.reason.clone()])
            .collect();
        out.push_str(&columns(&rows));
    }
    for note in &planned.notes {
        out.push_str(&format!("\nNote: {note}\n"));
    }
    out
}
