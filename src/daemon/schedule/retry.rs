//! What is tried again: what the infrastructure broke, within limits, and nothing else.

use jiff::{SignedDuration, Timestamp};

use crate::model::{Blame, Phase};

/// Limits of retries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How often a request is tried again.
    pub tries: u32,
    /// The pause before the first and before every further try.
    pub pauses: [SignedDuration; 2],
    /// The share of a night's machine time that retries may take.
    pub budget: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 2,
            pauses: [SignedDuration::from_mins(1), SignedDuration::from_mins(5)],
            budget: 0.10,
        }
    }
}

/// What becomes of a run that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It is tried again at this time.
    At(Timestamp),
    /// It is the infrastructure's fault, but it was tried often enough.
    Exhausted,
    /// It is the infrastructure's fault, but retries took their share of the night.
    NoBudget,
    /// It is a result, good or bad.
    No,
}

/// Decides about a request whose run stopped in a phase by somebody's fault.
///
/// `spent` and `night` are the machine time of retries and of all runs since the last evening.
#[must_use]
pub fn retry(
    policy: &RetryPolicy,
    stopped: Option<(Phase, Blame)>,
    tries: u32,
    spent: SignedDuration,
    night: SignedDuration,
    now: Timestamp,
) -> Retry {
    let Some((phase, blame)) = stopped else {
        return Retry::No;
    };
    if !is_infrastructure(phase, blame) {
        return Retry::No;
    }
    if tries >= policy.tries {
        return Retry::Exhausted;
    }
    // The first retry of a night is always allowed: a share of nothing is nothing.
    if spent > SignedDuration::ZERO && spent.as_secs_f64() > policy.budget * night.as_secs_f64() {
        return Retry::NoBudget;
    }
    let pause = if tries == 0 {
        policy.pauses[0]
    } else {
        policy.pauses[1]
    };
    Retry::At(now + pause)
}

/// Whether another try could end otherwise though nothing was changed: what came before the suite, by the fault of
/// neither the code under test nor the profile.
fn is_infrastructure(phase: Phase, blame: Blame) -> bool {
    matches!(blame, Blame::Environment | Blame::Bellwether)
        && matches!(
            phase,
            Phase::Resolve | Phase::Image | Phase::Boot | Phase::Provision | Phase::RuntimeReady
        )
}

/// Stops a class when several lanes fail by the infrastructure's fault at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: Vec<(Timestamp, String)>,
    open: bool,
}

impl Breaker {
    const LANES: usize = 3;
    const WINDOW: SignedDuration = SignedDuration::from_mins(15);

    /// Notes that a lane failed by the infrastructure's fault. True when that opens the breaker: one notice is due.
    pub fn failed(&mut self, lane: &str, now: Timestamp) -> bool {
        self.failures
            .retain(|(at, name)| now.duration_since(*at) <= Self::WINDOW && name != lane);
        self.failures.push((now, lane.to_owned()));
        let opens = !self.open && self.failures.len() >= Self::LANES;
        self.open |= opens;
        opens
    }

    /// Notes that a run ended with a result: the infrastructure works.
    pub fn worked(&mut self) {
        self.failures.clear();
        self.open = false;
    }

    /// Whether nothing of the class may start but one probe.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }
}
