//! What becomes of a schedule's fires: a request, a hole that is recorded, or a run of the past that is caught up once.

use jiff::{SignedDuration, Timestamp, civil::DateTime};

use super::{Calendar, Occurrence};

/// Later than this after its time, a fire was missed: nobody was there.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// Holes are counted up to this; an expression that fires each minute and a long absence would count for ever.
const MOST_HOLES: usize = 100_000;

/// What a fire does when the run before still waits or runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// One request waits; it takes the newest sources when it starts.
    #[default]
    Coalesce,
    /// The fire is left out.
    Skip,
    /// The run is ended and the new one starts.
    Replace,
}

/// A profile's schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name: the profile's.
    pub name: String,
    /// Its fire times.
    pub calendar: Calendar,
    /// Fires are spread over this much time, by a fixed share of the name.
    pub jitter: SignedDuration,
    /// A missed fire is caught up within this time.
    pub grace: SignedDuration,
    /// What a fire does when the run before still waits or runs.
    pub overlap: Overlap,
    /// How long a run takes as a rule.
    pub typical: SignedDuration,
}

impl Schedule {
    /// How much later than its nominal time this schedule fires: the same at each fire and each start.
    #[must_use]
    pub fn delay(&self) -> SignedDuration {
        let window = self.jitter.as_secs().max(0);
        // FNV-1a: the same number on every host, version and day.
        let hash = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let seconds = i64::try_from(hash % (window.unsigned_abs() + 1)).unwrap_or(0);
        SignedDuration::from_secs(seconds)
    }

    /// The next fires after an instant, with the delay.
    pub fn next(&self, after: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        let delay = self.delay();
        self.calendar
            .after(after - delay)
            .map(move |fire| Occurrence {
                at: fire.at + delay,
                ..fire
            })
    }
}

/// How far a schedule was looked at. A row of the state: all that must outlive a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Every fire until this instant has been decided.
    pub until: Timestamp,
    /// The last fire that a pause left out, if none ran since.
    pub owed: Option<Timestamp>,
    /// Fires in a row that found the run before not ended.
    pub overruns: u32,
}

/// What stands in the way of a new request of this schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// One waits.
    pub waits: bool,
    /// One runs.
    pub runs: bool,
    /// The schedule is paused.
    pub paused: bool,
}

/// What is to be done. Each is recorded before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FireDecision {
    /// A request is made.
    Ask {
        /// For this fire.
        fire: Occurrence,
        /// It makes good for fires that were missed or paused.
        catch_up: bool,
    },
    /// Nobody was there at these fires; the grid shows the hole.
    Missed {
        /// The first of them.
        first: DateTime,
        /// The last of them.
        last: DateTime,
        /// How many.
        count: usize,
        /// Since when nobody was there.
        from: Timestamp,
    },
    /// The schedule is paused.
    Paused(Occurrence),
    /// The run before has not ended.
    Overrun {
        /// The fire that found it so.
        fire: Occurrence,
        /// The third in a row, and each after it: the schedule asks for more than the host can do.
        alarm: bool,
    },
    /// The run before is to end, and its request to leave the queue.
    Replace(Occurrence),
}

/// Decides all fires of one schedule between the last look and now.
///
/// A clock that went back decides nothing again. A clock that went ahead, a host that slept and a daemon that was down
/// are the same thing: nobody was there.
#[must_use]
pub fn consider(
    schedule: &Schedule,
    state: Considered,
    pending: Pending,
    now: Timestamp,
) -> (Considered, Vec<FireDecision>) {
    if now <= state.until {
        return (state, Vec::new());
    }
    let mut fires: Vec<Occurrence> = schedule
        .next(state.until)
        .take_while(|fire| fire.at <= now)
        .take(MOST_HOLES)
        .collect();
    let on_time = fires.split_off(fires.partition_point(|fire| now.duration_since(fire.at) > LATE));
    let mut deciding = Deciding {
        schedule,
        state: Considered {
            until: now,
            ..state
        },
        pending,
        decisions: Vec::new(),
    };
    deciding.missed(&fires, state.until, now);
    if !pending.paused {
        deciding.resume(on_time.first().copied(), now);
    }
    for fire in on_time {
        deciding.due(fire);
    }
    (deciding.state, deciding.decisions)
}

struct Deciding<'a> {
    schedule: &'a Schedule,
    state: Considered,
    pending: Pending,
    decisions: Vec<FireDecision>,
}

impl Deciding<'_> {
    fn missed(&mut self, fires: &[Occurrence], from: Timestamp, now: Timestamp) {
        let Some((last, earlier)) = fires.split_last() else {
            return;
        };
        if self.pending.paused {
            // Nobody was there, but nothing would have run either.
            self.state.owed = Some(last.at);
            self.hole(fires, from);
        } else if self.worth_catching_up(last.at, now) {
            self.hole(earlier, from);
            self.ask(*last, true);
        } else {
            self.hole(fires, from);
        }
    }

    /// A pause ended: what it left out is made good once, unless the next fire does it right now.
    fn resume(&mut self, next: Option<Occurrence>, now: Timestamp) {
        let Some(owed) = self.state.owed.take() else {
            return;
        };
        if next.is_none() && self.worth_catching_up(owed, now) {
            let nominal = self
                .schedule
                .calendar
                .zone()
                .to_datetime(owed - self.schedule.delay());
            self.ask(Occurrence { at: owed, nominal }, true);
        }
    }

    /// Within the grace, and not so late that the next fire would find it running.
    fn worth_catching_up(&self, missed: Timestamp, now: Timestamp) -> bool {
        let ends = now + self.schedule.typical;
        now.duration_since(missed) <= self.schedule.grace
            && self
                .schedule
                .next(now)
                .next()
                .is_none_or(|next| next.at >= ends)
    }

    fn due(&mut self, fire: Occurrence) {
        if self.pending.paused {
            self.state.owed = Some(fire.at);
            self.decisions.push(FireDecision::Paused(fire));
            return;
        }
        if !self.pending.waits && !self.pending.runs {
            self.state.overruns = 0;
            self.ask(fire, false);
            return;
        }
        self.state.overruns += 1;
        self.decisions.push(FireDecision::Overrun {
            fire,
            alarm: self.state.overruns >= 3,
        });
        match self.schedule.overlap {
            Overlap::Skip => {}
            Overlap::Coalesce if self.pending.waits => {}
            Overlap::Coalesce => self.ask(fire, false),
            Overlap::Replace => {
                self.decisions.push(FireDecision::Replace(fire));
                self.ask(fire, false);
            }
        }
    }

    fn ask(&mut self, fire: Occurrence, catch_up: bool) {
        if self.pending.waits && self.schedule.overlap != Overlap::Replace {
            return;
        }
        self.pending.waits = true;
        self.decisions.push(FireDecision::Ask { fire, catch_up });
    }

    fn hole(&mut self, fires: &[Occurrence], from: Timestamp) {
        if let (Some(first), Some(last)) = (fires.first(), fires.last()) {
            self.decisions.push(FireDecision::Missed {
                first: first.nominal,
                last: last.nominal,
                count: fires.len(),
                from,
            });
        }
    }
}
