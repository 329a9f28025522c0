//! The commits between two revisions of a git source, read from its mirror.

use std::collections::HashSet;

use git2::Oid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Mirror, SourceError, Trouble};

/// One commit of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// When it was committed.
    pub date: Option<Timestamp>,
    /// The first line of its message.
    pub subject: String,
}

/// What lies between two commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Oldest first; the last one is the newer end, the older end is not part of it.
    pub commits: Vec<Commit>,
    /// Whether the older end lies on the newer one's first-parent line. If not (another branch, or a
    /// force-push), the commits are those of the newer one's line that the older one does not have.
    pub linear: bool,
}

/// The first-parent commits after `older` up to and with `newer`; both are full ids in the mirror.
///
/// # Errors
/// When the mirror does not have one of them.
pub fn between(mirror: &Mirror, older: &str, newer: &str) -> Result<Range, SourceError> {
    read(mirror, older, newer).map_err(|error| {
        mirror.subject().error(
            Trouble::Missing,
            format!(
                "cannot read the commits {older}..{newer}: {}",
                error.message()
            ),
            "resolve both revisions first, so that the mirror has them",
        )
    })
}

/// The paths of the files that differ between two commits: full ids in the mirror.
///
/// # Errors
/// When the mirror does not have one of them.
pub fn changed(mirror: &Mirror, older: &str, newer: &str) -> Result<Vec<String>, SourceError> {
    let read = || {
        let repository = mirror.read()?;
        let tree = |id: &str| repository.find_commit(Oid::from_str(id)?)?.tree();
        let (older, newer) = (tree(older)?, tree(newer)?);
        let diff = repository.diff_tree_to_tree(Some(&older), Some(&newer), None)?;
        let files = diff.deltas().flat_map(|delta| {
            let sides = [delta.old_file().path(), delta.new_file().path()];
            sides
                .into_iter()
                .flatten()
                .map(|path| path.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        });
        let mut files: Vec<String> = files.collect();
        files.sort();
        files.dedup();
        Ok(files)
    };
    read().map_err(|error: git2::Error| {
        mirror.subject().error(
            Trouble::Missing,
            format!("cannot compare {older} with {newer}: {}", error.message()),
            "resolve both revisions first, so that the mirror has them",
        )
    })
}

fn read(mirror: &Mirror, older: &str, newer: &str) -> Result<Range, git2::Error> {
    let repository = mirror.read()?;
    let (older, newer) = (Oid::from_str(older)?, Oid::from_str(newer)?);
    repository.find_commit(older)?;
    let mut walk = repository.revwalk()?;
    walk.push(newer)?;
    walk.hide(older)?;
    let only_newer = walk.collect::<Result<HashSet<_>, _>>()?;
    let mut commits = Vec::new();
    let mut next = Some(repository.find_commit(newer)?);
    let mut linear = false;
    while let Some(commit) = next {
        if !only_newer.contains(&commit.id()) {
            linear = commit.id() == older;
            break;
        }
        commits.push(Commit {
            id: commit.id().to_string(),
            date: Timestamp::from_second(commit.time().seconds()).ok(),
            subject: String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default())
                .into_owned(),
        });
        next = commit.parents().next();
    }
    commits.reverse();
    Ok(Range { commits, linear })
}
