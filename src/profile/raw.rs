//! A profile as it is written: every key with its type and meaning, nothing checked yet.
//!
//! The documentation of these fields is the JSON Schema's text. Each key is optional here, even a required one:
//! a profile that extends another may leave it out. Validation asks for it.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_spanned::Spanned;

use super::{
    settings::{Preset, Recipe, RuntimeKind},
    texts::Span,
};
use crate::model::Role;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct At<T>(Spanned<T>);

impl<T> At<T> {
    pub(super) fn new(span: Span, value: T) -> Self {
        Self(Spanned::new(span, value))
    }

    pub(super) fn span(&self) -> Span {
        self.0.span()
    }

    pub(super) fn get(&self) -> &T {
        self.0.get_ref()
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A text with a place.
pub(super) type Text = At<String>;
/// A list of texts with places.
pub(super) type List = At<Vec<Text>>;

/// One project's conformance run: what is built, the nodes it runs on, what runs there, and what counts as passed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Bellwether profile")]
pub(super) struct RawProfile {
    /// The profile's name: lower-case letters, digits, `-` and `_`. Not inherited.
    #[schemars(required)]
    pub(super) name: Option<Text>,
    /// One line on what it is for. Not inherited.
    pub(super) description: Option<Text>,
    /// The profile this one builds on: the name of a shipped one, or a path relative to this file. Tables merge key by
    /// key, `[[pairing]]`, `[[node]]`, `[[sandboxer]]` and `[[suite]]` merge by name, `[[expect]]` adds
    /// to the list, everything else is replaced.
    pub(super) extends: Option<Text>,
    /// Where code comes from, by name.
    pub(super) source: Option<BTreeMap<Text, At<RawSource>>>,
    /// Named sets of sources; each is a run's worth of lanes. Default: one named `main`.
    pub(super) pairing: Option<At<Vec<At<RawPairing>>>>,
    /// How sources become binaries, by name.
    pub(super) build: Option<BTreeMap<Text, At<RawBuild>>>,
    /// The runtime under test. Required, unless inherited.
    pub(super) runtime: Option<At<RawRuntime>>,
    /// Node images by name. `debian-13` is always there.
    pub(super) image: Option<BTreeMap<Text, At<RawImage>>>,
    /// Node variants; the first is the default of suites that name none.
    pub(super) node: Option<At<Vec<At<RawNode>>>>,
    /// Runtime handlers under test.
    pub(super) sandboxer: Option<At<Vec<At<RawSandboxer>>>>,
    /// What is run on the nodes.
    pub(super) suite: Option<At<Vec<At<RawSuite>>>>,
    /// Failures that are known and do not turn a lane red. Those of an extended profile are kept, after this one's own.
    pub(super) expect: Option<At<Vec<At<RawExpect>>>>,
    /// Files of classification rules of your own, relative to this file: `bellwether rules check FILE` says whether they
    /// are good. Default: none.
    pub(super) rules: Option<List>,
    /// Bounds on numbers over several runs, by metric name such as `pass-rate`.
    pub(super) gates: Option<BTreeMap<Text, At<RawGate>>>,
    /// When the daemon starts a run. Default: it does not.
    pub(super) schedule: Option<At<RawSchedule>>,
}

/// A source: exactly one of `git`, `go-module`, `crate`, `path`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Source")]
pub(super) struct RawSource {
    /// The URL of a git repository.
    pub(super) git: Option<Text>,
    /// With `git`, required: a branch, a tag, a commit, or `refs/pull/N/head`.
    #[serde(rename = "ref")]
    pub(super) reference: Option<Text>,
    /// The path of a published Go module, such as `k8s.io/kubernetes`.
    pub(super) go_module: Option<Text>,
    /// The name of a published Rust crate, such as `youki`.
    #[serde(rename = "crate")]
    pub(super) krate: Option<Text>,
    /// With `go-module` or `crate`: `latest` or a version such as `v1.36.3` of a module, `0.7.0` of a crate. Default:
    /// `latest`.
    pub(super) version: Option<Text>,
    /// A local folder, relative to this file.
    pub(super) path: Option<Text>,
    /// What a pairing's `stable` means for this source: `latest-tag` or an exact revision. Default: pairings cannot ask
    /// for it.
    pub(super) stable: Option<Text>,
}

/// A pairing: its name, and for each source that does not take its own `ref` or `version`, `stable` or a revision.
#[derive(Clone, Debug, Default)]
pub(super) struct RawPairing {
    pub(super) name: Option<Text>,
    pub(super) selects: BTreeMap<Text, Text>,
}

impl<'de> Deserialize<'de> for RawPairing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut selects = BTreeMap::<Text, Text>::deserialize(deserializer)?;
        let key = selects.keys().find(|key| key.get() == "name").cloned();
        let name = key.and_then(|key| selects.remove(&key));
        Ok(Self { name, selects })
    }
}

