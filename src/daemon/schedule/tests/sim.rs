//! Virtual time: whole nights, weeks and years of fires, queue and runs, on one thread, with a seed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        Admission, Considered, FireDecision, Pending, Queue, Request, RequestId, Running, Schedule,
        Trigger, admit, consider, place,
    },
    fire::{at, considered, schedule},
    queue::{host, nightly, no_policy, pull_request, request},
};

/// SplitMix64: enough chance for a simulation, and the same on every host.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> i64 {
        i64::try_from(self.next() % limit).unwrap()
    }
}

/// A host that starts what may start, and lets it run as long as it does.
struct World {
    slots: u32,
    now: Timestamp,
    waiting: Vec<Request>,
    running: Vec<Running>,
    served: Vec<(Timestamp, String, SignedDuration)>,
    profiles: BTreeMap<RequestId, String>,
    starts: BTreeMap<RequestId, Timestamp>,
    ends: BTreeMap<RequestId, Timestamp>,
}

impl World {
    fn new(slots: u32, now: Timestamp) -> Self {
        Self {
            slots,
            now,
            waiting: Vec::new(),
            running: Vec::new(),
            served: Vec::new(),
            profiles: BTreeMap::new(),
            starts: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    fn ask(&mut self, request: Request) {
        let admission = admit(&request, &self.waiting, &self.running);
        assert!(matches!(
            admission,
            Admission::Waits { .. } | Admission::Refused(_)
        ));
        self.waiting.push(request);
    }

    fn start(&mut self) {
        let day = self.now - SignedDuration::from_hours(24);
        self.served.retain(|(at, _, _)| *at > day);
        let mut served: BTreeMap<String, SignedDuration> = BTreeMap::new();
        for (_, profile, used) in &self.served {
            *served.entry(profile.clone()).or_default() += *used;
        }
        let capacity = host(self.slots);
        let queue = Queue {
            waiting: &self.waiting,
            running: &self.running,
            served: &served,
            host: &capacity,
        };
        for placement in place(&queue, &no_policy(), self.now) {
            if placement.waits.is_some() {
                continue;
            }
            let index = self
                .waiting
                .iter()
                .position(|request| request.id == placement.id)
                .unwrap();
            let request = self.waiting.remove(index);
            let slots = i32::try_from(request.demand.slots).unwrap();
            self.served
                .push((self.now, request.profile.clone(), request.typical * slots));
            self.profiles.insert(request.id, request.profile.clone());
            self.starts.insert(request.id, self.now);
            self.running.push(Running {
                request,
                started: self.now,
            });
        }
        let used: u32 = self
            .running
            .iter()
            .map(|running| running.request.demand.slots)
            .sum();
        assert!(used <= self.slots, "more runs than the host holds");
    }

    fn next_end(&self) -> Option<Timestamp> {
        self.running
            .iter()
            .map(|running| running.started + running.request.typical)
            .min()
    }

    /// Lets time go on until `until`, starting and ending what there is.
    fn play(&mut self, until: Timestamp) {
        loop {
            self.start();
            match self.next_end() {
                Some(end) if end <= until => {
                    self.now = end;
                    for running in self.running.extract_if(.., |running| {
                        running.started + running.request.typical <= end
                    }) {
                        self.ends.insert(running.request.id, end);
                    }
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
    }
}

#[test]
fn a_thousand_lanes_on_a_hundred_slots_end_within_a_twentieth_of_the_bound() {
    for seed in 0..1 {
        let mut chance = Chance(seed);
        let mut world = World::new(100, at("2026-03-01T00:00:00Z"));
        let (mut area, mut longest) = (0, 0);
        for id in 0..1000 {
            let slots = 1 + chance.below(20);
            let minutes = 5 + chance.below(115);
            area += slots * minutes;
            longest = longest.max(minutes);
            let profile = format!("p{}", chance.below(10));
            world.ask(request(
                id,
                &profile,
                nightly(&profile),
                u32::try_from(slots).unwrap(),
                minutes,
            ));
        }
        let start = world.now;
        while let Some(end) = {
            world.start();
            world.next_end()
        } {
            world.play(end);
        }
        assert_eq!(world.ends.len(), 1000, "nothing is lost");
        let makespan = world
            .ends
            .values()
            .max()
            .unwrap()
            .duration_since(start)
            .as_secs()
            / 60;
        let bound = (area / 100).max(longest);
        println!("seed {seed}: makespan {makespan} min, bound {bound} min");
        assert!(
            makespan * 100 <= bound * 105,
            "seed {seed}: {makespan} min against {bound} min"
        );
    }
}

#[test]
fn a_flood_of_pull_requests_delays_no_night_by_more_than_six_hours_and_backfill_gets_its_turn() {
    let mut chance = Chance(7);
    let begin = at("2026-03-01T00:00:00Z");
    let mut world = World::new(4, begin);
    let mut id = 0;
    let mut next = || {
        id += 1;
        id
    };
    let (mut nights, mut backfills) = (Vec::new(), Vec::new());
    for minute in 0..(48 * 60) {
        world.play(begin + SignedDuration::from_mins(minute));
        // More than the host can do: 30 minutes each, one every six, on four slots.
        if minute % 6 == 0 {
            let number = next();
            let author = format!("author-{}", chance.below(9));
            let mut one = request(
                number,
                "containerd",
                pull_request(number.unsigned_abs(), "head", &author),
                1,
                30,
            );
            one.asked = world.now;
            one.not_before = world.now;
            world.ask(one);
        }
        if minute % (24 * 60) == 120 {
            for lane in 0..6 {
                let number = next();
                let mut one = request(
                    number,
                    &format!("night-{lane}"),
                    nightly(&format!("night-{lane}")),
                    1,
                    40,
                );
                one.asked = world.now;
                one.not_before = world.now;
                nights.push((RequestId(number), world.now));
                world.ask(one);
            }
        }
        if minute % 720 == 0 {
            let number = next();
            let mut one = request(number, "old", Trigger::Backfill, 1, 30);
            one.asked = world.now;
            one.not_before = world.now;
            backfills.push(RequestId(number));
            world.ask(one);
        }
    }
    for (id, due) in nights {
        let waited = world.starts[&id].duration_since(due);
        assert!(
            waited <= SignedDuration::from_hours(6),
            "{id:?} waited {waited:?}"
        );
    }
    assert!(
        backfills[..3]
            .iter()
            .all(|id| world.starts.contains_key(id)),
        "{:?}",
        world.starts
    );
}

#[test]
fn profiles_share_the_host_evenly() {
    let mut chance = Chance(11);
    let begin = at("2026-03-01T00:00:00Z");
    let mut world = World::new(20, begin);
    let lengths = [5, 10, 15, 20, 30, 45, 60, 75, 90, 120];
    let mut id = 0;
    let mut used: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for hour in 0..72 {
        // Each always has something to do.
        for (profile, minutes) in lengths.iter().enumerate() {
            let name = format!("p{profile}");
            while world
                .waiting
                .iter()
                .filter(|request| request.profile == name)
                .count()
                < 60
            {
                id += 1;
                let minutes = (minutes * (80 + chance.below(41)) / 100).max(1);
                let mut one = request(id, &name, Trigger::Backfill, 1, minutes);
                one.asked = world.now;
                one.not_before = world.now;
                world.ask(one);
            }
        }
        world.play(begin + SignedDuration::from_hours(hour + 1));
    }
    // Slot minutes of each profile in the last two days.
    for (index, start) in &world.starts {
        let Some(end) = world.ends.get(index) else {
            continue;
        };
        let day = start.duration_since(begin).as_hours() / 24;
        let profile = world.profiles[index].clone();
        *used.entry((day, profile)).or_default() += end.duration_since(*start).as_secs() / 60;
    }
    for day in 1..2 {
        let day: Vec<i64> = used
            .iter()
            .filter(|((of, _), _)| *of == day)
            .map(|(_, minutes)| *minutes)
            .collect();
        let total: i64 = day.iter().sum();
        for minutes in &day {
            let error = (minutes * 10 - total).abs() * 100 / total;
            assert!(
                error < 50,
                "a share is {error} tenths of a per cent of the whole away: {day:?}"
            );
        }
    }
}

#[test]
fn a_year_of_nights_loses_none() {
    let mut chance = Chance(3);
    for zone in super::calendar::ZONES {
        let nightly = Schedule {
            calendar: super::super::Calendar::new("30 2 * * *", zone).unwrap(),
            jitter: SignedDuration::from_mins(10),
            ..schedule("0 2 * * *")
        };
        let begin = at("2026-01-01T12:00:00Z");
        let end = begin + SignedDuration::from_hours(365 * 24);
        let mut state: Considered = considered(begin);
        let mut now = begin;
        let (mut runs, mut holes) = (0_usize, 0_usize);
        let mut furthest = begin;
        while now < end {
            let (next, decisions) = consider(&nightly, state, Pending::default(), now);
            state = next;
            for decision in decisions {
                match decision {
                    FireDecision::Ask { .. } => runs += 1,
                    FireDecision::Missed { count, .. } => holes += count,
                    other => panic!("{other:?}"),
                }
            }
            // It looks again at the next fire at the latest; now and then the clock steps back or ahead, or nobody is there
            // for up to two days.
            let fire =
                nightly.next(now).next().unwrap().at + SignedDuration::from_secs(chance.below(30));
            now = fire.min(now + SignedDuration::from_mins(1 + chance.below(180)));
            now += match chance.below(200) {
                0 => -SignedDuration::from_hours(1),
                1 => SignedDuration::from_hours(1),
                2 => SignedDuration::from_mins(chance.below(2 * 24 * 60)),
                _ => SignedDuration::ZERO,
            };
            furthest = furthest.max(now);
        }
        let due = nightly
            .next(begin)
            .take_while(|fire| fire.at <= state.until)
            .count();
        assert_eq!(
            runs + holes,
            due,
            "{zone}: {runs} runs and {holes} recorded holes"
        );
        assert!(runs > due * 9 / 10, "{zone}: {runs} of {due}");
    }
}

#[test]
fn a_run_of_one_and_a_half_periods_never_has_more_than_one_waiting() {
    let hourly = schedule("0 * * * *");
    let mut state = considered(at("2026-03-01T00:30:00Z"));
    let mut world = World::new(4, state.until);
    let (mut asked, mut overruns, mut most) = (0, 0, 0);
    for minute in 0..(30 * 60) {
        let now = at("2026-03-01T00:31:00Z") + SignedDuration::from_mins(minute);
        world.play(now);
        let pending = Pending {
            waits: !world.waiting.is_empty(),
            runs: !world.running.is_empty(),
            paused: false,
        };
        let (next, decisions) = consider(&hourly, state, pending, now);
        state = next;
        for decision in decisions {
            match decision {
                FireDecision::Ask { .. } => {
                    asked += 1;
                    let mut one = request(asked, "containerd", nightly("containerd"), 1, 90);
                    one.asked = now;
                    one.not_before = now;
                    one.demand.locks.insert("containerd/runc".to_owned());
                    world.ask(one);
                }
                FireDecision::Overrun { .. } => overruns += 1,
                other => panic!("{other:?}"),
            }
        }
        world.start();
        most = most.max(world.waiting.len());
        assert!(world.running.len() <= 1);
    }
    assert_eq!(most, 1);
    // All 30 fires but the first find one running; two of each three wait for it, the third finds one waiting.
    assert_eq!(overruns, 29);
    assert!((20..=21).contains(&asked), "{asked}");
}
