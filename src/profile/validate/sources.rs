//! Sources, pairings, builds.

use std::{collections::BTreeMap, time::Duration};

use super::{Checker, foreign};
use crate::profile::{
    nearest::hint_for,
    problem::Kind,
    raw::{At, RawProfile, RawSource, Text},
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
        let (git, module, path) = (&source.git, &source.go_module, &source.path);
        match (git, module, path) {
            (Some(url), None, None) => {
                self.only(
                    "git",
                    &[(
                        "version",
                        source.version.as_ref(),
                        "`version` is for `go-module`; git takes `ref`",
                    )],
                );
                let reference = source.reference.as_ref();
                let reference = self.required(reference, at.span(), "ref", "ref = \"main\"")?;
                Some(SourceKind::Git {
                    url: self.filled(url, "the URL"),
                    reference: self.filled(reference, "`ref`"),
                })
            }
            (None, Some(module), None) => {
                self.only("go-module", &[("ref", source.reference.as_ref(), "only git sources track a branch: a Go module takes `version = \"latest\"` or an exact version")]);
                let version = match &source.version {
                    Some(version) => {
                        self.version(version);
                        version.get().clone()
                    }
                    None => "latest".to_owned(),
                };
                Some(SourceKind::GoModule {
                    module: self.filled(module, "the module's path"),
                    version,
                })
            }
            (None, None, Some(path)) => {
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
            (None, None, None) => {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        "the source says nowhere to get it from",
                    )
                    .hint("add `git = \"https://…\"`, `go-module = \"…\"` or `path = \"…\"`");
                None
            }
            _ => {
                let keys = foreign(&[
                    ("git", git.as_ref()),
                    ("go-module", module.as_ref()),
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

    fn version(&mut self, version: &Text) {
        if !is_module_version(version.get()) {
            self.value(
                version.span(),
                format!("`{}` is not a version of a Go module", version.get()),
            )
            .hint("write `latest` or a version such as `v1.36.3`; only git sources track a branch");
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
            SourceKind::GoModule { .. } => self.version(selected),
            SourceKind::Git { .. } => {}
        }
        Selection::Revision(revision)
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
            // Of runc a profile may have several; each sandboxer says which one it means.
            if let Some((twin, _)) = twin.filter(|_| *recipe.get() != Recipe::Runc) {
                let message =
                    format!("the build `{twin}` has this recipe too, and a node takes one");
                self.value(recipe.span(), message)
                    .hint("keep one; to compare two revisions, use two pairings");
            }
            out.insert(
                name.get().clone(),
                Build {
                    source,
                    recipe: *recipe.get(),
                    tags,
                    timeout,
                },
            );
        }
        out
    }
}

/// `latest`, or `v` and digits: what a module proxy takes for a version.
pub(in crate::profile) fn is_module_version(text: &str) -> bool {
    let numbered = text
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    text == "latest" || (numbered && !text.contains(['/', ' ', '@']))
}
