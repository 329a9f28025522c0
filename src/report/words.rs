//! The words and signs by which every report says the same thing. Pure.

use jiff::{Timestamp, tz::TimeZone};

use crate::model::{
    Again, CellOutcome, CellSummary, Confirmation, Digest, ExitCode, LaneId, Origin, Revision,
    Role, RunId, RunSummary, SpecName, SpecOutcome, SpecResult,
};

/// How something is to be shown: a sign, and the name of a colour. Never the only carrier of meaning:
/// the outcome's word always stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// One character.
    pub sign: &'static str,
    /// `good`, `bad`, `stop`, `warn` or `quiet`: a class of the page, a colour of the terminal.
    pub tone: &'static str,
}

const fn look(sign: &'static str, tone: &'static str) -> Look {
    Look { sign, tone }
}

/// How a spec's outcome looks.
#[must_use]
pub const fn spec_look(outcome: SpecOutcome) -> Look {
    match outcome {
        SpecOutcome::Passed => look("✓", "good"),
        SpecOutcome::Failed => look("✗", "bad"),
        SpecOutcome::TimedOut => look("◷", "bad"),
        SpecOutcome::Panicked => look("‼", "bad"),
        SpecOutcome::Interrupted => look("⊘", "bad"),
        SpecOutcome::UnexpectedPass => look("!", "warn"),
        SpecOutcome::ExpectedFailure => look("≈", "warn"),
        SpecOutcome::NotRun => look("○", "quiet"),
        SpecOutcome::Skipped => look("–", "quiet"),
    }
}

/// How a cell's outcome looks.
#[must_use]
pub const fn cell_look(outcome: &CellOutcome) -> Look {
    match outcome {
        CellOutcome::Passed => look("✓", "good"),
        CellOutcome::Failed => look("✗", "bad"),
        CellOutcome::Stopped { .. } => look("■", "stop"),
        CellOutcome::Reduced { .. } => look("◐", "warn"),
        CellOutcome::NoTests => look("∅", "warn"),
        CellOutcome::NotRun { .. } => look("○", "quiet"),
    }
}

/// How a run's exit looks.
#[must_use]
pub const fn exit_look(exit: ExitCode) -> Look {
    match exit {
        ExitCode::Passed => look("✓", "good"),
        ExitCode::Failed => look("✗", "bad"),
        ExitCode::Infra | ExitCode::Build => look("■", "stop"),
        ExitCode::Usage | ExitCode::Incomplete | ExitCode::Interrupted => look("◐", "warn"),
    }
}

/// A run's headline in one word.
#[must_use]
pub const fn exit_word(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Passed => "passed",
        ExitCode::Failed => "failed",
        ExitCode::Usage => "wrong usage",
        ExitCode::Infra => "infrastructure failed",
        ExitCode::Build => "build failed",
        ExitCode::Incomplete => "incomplete",
        ExitCode::Interrupted => "interrupted",
    }
}

/// What an exit code means.
#[must_use]
pub const fn exit_meaning(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Passed => "every blocking lane passed",
        ExitCode::Failed => "a blocking lane failed",
        ExitCode::Usage => "wrong usage, or a wrong profile",
        ExitCode::Infra => "the host, the network or the node image failed",
        ExitCode::Build => "a build failed",
        ExitCode::Incomplete => "a blocking lane did not run, ran reduced, or was interrupted",
        ExitCode::Interrupted => "stopped by Ctrl-C",
    }
}

/// One sentence on how the run's lanes stand, blocking ones first.
#[must_use]
pub fn standing(summary: &RunSummary) -> String {
    let part = |role: Role| {
        let cells = summary.cells.iter().filter(|cell| cell.lane.role == role);
        let (green, rest): (Vec<_>, Vec<_>) = cells.partition(|cell| cell.outcome.is_green());
        let total = green.len() + rest.len();
        (total > 0).then(|| format!("{} of {} passed", green.len(), lanes(total, role)))
    };
    let parts: Vec<_> = [Role::Blocking, Role::Informing]
        .into_iter()
        .filter_map(part)
        .collect();
    if parts.is_empty() {
        "no lane was planned".to_owned()
    } else {
        parts.join("; ")
    }
}

fn lanes(n: usize, role: Role) -> String {
    format!("{n} {role} {}", if n == 1 { "lane" } else { "lanes" })
}

/// Why a cell is what it is, where its outcome says so.
#[must_use]
pub fn cell_reason(cell: &CellSummary) -> Option<String> {
    match &cell.outcome {
        CellOutcome::Passed => expected(cell),
        CellOutcome::Failed => {
            let counts = &cell.counts;
            let failed = format!("{} of {} specs failed", counts.failed, counts.planned);
            Some(match expected(cell) {
                Some(more) => format!("{failed}; {more}"),
                None => failed,
            })
        }
        CellOutcome::Reduced { reason } | CellOutcome::NotRun { reason } => Some(reason.clone()),
        CellOutcome::NoTests => Some("the suite selected no spec".to_owned()),
        CellOutcome::Stopped { cause } => Some(format!("in {}: {}", cause.phase, cause.summary)),
    }
}

