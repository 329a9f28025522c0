//! Sandboxers beside each other, in the terminal.

use super::{Page, chars, pad};
use crate::{
    model::RunSummary,
    report::{context::MatrixRow, excerpt::plain, matrix::matrices},
};

/// Specs of one kind of difference that are shown; the rest is counted.
const SHOWN: usize = 5;

/// The lanes of each comparison, then what differs, gravest first.
pub(super) fn compared(page: &mut Page, summary: &RunSummary) {
    for matrix in matrices(summary) {
        let on = matrix.accelerator.map(|name| format!(", {name}"));
        page.heading(&format!(
            "Sandboxers, {}{}",
            matrix.title,
            on.unwrap_or_default()
        ));
        let label = |column: &crate::report::context::MatrixColumn| {
            let star = if column.informing { "*" } else { "" };
            match column.handler == column.sandboxer {
                true => format!("{}{star}", column.sandboxer),
                false => format!("{}{star} ({})", column.sandboxer, column.handler),
            }
        };
        let width = matrix.columns.iter().map(|column| chars(&label(column)));
        let width = width.max().unwrap_or(0).min(28);
        for column in &matrix.columns {
            let outcome = page.paint(
                column.tone,
                &format!("{} {:<8}", column.sign, column.outcome),
            );
            let passed = format!("{} of {} passed", column.passed, column.planned);
            let time = column.time.clone().unwrap_or_default();
            let ratio = column.ratio.clone().unwrap_or_default();
            page.line(&format!(
                "  {}  {outcome} {passed:>18}  {time:>12}  {ratio}",
                pad(&label(column), width)
            ));
            if let Some(identity) = &column.identity {
                page.item(4, "served", identity);
            }
        }
        if matrix.common > 0 {
            page.text(
                2,
                &format!("times: of the {} specs that passed on all", matrix.common),
            );
        }
        let names: Vec<&str> = matrix
            .columns
            .iter()
            .map(|column| column.sandboxer.as_str())
            .collect();
        let mut rest = matrix.rows.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.partition_point(|row| row.difference == first.difference);
            let (group, others) = rest.split_at(same.max(1));
            differing(page, &names, group);
            rest = others;
        }
        let alike = matrix.alike.len();
        if alike > 0 {
            let specs = if alike == 1 { "spec is" } else { "specs are" };
            page.text(2, &format!("{alike} {specs} alike"));
        }
    }
}

fn differing(page: &mut Page, names: &[&str], rows: &[MatrixRow]) {
    let title = page.paint(rows[0].tone, &plain(&rows[0].difference));
    page.line(&format!("  {title} ({})", rows.len()));
    for row in rows.iter().take(SHOWN) {
        page.text(4, &row.text);
        let cells: Vec<String> = names
            .iter()
            .zip(&row.cells)
            .filter(|(_, cell)| !cell.spec.sign.is_empty())
            .map(|(name, cell)| {
                let parts = [
                    Some(cell.spec.sign.to_owned()),
                    cell.spec.time.clone(),
                    cell.ratio.clone(),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("{name} {}", parts.join(" "))
            })
            .collect();
        page.text(6, &cells.join(" · "));
    }
    if let Some(more) = rows.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        page.text(4, &format!("and {more} more"));
    }
}
