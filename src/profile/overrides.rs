//! What the command line changes: other revisions, and fewer lanes.

use camino::Utf8PathBuf;

use super::{
    files::{Files, normalised},
    go_regex,
    nearest::hint_for,
    problem::{Kind, Problem, Problems},
    settings::{Profile, SourceKind},
    texts::{Place, Texts},
    validate::Published,
};

const VERSIONS_ONLY: &str = "only git sources track branches and pull requests: give `latest`, a version, or a git URL with `@REF`";

/// Changes to a profile for one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `NAME=REV`, split: a version, ref, commit, `refs/pull/N/head`, a folder, a git URL or mirror
    /// (`URL@REF`), or `go-module:PATH@VERSION`.
    pub sources: Vec<(String, String)>,
    /// Only these sandboxers; empty means all.
    pub sandboxers: Vec<String>,
    /// Only these nodes; empty means all.
    pub nodes: Vec<String>,
    /// Only these suites; empty means all.
    pub suites: Vec<String>,
    /// Only these pairings; empty means all.
    pub pairings: Vec<String>,
    /// Run only specs that match this, instead of the suites' own `focus`; their `skip` and label filter still hold.
    pub focus: Option<String>,
}

/// Applies overrides to a complete profile.
pub(super) fn apply(
    profile: &mut Profile,
    overrides: &Overrides,
    files: &dyn Files,
    texts: &mut Texts,
    problems: &mut Problems,
) {
    let mut apply = Apply {
        files,
        texts,
        problems,
    };
    for (name, revision) in &overrides.sources {
        apply.source(profile, name, revision);
    }
    apply.filters(profile, overrides);
    if let Some(focus) = &overrides.focus {
        apply.focus(profile, focus);
    }
}

struct Apply<'a> {
    files: &'a dyn Files,
    texts: &'a mut Texts,
    problems: &'a mut Problems,
}

/// What `REV` of `NAME=REV` turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Folder(Utf8PathBuf),
    Git {
        url: String,
        reference: Option<&'a str>,
    },
    GoModule {
        module: &'a str,
        version: &'a str,
    },
    Revision(&'a str),
}

