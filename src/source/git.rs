//! A bare, blobless mirror per repository, kept by the `git` process. Blobs come when a check-out needs them.
//!
//! Heads and tags are followed by name (`--mirror` would bring every pull request along); any other ref is
//! fetched when it is asked for. A commit that was once resolved is kept by a ref of our own, so that a
//! force-push upstream does not take it away.

use std::{fs::File, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use git2::{Oid, Repository};
use rustix::fs::{FlockOperation, flock};

pub(super) mod dependencies;
mod refusal;

use refusal::{classify, last_words};

use super::{
    error::{SourceError, Subject, Trouble},
    reference::{Reference, is_abbreviated},
    version::latest_release,
};
use crate::{
    model::Digest,
    process::{self, Call, Output},
};

const FETCH_LIMIT: Duration = Duration::from_secs(45 * 60);
const READ_LIMIT: Duration = Duration::from_secs(5 * 60);
const HEADS_AND_TAGS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// The folder of the mirror of `url`, whether it exists or not.
#[must_use]
pub fn mirror_folder(cache_root: &Utf8Path, url: &str) -> Utf8PathBuf {
    cache_root
        .join("mirrors")
        .join(Digest::of(url.as_bytes()).as_str())
}

/// The mirror of one repository.
#[derive(Clone, Debug)]
pub struct Mirror {
    folder: Utf8PathBuf,
    url: String,
    subject: Subject,
}

/// A commit that a reference stands for now, and what is worth saying about how it was found.
pub(super) struct Found {
    pub commit: String,
    pub notes: Vec<String>,
}

impl Mirror {
    /// The mirror of `url`; made, still empty, if it is not there.
    ///
    /// # Errors
    /// When git is missing or the cache cannot be written.
    pub async fn open(name: &str, url: &str, cache_root: &Utf8Path) -> Result<Self, SourceError> {
        let subject = Subject::new(name, url);
        if url.is_empty() || url.starts_with('-') {
            return Err(subject.error(
                Trouble::Usage,
                "this is no URL",
                "give a git URL or a folder",
            ));
        }
        let mirror = Self {
            folder: mirror_folder(cache_root, url),
            url: url.to_owned(),
            subject,
        };
        fs::create_dir_all(cache_root.join("mirrors")).map_err(|e| mirror.subject.host(e))?;
        if !mirror.folder.join("ready").exists() {
            let _lock = mirror.lock().await?;
            if !mirror.folder.join("ready").exists() {
                mirror.create().await?;
            }
        }
        Ok(mirror)
    }

    /// Its folder: a bare repository.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether the repository is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.url.starts_with('/') || self.url.starts_with("file://")
    }

    async fn create(&self) -> Result<(), SourceError> {
        let init = process::call("git").args(["init", "--quiet", "--bare", self.folder.as_str()]);
        self.checked(init).await?;
        let mut settings = vec![
            ("remote.origin.url", self.url.as_str()),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialclonefilter", "blob:none"),
            ("remote.origin.tagOpt", "--no-tags"),
            ("gc.autoDetach", "false"),
            ("gc.pruneExpire", "never"),
        ];
        if self.is_local() {
            // A plain local repository does not offer filters or bare commits by itself.
            settings.push((
                "remote.origin.uploadpack",
                "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack",
            ));
        }
        for (key, value) in settings {
            self.checked(self.git().args(["config", key, value]))
                .await?;
        }
        fs::write(self.folder.join("ready"), "").map_err(|e| self.subject.host(e))
    }

    /// Finds the commit that `reference` stands for, asking the remote where that can change the answer.
    pub(super) async fn find(&self, reference: &str) -> Result<Found, SourceError> {
        let parsed = Reference::parse(reference).map_err(|why| {
            self.subject.error(
                Trouble::Usage,
                format!("`{reference}`: {why}"),
                "give a branch, a tag, a full commit id, refs/pull/N/head or latest-tag",
            )
        })?;
        let mut notes = Vec::new();
        if let Reference::Commit(commit) = &parsed
            && self.has_commit(commit)
        {
            notes.push(format!(
                "{}: commit {} was in the mirror already; {} was not asked",
                self.subject.name,
                short(commit),
                self.url
            ));
            return Ok(Found {
                commit: commit.clone(),
                notes,
            });
        }
        let _lock = self.lock().await?;
        let before = self.lookup(&parsed);
        if let Err(error) = self.fetch(&parsed).await {
            // What cannot move may be taken from the mirror; what moves would be yesterday's answer.
            return match before {
                Some(commit) if !parsed.moves() && error.trouble == Trouble::Unreachable => {
                    notes.push(format!(
                        "{}: {} cannot be reached; `{reference}` is taken from the mirror ({})",
                        self.subject.name, self.url, error.why
                    ));
                    Ok(Found { commit, notes })
                }
                _ => Err(error),
            };
        }
        let commit = self
            .lookup(&parsed)
            .ok_or_else(|| self.missing(reference))?;
        if let Some(old) = before
            && parsed != Reference::LatestTag
            && self.was_rewritten(&old, &commit)
        {
            notes.push(format!(
                "{}: `{reference}` was force-pushed: {} is no longer part of it, now at {}",
                self.subject.name,
                short(&old),
                short(&commit)
            ));
        }
        self.keep(&commit).await?;
        Ok(Found { commit, notes })
    }

    /// `git describe` of a commit; a pseudo-version where no version tag is near.
    pub(super) async fn describe(&self, commit: &str) -> Result<String, SourceError> {
        let describe = self.git().args([
            "describe",
            "--tags",
            "--match",
            "v[0-9]*",
            "--abbrev=9",
            commit,
        ]);
        let output = self.output(describe).await?;
        if output.status == Some(0) {
            return Ok(output.text().trim().to_owned());
        }
        let count = self.git().args(["rev-list", "--count", commit]);
        let count = self.checked(count).await?.text();
        Ok(format!("v0.0.0-{}-g{}", count.trim(), short(commit)))
    }

    /// The time of a commit.
    pub(super) fn date(&self, commit: &str) -> Option<jiff::Timestamp> {
        let repository = self.read().ok()?;
        let commit = repository.find_commit(Oid::from_str(commit).ok()?).ok()?;
        jiff::Timestamp::from_second(commit.time().seconds()).ok()
    }

    /// Whether the commit belongs to a branch or tag of the repository. What does not, such as a pull request's
    /// commit, is nobody's word but its author's.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn is_published(&self, commit: &str) -> Result<bool, SourceError> {
        let list = self.git().args([
            "for-each-ref",
            "--count=1",
            "--format=%(refname)",
            "--contains",
            commit,
            "refs/heads",
            "refs/tags",
        ]);
        Ok(!self.checked(list).await?.text().trim().is_empty())
    }

    /// One file of a commit, if the commit has it.
    pub(super) async fn file(
        &self,
        commit: &str,
        path: &str,
    ) -> Result<Option<String>, SourceError> {
        let listed = self.git().args(["ls-tree", "--name-only", commit, path]);
        if self.checked(listed).await?.text().trim() != path {
            return Ok(None);
        }
        let show = self.git().args(["show", &format!("{commit}:{path}")]);
        Ok(Some(self.remote(show).await?.text()))
    }

    /// Writes the files of a commit into `folder`, without a repository of their own.
    pub(super) async fn write_tree(
        &self,
        commit: &str,
        folder: &Utf8Path,
    ) -> Result<(), SourceError> {
        let index = folder.join(".git-index-of-bellwether");
        // read-tree asks the remote for all missing blobs at once; `git archive` would ask for one after another.
        let read = self
            .git()
            .arg(format!("--work-tree={folder}"))
            .args([
                "-c",
                "core.bare=false",
                "read-tree",
                "-u",
                "--reset",
                commit,
            ])
            .env("GIT_INDEX_FILE", index.as_str())
            .folder(folder)
            .limit(FETCH_LIMIT);
        let written = self.remote(read).await;
        let _ = fs::remove_file(&index);
        written.map(drop)
    }

    async fn fetch(&self, reference: &Reference) -> Result<(), SourceError> {
        remove_stale_locks(&self.folder, "refs".into()).map_err(|e| self.subject.host(e))?;
        self.fetch_refs(&HEADS_AND_TAGS).await?;
        match reference {
            Reference::Full(name)
                if !name.starts_with("refs/heads/") && !name.starts_with("refs/tags/") =>
            {
                self.fetch_refs(&[&format!("+{name}:{name}")]).await
            }
            Reference::Commit(commit) if !self.has_commit(commit) => {
                self.fetch_refs(&[&format!("{commit}:{}", kept(commit))])
                    .await
            }
            _ => Ok(()),
        }
    }

    async fn fetch_refs(&self, refspecs: &[&str]) -> Result<(), SourceError> {
        let mut call = self.git().args([
            "fetch",
            "--quiet",
            "--no-tags",
            "--filter=blob:none",
            "--no-write-fetch-head",
        ]);
        if refspecs == HEADS_AND_TAGS {
            call = call.arg("--prune");
        }
        let call = call
            .arg("origin")
            .args(refspecs.iter().copied())
            .limit(FETCH_LIMIT);
        self.remote(call).await.map(drop)
    }

    fn lookup(&self, reference: &Reference) -> Option<String> {
        let repository = self.read().ok()?;
        let peel = |name: &str| {
            let object = repository.find_reference(name).ok()?;
            Some(object.peel_to_commit().ok()?.id().to_string())
        };
        match reference {
            Reference::Commit(commit) => self.has_commit(commit).then(|| commit.clone()),
            Reference::Full(name) => peel(name),
            Reference::LatestTag => {
                let tags = repository.tag_names(None).ok()?;
                let names = tags.iter().filter_map(|tag| tag.ok().flatten());
                let latest = latest_release(names)?;
                peel(&format!("refs/tags/{latest}"))
            }
            Reference::Name(name) => peel(&format!("refs/heads/{name}"))
                .or_else(|| peel(&format!("refs/tags/{name}")))
                .or_else(|| {
                    let object = repository.revparse_single(name).ok();
                    let object = object.filter(|_| is_abbreviated(name))?;
                    Some(object.peel_to_commit().ok()?.id().to_string())
                }),
        }
    }

    fn missing(&self, reference: &str) -> SourceError {
        let hint = if reference == "latest-tag" {
            "it has no tag like v1.2.3; name a branch, tag or commit instead"
        } else {
            "look at its branches and tags with `git ls-remote`; a commit must be given in full unless a branch or tag has it"
        };
        let why = format!("there is no branch, tag or commit `{reference}`");
        self.subject.error(Trouble::Missing, why, hint)
    }

    fn was_rewritten(&self, old: &str, new: &str) -> bool {
        let ancestor = || -> Result<bool, git2::Error> {
            let (old, new) = (Oid::from_str(old)?, Oid::from_str(new)?);
            Ok(old == new || self.read()?.graph_descendant_of(new, old)?)
        };
        !ancestor().unwrap_or(true)
    }

    fn has_commit(&self, commit: &str) -> bool {
        // git2 never asks the remote, so this is about the mirror alone.
        let find = || self.read()?.find_commit(Oid::from_str(commit)?).map(drop);
        find().is_ok()
    }

    pub(super) fn read(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(&self.folder)
    }

    async fn keep(&self, commit: &str) -> Result<(), SourceError> {
        let update = self.git().args(["update-ref", &kept(commit), commit]);
        self.checked(update).await.map(drop)
    }

    async fn lock(&self) -> Result<File, SourceError> {
        let path = Utf8PathBuf::from(format!("{}.lock", self.folder));
        let host = |e: std::io::Error| self.subject.host(format!("{path}: {e}"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(host)?;
        let wait = async {
            loop {
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return Ok(()),
                    Err(rustix::io::Errno::WOULDBLOCK) => {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    Err(error) => return Err(host(error.into())),
                }
            }
        };
        match tokio::time::timeout(FETCH_LIMIT, wait).await {
            Ok(locked) => locked.map(|()| file),
            Err(_) => Err(self.subject.error(
                Trouble::Host,
                format!(
                    "another process has held {path} for {} minutes",
                    FETCH_LIMIT.as_secs() / 60
                ),
                "end the other bellwether, or wait for its fetch",
            )),
        }
    }

    fn git(&self) -> Call {
        process::call("git")
            .arg(format!("--git-dir={}", self.folder))
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30")
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
            .env("GIT_HTTP_LOW_SPEED_TIME", "60")
            .limit(READ_LIMIT)
    }

    async fn output(&self, call: Call) -> Result<Output, SourceError> {
        call.output().await.map_err(|e| self.subject.process(&e))
    }

    /// A command on the mirror alone.
    async fn checked(&self, call: Call) -> Result<Output, SourceError> {
        let line = call.command_line();
        let output = self.output(call).await?;
        match output.status {
            Some(0) => Ok(output),
            _ => Err(self.subject.host(format!(
                "`{line}` ended with {}: {}",
                output.status_text(),
                last_words(&output.stderr)
            ))),
        }
    }

    /// A command that may ask the remote.
    async fn remote(&self, call: Call) -> Result<Output, SourceError> {
        let output = self.output(call).await?;
        if output.status == Some(0) {
            return Ok(output);
        }
        let (trouble, hint) = classify(&output.stderr, self.is_local());
        Err(self
            .subject
            .error(trouble, last_words(&output.stderr), hint))
    }
}

/// Removes the lock files that a killed git left. Only while holding the mirror's own lock.
fn remove_stale_locks(mirror: &Utf8Path, folder: Utf8PathBuf) -> std::io::Result<()> {
    for name in ["packed-refs.lock", "config.lock", "HEAD.lock"] {
        let _ = fs::remove_file(mirror.join(name));
    }
    for entry in mirror.join(&folder).read_dir_utf8()? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_stale_locks(mirror, path)?;
        } else if path.extension() == Some("lock") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn kept(commit: &str) -> String {
    format!("refs/bellwether/{commit}")
}

fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

#[cfg(test)]
mod tests;
