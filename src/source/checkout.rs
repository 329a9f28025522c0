//! A revision's files in a scratch folder, ready for a build.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    SourceError, Trouble, crates,
    error::Subject,
    git::{
        Mirror,
        dependencies::{self, Rewrite},
    },
    go_module, path,
    wrapper::{self, From},
};
use crate::{
    model::{Origin, Revision},
    process,
};

/// What a check-out is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The project's own tree, with its make targets and its vendored dependencies.
    Tree,
    /// A wrapper module: packages of the module are built by their import path.
    Module {
        /// The module's path.
        module: String,
        /// The module's own files; not to be written to.
        files: Utf8PathBuf,
    },
}

/// Files to build from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The folder to build in; inside the scratch folder it was made in.
    pub folder: Utf8PathBuf,
    /// What it holds.
    pub shape: Shape,
    /// The git repositories that its build takes from this host.
    pub rewrites: Vec<Rewrite>,
}

impl Checkout {
    /// Where the project's files are.
    #[must_use]
    pub fn files(&self) -> &Utf8Path {
        match &self.shape {
            Shape::Tree => &self.folder,
            Shape::Module { files, .. } => files,
        }
    }
}

/// Makes the revision's files in the folder `to`, which must be empty or absent.
///
/// # Errors
/// When the source cannot be reached, or a local folder is no longer what was resolved.
pub async fn checkout(
    revision: &Revision,
    cache_root: &Utf8Path,
    to: &Utf8Path,
) -> Result<Checkout, SourceError> {
    let subject = Subject::new(&revision.source, place(&revision.origin));
    fs::create_dir_all(to).map_err(|e| subject.host(e))?;
    match &revision.origin {
        Origin::Git { url, commit, .. } => {
            let mirror = Mirror::open(&revision.source, url, cache_root).await?;
            mirror.find(commit).await?;
            mirror.write_tree(commit, to).await?;
            tree(revision, cache_root, to.to_owned()).await
        }
        Origin::GoModule {
            module,
            version,
            sum,
        } => {
            let download = go_module::fetch(&revision.source, module, version).await?;
            if download.sum != *sum {
                return Err(subject.error(
                    Trouble::Missing,
                    format!("the proxy now serves {}, resolved was {sum}", download.sum),
                    "a published version must not change: find out which proxy is wrong before building",
                ));
            }
            wrap(&subject, module, version, &download.folder, From::Proxy, to).await
        }
        Origin::Crate {
            name,
            version,
            checksum,
        } => {
            let fetched = crates::fetch(&subject, name, version, &to.join("fetch")).await?;
            if fetched.checksum != *checksum {
                return Err(subject.error(
                    Trouble::Missing,
                    format!(
                        "the registry now has {}, resolved was {checksum}",
                        fetched.checksum
                    ),
                    "a published version must not change: find out which registry is wrong before building",
                ));
            }
            let files = to.join("files");
            fs::create_dir_all(&files).map_err(|e| subject.host(e))?;
            path::copy(&subject, &fetched.folder, &files).await?;
            tree(revision, cache_root, files).await
        }
        Origin::Path {
            path: folder,
            digest,
        } => {
            let files = to.join("files");
            fs::create_dir_all(&files).map_err(|e| subject.host(e))?;
            path::copy(&subject, folder.as_str().into(), &files).await?;
            if path::digest_of(&subject, &files).await?.as_str() != digest {
                return Err(subject.error(
                    Trouble::Missing,
                    "the folder changed after it was resolved",
                    "leave it alone while bellwether copies it, and start again",
                ));
            }
            let repository = Utf8Path::new(folder).join(".git").exists();
            let vendored = files.join("vendor/modules.txt").exists();
            if repository || vendored || !files.join("go.mod").exists() {
                return tree(revision, cache_root, files).await;
            }
            local(&subject, &revision.version, files, to).await
        }
    }
}

/// The Go version that the revision's files ask for: `.go-version`, else the toolchain or go line of go.mod.
///
/// # Errors
/// When the source cannot be reached.
pub async fn go_wanted(
    revision: &Revision,
    cache_root: &Utf8Path,
) -> Result<Option<String>, SourceError> {
    let (marker, go_mod) = match &revision.origin {
        Origin::Git { url, commit, .. } => {
            let mirror = Mirror::open(&revision.source, url, cache_root).await?;
            let marker = mirror.file(commit, ".go-version").await?;
            let go_mod = if marker.is_some() {
                None
            } else {
                mirror.file(commit, "go.mod").await?
            };
            (marker, go_mod)
        }
        Origin::GoModule {
            module, version, ..
        } => {
            let download = go_module::fetch(&revision.source, module, version).await?;
            read_both(&download.folder)
        }
        Origin::Path { path, .. } => read_both(path.as_str().into()),
        Origin::Crate { .. } => (None, None),
    };
    Ok(marker
        .map(|text| text.trim().trim_start_matches("go").to_owned())
        .filter(|text| !text.is_empty())
        .or_else(|| go_line(&go_mod.unwrap_or_default())))
}

