//! One look at everything: what ended, what is due, what may start. Each decision is in the database before it is done, so
//! a daemon that is killed at any point goes on where it was.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    runs::{Ended, Look, Runs, Start},
    schedule::{
        Admission, Breaker, Capacity, Class, Demand, FireDecision, Forecast, Pending, Placement,
        Policy, Queue, Refusal, Request, RequestId, Retry, RetryPolicy, Running, Schedule, Trigger,
        admit, consider, forecast, place, retry,
    },
    state::{Pause, RequestRow, RequestState, State, StateError},
};
use crate::model::{Blame, Phase, RunId};

/// A run of a profile that has not run yet is thought to take this long.
const UNKNOWN: SignedDuration = SignedDuration::from_mins(60);
/// So many earlier runs tell how long the next takes.
const USUAL: u32 = 20;
/// A class stays held back this long after several lanes failed by the infrastructure's fault at once.
const HOLD: SignedDuration = SignedDuration::from_mins(30);

/// A profile as the daemon knows it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its name, or the path it was given by.
    pub profile: String,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// What a run of it takes.
    pub demand: Demand,
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A request was made.
    Asked(RequestId, String),
    /// Fires were missed, paused, or found the run before.
    Fire(String, FireDecision),
    /// A run was started.
    Started(RequestId, RunId),
    /// A process could not be started; it is tried again at the next look.
    NotStarted(RequestId, String),
    /// A run ended.
    Ended(RequestId, String),
    /// It is tried again.
    Again(RequestId, RequestId),
    /// A class is held back.
    Held(String),
}

/// The queue as it stands, for people.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Every live request, oldest first.
    pub live: Vec<RequestRow>,
    /// The waiting ones in the order in which they start, each with what keeps it.
    pub placements: Vec<Placement>,
    /// When they will start and end.
    pub forecasts: Vec<Forecast>,
    /// What is paused.
    pub pauses: Vec<Pause>,
}

/// The daemon without its loop.
#[derive(Debug)]
pub struct Beat<R> {
    state: State,
    runs: R,
    watched: BTreeMap<String, Watched>,
    host: Capacity,
    retry: RetryPolicy,
    breakers: BTreeMap<Class, Breaker>,
    /// Classes that something outside the database holds back: a disk that is nearly full.
    held: Vec<(Class, String)>,
    draining: bool,
}

impl<R: Runs> Beat<R> {
    /// With its database, its hands, its profiles and its host.
    pub fn new(state: State, runs: R, watched: Vec<Watched>, host: Capacity) -> Self {
        let mut beat = Self {
            state,
            runs,
            watched: BTreeMap::new(),
            host,
            retry: RetryPolicy::default(),
            breakers: BTreeMap::new(),
            held: Vec::new(),
            draining: false,
        };
        beat.watch(watched);
        beat
    }

    /// Takes another set of profiles. Requests of those that are gone stay in the queue until they ran or are dropped.
    pub fn watch(&mut self, watched: Vec<Watched>) {
        self.watched = watched
            .into_iter()
            .map(|one| (one.profile.clone(), one))
            .collect();
    }

    /// Whether a profile is among those it watches.
    #[must_use]
    pub fn knows(&self, profile: &str) -> bool {
        self.watched.contains_key(profile)
    }

    /// Holds classes back until it is told otherwise.
    pub fn hold(&mut self, held: Vec<(Class, String)>) {
        self.held = held;
    }

    /// Starts nothing new from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// The database.
    pub const fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// The hands.
    pub const fn runs(&mut self) -> &mut R {
        &mut self.runs
    }

