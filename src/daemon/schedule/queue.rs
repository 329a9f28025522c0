//! The order of the queue, and what of it may start now.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use jiff::{SignedDuration, Timestamp};

use super::{Capacity, Class, Demand, Request, RequestId, Running, Short, Trigger};

/// Waiting this long lifts a request by one class.
const AGEING: SignedDuration = SignedDuration::from_hours(4);
/// A nightly that waits longer than this is overdue, and owns one slot in four; one that waits longer still, all.
const OVERDUE: SignedDuration = SignedDuration::from_hours(3);
const LONG_OVERDUE: SignedDuration = SignedDuration::from_hours(5);

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nothing new starts: the daemon is about to be replaced.
    pub draining: bool,
    /// Classes that do not start, each with the reason (a breaker, a disk that is nearly full).
    pub held: BTreeMap<Class, String>,
    /// Profiles that are paused, each with the reason.
    pub paused: BTreeMap<String, String>,
}

/// The queue as it is now.
#[derive(Clone, Debug)]
pub struct Queue<'a> {
    /// What waits, in any order.
    pub waiting: &'a [Request],
    /// What runs.
    pub running: &'a [Running],
    /// Slot time that each profile used in the last day.
    pub served: &'a BTreeMap<String, SignedDuration>,
    /// The host when nothing runs.
    pub host: &'a Capacity,
}

/// What becomes of a waiting request now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which.
    pub id: RequestId,
    /// Nothing: it starts. Else the first thing that keeps it.
    pub waits: Option<Why>,
}

/// Why a request waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The daemon drains.
    Draining,
    /// Its profile is paused.
    Paused(String),
    /// Its class is held back.
    Held(String),
    /// It is tried again later.
    NotBefore(Timestamp),
    /// It takes more than the host has: it can never start.
    TooLarge(Short),
    /// Something it takes is in use.
    Short(Short),
    /// It would fit, but a request before it waits for the same room.
    Behind(RequestId),
    /// Its owner has half of the slots already, and others wait.
    Share(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Draining => write!(f, "the daemon drains: nothing new starts"),
            Self::Paused(reason) => write!(f, "paused: {reason}"),
            Self::Held(reason) => write!(f, "held back: {reason}"),
            Self::NotBefore(at) => write!(f, "tried again at {at}"),
            Self::TooLarge(short) => write!(f, "larger than this host: {short}"),
            Self::Short(short) => write!(f, "{short}"),
            Self::Behind(id) => write!(f, "request {} comes first", id.0),
            Self::Share(owner) => write!(f, "{owner} has half of the slots, and others wait"),
        }
    }
}

impl Queue<'_> {
    /// The waiting requests, first to start first.
    ///
    /// By class, which the age of its oldest request lifts; in a class the profile that was served least comes first,
    /// and of one profile's requests the oldest, then the longest. Overdue nightlies come before all while they have
    /// less than a fourth of the slots.
    #[must_use]
    pub fn order(&self, now: Timestamp) -> Vec<&Request> {
        let mut served = self.served.clone();
        let mut left: Vec<&Request> = self.waiting.iter().collect();
        left.sort_by_key(|request| (request.asked, Reverse(work(request)), request.id));
        let own = self.host.slots.div_ceil(4);
        let mut nightly_slots = self.nightly_slots();
        let mut order = Vec::with_capacity(left.len());
        // One list for each class and profile, oldest first: the choice is among their heads.
        let mut lists: BTreeMap<(Class, &str), VecDeque<&Request>> = BTreeMap::new();
        for request in left {
            if overdue(request, now, LONG_OVERDUE)
                || overdue(request, now, OVERDUE) && nightly_slots < own
            {
                nightly_slots += request.demand.slots.max(1);
                order.push(request);
            } else {
                let key = (request.trigger.class(), request.profile.as_str());
                lists.entry(key).or_default().push_back(request);
            }
        }
        loop {
            // A class is as urgent as its oldest request: were each request lifted by itself, long queues would beat
            // short ones in their own class.
            let mut oldest: BTreeMap<Class, Timestamp> = BTreeMap::new();
            for ((class, _), list) in &lists {
                if let Some(head) = list.front() {
                    let first = oldest.entry(*class).or_insert(head.asked);
                    *first = head.asked.min(*first);
                }
            }
            let least = lists
                .iter()
                .filter_map(|((class, profile), list)| {
                    let head = list.front()?;
                    let urgency = lifted(*class, *oldest.get(class)?, now);
                    let used = served.get(*profile).copied().unwrap_or_default();
                    Some((urgency, used, head.asked, *class, *profile))
                })
                .min();
            let Some((_, _, _, class, profile)) = least else {
                return order;
            };
            let list = lists.get_mut(&(class, profile));
            if let Some(request) = list.and_then(VecDeque::pop_front) {
                *served.entry(profile.to_owned()).or_default() += work(request);
                order.push(request);
            }
        }
    }

    fn nightly_slots(&self) -> u32 {
        self.running
            .iter()
            .filter(|running| matches!(running.request.trigger, Trigger::Nightly { .. }))
            .map(|running| running.request.demand.slots.max(1))
            .sum()
    }
}

