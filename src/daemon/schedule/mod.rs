//! When which run starts: a pure function over a virtual clock.
//!
//! Owns: fire times of cron expressions, what becomes of a fire, the order of the queue, what may start now and why
//! the rest waits, retries. Must not: read the clock, keep state of its own, or start anything.

mod calendar;
mod capacity;
mod fire;
mod forecast;
mod queue;
mod request;
mod retry;
mod supersede;

#[cfg(test)]
mod tests;

pub use calendar::{Calendar, CalendarError, Occurrence};
pub use capacity::{Capacity, Demand, Short};
pub use fire::{Considered, FireDecision, Overlap, Pending, Schedule, consider};
pub use forecast::{Forecast, forecast};
pub use queue::{Placement, Policy, Queue, Why, place};
pub use request::{Class, Request, RequestId, Running, Trigger};
pub use retry::{Breaker, Retry, RetryPolicy, retry};
pub use supersede::{Admission, Refusal, admit};
