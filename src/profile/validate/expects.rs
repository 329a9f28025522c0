//! Expected failures: which, where, why, who follows them up, until when.

use super::{Checker, suites::names};
use crate::{
    model::{Expectation, SpecOutcome, Tracker},
    profile::{
        problem::Kind,
        raw::{At, List, RawExpect, RawExpectedOutcome, RawProfile, Text},
        settings::{Expect, Suite},
    },
};

impl Checker<'_> {
    pub(super) fn expects(&mut self, raw: &RawProfile, suites: &[Suite]) -> Vec<Expect> {
        let items = raw.expect.as_ref().map(|items| items.get().as_slice());
        let mut out = Vec::new();
        for at in items.unwrap_or_default() {
            let expect = self.expect(at, raw);
            let covers = |expect: &Expect| suites.iter().any(|suite| expect.reaches(suite));
            if let Some(expect) = &expect
                && !suites.is_empty()
                && !covers(expect)
            {
                self.value(at.span(), "no lane is where this failure is expected")
                    .hint("no suite runs on these nodes, sandboxers and pairings; `bellwether plan` lists the lanes");
            }
            out.extend(expect);
        }
        out
    }

    fn expect(&mut self, at: &At<RawExpect>, raw: &RawProfile) -> Option<Expect> {
        let item = at.get();
        let mut known_pairings = names(raw.pairing.as_ref(), |pairing| pairing.name.as_ref());
        if raw.pairing.is_none() {
            known_pairings = vec!["main"];
        }
        let known = names(raw.node.as_ref(), |node| node.name.as_ref());
        let nodes = self.where_expected(item.nodes.as_ref(), "node", &known);
        let known = names(raw.sandboxer.as_ref(), |sandboxer| sandboxer.name.as_ref());
        let sandboxers = self.where_expected(item.sandboxers.as_ref(), "sandboxer", &known);
        let known = names(raw.suite.as_ref(), |suite| suite.name.as_ref());
        let suites = self.where_expected(item.suites.as_ref(), "suite", &known);
        let pairings = self.where_expected(item.pairings.as_ref(), "pairing", &known_pairings);

        let spec = item.spec.as_ref();
        let spec = self.required(spec, at.span(), "spec", "spec = 'a regular expression'");
        for pattern in spec.into_iter().chain(&item.message) {
            self.filled(pattern, "the regular expression");
            self.pattern(pattern);
        }
        let reason = item.reason.as_ref();
        let reason = self.required(reason, at.span(), "reason", "reason = \"why it fails\"");
        let reason = reason.map(|reason| self.filled(reason, "the reason"));
        let tracker = self.tracker(at);
        let expires = self.expires(at);
        let outcomes = self.expected_outcomes(item);
        Some(Expect {
            expectation: Expectation {
                spec: spec?.get().clone(),
                message: item.message.as_ref().map(|message| message.get().clone()),
                outcomes,
                reason: reason?,
                tracker: tracker?,
                expires: expires?,
            },
            nodes,
            sandboxers,
            suites,
            pairings,
        })
    }

    /// The names a selector gives, each known.
    fn where_expected(&mut self, list: Option<&List>, what: &str, known: &[&str]) -> Vec<String> {
        let Some(list) = list else {
            return Vec::new();
        };
        if list.get().is_empty() {
            let message = format!("this names no {what}, so the failure is expected nowhere");
            self.value(list.span(), message)
                .hint("name one, or take the key out for all");
        }
        for name in list.get() {
            self.refer(name, what, known.iter().copied());
        }
        let names = list.get().iter();
        names.map(|name| name.get().clone()).collect()
    }

    fn expected_outcomes(&mut self, item: &RawExpect) -> Vec<SpecOutcome> {
        let Some(list) = &item.outcome else {
            return vec![SpecOutcome::Failed];
        };
        if list.get().is_empty() {
            self.value(list.span(), "no outcome is expected")
                .hint("name one, or take the key out for `failed`");
        }
        let mut outcomes: Vec<SpecOutcome> = list
            .get()
            .iter()
            .map(|outcome| match outcome.get() {
                RawExpectedOutcome::Failed => SpecOutcome::Failed,
                RawExpectedOutcome::TimedOut => SpecOutcome::TimedOut,
                RawExpectedOutcome::Panicked => SpecOutcome::Panicked,
            })
            .collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        outcomes
    }

    fn tracker(&mut self, at: &At<RawExpect>) -> Option<Tracker> {
        let item = at.get();
        match (&item.tracker, &item.no_tracker) {
            (Some(link), None) => {
                let text = link.get();
                let web = text.starts_with("https://") || text.starts_with("http://");
                if !web || text.contains(char::is_whitespace) {
                    self.value(link.span(), format!("`{text}` is not a link"))
                        .hint("write the issue's address, `https://…`, or `no-tracker = \"why there is none\"`");
                }
                Some(Tracker::Link(text.clone()))
            }
            (None, Some(why)) => Some(Tracker::None(self.filled(why, "the reason"))),
            (Some(link), Some(why)) => {
                self.value(
                    why.span(),
                    "there is a tracker, so there is no reason for none",
                )
                .also(link.span(), "the tracker")
                .hint("keep one of the two");
                None
            }
            (None, None) => {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        "the key `tracker` is missing: nobody follows this failure up",
                    )
                    .hint("add `tracker = \"https://…\"`, or `no-tracker = \"why there is none\"`");
                None
            }
        }
    }

    fn expires(&mut self, at: &At<RawExpect>) -> Option<jiff::civil::Date> {
        let expires = at.get().expires.as_ref();
        let expires = self.required(expires, at.span(), "expires", "expires = 2027-03-01")?;
        let text = expires.get().to_string();
        let date = text.parse::<jiff::civil::Date>().ok();
        // A time of day would be read and dropped.
        let date = date.filter(|date| date.to_string() == text);
        if date.is_none() {
            self.value(expires.span(), format!("`{text}` is not a date"))
                .hint("write the last day on which it is expected: 2027-03-01");
        }
        date
    }

    pub(super) fn pattern(&mut self, pattern: &Text) {
        if let Err(error) = crate::profile::go_regex::compile(pattern.get()) {
            let span = self.inside(pattern, error.at);
            self.value(
                span,
                format!("the regular expression does not compile: {}", error.message),
            )
            .hint("Go's syntax; in '…' a backslash stands for itself: '\\[NodeConformance\\]'");
        }
    }
}
