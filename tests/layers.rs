//! Holds the rules of the architecture: layers, purity, and who alone may do what.
//!
//! It reads the source as text. Tests (`tests.rs`, `tests/`, and everything from `#[cfg(test)] mod` on) are left out of
//! all rules but those on names and size.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the source must fail"
)]

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

/// Known to all; may know nothing but itself.
const FREE: [&str; 3] = ["model", "process", "clock"];

/// In the order in which data flows: each may know those before it.
const STATIONS: [&str; 15] = [
    "profile", "source", "plan", "build", "image", "ignition", "machine", "runtime", "suite",
    "evidence", "verdict", "triage", "history", "report", "github",
];

/// May know all stations, and `bisect` may know `run`.
const ENGINES: [&str; 2] = ["run", "bisect"];

/// May know everything, and nobody may know them.
const FACES: [&str; 4] = ["cli", "daemon", "web", "operator"];

/// Folders and files that never touch the world.
const PURE: [&str; 23] = [
    "src/model",
    "src/plan",
    "src/ignition",
    "src/verdict",
    "src/triage",
    "src/daemon/schedule",
    "src/github/trigger",
    "src/history/codes.rs",
    "src/history/pack.rs",
    "src/history/packed.rs",
    "src/history/vector.rs",
    "src/profile/settings.rs",
    "src/run/unchanged.rs",
    "src/runtime/containerd.rs",
    "src/runtime/crio.rs",
    "src/runtime/identity/execs.rs",
    "src/runtime/identity/expected.rs",
    "src/runtime/identity/facts.rs",
    "src/runtime/identity/family.rs",
    "src/runtime/identity/judge.rs",
    "src/runtime/identity/words.rs",
    "src/runtime/kind.rs",
    "src/runtime/tables.rs",
];

/// Files inside a pure folder that are its rim.
const RIM: [&str; 1] = ["src/verdict/load.rs"];

/// What a pure file must not mention.
const WORLD: [&str; 9] = [
    r"\btokio\b",
    r"\bstd::fs\b",
    r"\bfs_err\b",
    r"\bstd::process\b",
    r"\bcrate::process\b",
    r"\bcrate::clock\b",
    r"\bstd::env\b",
    r"\bTimestamp::now\b|\bSystemTime\b|\bInstant\b",
    r"\bstd::net\b",
];

/// Something that only some files may do.
struct Only {
    what: &'static str,
    pattern: &'static str,
    /// Files, or folders that end in a slash, each with a reason where it is not plain.
    allowed: &'static [&'static str],
}

const ONLY: [Only; 7] = [
    Only {
        what: "start a process",
        pattern: r"\bCommand::new\b",
        allowed: &["src/process.rs"],
    },
    Only {
        what: "read the clock",
        pattern: r"\bTimestamp::now\b|\bZoned::now\b|\bnow_v7\b|\bSystemTime::now\b",
        // The cache compares with the file system's own times, which are no time of a run.
        allowed: &["src/clock.rs", "src/build/cache.rs"],
    },
    Only {
        what: "print",
        pattern: r"\be?print(?:ln)?!|\bstd::io::std(?:out|err)\b|\bio::std(?:out|err)\(",
        allowed: &["src/cli/"],
    },
    Only {
        what: "use SQLite",
        pattern: r"\brusqlite\b",
        // state.db holds the daemon's decisions, index.db the history.
        allowed: &["src/history/", "src/daemon/"],
    },
    Only {
        what: "talk to GitHub",
        pattern: r"\boctocrab\b",
        allowed: &["src/github/"],
    },
    Only {
        what: "talk to Kubernetes",
        pattern: r"\bkube::|\bk8s_openapi\b",
        allowed: &["src/operator/"],
    },
    Only {
        what: "end the process",
        pattern: r"\bprocess::exit\b",
        allowed: &["src/main.rs", "src/cli/"],
    },
];

const VAGUE: [&str; 7] = [
    "utils", "util", "common", "helpers", "helper", "manager", "misc",
];

/// Lines of the longest file.
const LONGEST: usize = 600;

#[test]
fn the_source_keeps_its_rules() {
    let mut broken = Vec::new();
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    assert!(files.len() > 10, "run from the package's root");
    for (path, text) in &files {
        broken.extend(check(path, text));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_lists_name_what_exists() {
    let stations: BTreeSet<&str> = FREE
        .into_iter()
        .chain(STATIONS)
        .chain(ENGINES)
        .chain(FACES)
        .collect();
    for entry in fs::read_dir("src").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs");
        assert!(
            stations.contains(name) || ["lib", "main"].contains(&name),
            "src/{name} is in no layer; add it to tests/layers.rs and docs/architecture.md"
        );
    }
    for path in PURE
        .into_iter()
        .chain(RIM)
        .chain(ONLY.iter().flat_map(|only| only.allowed.iter().copied()))
    {
        // A station that is not built yet has no folder to look into.
        let station = path.split('/').take(2).collect::<Vec<_>>().join("/");
        assert!(
            Path::new(path).exists() || !Path::new(&station).exists(),
            "{path} is on a list of tests/layers.rs and does not exist"
        );
    }
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.to_str().unwrap().to_owned(), text));
        }
    }
}

