//! The daemon's loop: a look at least every half minute, orders in between, signals.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use jiff::Timestamp;
use tokio::{net::TcpListener, signal::unix, sync::mpsc};

use super::{
    api::{self, Face, Health, Order},
    beat::{Beat, Notice, Watched},
    children::Children,
    metrics::Metrics,
    notify::Notify,
    schedule::{Class, Trigger},
    state::{Pause, StateError},
};
use crate::{clock, run, run::store::Store};

/// From this used share of the disk on no backfill starts, and from the second on nothing.
const WATERMARKS: [f64; 2] = [0.85, 0.95];

/// Between two looks while something runs.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks else: a clock that jumps is seen within this time, and so is an order.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The daemon cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Its decisions cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// Nobody can reach it.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Reads the profiles again; an error keeps what was there.
pub type Reload = Box<dyn Fn() -> Result<Vec<Watched>, String> + Send>;

/// Everything the loop has.
pub struct Daemon {
    /// State, children, profiles.
    pub beat: Beat<Children>,
    /// Run directories.
    pub store: Store,
    /// Where it listens.
    pub listen: SocketAddr,
    /// SHA-256 of the token for orders.
    pub token: Option<[u8; 32]>,
    /// Reads the profiles again.
    pub reload: Reload,
    /// To systemd.
    pub notify: Notify,
    /// Says a line to the person who started it.
    pub say: Box<dyn Fn(&str) + Send>,
}

