//! From what is written to what is meant: defaults, references, and everything that cannot be.

mod expects;
mod gates;
mod nodes;
mod sandboxers;
mod sources;
mod suites;

pub(super) use sources::Published;

use std::{collections::BTreeMap, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    files::{self, Files, Found, shipped_files},
    nearest::hint_for,
    problem::{Kind, Problem, Problems},
    raw::{At, List, RawProfile, Text},
    settings::{Profile, Recipe, Runtime, RuntimeKind},
    texts::{Place, Span, Texts, offset_of},
    units::{UnitError, parse_duration, parse_size},
};

/// Checks a raw profile whose own text lies at `own`. What it returns is complete only if no problem was added.
pub(super) fn validate(
    raw: &RawProfile,
    own: Span,
    files: &dyn Files,
    texts: &mut Texts,
    problems: &mut Problems,
) -> Option<Profile> {
    let top = raw
        .name
        .as_ref()
        .map_or(own.start..own.start, |name| name.span());
    let mut checker = Checker {
        files,
        texts,
        problems,
        top,
        read: BTreeMap::new(),
    };
    let name = checker.required(
        raw.name.as_ref(),
        checker.top.clone(),
        "name",
        "name = \"…\"",
    );
    if let Some(name) = name {
        checker.name(name, "profile");
    }
    let sources = checker.sources(raw);
    let pairings = checker.pairings(raw, &sources);
    let builds = checker.builds(raw, &sources);
    let runtime = checker.runtime(raw);
    let images = checker.images(raw);
    let nodes = checker.nodes(raw, &images);
    let sandboxers = checker.sandboxers(raw, &builds);
    let suites = checker.suites(raw);
    checker.recipes(raw, &builds, runtime.as_ref());
    let expect = checker.expects(raw, &suites);
    let rules = checker.rules(raw);
    let gates = checker.gates(raw);
    let schedule = checker.schedule(raw);
    Some(Profile {
        name: name?.get().clone(),
        description: raw
            .description
            .as_ref()
            .map(|text| text.get().clone())
            .unwrap_or_default(),
        sources,
        pairings,
        builds,
        runtime: runtime?,
        images,
        nodes,
        sandboxers,
        suites,
        expect,
        narrowed: false,
        rules,
        gates,
        schedule,
        files: checker.read,
    })
}

struct Checker<'a> {
    files: &'a dyn Files,
    texts: &'a mut Texts,
    problems: &'a mut Problems,
    /// Where to point when something is missing from the profile as a whole.
    top: Span,
    read: BTreeMap<Utf8PathBuf, String>,
}