impl Apply<'_> {
    /// A problem with an argument; `from` is the byte of `argument` where it starts.
    fn problem(&mut self, argument: &str, from: usize, message: String) -> &mut Problem {
        let span = self
            .texts
            .add_whole("command line", Place::CommandLine, argument);
        self.problems
            .at(Kind::Value, span.start + from..span.end, message)
    }

    fn source(&mut self, profile: &mut Profile, name: &str, revision: &str) {
        let argument = format!("--source {name}={revision}");
        let value_at = argument.len() - revision.len();
        let Some(source) = profile.sources.get_mut(name) else {
            let known = profile.sources.keys().map(String::as_str);
            let hint = hint_for(name, known, "the profile has no source");
            self.problem(
                &argument,
                "--source ".len(),
                format!("no source is called `{name}`"),
            )
            .hint(hint);
            return;
        };
        let (message, hint) = match (self.wanted(revision), &mut source.kind) {
            (Wanted::Revision(""), _) => ("the revision is empty".to_owned(), "write `NAME=REV`"),
            (Wanted::Folder(path), kind) => {
                *kind = SourceKind::Path { path };
                source.stable = None;
                // A folder is what it is, whatever a pairing asks for.
                for pairing in &mut profile.pairings {
                    pairing.selects.remove(name);
                }
                return;
            }
            (Wanted::GoModule { module, version }, kind)
                if !module.is_empty() && Published::GoModule.is_version(version) =>
            {
                *kind = SourceKind::GoModule {
                    module: module.to_owned(),
                    version: version.to_owned(),
                };
                source.stable = None;
                // A pairing's revision is one of the source that was there before.
                for pairing in &mut profile.pairings {
                    pairing.selects.remove(name);
                }
                return;
            }
            (Wanted::GoModule { version, .. }, _) => (
                format!("`{version}` is no version of a Go module"),
                "write `NAME=go-module:PATH@VERSION`, or without `@VERSION` for the newest",
            ),
            (Wanted::Git { url, reference }, kind) => {
                let own = match &*kind {
                    SourceKind::Git { reference, .. } => Some(reference.clone()),
                    _ => None,
                };
                match reference.map(str::to_owned).or(own) {
                    Some(reference) => {
                        *kind = SourceKind::Git { url, reference };
                        return;
                    }
                    None => (
                        "this git repository comes without a ref".to_owned(),
                        "add one: `NAME=URL@main`",
                    ),
                }
            }
            (Wanted::Revision(wanted), SourceKind::Git { reference, .. }) => {
                *reference = wanted.to_owned();
                return;
            }
            (Wanted::Revision(wanted), SourceKind::GoModule { version, .. }) => {
                if Published::GoModule.is_version(wanted) {
                    *version = wanted.to_owned();
                    return;
                }
                (
                    format!("`{wanted}` is not a version, and `{name}` is a Go module"),
                    VERSIONS_ONLY,
                )
            }
            (Wanted::Revision(wanted), SourceKind::Crate { version, .. }) => {
                if Published::Crate.is_version(wanted) {
                    *version = wanted.to_owned();
                    return;
                }
                (
                    format!("`{wanted}` is not a version, and `{name}` is a crate"),
                    VERSIONS_ONLY,
                )
            }
            (Wanted::Revision(wanted), SourceKind::Path { .. }) => (
                format!("`{wanted}` is a revision, and `{name}` is a folder"),
                "give a folder (start it with `./` or `/`), or a git URL with `@REF`",
            ),
        };
        self.problem(&argument, value_at, message).hint(hint);
    }

    fn wanted<'r>(&self, revision: &'r str) -> Wanted<'r> {
        let absolute = |path: &str| {
            let current = self.files.current_folder().unwrap_or_default();
            normalised(&current.join(path))
        };
        if let Some(module) = revision.strip_prefix("go-module:") {
            let (module, version) = module.split_once('@').unwrap_or((module, "latest"));
            return Wanted::GoModule { module, version };
        }
        if let Some((url, reference)) = git_address(revision) {
            let local = !url.contains("://") && !url.contains(':');
            let url = match local {
                true => absolute(url).into_string(),
                false => url.to_owned(),
            };
            return Wanted::Git { url, reference };
        }
        let looks_local = ["/", "./", "../"]
            .iter()
            .any(|start| revision.starts_with(start))
            || revision == ".";
        if looks_local || (!revision.is_empty() && self.files.is_folder(&absolute(revision))) {
            return Wanted::Folder(absolute(revision));
        }
        Wanted::Revision(revision)
    }

    fn filters(&mut self, profile: &mut Profile, overrides: &Overrides) {
        let before = self.problems.0.len();
        let names = |items: Vec<&String>| -> Vec<String> { items.into_iter().cloned().collect() };
        let groups = [
            (
                "sandboxer",
                &overrides.sandboxers,
                names(profile.sandboxers.iter().map(|s| &s.name).collect()),
            ),
            (
                "node",
                &overrides.nodes,
                names(profile.nodes.iter().map(|n| &n.name).collect()),
            ),
            (
                "suite",
                &overrides.suites,
                names(profile.suites.iter().map(|s| &s.name).collect()),
            ),
            (
                "pairing",
                &overrides.pairings,
                names(profile.pairings.iter().map(|p| &p.name).collect()),
            ),
        ];
        for (what, wanted, known) in groups {
            for name in wanted.iter().filter(|name| !known.contains(name)) {
                let argument = format!("--{what} {name}");
                let hint = hint_for(name, known.iter().map(String::as_str), "there is none");
                let start = argument.len() - name.len();
                self.problem(&argument, start, format!("no {what} is called `{name}`"))
                    .hint(hint);
            }
        }
        if self.problems.0.len() > before {
            return;
        }
        profile.narrowed |= groups_of(overrides).iter().any(|wanted| !wanted.is_empty());
        let keep = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
        // Sandboxers stay, though no suite may be left for them: their packages are part of the node image, and a
        // narrowed run must run on the same one.
        profile
            .nodes
            .retain(|node| keep(&overrides.nodes, &node.name));
        profile
            .pairings
            .retain(|pairing| keep(&overrides.pairings, &pairing.name));
        profile
            .suites
            .retain(|suite| keep(&overrides.suites, &suite.name));
        let mut lost = Vec::new();
        profile.suites.retain_mut(|suite| {
            let filters = [
                ("node", &mut suite.nodes, &overrides.nodes),
                ("sandboxer", &mut suite.sandboxers, &overrides.sandboxers),
                ("pairing", &mut suite.pairings, &overrides.pairings),
            ];
            for (what, own, wanted) in filters {
                let all = own.join("`, `");
                own.retain(|name| keep(wanted, name));
                if own.is_empty() {
                    lost.push((what, suite.name.clone(), all, wanted.clone()));
                    return false;
                }
            }
            true
        });
        // A suite that was asked for by name must run; another may drop out as long as one is left.
        for (what, suite, own, wanted) in lost {
            if profile.suites.is_empty() || overrides.suites.contains(&suite) {
                let argument = format!("--{what} {}", wanted.join(&format!(" --{what} ")));
                let message =
                    format!("the suite `{suite}` does not run here, so it has no lane left");
                self.problem(&argument, 0, message)
                    .hint(format!("its {what}s are `{own}`"));
            }
        }
    }

    fn focus(&mut self, profile: &mut Profile, focus: &str) {
        if let Err(error) = go_regex::compile(focus) {
            let argument = format!("--focus {focus}");
            let start = "--focus ".len() + error.at;
            let message = format!("the regular expression does not compile: {}", error.message);
            self.problem(&argument, start, message)
                .hint("Go's syntax; put it in '…' so that the shell leaves it alone");
        }
        profile.narrowed = true;
        for suite in &mut profile.suites {
            let (selected, _) = suite.kind.selection();
            *selected = vec![focus.to_owned()];
        }
    }
}

/// The filters.
const fn groups_of(overrides: &Overrides) -> [&Vec<String>; 4] {
    [
        &overrides.sandboxers,
        &overrides.nodes,
        &overrides.suites,
        &overrides.pairings,
    ]
}

/// A git URL, `host:path`, or a path that ends in `.git`; each with an optional `@REF`.
fn git_address(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some((head, reference)) = text.split_once(".git@") {
        return Some((text.get(..head.len() + ".git".len())?, Some(reference)));
    }
    if text.ends_with(".git") && !text.starts_with("refs/") {
        return Some((text, None));
    }
    let after_scheme = text.find("://")? + "://".len();
    let host_end = text
        .get(after_scheme..)?
        .find('/')
        .map(|at| at + after_scheme)?;
    match text.get(host_end..)?.find('@') {
        Some(at) => Some((text.get(..host_end + at)?, text.get(host_end + at + 1..))),
        None => Some((text, None)),
    }
}

#[cfg(test)]
mod tests;
