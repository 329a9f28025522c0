//! Gates and the schedule.

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;

use super::Checker;
use crate::profile::{
    cron,
    nearest::nearest,
    problem::Kind,
    raw::RawProfile,
    settings::{Gate, Schedule},
};

impl Checker<'_> {
    pub(super) fn gates(&mut self, raw: &RawProfile) -> BTreeMap<String, Gate> {
        let mut out = BTreeMap::new();
        for (name, at) in raw.gates.iter().flatten() {
            self.name(name, "gate");
            let gate = at.get();
            if gate.min.is_none() && gate.max.is_none() {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        format!("the gate `{}` has no bound", name.get()),
                    )
                    .hint("add `min`, `max` or both");
            }
            for bound in [&gate.min, &gate.max].into_iter().flatten() {
                if !bound.get().is_finite() {
                    self.value(bound.span(), "a bound is a finite number")
                        .hint("to have no bound, take the key out");
                }
            }
            if let (Some(min), Some(max)) = (&gate.min, &gate.max)
                && min.get() > max.get()
            {
                self.value(
                    min.span(),
                    format!(
                        "`min` is {} and `max` is {}: no number is both",
                        min.get(),
                        max.get()
                    ),
                )
                .also(max.span(), "the upper bound")
                .hint("swap them, or drop one");
            }
            let window = gate.window.as_ref().map_or(1, |window| *window.get());
            let n = gate.n.as_ref().map_or(window, |n| *n.get());
            for (key, count) in [("window", &gate.window), ("n", &gate.n)] {
                if let Some(count) = count.as_ref().filter(|count| *count.get() == 0) {
                    self.value(
                        count.span(),
                        format!("`{key}` is 0: a gate over no runs says nothing"),
                    )
                    .hint(format!("write `{key} = 1` or more"));
                }
            }
            if let Some(count) = gate.n.as_ref().filter(|_| n > window) {
                let message =
                    format!("`n` is {n} of a window of {window}: there would never be enough runs");
                self.value(count.span(), message)
                    .hint(format!("make `n` at most {window}, or the window larger"));
            }
            out.insert(
                name.get().clone(),
                Gate {
                    min: gate.min.as_ref().map(|min| *min.get()),
                    max: gate.max.as_ref().map(|max| *max.get()),
                    window,
                    n,
                },
            );
        }
        out
    }

    pub(super) fn schedule(&mut self, raw: &RawProfile) -> Option<Schedule> {
        let at = raw.schedule.as_ref()?;
        let schedule = at.get();
        let timezone = match &schedule.timezone {
            None => "UTC".to_owned(),
            Some(zone) => {
                // The copy that bellwether brings, so that a profile is right or wrong on every machine alike.
                let zones = TimeZoneDatabase::bundled();
                if zones.get(zone.get()).is_err() {
                    let names: Vec<String> =
                        zones.available().map(|name| name.to_string()).collect();
                    let near = nearest(zone.get(), names.iter().map(String::as_str));
                    let hint = match near {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => "names are like `UTC` or `Europe/Berlin`".to_owned(),
                    };
                    self.value(zone.span(), format!("`{}` is not a time zone", zone.get()))
                        .hint(hint);
                }
                zone.get().clone()
            }
        };
        let cron = self.required(
            schedule.cron.as_ref(),
            at.span(),
            "cron",
            "cron = \"0 2 * * *\"",
        )?;
        if let Err(error) = cron::check(cron.get()) {
            let span = self.inside(cron, error.at);
            self.value(
                span,
                format!("the cron expression does not parse: {}", error.message),
            )
            .hint("five fields: minute hour day-of-month month day-of-week, such as \"0 2 * * *\"");
        }
        Some(Schedule {
            cron: cron.get().clone(),
            timezone,
        })
    }
}