impl Serialize for RawPairing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.name.iter().map(|name| ("name", name));
        let selects = self
            .selects
            .iter()
            .map(|(source, selected)| (source.get().as_str(), selected));
        serializer.collect_map(name.chain(selects))
    }
}

/// The shape of [`RawPairing`], whose further keys are the profile's own source names.
#[derive(JsonSchema)]
#[schemars(rename = "Pairing", extend("additionalProperties" = { "type": "string" }))]
#[expect(dead_code, reason = "read by schemars only")]
struct PairingShape {
    /// The pairing's name.
    name: String,
}

impl JsonSchema for RawPairing {
    fn schema_name() -> Cow<'static, str> {
        "Pairing".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = PairingShape::json_schema(generator);
        schema.insert(
            "description".into(),
            "A named set of sources. Every further key is the name of a source, its value `stable` or an exact revision; \
             a source that is not named takes its own `ref` or `version`."
                .into(),
        );
        schema
    }
}

/// How a source becomes binaries.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Build")]
pub(super) struct RawBuild {
    /// The source that is built. Default: the one with the build's name.
    pub(super) source: Option<Text>,
    /// The recipe. Required, unless inherited.
    pub(super) recipe: Option<At<Recipe>>,
    /// Go build tags beside the recipe's own; not with recipe `commands`. Default: none.
    pub(super) tags: Option<List>,
    /// With recipe `commands`, required: shell commands, run in this order in the source's tree (of a Go module: in an
    /// empty module that requires it). `VERSION` and `COMMIT` are set.
    pub(super) run: Option<List>,
    /// With recipe `commands`, required: the files that the commands make. Keys are paths below
    /// `/opt/bellwether/runtime` in the guest, of which `bin` is on containerd's PATH; values are paths in the tree.
    pub(super) outputs: Option<BTreeMap<Text, Text>>,
    /// How long it may take, such as `90m`. Default: `60m`.
    pub(super) timeout: Option<Text>,
}

/// The runtime under test.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Runtime")]
pub(super) struct RawRuntime {
    /// Its kind. Required, unless inherited.
    pub(super) kind: Option<At<RuntimeKind>>,
    /// A file in the runtime's own format, merged over the generated configuration. Default: none.
    pub(super) config: Option<Text>,
}

/// A node image: exactly one of `debian`, `file`, `coreos-stream`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Image")]
pub(super) struct RawImage {
    /// Made from the packages of this Debian suite, such as `trixie`.
    pub(super) debian: Option<Text>,
    /// With `debian`: packages beside the recipe's own. Default: none.
    pub(super) packages: Option<List>,
    /// A disk image at hand, relative to this file.
    pub(super) file: Option<Text>,
    /// With `file`, required: the SHA-256 of the image, 64 hex digits.
    pub(super) sha256: Option<Text>,
    /// With `file`: `qcow2` or `raw`. Default: what the file's name ends in.
    pub(super) format: Option<Text>,
    /// Fedora CoreOS or Flatcar: the stream, such as `stable`.
    pub(super) coreos_stream: Option<Text>,
    /// With `coreos-stream`: the URL of the stream metadata. Default: Fedora CoreOS's.
    pub(super) url: Option<Text>,
}

