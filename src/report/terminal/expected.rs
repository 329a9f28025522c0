//! Expected failures in the terminal.

use super::{Page, split_tags};
use crate::{model::RunSummary, report::expected::views};

/// Specs of one expectation that are named; the rest is counted.
const NAMED: usize = 4;

/// What somebody should look at in full; what failed as expected in a line or two; what was not met not at all.
pub(super) fn expectations(page: &mut Page, summary: &RunSummary) {
    let views: Vec<_> = views(summary)
        .into_iter()
        .filter(|view| view.todo.is_some() || !view.met.is_empty())
        .collect();
    if views.is_empty() {
        return;
    }
    page.heading("Expected failures");
    for view in views {
        let state = page.paint(view.tone, &format!("{} {}", view.sign, view.state));
        page.line(&state);
        page.item(2, "specs", &view.pattern);
        if let Some(todo) = &view.todo {
            page.item(2, "do", todo);
        }
        page.item(2, "reason", &view.reason);
        page.item(
            2,
            "tracker",
            &format!("{}; until {}", view.tracker, view.expires),
        );
        for met in view.met.iter().take(NAMED) {
            let (spec, _) = split_tags(&met.spec);
            let words = format!("{} {}, {}: {spec}", met.sign, met.outcome, met.lane);
            page.item(2, "met", &words);
        }
        if let Some(more) = view.met.len().checked_sub(NAMED).filter(|n| *n > 0) {
            page.item(2, "", &format!("and {more} more"));
        }
    }
}