fn read_both(folder: &Utf8Path) -> (Option<String>, Option<String>) {
    let read = |name| fs::read_to_string(folder.join(name)).ok();
    (read(".go-version"), read("go.mod"))
}

fn go_line(go_mod: &str) -> Option<String> {
    let value = |key: &str| {
        let mut lines = go_mod
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        lines.find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
    };
    let toolchain = value("toolchain ").filter(|name| name != "default");
    toolchain
        .map(|name| name.trim_start_matches("go").to_owned())
        .or_else(|| value("go "))
}

/// A project's own tree, with what its lock file pins elsewhere.
async fn tree(
    revision: &Revision,
    cache_root: &Utf8Path,
    folder: Utf8PathBuf,
) -> Result<Checkout, SourceError> {
    let rewrites = dependencies::fetch(&revision.source, &folder, cache_root).await?;
    Ok(Checkout {
        folder,
        shape: Shape::Tree,
        rewrites,
    })
}

/// A folder that holds the files of a module, as a proxy has them.
async fn local(
    subject: &Subject,
    version: &str,
    files: Utf8PathBuf,
    to: &Utf8Path,
) -> Result<Checkout, SourceError> {
    let go_mod = fs::read_to_string(files.join("go.mod")).map_err(|e| subject.host(e))?;
    let module = go_mod.lines().find_map(|line| line.strip_prefix("module "));
    let Some(module) = module.map(|m| m.trim().to_owned()) else {
        return Err(subject.error(
            Trouble::Missing,
            "its go.mod has no module line",
            "give the root of a Go project",
        ));
    };
    let json = edit_json(subject, &files).await?;
    let present: Vec<String> = wrapper::local_replaces(&json)
        .map_err(|e| subject.host(e))?
        .into_iter()
        .filter(|folder| files.join(folder).join("go.mod").exists())
        .collect();
    let from = From::Folder {
        folder: &files,
        present: &present,
    };
    wrap(subject, &module, version, &files, from, to).await
}

async fn wrap(
    subject: &Subject,
    module: &str,
    version: &str,
    files: &Utf8Path,
    from: From<'_>,
    to: &Utf8Path,
) -> Result<Checkout, SourceError> {
    let folder = to.join("wrapper");
    fs::create_dir_all(&folder).map_err(|e| subject.host(e))?;
    let json = edit_json(subject, files).await?;
    let text = wrapper::go_mod(&json, module, version, from).map_err(|error| {
        subject.error(
            Trouble::Missing,
            error.to_string(),
            "a git source holds the whole tree",
        )
    })?;
    fs::write(folder.join("go.mod"), text).map_err(|e| subject.host(e))?;
    if let Ok(sums) = fs::read(files.join("go.sum")) {
        fs::write(folder.join("go.sum"), sums).map_err(|e| subject.host(e))?;
    }
    Ok(Checkout {
        folder,
        shape: Shape::Module {
            module: module.to_owned(),
            files: files.to_owned(),
        },
        rewrites: Vec::new(),
    })
}

async fn edit_json(subject: &Subject, files: &Utf8Path) -> Result<String, SourceError> {
    let edit = process::call("go")
        .args(["mod", "edit", "-json", files.join("go.mod").as_str()])
        .env("GOWORK", "off")
        .env("GOTOOLCHAIN", "local");
    let output = edit.run().await.map_err(|e| subject.process(&e))?;
    Ok(output.text())
}

fn place(origin: &Origin) -> String {
    match origin {
        Origin::Git { url, commit, .. } => format!("{url} {commit}"),
        Origin::GoModule {
            module, version, ..
        } => format!("{module}@{version}"),
        Origin::Crate { name, version, .. } => format!("crate {name} {version}"),
        Origin::Path { path, .. } => path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_line_wins_over_the_go_line() {
        assert_eq!(
            go_line("module x\n\ngo 1.26.0\n\ntoolchain go1.26.5 // x\n").as_deref(),
            Some("1.26.5")
        );
        assert_eq!(
            go_line("module x\n\ngo 1.26.0\ntoolchain default\n").as_deref(),
            Some("1.26.0")
        );
        assert_eq!(
            go_line("module gopher\nrequire (\n\tgolang.org/x v1\n)\n"),
            None
        );
    }
}
