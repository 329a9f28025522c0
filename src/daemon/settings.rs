//! What the daemon is told: its profiles and the host.

use jiff::SignedDuration;

use super::{
    beat::Watched,
    schedule::{Calendar, CalendarError, Capacity, Demand, Overlap, Schedule},
};
use crate::{machine::lease::Host, plan, profile::Profile};

/// A profile as the daemon runs it.
///
/// # Errors
/// When its schedule cannot be used.
pub fn watched(
    argument: &str,
    profile: &Profile,
    jitter: SignedDuration,
) -> Result<Watched, CalendarError> {
    let schedule = profile
        .schedule
        .as_ref()
        .map(|schedule| {
            Ok(Schedule {
                name: argument.to_owned(),
                calendar: Calendar::new(&schedule.cron, &schedule.timezone)?,
                jitter,
                grace: SignedDuration::from_hours(20),
                overlap: Overlap::Coalesce,
                typical: SignedDuration::from_mins(60),
            })
        })
        .transpose()?;
    let lanes = plan::lanes_of(profile);
    // A run's lanes take turns on the host's own leases; the largest machine is what it needs at once.
    let cores = profile.nodes.iter().map(|node| node.cpus).max();
    let memory = profile.nodes.iter().map(|node| node.memory).max();
    Ok(Watched {
        profile: argument.to_owned(),
        schedule,
        demand: Demand {
            slots: 1,
            cores: cores.unwrap_or(1),
            memory: memory.unwrap_or(0) >> 20,
            disk: 0,
            locks: lanes
                .iter()
                .map(|lane| format!("{}/{}", profile.name, lane.id))
                .collect(),
        },
    })
}

/// What the host has for runs.
#[must_use]
pub fn capacity(host: &Host, slots: u32) -> Capacity {
    Capacity {
        slots,
        // Machines of several runs share cores by the leases; a run alone may take more than there are.
        cores: u32::MAX,
        memory: host.memory >> 20,
        disk: u64::MAX,
        taken: std::collections::BTreeSet::new(),
    }
}
