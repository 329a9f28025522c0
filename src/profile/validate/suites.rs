//! Suites: where they run, and what of them.

use std::time::Duration;

use super::Checker;
use crate::profile::{
    label_filter::LabelFilter,
    problem::Kind,
    raw::{At, List, RawProfile, RawSuite, RawSuiteKind, Text},
    settings::{CriLifecycle, Ginkgo, Suite, SuiteKind},
    units::parse_go_duration,
};

/// Flags by which something inside a suite limits its own time.
const INNER_TIMEOUTS: [&str; 4] = [
    "timeout",
    "ginkgo.timeout",
    "test.timeout",
    "server-start-timeout",
];

impl Checker<'_> {
    pub(super) fn suites(&mut self, raw: &RawProfile) -> Vec<Suite> {
        let items = raw
            .suite
            .as_ref()
            .map(|suites| suites.get().as_slice())
            .unwrap_or_default();
        if items.is_empty() {
            let top = raw.suite.as_ref().map_or(self.top.clone(), At::span);
            self.problems
                .at(
                    Kind::Missing,
                    top,
                    "the profile has no suite, so nothing would run",
                )
                .hint("add `[[suite]]` with name, kind, preset and timeout");
        }
        let named = self.named(items, "suite", |suite| suite.name.as_ref());
        let mut out = Vec::new();
        for (name, suite) in named {
            out.extend(self.suite(name, suite, raw));
        }
        out
    }

    fn suite(&mut self, name: &Text, at: &At<RawSuite>, raw: &RawProfile) -> Option<Suite> {
        let suite = at.get();
        let nodes = names(raw.node.as_ref(), |node| node.name.as_ref());
        let sandboxers = names(raw.sandboxer.as_ref(), |sandboxer| sandboxer.name.as_ref());
        let mut pairings = names(raw.pairing.as_ref(), |pairing| pairing.name.as_ref());
        if raw.pairing.is_none() {
            pairings = vec!["main"];
        }
        let first = nodes.first().copied().into_iter().collect();
        let nodes = self.chosen(suite.nodes.as_ref(), "node", &nodes, first);
        let sandboxers = self.chosen(
            suite.sandboxers.as_ref(),
            "sandboxer",
            &sandboxers,
            sandboxers.clone(),
        );
        let pairings = self.chosen(
            suite.pairings.as_ref(),
            "pairing",
            &pairings,
            pairings.clone(),
        );
        let timeout = self.required(
            suite.timeout.as_ref(),
            at.span(),
            "timeout",
            "timeout = \"60m\"",
        );
        let timeout = timeout.and_then(|text| Some((text, self.duration(text)?)));
        if let (Some((text, outer)), Some(arguments)) = (timeout, &suite.arguments) {
            self.inner_timeouts(arguments.get(), text, outer);
        }
        let shards = self.at_least_one(suite.shards.as_ref(), "shards");
        let repeat = self.at_least_one(suite.repeat.as_ref(), "repeat");
        let kind = self.required(suite.kind.as_ref(), at.span(), "kind", "kind = \"ginkgo\"");
        let kind = match kind?.get() {
            RawSuiteKind::Ginkgo => SuiteKind::Ginkgo(self.ginkgo(at)?),
            RawSuiteKind::CriLifecycle => SuiteKind::CriLifecycle(self.cri_lifecycle(at)),
        };
        Some(Suite {
            name: name.get().clone(),
            kind,
            timeout: timeout?.1,
            role: suite
                .role
                .as_ref()
                .map(|role| *role.get())
                .unwrap_or_default(),
            nodes,
            sandboxers,
            pairings,
            shards,
            repeat,
        })
    }

    fn at_least_one(&mut self, number: Option<&At<u32>>, key: &str) -> u32 {
        let Some(number) = number else { return 1 };
        if *number.get() == 0 {
            self.value(
                number.span(),
                format!("with `{key} = 0` the suite would not run"),
            )
            .hint(format!("write `{key} = 1`, or take the key out"));
        }
        (*number.get()).max(1)
    }

    /// The names a suite chooses, each known and each once.
    fn chosen(
        &mut self,
        list: Option<&List>,
        what: &str,
        known: &[&str],
        default: Vec<&str>,
    ) -> Vec<String> {
        let Some(list) = list else {
            return default.into_iter().map(str::to_owned).collect();
        };
        if list.get().is_empty() {
            self.value(
                list.span(),
                format!("the suite names no {what}, so it would not run"),
            )
            .hint("name one, or take the key out for the default");
        }
        let mut out: Vec<&Text> = Vec::new();
        for name in list.get() {
            if let Some(first) = out.iter().find(|other| other.get() == name.get()) {
                let message = format!(
                    "`{}` is named twice: two lanes would have one name",
                    name.get()
                );
                self.value(name.span(), message)
                    .also(first.span(), "the first")
                    .hint("take one out");
                continue;
            }
            self.refer(name, what, known.iter().copied());
            out.push(name);
        }
        out.into_iter().map(|name| name.get().clone()).collect()
    }

    fn ginkgo(&mut self, at: &At<RawSuite>) -> Option<Ginkgo> {
        let suite = at.get();
        let focus = self.patterns(suite.focus.as_ref());
        let skip = self.patterns(suite.skip.as_ref());
        if let Some(filter) = &suite.label_filter
            && let Err(error) = LabelFilter::parse(filter.get())
        {
            let span = self.inside(filter, error.at);
            self.value(
                span,
                format!("the label filter does not parse: {}", error.message),
            )
            .hint(
                "labels with `&&`, `||`, `!`, parentheses, `/regex/`, or `Key: containsAny {A, B}`",
            );
        }
        let processes = suite.processes.as_ref();
        if let Some(processes) = processes.filter(|processes| *processes.get() == 0) {
            self.value(processes.span(), "a suite needs at least one process")
                .hint("write `processes = 1`");
        }
        let arguments = self.list(suite.arguments.as_ref(), "the argument");
        let preset = suite.preset.as_ref();
        let preset = self.required(preset, at.span(), "preset", "preset = \"e2e_node\"")?;
        Some(Ginkgo {
            preset: *preset.get(),
            focus,
            skip,
            label_filter: suite
                .label_filter
                .as_ref()
                .map(|filter| filter.get().clone()),
            processes: processes.map_or(1, |processes| *processes.get()),
            kubelet_config: suite
                .kubelet_config
                .as_ref()
                .map(|config| config.get().clone())
                .unwrap_or_default(),
            feature_gates: suite
                .feature_gates
                .iter()
                .flatten()
                .map(|(gate, on)| (gate.get().clone(), *on))
                .collect(),
            arguments,
        })
    }

    fn cri_lifecycle(&mut self, at: &At<RawSuite>) -> CriLifecycle {
        let suite = at.get();
        let foreign = [
            ("preset", suite.preset.as_ref().map(At::span)),
            ("label-filter", suite.label_filter.as_ref().map(At::span)),
            ("processes", suite.processes.as_ref().map(At::span)),
            (
                "kubelet-config",
                suite.kubelet_config.as_ref().map(At::span),
            ),
            (
                "feature-gates",
                suite.feature_gates.as_ref().map(|_| at.span()),
            ),
            ("arguments", suite.arguments.as_ref().map(At::span)),
        ];
        for (key, span) in foreign {
            if let Some(span) = span {
                self.value(
                    span,
                    format!("`{key}` means nothing to a suite of kind `cri-lifecycle`"),
                )
                .hint("take it out; what it runs is chosen by `focus` and `skip`");
            }
        }
        CriLifecycle {
            focus: self.patterns(suite.focus.as_ref()),
            skip: self.patterns(suite.skip.as_ref()),
        }
    }

    fn patterns(&mut self, list: Option<&List>) -> Vec<String> {
        let patterns = self.list(list, "the regular expression");
        for pattern in list.map(|list| list.get().as_slice()).unwrap_or_default() {
            self.pattern(pattern);
        }
        patterns
    }

    /// An outer limit below an inner one kills the suite before it can say why.
    fn inner_timeouts(&mut self, arguments: &[Text], outer_text: &Text, outer: Duration) {
        for (index, argument) in arguments.iter().enumerate() {
            let Some(flag) = argument.get().strip_prefix('-') else {
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value, at) = match flag.split_once('=') {
                Some((name, value)) => (name, value, argument),
                None => match arguments.get(index + 1) {
                    Some(next) => (flag, next.get().as_str(), next),
                    None => continue,
                },
            };
            if !INNER_TIMEOUTS.contains(&name) {
                continue;
            }
            match parse_go_duration(value) {
                Ok(Some(inner)) if inner > outer => {
                    self.value(
                        outer_text.span(),
                        format!(
                            "the suite is ended after `{}`, before its own `--{name}` of `{value}`",
                            outer_text.get()
                        ),
                    )
                    .also(at.span(), "the inner limit")
                    .hint(format!(
                        "make `timeout` longer than `{value}`, or the inner one shorter"
                    ));
                }
                Ok(_) => {}
                Err(error) => {
                    self.value(at.span(), format!("`--{name}`: {}", error.message))
                        .hint(error.hint);
                }
            }
        }
    }
}

/// The names of a list of tables.
pub(super) fn names<T>(
    list: Option<&At<Vec<At<T>>>>,
    name: impl Fn(&T) -> Option<&Text>,
) -> Vec<&str> {
    list.map(|list| list.get().as_slice())
        .unwrap_or_default()
        .iter()
        .filter_map(|item| name(item.get()))
        .map(|name| name.get().as_str())
        .collect()
}