/// Every rule that a file breaks, in words with the line.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |line: usize, what: String| broken.push(format!("{path}:{line}: {what}"));
    for part in path.split('/') {
        if VAGUE.contains(&part.trim_end_matches(".rs")) {
            say(
                1,
                format!("`{part}` says nothing; name it after what it does"),
            );
        }
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        say(
            LONGEST,
            format!("{lines} lines; split it at {LONGEST} or before"),
        );
    }
    if is_test(path) {
        return broken;
    }
    let opening = text.lines().next().unwrap_or_default();
    if path.ends_with("/mod.rs") && !opening.starts_with("//! ") {
        say(
            1,
            "a mod.rs opens with `//!`: what it owns, what it must not do".to_owned(),
        );
    }
    let code = without_tests_and_comments(text);
    let own = module(path);
    for (at, name) in crate_paths(&code) {
        if let Some(why) = forbidden(own, &name) {
            say(line_of(&code, at), why);
        }
    }
    let pure = PURE.iter().any(|pure| within(path, pure)) && !RIM.contains(&path);
    if pure {
        for pattern in WORLD {
            for found in Regex::new(pattern).unwrap().find_iter(&code) {
                say(
                    line_of(&code, found.start()),
                    format!("a pure file must not mention `{}`", found.as_str()),
                );
            }
        }
    }
    for only in ONLY {
        if only.allowed.iter().any(|allowed| within(path, allowed)) {
            continue;
        }
        for found in Regex::new(only.pattern).unwrap().find_iter(&code) {
            let (what, allowed) = (only.what, only.allowed.join(", "));
            say(
                line_of(&code, found.start()),
                format!("`{}`: only {allowed} may {what}", found.as_str()),
            );
        }
    }
    broken
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

fn within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The top-level module a file belongs to.
fn module(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside
        .split('/')
        .next()
        .unwrap_or(inside)
        .trim_end_matches(".rs")
}

/// Comments and test modules become blanks, so that offsets and line numbers stay.
fn without_tests_and_comments(text: &str) -> String {
    let mut testing = false;
    let mut code = String::with_capacity(text.len());
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).map_or("", |next| next.trim_start());
        testing |= line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{');
        if !testing {
            let cut = line
                .find("// ")
                .or_else(|| line.find("///"))
                .or_else(|| line.find("//!"));
            // A URL is no comment, and neither is a `//` inside a string.
            let cut = cut.filter(|at| line[..*at].matches('"').count() % 2 == 0);
            code.push_str(&line[..cut.unwrap_or(line.len())]);
        }
        code.push('\n');
        testing &= *line != "}";
    }
    code
}

/// Every top-level module that the code names, in `crate::x` or in a `use crate::{…}` tree.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for start in Regex::new(r"\b(?:crate|bellwether)::")
        .unwrap()
        .find_iter(code)
    {
        let rest = &code[start.end()..];
        if let Some(tree) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut first_segment = true;
            let mut name = String::new();
            for c in tree.chars() {
                if depth == 1 && first_segment && (c.is_alphanumeric() || c == '_') {
                    name.push(c);
                    continue;
                }
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => first_segment = true,
                    ':' if depth == 1 => first_segment = false,
                    _ => {}
                }
                if !name.is_empty() {
                    found.push((start.start(), std::mem::take(&mut name)));
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            found.push((start.start(), name));
        }
    }
    found.retain(|(_, name)| layer(name).is_some());
    found
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Layer {
    Free,
    Station(usize),
    Engine(usize),
    Face,
}

fn layer(name: &str) -> Option<Layer> {
    let at = |list: &[&str]| list.iter().position(|known| *known == name);
    if at(&FREE).is_some() {
        return Some(Layer::Free);
    }
    if at(&FACES).is_some() {
        return Some(Layer::Face);
    }
    at(&STATIONS)
        .map(Layer::Station)
        .or_else(|| at(&ENGINES).map(Layer::Engine))
}

