//! Fire times: a cron expression in a time zone, each nominal wall time once.

use std::str::FromStr as _;

use croner::Cron;
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// A cron expression or a time zone cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// The expression.
    #[error("the cron expression `{cron}` cannot be used: {reason}")]
    Cron {
        /// As it is written.
        cron: String,
        /// What is wrong.
        reason: String,
    },
    /// The zone.
    #[error("`{0}` is not a time zone; names are like `UTC` or `Europe/Berlin`")]
    Zone(String),
}

/// One fire: a wall time of the schedule, and the instant it falls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occurrence {
    /// The instant.
    pub at: Timestamp,
    /// The wall time as the expression names it. It tells one fire of a schedule from all others, for ever.
    pub nominal: DateTime,
}

/// A schedule's fire times.
///
/// The expression is matched against wall times, and each of them fires once: one that a change to summer time leaves
/// out fires at the first instant after the gap, one that a change to winter time repeats fires the first time only.
/// Wall times that fall on one instant are one fire.
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

impl Calendar {
    /// From five cron fields and an IANA zone.
    ///
    /// # Errors
    ///
    /// Whichever of the two cannot be used.
    pub fn new(cron: &str, zone: &str) -> Result<Self, CalendarError> {
        Ok(Self {
            cron: Cron::from_str(cron).map_err(|error| CalendarError::Cron {
                cron: cron.to_owned(),
                reason: error.to_string(),
            })?,
            zone: jiff::tz::TimeZoneDatabase::bundled()
                .get(zone)
                .map_err(|_| CalendarError::Zone(zone.to_owned()))?,
        })
    }

    /// Its time zone.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// All fires after an instant, in order. Ends where the calendar does (an impossible date never fires).
    pub fn after(&self, instant: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        let start = self.zone.to_datetime(instant);
        let mut next = self.cron.find_next_occurrence(&start, true).ok();
        let mut last = instant;
        std::iter::from_fn(move || {
            loop {
                let nominal = next?;
                next = self.cron.find_next_occurrence(&nominal, false).ok();
                let at = self.instant(nominal)?;
                // Not those whose first occurrence was before `instant`, nor a second one on the same instant.
                if at > last {
                    last = at;
                    return Some(Occurrence { at, nominal });
                }
            }
        })
    }

    /// Wall times of the next two years that fall into a gap of the zone: the expression names a time that a day does
    /// not have. For a warning.
    #[must_use]
    pub fn in_gaps(&self, from: Timestamp) -> Vec<DateTime> {
        let until = from + SignedDuration::from_hours(2 * 366 * 24);
        let changes = self.zone.following(from);
        let gaps = changes
            .map(|change| change.timestamp())
            .take_while(|at| *at <= until);
        let mut found = Vec::new();
        for at in gaps {
            let before = self.zone.to_datetime(at - SignedDuration::from_nanos(1));
            let after = self.zone.to_datetime(at);
            let mut next = self.cron.find_next_occurrence(&before, false).ok();
            while let Some(nominal) = next.filter(|nominal| *nominal < after) {
                found.push(nominal);
                next = self.cron.find_next_occurrence(&nominal, false).ok();
            }
        }
        found
    }

    fn instant(&self, nominal: DateTime) -> Option<Timestamp> {
        let times = self.zone.to_ambiguous_timestamp(nominal);
        match times.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                times.earlier().ok()
            }
            AmbiguousOffset::Gap { .. } => {
                let before = times.earlier().ok()?;
                self.zone
                    .following(before)
                    .next()
                    .map(|change| change.timestamp())
            }
        }
    }
}
