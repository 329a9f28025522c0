//! What Prometheus reads.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{
    beat::{Notice, Standing},
    state::RequestState,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEvent {
    event: &'static str,
}

/// The daemon's figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<OfState, Gauge>,
    events: Family<OfEvent, Counter>,
    oldest_wait: Gauge<f64, AtomicU64>,
    last_look: Gauge<f64, AtomicU64>,
    last_result: Gauge<f64, AtomicU64>,
    disk_used: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bellwether");
        let metrics = Self {
            requests: Family::default(),
            events: Family::default(),
            oldest_wait: Gauge::default(),
            last_look: Gauge::default(),
            last_result: Gauge::default(),
            disk_used: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Live requests", metrics.requests.clone());
        registry.register("events", "What the daemon did", metrics.events.clone());
        registry.register_with_unit(
            "oldest_wait",
            "How long the oldest waiting request waits",
            Unit::Seconds,
            metrics.oldest_wait.clone(),
        );
        registry.register_with_unit(
            "last_look_timestamp",
            "When the daemon last looked at everything",
            Unit::Seconds,
            metrics.last_look.clone(),
        );
        registry.register_with_unit(
            "last_result_timestamp",
            "When a run last ended with a result",
            Unit::Seconds,
            metrics.last_result.clone(),
        );
        registry.register_with_unit(
            "disk_used",
            "Used share of the disk that holds the runs",
            Unit::Ratios,
            metrics.disk_used.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Notes one look.
    pub fn looked(&self, standing: &Standing, notices: &[Notice], disk_used: f64, now: Timestamp) {
        for state in [
            RequestState::Waiting,
            RequestState::Starting,
            RequestState::Running,
        ] {
            let count = standing
                .live
                .iter()
                .filter(|row| row.state == state)
                .count();
            self.requests
                .get_or_create(&OfState {
                    state: state.name(),
                })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let oldest = standing
            .live
            .iter()
            .filter(|row| row.state == RequestState::Waiting)
            .map(|row| now.duration_since(row.request.asked).as_secs_f64())
            .fold(0.0, f64::max);
        self.oldest_wait.set(oldest);
        self.last_look.set(seconds(now));
        self.disk_used.set(disk_used);
        for notice in notices {
            let event = match notice {
                Notice::Asked(..) => "asked",
                Notice::Fire(..) => "fire-without-run",
                Notice::Started(..) => "started",
                Notice::NotStarted(..) => "not-started",
                Notice::Ended(..) => "ended",
                Notice::Again(..) => "tried-again",
                Notice::Held(..) => "held-back",
            };
            self.events.get_or_create(&OfEvent { event }).inc();
            if event == "ended" {
                self.last_result.set(seconds(now));
            }
        }
    }

    /// In the text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit an f64")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}