/// Why module `own` may not know module `other`.
fn forbidden(own: &str, other: &str) -> Option<String> {
    if own == other || own == "lib" {
        return None;
    }
    if own == "main" {
        return (other != "cli").then(|| format!("main may know cli only, not `{other}`"));
    }
    let (mine, theirs) = (layer(own)?, layer(other)?);
    let fine = match (mine, theirs) {
        // The clock gives out run ids; the model itself knows nobody.
        (Layer::Free, Layer::Free) => other == "model" && own != "model",
        (_, Layer::Free) => true,
        (Layer::Station(mine), Layer::Station(theirs)) => theirs < mine,
        (Layer::Engine(_), Layer::Station(_)) => true,
        (Layer::Engine(mine), Layer::Engine(theirs)) => theirs < mine,
        (Layer::Face, Layer::Station(_) | Layer::Engine(_)) => true,
        // The command line starts the other faces.
        (Layer::Face, Layer::Face) => own == "cli",
        _ => false,
    };
    (!fine).then(|| format!("`{own}` must not know `{other}`: it stands to its right or above it"))
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod checker {
    use super::check;

    fn broken(path: &str, text: &str) -> usize {
        check(path, text).len()
    }

    #[test]
    fn layers() {
        assert_eq!(broken("src/verdict/x.rs", "use crate::history::Index;"), 1);
        assert_eq!(
            broken(
                "src/verdict/x.rs",
                "use crate::{model::Cause, report::Page};"
            ),
            1
        );
        assert_eq!(
            broken(
                "src/verdict/x.rs",
                "use crate::{\n    model::{Cause, Stop},\n    profile::Gate,\n};"
            ),
            0
        );
        assert_eq!(
            broken(
                "src/verdict/x.rs",
                "use crate::{model::{Cause, report}, profile::report};"
            ),
            0
        );
        assert_eq!(
            broken("src/verdict/x.rs", "fn f() { crate::run::start(); }"),
            1
        );
        assert_eq!(broken("src/model/x.rs", "use crate::profile::Profile;"), 1);
        assert_eq!(broken("src/clock.rs", "use crate::model::RunId;"), 0);
        assert_eq!(broken("src/process.rs", "use crate::clock::now;"), 1);
        assert_eq!(broken("src/run/x.rs", "use crate::bisect::Step;"), 1);
        assert_eq!(broken("src/bisect/x.rs", "use crate::run::Attempt;"), 0);
        assert_eq!(broken("src/run/x.rs", "use crate::cli::Printer;"), 1);
        assert_eq!(
            broken(
                "src/cli/x.rs",
                "use crate::{run::go, web::serve, model::RunId};"
            ),
            0
        );
        assert_eq!(broken("src/web/x.rs", "use crate::daemon::Queue;"), 1);
        assert_eq!(broken("src/main.rs", "bellwether::run::go()"), 1);
        assert_eq!(broken("src/main.rs", "bellwether::cli::main()"), 0);
    }

    #[test]
    fn purity() {
        for line in [
            "use std::fs;",
            "use tokio::time;",
            "let x = std::env::var(\"X\");",
            "use crate::process::call;",
            "let now = Timestamp::now();",
            "let started = std::time::Instant::now();",
        ] {
            assert!(broken("src/model/x.rs", line) >= 1, "{line}");
        }
        assert_eq!(broken("src/verdict/load.rs", "use std::fs;"), 0);
        assert_eq!(broken("src/machine/x.rs", "use std::fs;"), 0);
        assert_eq!(broken("src/model/x.rs", "// std::fs is not used here"), 0);
        assert_eq!(broken("src/model/x.rs", "use jiff::Timestamp;"), 0);
        assert_eq!(
            broken(
                "src/model/x.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"
            ),
            0
        );
        assert_eq!(
            broken(
                "src/model/x.rs",
                "#[cfg(test)]\nmod tests {\n}\nuse std::fs;\n"
            ),
            1
        );
        assert_eq!(broken("src/model/tests.rs", "use std::fs;"), 0);
    }

    #[test]
    fn who_alone_may() {
        assert_eq!(broken("src/build/x.rs", "Command::new(\"go\")"), 1);
        assert_eq!(broken("src/process.rs", "Command::new(program)"), 0);
        assert_eq!(broken("src/run/x.rs", "let id = Uuid::now_v7();"), 1);
        assert_eq!(broken("src/run/x.rs", "SystemTime::now()"), 1);
        assert_eq!(broken("src/run/x.rs", "println!(\"x\")"), 1);
        assert_eq!(broken("src/cli/x.rs", "eprintln!(\"x\")"), 0);
        assert_eq!(broken("src/report/x.rs", "use rusqlite::Connection;"), 1);
        assert_eq!(broken("src/run/x.rs", "use octocrab::Octocrab;"), 1);
        assert_eq!(broken("src/daemon/x.rs", "kube::Client::try_default()"), 1);
        assert_eq!(broken("src/run/x.rs", "std::process::exit(1)"), 1);
    }

    #[test]
    fn names_openings_and_sizes() {
        assert_eq!(broken("src/run/helpers.rs", ""), 1);
        assert_eq!(broken("src/common/x.rs", ""), 1);
        assert_eq!(broken("src/run/mod.rs", "mod x;\n"), 1);
        assert_eq!(broken("src/run/mod.rs", "//! The engine.\nmod x;\n"), 0);
        assert_eq!(broken("src/run/x.rs", &"\n".repeat(601)), 1);
        assert_eq!(broken("src/run/x.rs", &"\n".repeat(600)), 0);
    }
}
