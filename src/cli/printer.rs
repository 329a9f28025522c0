//! Data to stdout, talk to stderr.

use std::io::{self, Write as _};

use owo_colors::{OwoColorize as _, Style};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::CliError;

/// Where output goes and how it looks.
#[derive(Clone, Debug)]
pub struct Printer {
    /// Whether data is to be JSON.
    pub json: bool,
    /// Whether stdout takes colours.
    pub stdout_colour: bool,
    /// Whether stderr takes colours.
    pub stderr_colour: bool,
}

impl Printer {
    /// Without colours and without JSON.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            json: false,
            stdout_colour: false,
            stderr_colour: false,
        }
    }

    /// Prints data, with a line end if it lacks one.
    ///
    /// # Errors
    /// When stdout refuses. A reader that went away (`| head`) is fine.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        let end = if text.ends_with('\n') || text.is_empty() {
            ""
        } else {
            "\n"
        };
        let mut out = io::stdout().lock();
        match write!(out, "{text}{end}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Prints one JSON document.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn document(&self, value: &impl Serialize) -> Result<(), CliError> {
        self.data(&serde_json::to_string_pretty(value).map_err(io::Error::from)?)
    }

    /// Says something to whoever sits there. A stderr that is gone is fine.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says what went wrong and what to do next.
    pub fn error(&self, what: &str, hints: &[String]) {
        let paint = |word: &str, style: Style| {
            if self.stderr_colour {
                word.style(style).to_string()
            } else {
                word.to_owned()
            }
        };
        self.say(&format!(
            "{} {what}",
            paint("error:", Style::new().red().bold())
        ));
        for hint in hints {
            self.say(&format!("{} {hint}", paint("hint:", Style::new().cyan())));
        }
    }

    /// Columns of stdout; 80 where it is no terminal.
    #[must_use]
    pub fn width(&self) -> usize {
        tcgetwinsize(io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
            .unwrap_or(80)
    }
}

/// Rows of text in columns as wide as their widest word, two blanks between, none at the end.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut out = String::new();
    for row in rows {
        let cells = row
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{cell:<width$}", width = width(at)));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["✓", "a"], vec!["long", ""]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        assert_eq!(columns(&rows), "✓     a\nlong\n");
    }
}