impl Checker<'_> {
    fn value(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.problems.at(Kind::Value, span, message)
    }

    /// A required key; `example` is what to write.
    fn required<'t, T>(
        &mut self,
        value: Option<&'t At<T>>,
        table: Span,
        key: &str,
        example: &str,
    ) -> Option<&'t At<T>> {
        if value.is_none() {
            self.problems
                .at(Kind::Missing, table, format!("the key `{key}` is missing"))
                .hint(format!("add `{example}`"));
        }
        value
    }

    /// A name becomes part of lane names, step names and folder names.
    fn name(&mut self, name: &Text, what: &str) -> bool {
        let text = name.get();
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let good = !text.is_empty()
            && text.len() <= 48
            && text.chars().all(inner)
            && !text.starts_with(['-', '_']);
        if good {
            return true;
        }
        let mended: String = text
            .to_lowercase()
            .chars()
            .map(|c| if inner(c) { c } else { '-' })
            .take(48)
            .collect();
        let mended = mended.trim_matches(['-', '_']);
        let why = if text.contains('.') {
            "a dot parts the names in a lane's name, so two lanes could get one name"
        } else {
            "it becomes part of the names of lanes and folders"
        };
        let try_this = match mended {
            "" => String::new(),
            mended => format!("; write `{mended}`"),
        };
        self.value(
            name.span(),
            format!("`{text}` cannot be the name of a {what}: {why}"),
        )
        .hint(format!(
            "names are up to 48 of a-z, 0-9, `-`, `_`, and start with a letter or digit{try_this}"
        ));
        false
    }

    /// The named ones of a list of tables, each name once.
    fn named<'t, T>(
        &mut self,
        items: &'t [At<T>],
        what: &str,
        name_of: impl Fn(&T) -> Option<&Text>,
    ) -> Vec<(&'t Text, &'t At<T>)> {
        let mut out: Vec<(&'t Text, &'t At<T>)> = Vec::new();
        for item in items {
            let name = name_of(item.get());
            let Some(name) = self.required(name, item.span(), "name", "name = \"…\"") else {
                continue;
            };
            if let Some((first, _)) = out.iter().find(|(known, _)| known.get() == name.get()) {
                self.value(
                    name.span(),
                    format!(
                        "a second {what} is called `{}`: their lanes would have one name",
                        name.get()
                    ),
                )
                .also(first.span(), "the first")
                .hint("give each a name of its own");
                continue;
            }
            self.name(name, what);
            out.push((name, item));
        }
        out
    }

    /// Whether a name that is referred to exists.
    fn refer<'k>(
        &mut self,
        name: &Text,
        what: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> bool {
        let known: Vec<&str> = known.into_iter().collect();
        if known.contains(&name.get().as_str()) {
            return true;
        }
        self.problems
            .at(
                Kind::Reference,
                name.span(),
                format!("no {what} is called `{}`", name.get()),
            )
            .hint(hint_for(
                name.get(),
                known,
                &format!("the profile has no {what} at all"),
            ));
        false
    }

    fn size(&mut self, text: &Text) -> Option<u64> {
        let size = self.unit(text, parse_size)?;
        if !size.is_multiple_of(1 << 20) {
            self.value(
                text.span(),
                format!("`{}` is not a whole number of MiB", text.get()),
            )
            .hint("machines are given memory and disks in MiB: write \"512MiB\", for example");
        }
        Some(size)
    }

    fn duration(&mut self, text: &Text) -> Option<Duration> {
        self.unit(text, parse_duration)
    }

    fn unit<T>(&mut self, text: &Text, parse: fn(&str) -> Result<T, UnitError>) -> Option<T> {
        match parse(text.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.value(text.span(), error.message).hint(error.hint);
                None
            }
        }
    }

    /// A text that must say something.
    fn filled(&mut self, text: &Text, what: &str) -> String {
        if text.get().trim().is_empty() {
            self.value(text.span(), format!("{what} is empty"))
                .hint("write it, or take the key out");
        }
        text.get().clone()
    }

    fn list(&mut self, list: Option<&List>, what: &str) -> Vec<String> {
        let items = list.map(|list| list.get().as_slice()).unwrap_or_default();
        items.iter().map(|item| self.filled(item, what)).collect()
    }

    /// The place of byte `at` of a text, if the file spells the text as it is; else the whole text's.
    fn inside(&self, text: &Text, at: usize) -> Span {
        let span = text.span();
        let written = self
            .texts
            .locate(&span)
            .and_then(|(file, at)| file.text.get(at));
        let value = text.get();
        let plain = written.is_some_and(|written| {
            written.len() == value.len() + 2 && written.get(1..=value.len()) == Some(value)
        });
        if plain {
            let start = span.start + 1 + at.min(value.len());
            return start..start + 1;
        }
        span
    }

    /// A path from the profile, absolute.
    fn absolute(&self, path: &Text) -> Utf8PathBuf {
        let folder = match self.texts.place(&path.span()) {
            Some(Place::Folder(folder)) => folder.clone(),
            _ => self.files.current_folder().unwrap_or_default(),
        };
        files::normalised(&folder.join(path.get()))
    }

    /// Reads a file that the profile names and keeps its text; `check` says where and why it is no good.
    fn file(
        &mut self,
        path: &Text,
        check: fn(&str) -> Result<(), FileError>,
    ) -> Option<Utf8PathBuf> {
        let place = self
            .texts
            .place(&path.span())
            .cloned()
            .unwrap_or(Place::Shipped);
        let key = Utf8PathBuf::from(path.get());
        match files::find(self.files, &place, &key) {
            Found::Text { name, text } => match self.read.get(&key) {
                // Several nodes may inherit one fragment.
                Some(old) if *old == text => Some(key),
                Some(_) => {
                    self.value(path.span(), format!("two files are both named `{key}`"))
                        .hint("profiles that extend each other name files by different paths");
                    None
                }
                None => {
                    if let Err(error) = check(&text) {
                        let whole = self.texts.add_whole(name, Place::Shipped, &text);
                        let start = whole.start + error.at;
                        self.value(start..(start + 1).min(whole.end).max(start), error.message)
                            .hint(error.hint)
                            .also(path.span(), "named here");
                    }
                    self.read.insert(key.clone(), text);
                    Some(key)
                }
            },
            Found::Missing(looked) => {
                let shipped = shipped_files().join(", ");
                self.value(path.span(), format!("there is no file `{key}`"))
                    .hint(format!(
                        "looked at {}; shipped: {shipped}",
                        looked.join(", ")
                    ));
                None
            }
            Found::Unreadable(error) => {
                self.value(path.span(), format!("cannot read `{key}`: {error}"))
                    .hint("see that it is a text file you may read");
                None
            }
        }
    }

    /// Files of rules. What they say is checked where rules are known.
    fn rules(&mut self, raw: &RawProfile) -> Vec<Utf8PathBuf> {
        let files = raw.rules.as_ref().map(|files| files.get().as_slice());
        let files = files.unwrap_or_default().iter();
        files
            .filter_map(|path| self.file(path, |_| Ok(())))
            .collect()
    }

    fn runtime(&mut self, raw: &RawProfile) -> Option<Runtime> {
        let top = self.top.clone();
        let runtime = self.required(raw.runtime.as_ref(), top, "runtime", "[runtime]")?;
        let config = runtime
            .get()
            .config
            .as_ref()
            .and_then(|path| self.file(path, is_toml));
        let kind = runtime.get().kind.as_ref();
        let kind = self.required(kind, runtime.span(), "kind", "kind = \"containerd\"")?;
        Some(Runtime {
            kind: *kind.get(),
            config,
        })
    }

    /// What nothing builds cannot be run.
    fn recipes(
        &mut self,
        raw: &RawProfile,
        builds: &BTreeMap<String, super::settings::Build>,
        runtime: Option<&Runtime>,
    ) {
        let kind = raw
            .runtime
            .as_ref()
            .and_then(|runtime| runtime.get().kind.as_ref());
        let runtime_at = kind.map(At::span);
        let runtime_needs = runtime.map(|runtime| match runtime.kind {
            RuntimeKind::Containerd => (Recipe::Containerd, "containerd", "the runtime"),
        });
        let suites = raw.suite.as_ref().map(|suites| suites.get().as_slice());
        let preset_at = suites.unwrap_or_default().iter().find_map(|suite| {
            // The node's images, which every kind of suite needs, come with Kubernetes.
            let (preset, kind) = (&suite.get().preset, &suite.get().kind);
            preset
                .as_ref()
                .map(At::span)
                .or(kind.as_ref().map(At::span))
        });
        let suite_needs = (
            Recipe::KubernetesNode,
            "kubernetes-node",
            "kubelet and suite",
        );
        for (at, needs) in [(runtime_at, runtime_needs), (preset_at, Some(suite_needs))] {
            let (Some(at), Some((recipe, name, what))) = (at, needs) else {
                continue;
            };
            if !builds.values().any(|build| build.recipe == recipe) {
                self.problems
                    .at(
                        Kind::Reference,
                        at,
                        format!("nothing builds {what}: no build has the recipe `{name}`"),
                    )
                    .hint(format!(
                        "add `[build.NAME]` with `recipe = \"{name}\"` and its source"
                    ));
            }
        }
    }
}