/// A node variant.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Node")]
pub(super) struct RawNode {
    /// Its name.
    #[schemars(required)]
    pub(super) name: Option<Text>,
    /// Another node this one is a variant of: its `ignition` and `kernel-arguments` come first, every other key is its
    /// default. Default: none.
    pub(super) extends: Option<Text>,
    /// The node image. Default: `debian-13`.
    pub(super) image: Option<Text>,
    /// Guest cores. Default: 2.
    pub(super) cpus: Option<At<u32>>,
    /// Guest memory. Default: `4GiB`.
    pub(super) memory: Option<Text>,
    /// Root disk; sparse on the host. Default: `20GiB`.
    pub(super) disk: Option<Text>,
    /// Ignition configs (JSON) merged in this order onto what bellwether generates; relative to this file, or shipped.
    /// Default: none.
    pub(super) ignition: Option<List>,
    /// Kernel arguments beside the generated ones. Default: none.
    pub(super) kernel_arguments: Option<List>,
}

/// One runtime handler under test. `runc` and `crun` are known: their name is enough.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Sandboxer")]
pub(super) struct RawSandboxer {
    /// Its name.
    #[schemars(required)]
    pub(super) name: Option<Text>,
    /// Its CRI runtime handler. Default: its name.
    pub(super) handler: Option<Text>,
    /// `informing` makes each of its lanes informing, whatever the suite says. Default: `blocking`.
    pub(super) role: Option<At<Role>>,
    /// containerd's runtime type. Default: `io.containerd.runc.v2` for `runc` and `crun`; required for others.
    pub(super) runtime_type: Option<Text>,
    /// The package of the node image that holds its binary; needs `path`. Default: that of `runc` and `crun`.
    pub(super) package: Option<Text>,
    /// With `package`: where the binary is in the guest.
    pub(super) path: Option<Text>,
    /// The build that makes its binary, instead of `package`. Default: for `runc`, the one with recipe `runc`, if there
    /// is one.
    pub(super) build: Option<Text>,
    /// With `build`: the file name of the binary that serves its pods. Default: the sandboxer's name; `runc` if the
    /// build's recipe is `runc`.
    pub(super) binary: Option<Text>,
    /// Builds whose outputs it needs beside its binary. Default: none.
    pub(super) with_builds: Option<List>,
    /// Packages of the node image that it needs beside its binary. Default: none.
    pub(super) with_packages: Option<List>,
    /// Shim options beside the generated ones. Default: none.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) options: Option<At<toml::Table>>,
    /// A file in the runtime's own format, merged over the generated configuration of its nodes, before the runtime's
    /// own `config`. Default: none.
    pub(super) config: Option<Text>,
    /// Files of its nodes: the path in the guest, and the file with its text. One that starts with `#!` is executable.
    /// Default: none.
    pub(super) files: Option<BTreeMap<Text, Text>>,
    /// The file of a systemd unit that its nodes start; the file's name is the unit's. Default: none.
    pub(super) unit: Option<Text>,
    /// Its socket in the guest, if it is a sandbox controller; containerd gets it as a proxy plugin named after the
    /// handler. Default: it is none.
    pub(super) socket: Option<Text>,
    /// A shell command that succeeds in the guest when it is ready; the suite waits for it. Default: with `socket`,
    /// that somebody answers there; else nothing.
    pub(super) ready: Option<Text>,
    /// What a node must have, else its lanes are not run: `kvm`, `nested-kvm` (it starts machines itself),
    /// `memory>=8GiB`. Default: nothing.
    pub(super) requires: Option<List>,
}

