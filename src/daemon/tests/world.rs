//! Runs without machines: what would be run directories and processes, which outlive the daemon.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};

use super::super::{
    beat::{Beat, Notice, Watched},
    runs::{Ended, Look, Runs, Start},
    schedule::{Calendar, Capacity, Demand, Overlap, Schedule},
    state::{State, StateError},
};
use crate::model::{Blame, ExitCode, Phase, RunId};

#[derive(Debug)]
pub struct Run {
    pub profile: String,
    pub started: Timestamp,
    pub length: SignedDuration,
    pub fails: bool,
    pub stopped: Option<Timestamp>,
}

/// What the host holds; it outlives any daemon.
#[derive(Debug, Default)]
pub struct HostState {
    pub now: Timestamp,
    pub runs: BTreeMap<RunId, Run>,
    /// Profiles whose next run fails by the infrastructure's fault.
    pub infra: BTreeSet<String>,
    pub length: SignedDuration,
    /// Effects until the daemon dies.
    pub effects_left: Option<u32>,
    next_run: u128,
}

#[derive(Clone, Debug)]
pub struct FakeRuns(pub Rc<RefCell<HostState>>);

/// What a killed daemon looks like from inside.
pub struct Killed;

impl FakeRuns {
    fn effect(&self) {
        let mut host = self.0.borrow_mut();
        if let Some(left) = &mut host.effects_left {
            if *left == 0 {
                drop(host);
                std::panic::resume_unwind(Box::new(Killed));
            }
            *left -= 1;
        }
    }
}

impl Runs for FakeRuns {
    fn start(&mut self, start: &Start) -> Result<(), String> {
        self.effect();
        {
            let mut host = self.0.borrow_mut();
            let (now, length) = (host.now, host.length);
            let fails = host.infra.remove(&start.profile);
            // A run directory is made once.
            host.runs.entry(start.run).or_insert_with(|| Run {
                profile: start.profile.clone(),
                started: now,
                length,
                fails,
                stopped: None,
            });
        }
        self.effect();
        Ok(())
    }

    fn look(&mut self, run: RunId) -> Look {
        let host = self.0.borrow();
        let Some(found) = host.runs.get(&run) else {
            return Look::Absent;
        };
        if found.stopped.is_none() && host.now < found.started + found.length {
            return Look::Lives;
        }
        Look::Ended(Ended {
            exit: Some(match (found.stopped, found.fails) {
                (Some(_), _) => ExitCode::Interrupted,
                (None, true) => ExitCode::Infra,
                (None, false) => ExitCode::Passed,
            }),
            stopped: (found.fails && found.stopped.is_none())
                .then_some((Phase::Boot, Blame::Environment)),
            words: "as planned".to_owned(),
        })
    }

    fn stop(&mut self, run: RunId) {
        self.effect();
        let mut host = self.0.borrow_mut();
        let now = host.now;
        if let Some(run) = host.runs.get_mut(&run) {
            run.stopped.get_or_insert(now);
        }
    }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub host: Rc<RefCell<HostState>>,
    pub watched: Vec<Watched>,
    pub slots: u32,
    pub beat: Option<Beat<FakeRuns>>,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn watched(profile: &str, cron: Option<&str>) -> Watched {
    Watched {
        profile: profile.to_owned(),
        schedule: cron.map(|cron| Schedule {
            name: profile.to_owned(),
            calendar: Calendar::new(cron, "UTC").unwrap(),
            jitter: SignedDuration::ZERO,
            grace: SignedDuration::from_hours(20),
            overlap: Overlap::Coalesce,
            typical: SignedDuration::from_mins(20),
        }),
        demand: Demand {
            slots: 1,
            cores: 2,
            memory: 4096,
            disk: 0,
            locks: [format!("{profile}/lane")].into(),
        },
    }
}

impl World {
    pub fn new(slots: u32, watched: Vec<Watched>) -> Self {
        let host = HostState {
            now: at("2026-03-01T00:30:00Z"),
            length: SignedDuration::from_mins(20),
            ..HostState::default()
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            host: Rc::new(RefCell::new(host)),
            watched,
            slots,
            beat: None,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.host.borrow().now
    }

    pub fn pass(&self, time: SignedDuration) {
        self.host.borrow_mut().now += time;
    }

    /// The living daemon, started if need be.
    pub fn daemon(&mut self) -> &mut Beat<FakeRuns> {
        let file = Utf8PathBuf::from_path_buf(self.folder.path().join("state.db")).unwrap();
        self.beat.get_or_insert_with(|| {
            let capacity = Capacity {
                slots: self.slots,
                cores: self.slots * 2,
                memory: u64::from(self.slots) * 4096,
                disk: 0,
                taken: BTreeSet::new(),
            };
            Beat::new(
                State::open(file).unwrap(),
                FakeRuns(self.host.clone()),
                self.watched.clone(),
                capacity,
            )
        })
    }

    /// One look. `None` when the daemon was killed during it; it is gone then.
    pub fn beat(&mut self) -> Option<Vec<Notice>> {
        let now = self.now();
        let host = self.host.clone();
        let daemon = self.daemon();
        let mut new_run = || {
            let mut host = host.borrow_mut();
            host.next_run += 1;
            RunId(uuid::Uuid::from_u128(
                0x019a_9f00_0000_7000_8000_0000_0000_0000 + host.next_run,
            ))
        };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            daemon.beat(now, &mut new_run)
        }));
        match done {
            Ok(Ok(notices)) => Some(notices),
            Ok(Err(StateError::Row { .. })) => {
                self.beat = None;
                None
            }
            Ok(Err(error)) => panic!("{error}"),
            Err(panic) if panic.is::<Killed>() => {
                self.beat = None;
                None
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Two runs of one profile never live at once, and no more runs live than the host has slots.
    pub fn check(&self) {
        let host = self.host.borrow();
        let lives: Vec<&Run> = host
            .runs
            .values()
            .filter(|run| {
                run.stopped.is_none()
                    && run.started <= host.now
                    && host.now < run.started + run.length
            })
            .collect();
        let profiles: BTreeSet<&str> = lives.iter().map(|run| run.profile.as_str()).collect();
        assert_eq!(
            profiles.len(),
            lives.len(),
            "a profile runs twice: {lives:?}"
        );
        assert!(lives.len() <= usize::try_from(self.slots).unwrap());
    }
}