/// A class after its oldest request has waited since `asked`.
fn lifted(class: Class, asked: Timestamp, now: Timestamp) -> Class {
    let steps = now.duration_since(asked).as_secs() / AGEING.as_secs();
    (0..steps.clamp(0, 4)).fold(class, |class, _| match class {
        Class::PullRequest | Class::Manual => Class::PullRequest,
        Class::Nightly => Class::Manual,
        Class::Bisect => Class::Nightly,
        Class::Backfill => Class::Bisect,
    })
}

fn overdue(request: &Request, now: Timestamp, by: SignedDuration) -> bool {
    matches!(request.trigger, Trigger::Nightly { .. }) && now.duration_since(request.asked) > by
}

/// Slot time that a request takes as a rule.
fn work(request: &Request) -> SignedDuration {
    request.typical * i32::try_from(request.demand.slots.max(1)).unwrap_or(1)
}

/// Says for each waiting request, in order, whether it starts now or why not.
///
/// The first that does not fit gets a reservation at the time when enough of what runs will have ended; those behind it
/// start only if they end before that, or take nothing that it needs (EASY backfilling).
#[must_use]
pub fn place(queue: &Queue<'_>, policy: &Policy, now: Timestamp) -> Vec<Placement> {
    let mut free = queue.host.clone();
    let mut ends: Vec<(Timestamp, Demand)> = Vec::new();
    let mut slots: BTreeMap<String, u32> = BTreeMap::new();
    for running in queue.running {
        free.take(&running.request.demand);
        // One that runs longer than thought may end any moment.
        let end = (running.started + running.request.slow).max(now);
        ends.push((end, running.request.demand.clone()));
        *slots.entry(running.request.owner().to_owned()).or_default() +=
            running.request.demand.slots.max(1);
    }
    let order = queue.order(now);
    let owners: BTreeSet<&str> = order.iter().map(|request| request.owner()).collect();
    let mut placing = Placing {
        policy,
        host: queue.host,
        now,
        free,
        ends,
        slots,
        owners: owners.len(),
        reservation: None,
    };
    order
        .into_iter()
        .map(|request| Placement {
            id: request.id,
            waits: placing.one(request),
        })
        .collect()
}

struct Placing<'a> {
    policy: &'a Policy,
    host: &'a Capacity,
    now: Timestamp,
    free: Capacity,
    /// When what runs ends, and what it gives back.
    ends: Vec<(Timestamp, Demand)>,
    slots: BTreeMap<String, u32>,
    owners: usize,
    reservation: Option<Reservation>,
}

struct Reservation {
    id: RequestId,
    at: Timestamp,
    /// What is free at that time beside what the request takes.
    spare: Capacity,
}

impl Placing<'_> {
    fn one(&mut self, request: &Request) -> Option<Why> {
        if self.policy.draining {
            return Some(Why::Draining);
        }
        if let Some(reason) = self.policy.paused.get(&request.profile) {
            return Some(Why::Paused(reason.clone()));
        }
        if let Some(reason) = self.policy.held.get(&request.trigger.class()) {
            return Some(Why::Held(reason.clone()));
        }
        if request.not_before > self.now {
            return Some(Why::NotBefore(request.not_before));
        }
        if let Some(short) = self.host.lacks_room(&request.demand) {
            return Some(Why::TooLarge(short));
        }
        let mine = self.slots.get(request.owner()).copied().unwrap_or(0);
        // The share counts only where there is something to share: a host of one slot serves all in turn.
        if self.owners > 1 && mine > 0 && 2 * (mine + request.demand.slots.max(1)) > self.host.slots
        {
            return Some(Why::Share(request.owner().to_owned()));
        }
        if let Some(short) = self.free.lacks(&request.demand) {
            if self.reservation.is_none() && !matches!(short, Short::Lock(_)) {
                self.reserve(request);
            }
            return Some(Why::Short(short));
        }
        if let Some(reservation) = &mut self.reservation {
            let in_time = self.now + request.slow <= reservation.at;
            if !in_time {
                if reservation.spare.lacks_room(&request.demand).is_some() {
                    return Some(Why::Behind(reservation.id));
                }
                reservation.spare.take(&request.demand);
            }
        }
        self.free.take(&request.demand);
        self.ends
            .push((self.now + request.slow, request.demand.clone()));
        *self.slots.entry(request.owner().to_owned()).or_default() += request.demand.slots.max(1);
        None
    }

    fn reserve(&mut self, request: &Request) {
        let mut free = self.free.clone();
        let mut ends = self.ends.clone();
        ends.sort_by_key(|(end, _)| *end);
        for (end, demand) in &ends {
            free.give(demand);
            if free.lacks(&request.demand).is_none() {
                free.take(&request.demand);
                self.reservation = Some(Reservation {
                    id: request.id,
                    at: *end,
                    spare: free,
                });
                return;
            }
        }
    }
}
