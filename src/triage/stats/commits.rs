//! What moved between two candidates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Candidate, Origin, Revision};

/// One thing that is not the same in two candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Moved {
    /// What: a source's, image's, sandboxer's or tool's name.
    pub what: String,
    /// What it was, for people.
    pub from: String,
    /// What it is.
    pub to: String,
    /// `good..bad` for a git source: the commits that are suspects.
    pub range: Option<String>,
    /// A page that compares the two, where one is known.
    pub link: Option<String>,
}

/// Everything that moved from `good` to `bad`: sources first.
#[must_use]
pub fn moved(good: &Candidate, bad: &Candidate) -> Vec<Moved> {
    let mut all = Vec::new();
    for (name, new) in &bad.revisions {
        match good.revisions.get(name) {
            Some(old) if old.identity() == new.identity() => {}
            Some(old) => all.push(source(name, old, new)),
            None => all.push(plain(name, "nothing", &new.version)),
        }
    }
    for (name, new) in &bad.node_images {
        let old = good.node_images.get(name);
        if old.is_none_or(|old| old.digest != new.digest) {
            all.push(plain(
                name,
                old.map_or("nothing", |old| &old.version),
                &new.version,
            ));
        }
    }
    for (name, new) in &bad.sandboxers {
        let old = good.sandboxers.get(name);
        if old != Some(new) {
            all.push(plain(
                name,
                old.map_or("nothing", |old| &old.version),
                &new.version,
            ));
        }
    }
    for (name, new) in &bad.toolchains {
        let old = good.toolchains.get(name);
        if old != Some(new) {
            all.push(plain(name, old.map_or("nothing", String::as_str), new));
        }
    }
    all
}

fn plain(what: &str, from: &str, to: &str) -> Moved {
    Moved {
        what: what.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        range: None,
        link: None,
    }
}

fn source(name: &str, old: &Revision, new: &Revision) -> Moved {
    let mut moved = plain(name, &old.version, &new.version);
    if let (
        Origin::Git {
            commit: good,
            url: before,
            ..
        },
        Origin::Git {
            commit: bad, url, ..
        },
    ) = (&old.origin, &new.origin)
        && before == url
    {
        moved.range = Some(format!("{good}..{bad}"));
        let page = url.trim_end_matches('/').trim_end_matches(".git");
        if page.starts_with("https://github.com/") {
            moved.link = Some(format!("{page}/compare/{good}...{bad}"));
        }
    }
    moved
}