/// Why a named file is no good.
struct FileError {
    at: usize,
    message: String,
    hint: String,
}

fn is_toml(text: &str) -> Result<(), FileError> {
    toml::from_str::<toml::Table>(text)
        .map(drop)
        .map_err(|error| FileError {
            at: error.span().map_or(0, |span| span.start),
            message: format!(
                "the runtime's configuration is not TOML: {}",
                error.message()
            ),
            hint: "containerd's configuration, version 3, is TOML".to_owned(),
        })
}

/// A unit needs something to start, and something that starts it.
fn is_unit(text: &str) -> Result<(), FileError> {
    for (section, hint) in [
        (
            "[Service]",
            "a sandboxer's unit is a service: it has an `ExecStart=`",
        ),
        (
            "[Install]",
            "add `[Install]` with `WantedBy=multi-user.target`: without it nothing starts the unit",
        ),
    ] {
        if !text.lines().any(|line| line.trim() == section) {
            return Err(FileError {
                at: 0,
                message: format!("the unit has no section {section}"),
                hint: hint.to_owned(),
            });
        }
    }
    Ok(())
}

fn is_text(_: &str) -> Result<(), FileError> {
    Ok(())
}

fn is_ignition(text: &str) -> Result<(), FileError> {
    let hint =
        "an Ignition config is JSON; translate Butane's YAML with `butane --strict`".to_owned();
    match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) => Err(FileError {
            at: offset_of(text, error.line(), error.column()),
            message: format!(
                "the Ignition config is not JSON: {}",
                error
                    .to_string()
                    .split(" at line ")
                    .next()
                    .unwrap_or_default()
            ),
            hint,
        }),
        Ok(json) if json.pointer("/ignition/version").is_none() => Err(FileError {
            at: 0,
            message: "this JSON is no Ignition config: it has no `ignition.version`".to_owned(),
            hint: "start it with `{\"ignition\": {\"version\": \"3.3.0\"}, …`".to_owned(),
        }),
        Ok(_) => Ok(()),
    }
}

/// The keys of a kind's table that were given though they belong to another kind.
fn foreign<'t>(keys: &[(&'static str, Option<&'t Text>)]) -> Vec<(&'static str, &'t Text)> {
    keys.iter()
        .filter_map(|(key, value)| value.map(|value| (*key, value)))
        .collect()
}

/// Whether a path stays below the folder it starts from.
fn inside(path: &str) -> bool {
    !path.is_empty()
        && Utf8Path::new(path)
            .components()
            .all(|part| matches!(part, camino::Utf8Component::Normal(_)))
}

/// Whether a path is absolute in the guest.
fn absolute_in_guest(path: &str) -> bool {
    Utf8Path::new(path).is_absolute()
}
