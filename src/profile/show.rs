//! A validated profile written out again, with every default in place.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{
    raw::{
        At, List, RawBuild, RawDate, RawExpect, RawExpectedOutcome, RawGate, RawImage, RawNode,
        RawPairing, RawProfile, RawRuntime, RawSandboxer, RawSchedule, RawSource, RawSuite,
        RawSuiteKind, Text,
    },
    settings::{
        Expect, Ginkgo, Image, Node, Profile, Sandboxer, SandboxerBinary, Selection, Source,
        SourceKind, Suite, SuiteKind,
    },
    units::{format_duration, format_size},
};
use crate::model::{SpecOutcome, Tracker};

/// The resolved profile as TOML. It is a profile again: loaded beside the same files it gives the same.
#[must_use]
pub fn show(profile: &Profile) -> String {
    toml::to_string(&raw(profile))
        .unwrap_or_else(|error| format!("# cannot be written as TOML: {error}\n"))
}

fn at<T>(value: T) -> At<T> {
    At::new(0..0, value)
}

fn text(value: &str) -> Option<Text> {
    Some(at(value.to_owned()))
}

/// A list, left out when empty.
fn list(values: &[String]) -> Option<List> {
    let values: Vec<Text> = values.iter().cloned().map(at).collect();
    (!values.is_empty()).then(|| at(values))
}

fn file(value: Option<&Utf8PathBuf>) -> Option<Text> {
    value.and_then(|path| text(path.as_str()))
}

