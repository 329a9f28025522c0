mod calendar;
mod fire;
mod queue;
mod retry;

mod sim;
