//! Expected failures: which results they change, and which of them need a person.

use std::collections::BTreeSet;

use jiff::civil::Date;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        Expectation, ExpectationUse, Lane, LaneId, RunSummary, SpecName, SpecOutcome, SpecResult,
        Standing, SuitePlan,
    },
    profile::{Expect, compile_go_regex},
};

/// For how many days before its last one an expectation warns.
pub const WARNING_DAYS: u32 = 14;

/// Whether an expectation holds on a day.
#[must_use]
pub fn standing(expectation: &Expectation, today: Date) -> Standing {
    let span = today.duration_until(expectation.expires);
    let days = u32::try_from(span.as_hours().unsigned_abs() / 24).unwrap_or(u32::MAX);
    if today > expectation.expires {
        Standing::Expired { days }
    } else if days <= WARNING_DAYS {
        Standing::Expiring { days }
    } else {
        Standing::Current
    }
}

/// Applies a profile's expected failures to one lane's specs, and says what became of each that is meant for the
/// lane. The first one that covers a failure counts. Only failures and passes change: what did not run stays what it
/// is, and so does a spec that somebody interrupted.
#[must_use]
pub fn expected(
    expects: &[Expect],
    narrowed: bool,
    lane: &Lane,
    today: Date,
    plan: &SuitePlan,
    specs: &mut [SpecResult],
) -> Vec<ExpectationUse> {
    // A lane that never knew its specs says nothing about patterns.
    if plan.selected.is_empty() {
        return Vec::new();
    }
    let mut known: Vec<Known<'_>> = expects
        .iter()
        .filter(|expect| expect.covers(lane))
        .map(|expect| Known::new(&expect.expectation, today, narrowed))
        .collect();
    let planned: BTreeSet<&SpecName> = plan.selected.iter().map(|spec| &spec.name).collect();
    for known in &mut known {
        let named = planned.iter().filter(|name| known.names(name)).count();
        known.used.planned = u32::try_from(named).unwrap_or(u32::MAX);
    }
    for spec in specs {
        match spec.outcome {
            SpecOutcome::Passed => {
                let holds = |known: &&mut Known<'_>| known.holds() && known.names(&spec.name);
                if let Some(known) = known.iter_mut().find(holds) {
                    spec.outcome = SpecOutcome::UnexpectedPass;
                    spec.reason = Some(known.words("a failure is expected"));
                    known.used.passed.push(spec.name.clone());
                }
            }
            SpecOutcome::Failed | SpecOutcome::TimedOut | SpecOutcome::Panicked => {
                failed(&mut known, spec);
            }
            _ => {}
        }
    }
    known.into_iter().map(|known| known.used).collect()
}

/// A failure is the first one's that covers it; else it counts, and says why the ones that name it do not help.
fn failed(known: &mut [Known<'_>], spec: &mut SpecResult) {
    let covering = |known: &&mut Known<'_>| known.holds() && known.covers(spec);
    if let Some(known) = known.iter_mut().find(covering) {
        spec.outcome = SpecOutcome::ExpectedFailure;
        spec.reason = Some(known.words("expected"));
        known.used.failed.push(spec.name.clone());
        return;
    }
    let expired = known.iter().position(|known| known.covers(spec));
    let named = || known.iter().position(|known| known.names(&spec.name));
    let (at, why) = match expired {
        Some(at) => (at, "no longer expected"),
        None => match named() {
            Some(at) => (at, "another failure is expected"),
            None => return,
        },
    };
    spec.reason = Some(known[at].words(why));
    known[at].used.counted.push(spec.name.clone());
}

/// An expectation, ready to be asked.
struct Known<'a> {
    expectation: &'a Expectation,
    spec: Option<Regex>,
    message: Option<Regex>,
    used: ExpectationUse,
}

impl<'a> Known<'a> {
    fn new(expectation: &'a Expectation, today: Date, narrowed: bool) -> Self {
        let compile = |pattern: &str| compile_go_regex(pattern).ok();
        Self {
            expectation,
            spec: compile(&expectation.spec),
            message: expectation.message.as_deref().and_then(compile),
            used: ExpectationUse {
                expectation: expectation.clone(),
                standing: standing(expectation, today),
                planned: 0,
                failed: Vec::new(),
                passed: Vec::new(),
                counted: Vec::new(),
                narrowed,
            },
        }
    }

    const fn holds(&self) -> bool {
        !matches!(self.used.standing, Standing::Expired { .. })
    }

    /// A pattern that does not compile, which validation refuses, names nothing.
    fn names(&self, spec: &SpecName) -> bool {
        self.spec.as_ref().is_some_and(|re| re.is_match(&spec.0))
    }