    /// One look. `new_run` gives ids that nobody had before.
    ///
    /// # Errors
    /// When a decision cannot be recorded; it is not carried out then.
    pub fn beat(
        &mut self,
        now: Timestamp,
        new_run: &mut dyn FnMut() -> RunId,
    ) -> Result<Vec<Notice>, StateError> {
        let mut notices = Vec::new();
        self.follow(now, &mut notices)?;
        self.fire(now, &mut notices)?;
        self.start(now, new_run, &mut notices)?;
        Ok(notices)
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// The outer one when the database refuses, the inner one when the queue does.
    pub fn ask(
        &mut self,
        profile: &str,
        key: &str,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<Result<RequestId, Refusal>, StateError> {
        let request = self.request(profile, key, trigger, now)?;
        let live = self.state.live()?;
        let (waiting, running) = split(&live);
        match admit(&request, &waiting, &running) {
            Admission::Joins(id) => Ok(Ok(id)),
            Admission::Refused(refusal) => Ok(Err(refusal)),
            Admission::Waits { drops, ends } => {
                let id = self.state.ask(&request, &drops)?;
                for old in ends {
                    self.state
                        .cancel(old, &format!("request {} has a newer commit", id.0))?;
                }
                Ok(Ok(id))
            }
        }
    }

    /// Takes a request out of the queue, or ends its run at the next look. False if it has ended.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn cancel(
        &mut self,
        id: RequestId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StateError> {
        match self.state.request(id)?.map(|row| row.state) {
            Some(RequestState::Waiting) => self.state.drop_request(id, reason, now),
            Some(RequestState::Starting | RequestState::Running) => self.state.cancel(id, reason),
            _ => Ok(false),
        }
    }

    /// The queue, with reasons and forecasts.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn standing(&self, now: Timestamp) -> Result<Standing, StateError> {
        let live = self.state.live()?;
        let (waiting, running) = split(&live);
        let served = self
            .state
            .served(now - SignedDuration::from_hours(24), now)?;
        let policy = self.policy(now)?;
        let queue = Queue {
            waiting: &waiting,
            running: &running,
            served: &served,
            host: &self.host,
        };
        Ok(Standing {
            placements: place(&queue, &policy, now),
            forecasts: forecast(&queue, &policy, now),
            pauses: self.state.pauses(now)?,
            live,
        })
    }

    fn request(
        &self,
        profile: &str,
        key: &str,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<Request, StateError> {
        let (typical, slow) = usual(self.state.durations(profile, USUAL)?);
        Ok(Request {
            id: RequestId(0),
            profile: profile.to_owned(),
            key: key.to_owned(),
            trigger,
            asked: now,
            not_before: now,
            demand: self
                .watched
                .get(profile)
                .map(|watched| watched.demand.clone())
                .unwrap_or_default(),
            typical,
            slow,
            tries: 0,
        })
    }

    /// What became of the runs that were started.
    fn follow(&mut self, now: Timestamp, notices: &mut Vec<Notice>) -> Result<(), StateError> {
        for row in self.state.live()? {
            let Some(run) = row.run.filter(|_| row.state != RequestState::Waiting) else {
                continue;
            };
            match self.runs.look(run) {
                Look::Ended(ended) => self.ended(&row, &ended, now, notices)?,
                Look::Lives => {
                    if row.state == RequestState::Starting {
                        self.state.running(row.request.id)?;
                    }
                    if row.cancel.is_some() {
                        self.runs.stop(run);
                    }
                }
                Look::Absent => match &row.cancel {
                    Some(reason) => {
                        self.state
                            .finished(row.request.id, None, reason, now, None)?;
                        notices.push(Notice::Ended(row.request.id, reason.clone()));
                    }
                    // The intent is on the disk, the process is not: this daemon, or the one before it, came to an end
                    // in between.
                    None if row.state == RequestState::Starting => {
                        self.run(&row.request, run, notices);
                    }
                    None => {
                        let gone = Ended {
                            exit: None,
                            stopped: Some((Phase::Boot, Blame::Bellwether)),
                            words: "its run directory is gone".to_owned(),
                        };
                        self.ended(&row, &gone, now, notices)?;
                    }
                },
            }
        }
        Ok(())
    }

    fn ended(
        &mut self,
        row: &RequestRow,
        ended: &Ended,
        now: Timestamp,
        notices: &mut Vec<Notice>,
    ) -> Result<(), StateError> {
        let request = &row.request;
        let again = match &row.cancel {
            Some(_) => None,
            None => self.again(request, ended, now)?,
        };
        let words = row.cancel.as_ref().unwrap_or(&ended.words);
        let next = self
            .state
            .finished(request.id, ended.exit, words, now, again.as_ref())?;
        notices.push(Notice::Ended(request.id, words.clone()));
        if let Some(next) = next {
            notices.push(Notice::Again(request.id, next));
        }
        let class = request.trigger.class();
        let breaker = self.breakers.entry(class).or_default();
        let by_infrastructure = ended
            .stopped
            .is_some_and(|(_, blame)| matches!(blame, Blame::Environment | Blame::Bellwether));
        if row.cancel.is_some() {
            return Ok(());
        }
        if !by_infrastructure {
            breaker.worked();
        } else if breaker.failed(&request.profile, now) {
            breaker.worked();
            let reason = format!(
                "several profiles failed by the infrastructure's fault within minutes, last {}: {}",
                request.profile, ended.words
            );
            self.state.pause(&Pause {
                what: class_pause(class).to_owned(),
                author: "bellwether".to_owned(),
                reason: reason.clone(),
                since: now,
                until: now + HOLD,
            })?;
            notices.push(Notice::Held(reason));
        }
        Ok(())
    }

    fn again(
        &self,
        request: &Request,
        ended: &Ended,
        now: Timestamp,
    ) -> Result<Option<Request>, StateError> {
        let (spent, night) = self
            .state
            .machine_time(now - SignedDuration::from_hours(24), now)?;
        match retry(&self.retry, ended.stopped, request.tries, spent, night, now) {
            Retry::At(not_before) => Ok(Some(Request {
                id: RequestId(0),
                not_before,
                tries: request.tries + 1,
                ..request.clone()
            })),
            Retry::Exhausted | Retry::NoBudget | Retry::No => Ok(None),
        }
    }

    /// What the schedules want.
    fn fire(&mut self, now: Timestamp, notices: &mut Vec<Notice>) -> Result<(), StateError> {
        let pauses = self.state.pauses(now)?;
        let schedules: Vec<(String, Schedule)> = self
            .watched
            .values()
            .filter_map(|one| Some((one.profile.clone(), one.schedule.clone()?)))
            .collect();
        for (profile, schedule) in schedules {
            let considered = self.state.considered(&schedule.name, now)?;
            let live = self.state.live()?;
            let own = |row: &&RequestRow| {
                row.request.profile == profile
                    && matches!(row.request.trigger, Trigger::Nightly { .. })
            };
            let pending = Pending {
                waits: live
                    .iter()
                    .filter(own)
                    .any(|row| row.state == RequestState::Waiting),
                runs: live
                    .iter()
                    .filter(own)
                    .any(|row| row.state != RequestState::Waiting),
                paused: pauses
                    .iter()
                    .any(|pause| pause.what == "*" || pause.what == profile),
            };
            let (considered, decisions) = consider(&schedule, considered, pending, now);
            let asks = decisions
                .iter()
                .any(|decision| matches!(decision, FireDecision::Ask { .. }));
            let request = if asks {
                let trigger = Trigger::Nightly {
                    schedule: schedule.name.clone(),
                };
                Some(self.request(&profile, &format!("{profile}@nightly"), trigger, now)?)
            } else {
                None
            };
            if decisions
                .iter()
                .any(|decision| matches!(decision, FireDecision::Replace(_)))
            {
                for row in live.iter().filter(own) {
                    self.cancel(row.request.id, "the next fire replaces it", now)?;
                }
            }
            let id = self
                .state
                .fired(&schedule.name, considered, &decisions, request.as_ref())?;
            notices.extend(id.map(|id| Notice::Asked(id, profile.clone())));
            notices.extend(
                decisions
                    .into_iter()
                    .filter(|decision| !matches!(decision, FireDecision::Ask { .. }))
                    .map(|decision| Notice::Fire(profile.clone(), decision)),
            );
        }
        Ok(())
    }

    /// What may start now.
    fn start(
        &mut self,
        now: Timestamp,
        new_run: &mut dyn FnMut() -> RunId,
        notices: &mut Vec<Notice>,
    ) -> Result<(), StateError> {
        let live = self.state.live()?;
        let (waiting, running) = split(&live);
        if waiting.is_empty() {
            return Ok(());
        }
        let served = self
            .state
            .served(now - SignedDuration::from_hours(24), now)?;
        let queue = Queue {
            waiting: &waiting,
            running: &running,
            served: &served,
            host: &self.host,
        };
        let starts: Vec<RequestId> = place(&queue, &self.policy(now)?, now)
            .into_iter()
            .filter(|placement| placement.waits.is_none())
            .map(|placement| placement.id)
            .collect();
        for request in waiting
            .iter()
            .filter(|request| starts.contains(&request.id))
        {
            let run = new_run();
            self.state.starting(request.id, run, now)?;
            self.run(request, run, notices);
        }
        Ok(())
    }

    fn run(&mut self, request: &Request, run: RunId, notices: &mut Vec<Notice>) {
        let started = self.runs.start(&Start {
            run,
            profile: request.profile.clone(),
            sources: Vec::new(),
            // What a person or a retry asked for runs in any case.
            if_changed: matches!(
                request.trigger,
                Trigger::Nightly { .. } | Trigger::Source { .. }
            ) && request.tries == 0,
        });
        notices.push(match started {
            Ok(()) => Notice::Started(request.id, run),
            Err(reason) => Notice::NotStarted(request.id, reason),
        });
    }

    fn policy(&self, now: Timestamp) -> Result<Policy, StateError> {
        let mut policy = Policy {
            draining: self.draining,
            held: self.held.iter().cloned().collect(),
            paused: BTreeMap::new(),
        };
        for pause in self.state.pauses(now)? {
            let reason = format!(
                "{} until {} (by {})",
                pause.reason, pause.until, pause.author
            );
            for class in Class::ALL {
                if pause.what == "*" || pause.what == class_pause(class) {
                    policy.held.insert(class, reason.clone());
                }
            }
            policy.paused.insert(pause.what, reason);
        }
        Ok(policy)
    }
}

/// The name under which a class is paused.
const fn class_pause(class: Class) -> &'static str {
    match class {
        Class::PullRequest => "class:pull-request",
        Class::Manual => "class:manual",
        Class::Nightly => "class:nightly",
        Class::Bisect => "class:bisect",
        Class::Backfill => "class:backfill",
    }
}

fn split(live: &[RequestRow]) -> (Vec<Request>, Vec<Running>) {
    let waiting = live
        .iter()
        .filter(|row| row.state == RequestState::Waiting)
        .map(|row| row.request.clone())
        .collect();
    let running = live
        .iter()
        .filter(|row| row.state != RequestState::Waiting)
        .map(|row| Running {
            request: row.request.clone(),
            started: row.started.unwrap_or(row.request.asked),
        })
        .collect();
    (waiting, running)
}

/// Half and nine tenths of what earlier runs took.
fn usual(mut durations: Vec<SignedDuration>) -> (SignedDuration, SignedDuration) {
    durations.sort_unstable();
    let at = |share: usize| {
        durations.get((durations.len() * share / 10).min(durations.len().saturating_sub(1)))
    };
    (
        at(5).copied().unwrap_or(UNKNOWN),
        at(9).copied().unwrap_or(UNKNOWN * 2),
    )
}
