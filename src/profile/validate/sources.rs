//! Sources, pairings, builds.

use std::{collections::BTreeMap, time::Duration};

use super::{Checker, foreign, inside};
use crate::profile::{
    nearest::hint_for,
    problem::Kind,
    raw::{At, RawBuild, RawProfile, RawSource, Text},
    settings::{Build, Pairing, Recipe, Selection, Source, SourceKind},
};

/// How long a build may take unless the profile says otherwise.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

impl Checker<'_> {
    pub(super) fn sources(&mut self, raw: &RawProfile) -> BTreeMap<String, Source> {
        let mut out = BTreeMap::new();
        for (name, source) in raw.source.iter().flatten() {
            self.name(name, "source");
            if name.get() == "name" {
                self.value(name.span(), "a source cannot be called `name`")
                    .hint("in a `[[pairing]]` that key is the pairing's own name");
            }
            let stable = source.get().stable.as_ref();
            let stable = stable.map(|stable| self.filled(stable, "`stable`"));
            if let Some(kind) = self.source_kind(source) {
                out.insert(name.get().clone(), Source { kind, stable });
            }
        }
        out
    }

    fn source_kind(&mut self, at: &At<RawSource>) -> Option<SourceKind> {
        let source = at.get();
        let (git, module, krate, path) =
            (&source.git, &source.go_module, &source.krate, &source.path);
        match (git, module, krate, path) {
            (Some(url), None, None, None) => {
                self.only(
                    "git",
                    &[(
                        "version",
                        source.version.as_ref(),
                        "`version` is for `go-module` and `crate`; git takes `ref`",
                    )],
                );
                let reference = source.reference.as_ref();
                let reference = self.required(reference, at.span(), "ref", "ref = \"main\"")?;
                Some(SourceKind::Git {
                    url: self.filled(url, "the URL"),
                    reference: self.filled(reference, "`ref`"),
                })
            }
            (None, Some(module), None, None) => {
                self.only("go-module", &[("ref", source.reference.as_ref(), "only git sources track a branch: a Go module takes `version = \"latest\"` or an exact version")]);
                Some(SourceKind::GoModule {
                    module: self.filled(module, "the module's path"),
                    version: self.version(source.version.as_ref(), Published::GoModule),
                })
            }
            (None, None, Some(name), None) => {
                self.only("crate", &[("ref", source.reference.as_ref(), "only git sources track a branch: a crate takes `version = \"latest\"` or an exact version")]);
                self.crate_name(name);
                Some(SourceKind::Crate {
                    name: name.get().clone(),
                    version: self.version(source.version.as_ref(), Published::Crate),
                })
            }
            (None, None, None, Some(path)) => {
                let hint = "a folder is taken as it is";
                self.only(
                    "path",
                    &[
                        ("ref", source.reference.as_ref(), hint),
                        ("version", source.version.as_ref(), hint),
                        ("stable", source.stable.as_ref(), hint),
                    ],
                );
                Some(SourceKind::Path {
                    path: self.absolute(path),
                })
            }
            (None, None, None, None) => {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        "the source says nowhere to get it from",
                    )
                    .hint("add `git = \"https://…\"`, `go-module = \"…\"`, `crate = \"…\"` or `path = \"…\"`");
                None
            }
            _ => {
                let keys = foreign(&[
                    ("git", git.as_ref()),
                    ("go-module", module.as_ref()),
                    ("crate", krate.as_ref()),
                    ("path", path.as_ref()),
                ]);
                if let [(one, first), (two, second), ..] = keys.as_slice() {
                    self.value(
                        second.span(),
                        format!("a source has one origin, and this one has `{one}` and `{two}`"),
                    )
                    .also(first.span(), "the first")
                    .hint("keep one of them");
                }
                None
            }
        }
    }

    /// Refuses keys that go with another kind.
    pub(super) fn only(&mut self, kind: &str, others: &[(&str, Option<&Text>, &str)]) {
        for (key, value, hint) in others {
            if let Some(value) = value {
                self.value(value.span(), format!("`{key}` does not go with `{kind}`"))
                    .hint(*hint);
            }
        }
    }

    /// The version of something published; the newest if none is named.
    fn version(&mut self, version: Option<&Text>, of: Published) -> String {
        let Some(version) = version else {
            return "latest".to_owned();
        };
        if !of.is_version(version.get()) {
            let (what, example) = match of {
                Published::GoModule => ("Go module", "v1.36.3"),
                Published::Crate => ("crate", "0.7.0"),
            };
            self.value(
                version.span(),
                format!("`{}` is not a version of a {what}", version.get()),
            )
            .hint(format!(
                "write `latest` or a version such as `{example}`; only git sources track a branch"
            ));
        }
        version.get().clone()
    }

    fn crate_name(&mut self, name: &Text) {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let text = name.get();
        if text.is_empty() || text.starts_with('-') || !text.chars().all(inner) {
            self.value(
                name.span(),
                format!("`{text}` is not the name of a published crate"),
            )
            .hint("write its name in the crate registry, such as `youki`");
        }
    }

    pub(super) fn pairings(
        &mut self,
        raw: &RawProfile,
        sources: &BTreeMap<String, Source>,
    ) -> Vec<Pairing> {
        let Some(pairings) = &raw.pairing else {
            return vec![Pairing {
                name: "main".to_owned(),
                selects: BTreeMap::new(),
            }];
        };
        if pairings.get().is_empty() {
            self.value(
                pairings.span(),
                "the profile has no pairing, so nothing would run",
            )
            .hint("take the key out: without it there is one pairing, `main`");
        }
        let named = self.named(pairings.get(), "pairing", |pairing| pairing.name.as_ref());
        let mut out = Vec::new();
        for (name, pairing) in named {
            let mut selects = BTreeMap::new();
            for (source, selected) in &pairing.get().selects {
                let declared = raw
                    .source
                    .iter()
                    .flatten()
                    .map(|(name, _)| name.get().as_str());
                if !self.refer(source, "source", declared) {
                    continue;
                }
                if let Some(known) = sources.get(source.get()) {
                    let selection = self.selection(source, selected, known);
                    selects.insert(source.get().clone(), selection);
                }
            }
            out.push(Pairing {
                name: name.get().clone(),
                selects,
            });
        }
        out
    }

    fn selection(&mut self, name: &Text, selected: &Text, source: &Source) -> Selection {
        if selected.get() == "stable" {
            if source.stable.is_none() {
                self.value(
                    selected.span(),
                    format!("the source `{}` does not say what is stable", name.get()),
                )
                .hint(format!(
                    "add `stable = \"latest-tag\"` to `[source.{}]`",
                    name.get()
                ));
            }
            return Selection::Stable;
        }
        let revision = self.filled(selected, "the revision");
        match &source.kind {
            SourceKind::Path { .. } => {
                self.value(
                    selected.span(),
                    format!(
                        "the source `{}` is a folder: it has no revisions",
                        name.get()
                    ),
                )
                .hint("take this out");
            }
            SourceKind::GoModule { .. } => {
                self.version(Some(selected), Published::GoModule);
            }
            SourceKind::Crate { .. } => {
                self.version(Some(selected), Published::Crate);
            }
            SourceKind::Git { .. } => {}
        }
        Selection::Revision(revision)
    }

    /// What the profile itself says of a build.
    fn commands(
        &mut self,
        at: &At<RawBuild>,
        recipe: Recipe,
    ) -> (Vec<String>, BTreeMap<String, String>) {
        let build = at.get();
        if recipe != Recipe::Commands {
            let run = build.run.as_ref().map(|run| (run.span(), "run"));
            let outputs = build.outputs.as_ref().and_then(|all| all.keys().next());
            let outputs = outputs.map(|first| (first.span(), "outputs"));
            for (span, key) in [run, outputs].into_iter().flatten() {
                self.value(
                    span,
                    format!("`{key}` goes with the recipe `commands` only"),
                )
                .hint("the other recipes know what to run; `tags` adds Go build tags");
            }
            return (Vec::new(), BTreeMap::new());
        }
        if let Some(tags) = &build.tags {
            self.value(tags.span(), "`tags` does not go with the recipe `commands`")
                .hint("write them into the commands");
        }
        let example = "run = [\"make\"]";
        self.required(build.run.as_ref(), at.span(), "run", example);
        let run = self.list(build.run.as_ref(), "the command");
        let mut outputs = BTreeMap::new();
        for (to, from) in build.outputs.iter().flatten() {
            for path in [to, from] {
                if !inside(path.get()) {
                    self.value(
                        path.span(),
                        format!("`{}` is not a path below a folder", path.get()),
                    )
                    .hint("write it without `/` at its start and without `..`");
                }
            }
            outputs.insert(to.get().clone(), from.get().clone());
        }
        if outputs.is_empty() {
            self.problems
                .at(
                    Kind::Missing,
                    at.span(),
                    "the build says nowhere what it makes",
                )
                .hint("add `outputs = { \"bin/NAME\" = \"PATH IN THE TREE\" }`");
        }
        (run, outputs)
    }

    pub(super) fn builds(
        &mut self,
        raw: &RawProfile,
        sources: &BTreeMap<String, Source>,
    ) -> BTreeMap<String, Build> {
        let mut out: BTreeMap<String, Build> = BTreeMap::new();
        let declared: Vec<&str> = raw
            .source
            .iter()
            .flatten()
            .map(|(name, _)| name.get().as_str())
            .collect();
        for (name, build) in raw.build.iter().flatten() {
            self.name(name, "build");
            let written = build.get();
            let source = match &written.source {
                Some(source) => {
                    self.refer(source, "source", declared.iter().copied());
                    source.get().clone()
                }
                None if sources.contains_key(name.get())
                    || declared.contains(&name.get().as_str()) =>
                {
                    name.get().clone()
                }
                None => {
                    self.problems
                        .at(
                            Kind::Reference,
                            name.span(),
                            format!(
                                "no source is called `{}`, and the build names no other",
                                name.get()
                            ),
                        )
                        .hint(format!(
                            "add `source = \"…\"`; {}",
                            hint_for(
                                name.get(),
                                declared.iter().copied(),
                                "the profile has no source at all"
                            )
                        ));
                    name.get().clone()
                }
            };
            let tags = self.list(written.tags.as_ref(), "the build tag");
            let timeout = match &written.timeout {
                Some(timeout) => self.duration(timeout).unwrap_or(BUILD_TIMEOUT),
                None => BUILD_TIMEOUT,
            };
            let recipe = written.recipe.as_ref();
            let Some(recipe) =
                self.required(recipe, build.span(), "recipe", "recipe = \"containerd\"")
            else {
                continue;
            };
            let twin = out.iter().find(|(_, other)| other.recipe == *recipe.get());
            // Of what sandboxers are made of a profile may have several; each sandboxer says which one it means.
            let several = matches!(recipe.get(), Recipe::Runc | Recipe::Commands);
            if let Some((twin, _)) = twin.filter(|_| !several) {
                let message =
                    format!("the build `{twin}` has this recipe too, and a node takes one");
                self.value(recipe.span(), message)
                    .hint("keep one; to compare two revisions, use two pairings");
            }
            let (run, outputs) = self.commands(build, *recipe.get());
            out.insert(
                name.get().clone(),
                Build {
                    source,
                    recipe: *recipe.get(),
                    tags,
                    run,
                    outputs,
                    timeout,
                },
            );
        }
        out
    }
}

/// What is published in versions and has no branches.
#[derive(Clone, Copy)]
pub(in crate::profile) enum Published {
    /// A Go module; its versions start with `v`.
    GoModule,
    /// A Rust crate; its versions start with a digit.
    Crate,
}

impl Published {
    /// Whether a proxy or registry would take this for a version.
    pub(in crate::profile) fn is_version(self, text: &str) -> bool {
        let number = match self {
            Self::GoModule => text.strip_prefix('v'),
            Self::Crate => Some(text),
        };
        let numbered = number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        text == "latest" || (numbered && !text.contains(['/', ' ', '@', ',', '*']))
    }
}