    fn covers(&self, spec: &SpecResult) -> bool {
        let says = || {
            let said = spec.failure.as_ref();
            let text = said.map_or("", |failure| failure.text.as_str());
            let message = said.map_or("", |failure| failure.message.as_str());
            let pattern = self.message.as_ref();
            pattern.is_some_and(|re| re.is_match(message) || re.is_match(text))
        };
        self.names(&spec.name)
            && self.expectation.outcomes.contains(&spec.outcome)
            && (self.expectation.message.is_none() || says())
    }

    fn words(&self, how: &str) -> String {
        let Expectation {
            reason,
            tracker,
            expires,
            ..
        } = self.expectation;
        format!("{how}: {reason} ({tracker}; until {expires})")
    }
}

/// What became of one expectation in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectationVerdict {
    /// Which.
    pub expectation: Expectation,
    /// Whether it held.
    pub standing: Standing,
    /// Whether it names no spec that any of its lanes planned.
    pub stale: bool,
    /// Where it met a spec.
    pub lanes: Vec<ExpectationLane>,
    /// What somebody should do about it; absent when all is as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What became of one expectation on one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectationLane {
    /// The lane.
    pub lane: LaneId,
    /// Specs that failed as expected.
    pub failed: Vec<SpecName>,
    /// Specs that passed although a failure was expected.
    pub passed: Vec<SpecName>,
    /// Specs that it names and that count against the lane.
    pub counted: Vec<SpecName>,
}

/// What became of a run's expectations, those first that need somebody.
#[must_use]
pub fn expectations(run: &RunSummary) -> Vec<ExpectationVerdict> {
    let mut all: Vec<(ExpectationVerdict, bool)> = Vec::new();
    for cell in &run.cells {
        for used in &cell.expectations {
            let at = all
                .iter()
                .position(|(known, _)| known.expectation == used.expectation)
                .unwrap_or_else(|| {
                    let verdict = ExpectationVerdict {
                        expectation: used.expectation.clone(),
                        standing: used.standing,
                        stale: true,
                        lanes: Vec::new(),
                        words: None,
                    };
                    all.push((verdict, used.narrowed));
                    all.len() - 1
                });
            let (verdict, _) = &mut all[at];
            verdict.stale &= used.planned == 0 && !used.narrowed;
            let met = [&used.failed, &used.passed, &used.counted];
            if met.iter().any(|specs| !specs.is_empty()) {
                verdict.lanes.push(ExpectationLane {
                    lane: cell.lane.id.clone(),
                    failed: used.failed.clone(),
                    passed: used.passed.clone(),
                    counted: used.counted.clone(),
                });
            }
        }
    }
    let mut all: Vec<ExpectationVerdict> = all
        .into_iter()
        .map(|(mut verdict, narrowed)| {
            verdict.words = words(&verdict, narrowed);
            verdict
        })
        .collect();
    all.sort_by_key(|verdict| verdict.words.is_none());
    all
}

fn words(of: &ExpectationVerdict, narrowed: bool) -> Option<String> {
    let count = |get: fn(&ExpectationLane) -> &Vec<SpecName>| -> usize {
        of.lanes.iter().map(|lane| get(lane).len()).sum()
    };
    let (failed, passed, counted) = (
        count(|lane| &lane.failed),
        count(|lane| &lane.passed),
        count(|lane| &lane.counted),
    );
    let mut parts = Vec::new();
    if of.stale {
        parts.push("it names no planned spec; correct its pattern, or take it out".to_owned());
    }
    match of.standing {
        Standing::Expired { days } if counted > 0 => parts.push(format!(
            "it expired {} ago, so {} again; mend it, or find out anew and set a new date",
            plural(days as usize, "day"),
            plural_verb(counted, "failure", "counts", "count"),
        )),
        Standing::Expired { days } => {
            let ago = plural(days as usize, "day");
            // A run of a few specs has not seen the others.
            parts.push(match narrowed || of.stale {
                true => format!("it expired {ago} ago"),
                false => format!("it expired {ago} ago, and nothing fails by it; take it out"),
            });
        }
        Standing::Expiring { days: 0 } => parts.push("it expires today".to_owned()),
        Standing::Expiring { days } => {
            parts.push(format!("it expires in {}", plural(days as usize, "day")));
        }
        Standing::Current => {}
    }
    if passed > 0 {
        let specs = plural_verb(passed, "spec", "passes", "pass");
        parts.push(match failed {
            0 => format!("{specs} and none fails; if that stays, take it out"),
            _ => format!("{specs} although a failure is expected; narrow its pattern"),
        });
    }
    if counted > 0 && !matches!(of.standing, Standing::Expired { .. }) {
        let specs = plural_verb(counted, "spec", "fails", "fail");
        parts.push(format!("{specs} in another way than expected"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn plural(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn plural_verb(n: usize, what: &str, one: &str, many: &str) -> String {
    format!("{} {}", plural(n, what), if n == 1 { one } else { many })
}