impl Daemon {
    /// Runs until SIGTERM or SIGINT, or until it has drained. Runs that live go on without it.
    ///
    /// # Errors
    /// When its decisions cannot be recorded, or nobody can reach it.
    pub async fn serve(mut self) -> Result<(), DaemonError> {
        let listener =
            TcpListener::bind(self.listen)
                .await
                .map_err(|source| DaemonError::Listen {
                    address: self.listen,
                    source,
                })?;
        let (orders, mut inbox) = mpsc::channel(64);
        let face = Arc::new(Face {
            orders,
            metrics: Metrics::default(),
            token: self.token,
            health: std::sync::Mutex::default(),
        });
        let app = api::routes(face.clone());
        let address = listener.local_addr().unwrap_or(self.listen);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!("the HTTP server ended: {error}");
            }
        });
        (self.say)(&format!("listening on http://{address}"));
        let done = self.turn(&face, &mut inbox).await;
        server.abort();
        self.notify.say("STOPPING=1");
        done
    }

    async fn turn(
        &mut self,
        face: &Face,
        inbox: &mut mpsc::Receiver<Order>,
    ) -> Result<(), DaemonError> {
        let signal = |kind| unix::signal(kind).map_err(DaemonError::Signals);
        let mut ends = signal(unix::SignalKind::terminate())?;
        let mut interrupts = signal(unix::SignalKind::interrupt())?;
        let mut reloads = signal(unix::SignalKind::hangup())?;
        let mut draining = false;
        self.notify.say("READY=1");
        loop {
            self.look(face).await?;
            self.notify.say("WATCHDOG=1");
            if draining
                && self
                    .beat
                    .state()
                    .live()?
                    .iter()
                    .all(|row| row.run.is_none())
            {
                (self.say)("drained: nothing runs");
                return Ok(());
            }
            let wake = tokio::time::sleep(self.pause()?);
            tokio::select! {
                () = wake => {}
                Some(order) = inbox.recv() => draining |= self.obey(order),
                _ = ends.recv() => {
                    (self.say)("ending; runs that live go on, and the next daemon follows them");
                    return Ok(());
                }
                _ = interrupts.recv() => {
                    (self.say)("ending; runs that live go on, and the next daemon follows them");
                    return Ok(());
                }
                _ = reloads.recv() => self.read_again(),
            }
        }
    }

    /// Short while something runs, so that its end is seen soon; and never long, since `bellwether queue` writes orders
    /// straight into the database.
    fn pause(&mut self) -> Result<Duration, DaemonError> {
        let busy = self
            .beat
            .state()
            .live()?
            .iter()
            .any(|row| row.run.is_some());
        Ok(if busy { SOON } else { LONGEST_SLEEP })
    }

    async fn look(&mut self, face: &Face) -> Result<(), DaemonError> {
        let now = clock::now();
        let used = self.disk();
        self.beat.hold(watermarks(used));
        // What a killed run left is judged by its files before anybody asks how it ended.
        if let Err(error) = run::recover(&self.store).await {
            tracing::warn!("cannot finish what a killed run left: {error}");
        }
        let notices = self.beat.beat(now, &mut clock::new_run_id)?;
        for notice in &notices {
            self.tell(notice);
        }
        let standing = self.beat.standing(now)?;
        face.metrics.looked(&standing, &notices, used, now);
        if let Ok(mut health) = face.health.lock() {
            *health = Health {
                last_look: Some(now),
                trouble: (used >= WATERMARKS[1])
                    .then(|| format!("the disk is {:.0} % full: nothing starts", used * 100.0)),
            };
        }
        Ok(())
    }

    /// The used share of the disk that holds the runs.
    fn disk(&self) -> f64 {
        let Ok(found) = rustix::fs::statvfs(self.store.root().as_std_path()) else {
            return 0.0;
        };
        let usable = found.f_blocks - found.f_bfree + found.f_bavail;
        #[expect(clippy::cast_precision_loss, reason = "a share of blocks")]
        let used = 1.0 - found.f_bavail as f64 / usable.max(1) as f64;
        used
    }

    fn tell(&self, notice: &Notice) {
        let line = match notice {
            Notice::Asked(id, profile) => format!("request {}: {profile}", id.0),
            Notice::Fire(profile, decision) => format!("{profile}: {decision:?}"),
            Notice::Started(id, run) => format!("request {} runs as {run}", id.0),
            Notice::NotStarted(id, reason) => format!("request {} does not start: {reason}", id.0),
            Notice::Ended(id, words) => format!("request {} ended: {words}", id.0),
            Notice::Again(old, new) => {
                format!("request {} is tried again as request {}", old.0, new.0)
            }
            Notice::Held(reason) => format!("held back: {reason}"),
        };
        (self.say)(&line);
    }

    fn read_again(&mut self) {
        self.notify.say("RELOADING=1");
        match (self.reload)() {
            Ok(watched) => {
                (self.say)(&format!("{} profiles read again", watched.len()));
                self.beat.watch(watched);
            }
            Err(error) => (self.say)(&format!("the profiles stay as they were: {error}")),
        }
        self.notify.say("READY=1");
    }

    /// Does what was asked; true when it is to drain.
    fn obey(&mut self, order: Order) -> bool {
        let now = clock::now();
        let words = |error: StateError| error.to_string();
        match order {
            Order::Standing(answer) => {
                let _ = answer.send(self.beat.standing(now).map_err(words));
            }
            Order::Run {
                profile,
                by,
                answer,
            } => {
                let _ = answer.send(self.asked(&profile, &by, now));
            }
            Order::Cancel { id, reason, answer } => {
                let done = self
                    .beat
                    .cancel(id, &reason, now)
                    .and_then(|done| {
                        let what = format!("cancelled request {}: {reason}", id.0);
                        self.beat
                            .state()
                            .audit(now, "the API", &what)
                            .map(|()| done)
                    })
                    .map_err(words);
                let _ = answer.send(done);
            }
            Order::Pause {
                what,
                by,
                reason,
                duration,
                answer,
            } => {
                let pause = Pause {
                    what,
                    author: by,
                    reason,
                    since: now,
                    until: now + duration,
                };
                let state = self.beat.state();
                let done = state.pause(&pause).and_then(|()| {
                    let what = format!("paused {}: {}", pause.what, pause.reason);
                    state.audit(now, &pause.author, &what)
                });
                let _ = answer.send(done.map_err(words));
            }
            Order::Resume { what, answer } => {
                let state = self.beat.state();
                let done = state.resume(&what).and_then(|was| {
                    state.audit(now, "the API", &format!("resumed {what}"))?;
                    Ok(was)
                });
                let _ = answer.send(done.map_err(words));
            }
            Order::Drain(answer) => {
                self.beat.drain();
                let _ = answer.send(Ok(()));
                return true;
            }
        }
        false
    }

    fn asked(
        &mut self,
        profile: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<crate::daemon::schedule::RequestId, String> {
        if !self.beat.knows(profile) {
            return Err(format!("this daemon has no profile `{profile}`"));
        }
        let by_hand = Trigger::Manual { by: by.to_owned() };
        let key = format!("{profile}@manual");
        let id = self
            .beat
            .ask(profile, &key, by_hand, now)
            .map_err(|error| error.to_string())?
            .map_err(|refusal| refusal.to_string())?;
        let what = format!("asked for a run of {profile} (request {})", id.0);
        self.beat
            .state()
            .audit(now, by, &what)
            .map_err(|error| error.to_string())?;
        Ok(id)
    }
}

/// What a disk that fills up holds back.
fn watermarks(used: f64) -> Vec<(Class, String)> {
    let reason = format!("the disk is {:.0} % full", used * 100.0);
    let held: &[Class] = if used >= WATERMARKS[1] {
        &Class::ALL
    } else if used >= WATERMARKS[0] {
        &[Class::Backfill]
    } else {
        &[]
    };
    held.iter().map(|class| (*class, reason.clone())).collect()
}

/// Where the daemon keeps its decisions.
#[must_use]
pub fn database(store: &Store) -> Utf8PathBuf {
    store.root().join("state.db")
}
