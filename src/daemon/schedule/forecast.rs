//! When each waiting request will start and end, by what such runs took before.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Policy, Queue, Request, RequestId, Running, place};

/// When a request starts and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Which.
    pub id: RequestId,
    /// Its start if runs take as long as half of them do.
    pub start: Timestamp,
    /// Its end, likewise.
    pub end: Timestamp,
    /// Its end if runs take as long as one in ten does.
    pub end_slow: Timestamp,
}

/// Plays the queue forward twice: with typical and with slow runs. Requests that can never start are left out.
#[must_use]
pub fn forecast(queue: &Queue<'_>, policy: &Policy, now: Timestamp) -> Vec<Forecast> {
    let typical = play(queue, policy, now, |request| request.typical);
    let slow = play(queue, policy, now, |request| request.slow);
    queue
        .waiting
        .iter()
        .filter_map(|request| {
            let (start, end) = *typical.get(&request.id)?;
            let (_, end_slow) = *slow.get(&request.id)?;
            Some(Forecast {
                id: request.id,
                start,
                end,
                end_slow: end_slow.max(end),
            })
        })
        .collect()
}

fn play(
    queue: &Queue<'_>,
    policy: &Policy,
    now: Timestamp,
    takes: impl Fn(&Request) -> jiff::SignedDuration,
) -> BTreeMap<RequestId, (Timestamp, Timestamp)> {
    let mut waiting: Vec<Request> = queue.waiting.to_vec();
    let mut running: Vec<Running> = queue.running.to_vec();
    let mut served = queue.served.clone();
    let mut found = BTreeMap::new();
    let mut at = now;
    loop {
        let state = Queue {
            waiting: &waiting,
            running: &running,
            served: &served,
            host: queue.host,
        };
        let starts: Vec<RequestId> = place(&state, policy, at)
            .into_iter()
            .filter(|placement| placement.waits.is_none())
            .map(|placement| placement.id)
            .collect();
        waiting.retain(|request| {
            if !starts.contains(&request.id) {
                return true;
            }
            found.insert(request.id, (at, at + takes(request)));
            *served.entry(request.profile.clone()).or_default() += takes(request);
            running.push(Running {
                request: request.clone(),
                started: at,
            });
            false
        });
        let ends = running
            .iter()
            .map(|running| (running.started + takes(&running.request)).max(at));
        let pauses = waiting
            .iter()
            .map(|request| request.not_before)
            .filter(|not_before| *not_before > at);
        let Some(next) = ends.chain(pauses).min() else {
            return found;
        };
        running.retain(|running| (running.started + takes(&running.request)).max(at) > next);
        at = next;
    }
}
