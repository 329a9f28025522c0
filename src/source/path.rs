//! Local folders: a digest over what they hold, and copies for builds. Never writes into the folder.

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::{SourceError, Trouble, error::Subject, version::Version};
use crate::{
    model::{Digest, Origin, Revision},
    process,
};

/// Resolves a folder to the digest of what it holds now.
pub(super) async fn resolve(name: &str, folder: &Utf8Path) -> Result<Revision, SourceError> {
    let subject = Subject::new(name, folder.as_str());
    if !folder.is_dir() {
        return Err(subject.error(
            Trouble::Missing,
            "there is no such folder",
            "give the absolute path of a source tree",
        ));
    }
    let digest = digest_of(&subject, folder).await?;
    Ok(Revision {
        source: name.to_owned(),
        version: version(folder, &digest).await,
        origin: Origin::Path {
            path: folder.to_string(),
            digest: digest.0,
        },
        date: None,
        link: None,
    })
}

/// SHA-256 over the folder's names, modes and contents.
pub(super) async fn digest_of(subject: &Subject, folder: &Utf8Path) -> Result<Digest, SourceError> {
    let root = folder.to_owned();
    let digested = tokio::task::spawn_blocking(move || digest(&root)).await;
    digested
        .map_err(|e| subject.host(e))?
        .map_err(|e| subject.host(format!("{folder}: {e}")))
}

/// Copies the folder, as far as [`digest`] reads it, into the empty folder `to`.
pub(super) async fn copy(
    subject: &Subject,
    from: &Utf8Path,
    to: &Utf8Path,
) -> Result<(), SourceError> {
    let (source, target) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || copy_all(&source, &target)).await;
    copied
        .map_err(|e| subject.host(e))?
        .map_err(|e| subject.host(format!("cannot copy {from}: {e}")))
}

/// What git says of the folder, else the version in a module cache's folder name, else its digest.
async fn version(folder: &Utf8Path, digest: &Digest) -> String {
    let fallback = || {
        let name = folder.file_name().unwrap_or_default();
        match name.rsplit_once('@') {
            Some((_, version)) if Version::parse(version).is_some() => version.to_owned(),
            _ => format!("v0.0.0-path.{}", digest.short()),
        }
    };
    if !folder.join(".git").exists() {
        return fallback();
    }
    let describe = process::call("git")
        .args(["-C", folder.as_str(), "describe", "--tags"])
        .args(["--match", "v[0-9]*", "--abbrev=9", "--dirty"])
        .env("LC_ALL", "C");
    match describe.run().await {
        Ok(output) => output.text().trim().to_owned(),
        Err(_) => fallback(),
    }
}

enum Kind {
    Folder,
    File { executable: bool },
    Link(String),
}

fn digest(root: &Utf8Path) -> std::io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    for (path, kind) in files(root)? {
        let name = path.as_str();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        match kind {
            Kind::Folder => hash.update("d"),
            Kind::Link(target) => {
                hash.update("l");
                hash.update((target.len() as u64).to_le_bytes());
                hash.update(target);
            }
            Kind::File { executable } => {
                hash.update(if executable { "x" } else { "f" });
                let mut file = File::open(root.join(&path))?;
                let mut content = Sha256::new();
                loop {
                    let read = file.read(&mut buffer)?;
                    if read == 0 {
                        break;
                    }
                    content.update(buffer.get(..read).unwrap_or_default());
                }
                hash.update(content.finalize());
            }
        }
    }
    Ok(Digest(hex::encode(hash.finalize())))
}

fn copy_all(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    for (path, kind) in files(from)? {
        let target = to.join(&path);
        match kind {
            Kind::Folder => fs::create_dir_all(&target)?,
            Kind::Link(link) => fs_err::os::unix::fs::symlink(link, &target)?,
            Kind::File { executable } => {
                fs::copy(from.join(&path), &target)?;
                // A module cache's files are read-only; a build writes.
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(&target, std::fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

/// All below `root` but `.git`, sorted by path, a folder before what it holds.
fn files(root: &Utf8Path) -> std::io::Result<Vec<(Utf8PathBuf, Kind)>> {
    let mut found = Vec::new();
    let mut folders = vec![Utf8PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in root.join(&folder).read_dir_utf8()? {
            let entry = entry?;
            if entry.file_name() == ".git" {
                continue;
            }
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path.clone());
                found.push((path, Kind::Folder));
            } else if kind.is_symlink() {
                found.push((
                    path,
                    Kind::Link(entry.path().read_link_utf8()?.into_string()),
                ));
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode();
                found.push((
                    path,
                    Kind::File {
                        executable: mode & 0o111 != 0,
                    },
                ));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs::create_dir_all(root.join("cmd/.git")).unwrap();
        fs::write(root.join("cmd/main.go"), "package main").unwrap();
        fs::write(root.join("run.sh"), "#!/bin/sh").unwrap();
        fs_err::os::unix::fs::symlink("run.sh", root.join("link")).unwrap();
        (folder, root)
    }

    #[test]
    fn each_kind_of_change_changes_the_digest_and_git_does_not() {
        let (_folder, root) = tree();
        let mut seen = vec![digest(&root).unwrap()];
        let mut changed = |what: &str| {
            let now = digest(&root).unwrap();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(root.join("cmd/main.go"), "package mair").unwrap();
        changed("content");
        fs::rename(root.join("cmd/main.go"), root.join("cmd/mair.go")).unwrap();
        changed("name");
        fs::set_permissions(root.join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        changed("mode");
        fs::create_dir(root.join("empty")).unwrap();
        changed("empty folder");
        fs::remove_file(root.join("link")).unwrap();
        fs_err::os::unix::fs::symlink("cmd", root.join("link")).unwrap();
        changed("link");
        let before = digest(&root).unwrap();
        fs::write(root.join("cmd/.git/index"), "x").unwrap();
        assert_eq!(digest(&root).unwrap(), before, ".git is no part of it");
    }

    #[test]
    fn a_copy_has_the_same_digest() {
        let (_folder, root) = tree();
        fs::set_permissions(
            root.join("cmd/main.go"),
            std::fs::Permissions::from_mode(0o444),
        )
        .unwrap();
        let target = tempfile::tempdir().unwrap();
        let target = Utf8Path::from_path(target.path()).unwrap();
        copy_all(&root, target).unwrap();
        assert_eq!(digest(target).unwrap(), digest(&root).unwrap());
        fs::write(target.join("cmd/main.go"), "writable now").unwrap();
        assert!(!target.join("cmd/.git").exists());
    }

    #[tokio::test]
    async fn a_module_cache_folder_knows_its_version_and_a_missing_folder_is_named() {
        let (_folder, root) = tree();
        let module = root.join("kubernetes@v1.36.3");
        fs::create_dir(&module).unwrap();
        assert_eq!(resolve("k", &module).await.unwrap().version, "v1.36.3");
        let other = resolve("k", &root).await.unwrap();
        assert!(
            other.version.starts_with("v0.0.0-path."),
            "{}",
            other.version
        );
        let error = resolve("k", "/nonexistent/tree".into()).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Missing);
    }
}