/// How far the cell's specs met the failures that its profile expects, if they did.
fn expected(cell: &CellSummary) -> Option<String> {
    let counts = &cell.counts;
    let parts = [
        (counts.expected, "failed as expected"),
        (counts.unexpected, "passed although a failure is expected"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Seconds for people: `0.4 s`, `58 s`, `6 min 52 s`, `1 h 05 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration of at least ten seconds; `as` saturates"
    )]
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes for people: `512 B`, `4.0 KiB`, `23.5 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in UNITS {
        if bytes >= 1 << shift {
            // Tenths in whole numbers: exact, and no float to lose digits in.
            let tenths = (u128::from(bytes) * 10) >> shift;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// `2026-11-20 11:00:04 UTC`.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string()
}

/// `2026-11-20`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// Seconds from one moment to another.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The start of a run's id that tells it from all others: its whole time stamp.
#[must_use]
pub fn short_run(run: RunId) -> String {
    run.to_string().chars().take(13).collect()
}

/// A spec's handle in commands: eight hex digits of its name's digest.
#[must_use]
pub fn spec_handle(name: &SpecName) -> String {
    Digest::of(name.0.as_bytes())
        .as_str()
        .chars()
        .take(8)
        .collect()
}

/// The command that runs one spec again on the same candidate and node.
#[must_use]
pub fn repro_command(run: RunId, lane: &LaneId, spec: &SpecName) -> String {
    format!(
        "bellwether repro {}/{lane}/{}",
        short_run(run),
        spec_handle(spec)
    )
}

/// What a failed spec turned out to be when it ran again: `flaky: passed on a fresh node (attempt 2)`.
#[must_use]
pub fn confirmed(cell: &CellSummary, spec: &SpecName) -> Option<String> {
    let known = cell.confirmed.iter().find(|known| known.spec == *spec)?;
    let tries = known.reruns.iter().map(|rerun| {
        let on = match rerun.place {
            Again::SameNode => "on its own node",
            Again::FreshNode => "on a fresh node",
            Again::LastGood => "with the last good candidate",
            Again::Control => "on the control pairing",
        };
        let attempt = match rerun.lane == cell.lane.id {
            true => format!(" (attempt {})", rerun.attempt),
            false => String::new(),
        };
        let of = rerun.good.map(|run| format!(" of run {}", short_run(run)));
        format!("{} {on}{}{attempt}", rerun.outcome, of.unwrap_or_default())
    });
    let tries: Vec<String> = tries.collect();
    let name = known.confirmation.name();
    let mut words = match &known.confirmation {
        Confirmation::Unconfirmed { reason } if tries.is_empty() => format!("{name}: {reason}"),
        Confirmation::Unconfirmed { reason } => {
            format!("{name}: {} ({reason})", tries.join(", "))
        }
        _ => format!("{name}: {}", tries.join(", ")),
    };
    if let Some(note) = &known.note {
        words.push_str("; ");
        words.push_str(note);
    }
    Some(words)
}

/// The specs of a cell that count against it.
pub fn failures(cell: &CellSummary) -> impl Iterator<Item = &SpecResult> {
    cell.specs.iter().filter(|spec| spec.outcome.is_failure())
}

/// Where a revision is from, in a few words.
#[must_use]
pub fn origin_words(revision: &Revision) -> String {
    match &revision.origin {
        Origin::Git {
            reference, commit, ..
        } => {
            format!("git {reference} at {}", commit.get(..12).unwrap_or(commit))
        }
        Origin::GoModule { module, .. } => format!("Go module {module}"),
        Origin::Crate { name, .. } => format!("crate {name}"),
        Origin::Path { path, .. } => format!("folder {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said = [-1.0, 0.04, 9.96, 10.0, 59.6, 412.4, 3599.7, 3900.0, 90000.0].map(duration);
        assert_eq!(
            said,
            [
                "0.0 s",
                "0.0 s",
                "10.0 s",
                "10 s",
                "1 min 00 s",
                "6 min 52 s",
                "1 h 00 min",
                "1 h 05 min",
                "25 h 00 min"
            ]
        );
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(
            [0, 1023, 1024, 25_218_379_776, u64::MAX].map(size),
            ["0 B", "1023 B", "1.0 KiB", "23.4 GiB", "16777215.9 TiB"]
        );
    }

    #[test]
    fn no_two_outcomes_of_a_kind_share_a_sign() {
        use SpecOutcome as O;
        let all = [
            O::Passed,
            O::Failed,
            O::TimedOut,
            O::Panicked,
            O::Interrupted,
            O::Skipped,
            O::NotRun,
            O::ExpectedFailure,
            O::UnexpectedPass,
        ];
        let signs: std::collections::BTreeSet<_> =
            all.into_iter().map(|o| spec_look(o).sign).collect();
        assert_eq!(signs.len(), all.len());
    }
}