/// What is run on a node.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Suite")]
pub(super) struct RawSuite {
    /// Its name.
    #[schemars(required)]
    pub(super) name: Option<Text>,
    /// Its kind. Required, unless inherited.
    pub(super) kind: Option<At<RawSuiteKind>>,
    /// The longest it may run on a machine with KVM, such as `90m`; scaled under emulation. Required, unless inherited.
    pub(super) timeout: Option<Text>,
    /// Whether its lanes decide the headline and the exit code. Default: `blocking`.
    pub(super) role: Option<At<Role>>,
    /// The nodes it runs on. Default: the first node.
    pub(super) nodes: Option<List>,
    /// The sandboxers it runs against. Default: all.
    pub(super) sandboxers: Option<List>,
    /// The pairings it runs for. Default: all.
    pub(super) pairings: Option<List>,
    /// With kind `ginkgo`, required: which binary it is.
    pub(super) preset: Option<At<Preset>>,
    /// Regular expressions (Go) of specs to run. Default: all.
    pub(super) focus: Option<List>,
    /// Regular expressions (Go) of specs to leave out. Default: none.
    pub(super) skip: Option<List>,
    /// A Ginkgo label filter, such as `NodeConformance && !Slow`. Default: none.
    pub(super) label_filter: Option<Text>,
    /// Parallel processes. Default: 1.
    pub(super) processes: Option<At<u32>>,
    /// Keys merged over the generated kubelet configuration. Default: none.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) kubelet_config: Option<At<toml::Table>>,
    /// Feature gates for kubelet, API server and suite. Default: none.
    pub(super) feature_gates: Option<BTreeMap<Text, bool>>,
    /// More flags for the test binary. Default: none.
    pub(super) arguments: Option<List>,
}

/// The kinds of suite.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "SuiteKind")]
pub(super) enum RawSuiteKind {
    /// A Ginkgo binary.
    Ginkgo,
    /// Bellwether's own specs of pods, containers, streams and images, over CRI and checked from outside.
    CriLifecycle,
}

/// A failure that is expected: it does not turn its lane red until it expires.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Expect")]
pub(super) struct RawExpect {
    /// A regular expression (Go) over the spec's full name.
    #[schemars(required)]
    pub(super) spec: Option<Text>,
    /// A regular expression (Go) over what the failed spec says; another failure of the spec counts. Default: whatever
    /// it says.
    pub(super) message: Option<Text>,
    /// The outcomes that are expected. Default: `failed` alone.
    pub(super) outcome: Option<At<Vec<At<RawExpectedOutcome>>>>,
    /// The sandboxers it is expected with. Default: all.
    pub(super) sandboxers: Option<List>,
    /// The nodes it is expected on. Default: all.
    pub(super) nodes: Option<List>,
    /// The suites it is expected in. Default: all.
    pub(super) suites: Option<List>,
    /// The pairings it is expected for. Default: all.
    pub(super) pairings: Option<List>,
    /// Why it fails.
    #[schemars(required)]
    pub(super) reason: Option<Text>,
    /// The link under which it is followed up. Required, unless there is `no-tracker`.
    pub(super) tracker: Option<Text>,
    /// Instead of `tracker`: why nobody follows it up.
    pub(super) no_tracker: Option<Text>,
    /// The last day on which it is expected, such as 2027-03-01; from the next day on it counts again.
    #[schemars(required, with = "Option<String>", extend("format" = "date"))]
    pub(super) expires: Option<At<RawDate>>,
}

/// Outcomes that may be expected.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ExpectedOutcome")]
pub(super) enum RawExpectedOutcome {
    /// An assertion failed.
    Failed,
    /// It ran out of its own time.
    TimedOut,
    /// It panicked.
    Panicked,
}

/// A day, as TOML's own date or as text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged, expecting = "this is not a date")]
pub(super) enum RawDate {
    Text(String),
    Date(toml::value::Datetime),
}

impl fmt::Display for RawDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Date(date) => date.fmt(f),
        }
    }
}

/// A bound on a number over a window of runs: `min`, `max` or both.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Gate")]
pub(super) struct RawGate {
    /// The least it may be. Default: no bound.
    pub(super) min: Option<At<f64>>,
    /// The most it may be. Default: no bound.
    pub(super) max: Option<At<f64>>,
    /// How many runs it is taken over. Default: 1.
    pub(super) window: Option<At<u32>>,
    /// With fewer values than this the gate says `insufficient-data`. Default: the window.
    pub(super) n: Option<At<u32>>,
}

/// When the daemon starts a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Schedule")]
pub(super) struct RawSchedule {
    /// Five fields: minute, hour, day of month, month, day of week. Required, unless inherited.
    pub(super) cron: Option<Text>,
    /// An IANA time zone. Default: `UTC`.
    pub(super) timezone: Option<Text>,
}