fn paths(values: &[Utf8PathBuf]) -> Option<List> {
    list(&values.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// A table of texts, left out when empty.
fn texts<V: ToString>(values: &BTreeMap<String, V>) -> Option<BTreeMap<Text, Text>> {
    let texts: BTreeMap<Text, Text> = values
        .iter()
        .map(|(key, value)| (at(key.clone()), at(value.to_string())))
        .collect();
    (!texts.is_empty()).then_some(texts)
}

fn by_name<V, R>(
    values: &BTreeMap<String, V>,
    raw: impl Fn(&V) -> R,
) -> Option<BTreeMap<Text, At<R>>> {
    let values: BTreeMap<Text, At<R>> = values
        .iter()
        .map(|(name, value)| (at(name.clone()), at(raw(value))))
        .collect();
    (!values.is_empty()).then_some(values)
}

fn in_order<V, R>(values: &[V], raw: impl Fn(&V) -> R) -> Option<At<Vec<At<R>>>> {
    Some(at(values.iter().map(|value| at(raw(value))).collect()))
}

fn raw(profile: &Profile) -> RawProfile {
    RawProfile {
        name: text(&profile.name),
        description: text(&profile.description),
        extends: None,
        source: by_name(&profile.sources, source),
        pairing: in_order(&profile.pairings, |pairing| RawPairing {
            name: text(&pairing.name),
            selects: pairing
                .selects
                .iter()
                .map(|(source, selection)| {
                    let selected = match selection {
                        Selection::Stable => "stable".to_owned(),
                        Selection::Revision(revision) => revision.clone(),
                    };
                    (at(source.clone()), at(selected))
                })
                .collect(),
        }),
        build: by_name(&profile.builds, |build| RawBuild {
            source: text(&build.source),
            recipe: Some(at(build.recipe)),
            tags: list(&build.tags),
            run: list(&build.run),
            outputs: texts(&build.outputs),
            timeout: text(&format_duration(build.timeout)),
        }),
        runtime: Some(at(RawRuntime {
            kind: Some(at(profile.runtime.kind)),
            config: file(profile.runtime.config.as_ref()),
        })),
        image: by_name(&profile.images, image),
        node: in_order(&profile.nodes, node),
        sandboxer: in_order(&profile.sandboxers, sandboxer),
        suite: in_order(&profile.suites, suite),
        rules: paths(&profile.rules),
        expect: (!profile.expect.is_empty())
            .then(|| in_order(&profile.expect, expect))
            .flatten(),
        gates: by_name(&profile.gates, |gate| RawGate {
            min: gate.min.map(at),
            max: gate.max.map(at),
            window: Some(at(gate.window)),
            n: Some(at(gate.n)),
        }),
        schedule: profile.schedule.as_ref().map(|schedule| {
            at(RawSchedule {
                cron: text(&schedule.cron),
                timezone: text(&schedule.timezone),
            })
        }),
    }
}

fn source(source: &Source) -> RawSource {
    let stable = source.stable.as_deref().and_then(text);
    match &source.kind {
        SourceKind::Git { url, reference } => RawSource {
            git: text(url),
            reference: text(reference),
            stable,
            ..RawSource::default()
        },
        SourceKind::GoModule { module, version } => RawSource {
            go_module: text(module),
            version: text(version),
            stable,
            ..RawSource::default()
        },
        SourceKind::Crate { name, version } => RawSource {
            krate: text(name),
            version: text(version),
            stable,
            ..RawSource::default()
        },
        SourceKind::Path { path } => RawSource {
            path: text(path.as_str()),
            ..RawSource::default()
        },
    }
}

fn image(image: &Image) -> RawImage {
    match image {
        Image::Debian { suite, packages } => RawImage {
            debian: text(suite),
            packages: list(packages),
            ..RawImage::default()
        },
        Image::File {
            path,
            sha256,
            format,
        } => RawImage {
            file: text(path.as_str()),
            sha256: text(sha256),
            format: text(format),
            ..RawImage::default()
        },
        Image::CoreosStream { url, stream } => RawImage {
            coreos_stream: text(stream),
            url: text(url),
            ..RawImage::default()
        },
    }
}

fn node(node: &Node) -> RawNode {
    RawNode {
        name: text(&node.name),
        extends: None,
        image: text(&node.image),
        cpus: Some(at(node.cpus)),
        memory: text(&format_size(node.memory)),
        disk: text(&format_size(node.disk)),
        ignition: paths(&node.ignition),
        kernel_arguments: list(&node.kernel_arguments),
    }
}

fn sandboxer(sandboxer: &Sandboxer) -> RawSandboxer {
    let (package, path, build, binary) = match &sandboxer.binary {
        SandboxerBinary::Package { package, path } => (text(package), text(path), None, None),
        SandboxerBinary::Build { build, binary } => (None, None, text(build), text(binary)),
    };
    RawSandboxer {
        name: text(&sandboxer.name),
        handler: text(&sandboxer.handler),
        role: Some(at(sandboxer.role)),
        runtime_type: text(&sandboxer.runtime_type),
        package,
        path,
        build,
        binary,
        with_builds: list(&sandboxer.with_builds),
        with_packages: list(&sandboxer.with_packages),
        options: sandboxer
            .options
            .as_ref()
            .and_then(|options| toml::from_str(options).ok())
            .map(at),
        config: file(sandboxer.config.as_ref()),
        files: texts(&sandboxer.files),
        unit: file(sandboxer.unit.as_ref()),
        socket: sandboxer.socket.as_deref().and_then(text),
        ready: sandboxer.ready.as_deref().and_then(text),
        requires: list(&sandboxer.requires),
    }
}

fn suite(suite: &Suite) -> RawSuite {
    let raw = RawSuite {
        name: text(&suite.name),
        timeout: text(&format_duration(suite.timeout)),
        role: Some(at(suite.role)),
        nodes: list(&suite.nodes),
        sandboxers: list(&suite.sandboxers),
        pairings: list(&suite.pairings),
        ..RawSuite::default()
    };
    match &suite.kind {
        SuiteKind::Ginkgo(settings) => ginkgo(raw, settings),
        SuiteKind::CriLifecycle(settings) => RawSuite {
            kind: Some(at(RawSuiteKind::CriLifecycle)),
            focus: list(&settings.focus),
            skip: list(&settings.skip),
            ..raw
        },
    }
}

fn ginkgo(raw: RawSuite, ginkgo: &Ginkgo) -> RawSuite {
    RawSuite {
        kind: Some(at(RawSuiteKind::Ginkgo)),
        preset: Some(at(ginkgo.preset)),
        focus: list(&ginkgo.focus),
        skip: list(&ginkgo.skip),
        label_filter: ginkgo.label_filter.as_deref().and_then(text),
        processes: Some(at(ginkgo.processes)),
        kubelet_config: (!ginkgo.kubelet_config.is_empty())
            .then(|| at(ginkgo.kubelet_config.clone())),
        feature_gates: (!ginkgo.feature_gates.is_empty()).then(|| {
            let gates = ginkgo.feature_gates.iter();
            gates.map(|(gate, on)| (at(gate.clone()), *on)).collect()
        }),
        arguments: list(&ginkgo.arguments),
        ..raw
    }
}

fn expect(expect: &Expect) -> RawExpect {
    let known = &expect.expectation;
    let (tracker, no_tracker) = match &known.tracker {
        Tracker::Link(link) => (text(link), None),
        Tracker::None(why) => (None, text(why)),
    };
    let outcomes = known.outcomes.iter().map(|outcome| {
        at(match outcome {
            SpecOutcome::TimedOut => RawExpectedOutcome::TimedOut,
            SpecOutcome::Panicked => RawExpectedOutcome::Panicked,
            _ => RawExpectedOutcome::Failed,
        })
    });
    RawExpect {
        spec: text(&known.spec),
        message: known.message.as_deref().and_then(text),
        outcome: Some(at(outcomes.collect())),
        sandboxers: list(&expect.sandboxers),
        nodes: list(&expect.nodes),
        suites: list(&expect.suites),
        pairings: list(&expect.pairings),
        reason: text(&known.reason),
        tracker,
        no_tracker,
        expires: Some(at(RawDate::Text(known.expires.to_string()))),
    }
}
