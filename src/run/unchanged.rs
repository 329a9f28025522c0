//! Whether an earlier run's verdict stands for a candidate that did not move. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::{
    model::{Blame, Candidate, CellOutcome, Confirmation, ExitCode, RunSummary},
    profile::Profile,
};

/// A verdict that is older than this stands for nothing: the world around the candidate moves too.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the last run of a profile was.
pub(super) struct Before<'a> {
    pub(super) profile: &'a Profile,
    pub(super) summary: &'a RunSummary,
    pub(super) interrupted: bool,
}

/// Whether an earlier run was of the same thing, and what it is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was another profile, or another candidate.
    Moved,
    /// Nothing moved, but its verdict does not stand: in words, why.
    Void(String),
    /// Nothing moved, and its verdict stands.
    Stands,
}

/// Judges the last run of `profile` for the candidates of now.
pub(super) fn standing(
    before: &Before<'_>,
    profile: &Profile,
    candidates: &[Candidate],
    version: &str,
    now: Timestamp,
) -> Standing {
    let digests =
        |candidates: &[Candidate]| -> Vec<_> { candidates.iter().map(Candidate::digest).collect() };
    let summary = before.summary;
    // A run of fewer lanes says nothing about this one.
    if before.profile != profile || digests(&summary.candidates) != digests(candidates) {
        return Standing::Moved;
    }
    match worth(before, version, now) {
        Some(reason) => Standing::Void(reason),
        None => Standing::Stands,
    }
}

fn worth(before: &Before<'_>, version: &str, now: Timestamp) -> Option<String> {
    let summary = before.summary;
    if before.interrupted {
        return Some("it was interrupted".to_owned());
    }
    let age = now.duration_since(summary.started_at);
    if age > LONGEST {
        return Some(format!("it is {} days old", age.as_hours() / 24));
    }
    let by = summary
        .environment
        .as_ref()
        .map(|host| host.bellwether.as_str());
    if by.is_some_and(|by| by != version) {
        return Some("another bellwether made it".to_owned());
    }
    if !matches!(
        summary.exit,
        ExitCode::Passed | ExitCode::Failed | ExitCode::Build
    ) {
        return Some("it came to no verdict".to_owned());
    }
    for cell in &summary.cells {
        if let CellOutcome::Stopped { cause } = &cell.outcome
            && matches!(cause.blame, Blame::Environment | Blame::Bellwether)
        {
            return Some(format!(
                "{} was stopped by its host: {}",
                cell.lane.id, cause.summary
            ));
        }
        let open = !cell.confirmed.is_empty()
            && cell
                .confirmed
                .iter()
                .all(|spec| matches!(spec.confirmation, Confirmation::Unconfirmed { .. }));
        if open {
            return Some(format!("no failure of {} was confirmed", cell.lane.id));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::EvidenceDir,
        model::{CellSummary, Class, Confidence, ConfirmedSpec, Phase, SpecName},
        profile::{self, Overrides},
    };

    fn recorded() -> (Profile, RunSummary) {
        let folder = EvidenceDir::at("tests/fixtures/report/run-failed");
        let profile = profile::load("quickstart", &Overrides::default()).unwrap();
        let mut summary: RunSummary = folder.read_json("summary.json").unwrap();
        // What stopped there was the node image's fault, and is not what is asked here.
        summary
            .cells
            .retain(|cell| !matches!(cell.outcome, CellOutcome::Stopped { .. }));
        summary.exit = ExitCode::Failed;
        (profile, summary)
    }

    fn judged(summary: &RunSummary, profile: &Profile, hours: i64) -> Standing {
        let before = Before {
            profile,
            summary,
            interrupted: false,
        };
        let version = summary.environment.as_ref().unwrap().bellwether.clone();
        let now = summary.started_at + SignedDuration::from_hours(hours);
        standing(&before, profile, &summary.candidates, &version, now)
    }

    fn void(standing: Standing) -> String {
        match standing {
            Standing::Void(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn stopped(cell: &mut CellSummary, blame: Blame) {
        let cause = crate::model::Cause {
            phase: Phase::Boot,
            class: Class::Infra,
            blame,
            confidence: Confidence::Certain,
            summary: "the machine did not boot".to_owned(),
            evidence: Vec::new(),
            rule: None,
            hint: None,
        };
        cell.outcome = CellOutcome::Stopped {
            cause: Box::new(cause),
        };
    }

    #[test]
    fn a_verdict_stands_for_a_week() {
        let (profile, summary) = recorded();
        assert_eq!(judged(&summary, &profile, 24), Standing::Stands);
        assert_eq!(judged(&summary, &profile, 7 * 24), Standing::Stands);
        assert_eq!(void(judged(&summary, &profile, 8 * 24)), "it is 8 days old");
    }

    #[test]
    fn what_the_host_broke_is_no_verdict() {
        let (profile, mut summary) = recorded();
        for exit in [ExitCode::Infra, ExitCode::Incomplete, ExitCode::Interrupted] {
            summary.exit = exit;
            assert_eq!(void(judged(&summary, &profile, 1)), "it came to no verdict");
        }
        // Also where the lane only informs, and the run passed.
        summary.exit = ExitCode::Passed;
        stopped(&mut summary.cells[0], Blame::Environment);
        assert!(void(judged(&summary, &profile, 1)).contains("the machine did not boot"));
        // The runtime's own fault is one.
        stopped(&mut summary.cells[0], Blame::Runtime);
        assert_eq!(judged(&summary, &profile, 1), Standing::Stands);
    }

    #[test]
    fn failures_that_nobody_confirmed_are_run_again() {
        let (profile, mut summary) = recorded();
        let mut confirmed = ConfirmedSpec {
            lane: summary.cells[0].lane.id.clone(),
            spec: SpecName("a spec".to_owned()),
            confirmation: Confirmation::Unconfirmed {
                reason: "no time was left".to_owned(),
            },
            reruns: Vec::new(),
            note: None,
        };
        summary.cells[0].confirmed = vec![confirmed.clone()];
        assert!(void(judged(&summary, &profile, 1)).contains("was confirmed"));
        confirmed.confirmation = Confirmation::Flaky;
        summary.cells[0].confirmed.push(confirmed);
        assert_eq!(judged(&summary, &profile, 1), Standing::Stands);
    }

    #[test]
    fn another_candidate_or_another_bellwether_is_another_question() {
        let (profile, summary) = recorded();
        let before = Before {
            profile: &profile,
            summary: &summary,
            interrupted: false,
        };
        let now = summary.started_at;
        let moved = standing(&before, &profile, &[], "9", now);
        assert_eq!(moved, Standing::Moved);
        let newer = standing(&before, &profile, &summary.candidates, "9", now);
        assert_eq!(void(newer), "another bellwether made it");
    }
}
