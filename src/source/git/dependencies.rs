//! The git repositories that a `Cargo.lock` pins: fetched before the build, so that what cannot be had is named, and cargo
//! asks nobody.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{FETCH_LIMIT, Mirror};
use crate::{
    model::Digest,
    process,
    source::error::{SourceError, Subject, Trouble},
};

/// A repository that builds take from a folder of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Its URL, as the project writes it.
    pub url: String,
    /// The bare repository here.
    pub folder: Utf8PathBuf,
}

/// A pinned commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pinned {
    url: String,
    /// The branch or tag that the project asks for.
    reference: Option<String>,
    /// Whether it asks for nothing but the repository.
    is_default: bool,
    commit: String,
    packages: Vec<String>,
}

/// Fetches every git dependency that the tree's lock file pins.
///
/// # Errors
/// When one of them cannot be had; it names which, and for which packages.
pub(in crate::source) async fn fetch(
    source: &str,
    tree: &Utf8Path,
    cache_root: &Utf8Path,
) -> Result<Vec<Rewrite>, SourceError> {
    let Ok(lock) = fs::read_to_string(tree.join("Cargo.lock")) else {
        return Ok(Vec::new());
    };
    let mut rewrites: Vec<Rewrite> = Vec::new();
    for pinned in pinned(&lock) {
        let mirror = whole(source, &pinned, cache_root);
        fs::create_dir_all(cache_root.join("mirrors")).map_err(|e| mirror.subject.host(e))?;
        let _lock = mirror.lock().await?;
        mirror.take(&pinned).await?;
        let (url, folder) = (pinned.url, mirror.folder);
        if !rewrites.iter().any(|known| known.url == url) {
            rewrites.push(Rewrite { url, folder });
        }
    }
    Ok(rewrites)
}

/// The repository's own mirror, with every blob: cargo reads it without knowing where the rest would be.
fn whole(source: &str, pinned: &Pinned, cache_root: &Utf8Path) -> Mirror {
    let short = pinned.commit.get(..12).unwrap_or(&pinned.commit);
    let packages = pinned.packages.join(", ");
    let place = format!("git dependency {} at {short}, for {packages}", pinned.url);
    let key = Digest::of(pinned.url.as_bytes());
    Mirror {
        folder: cache_root.join("mirrors").join(format!("{key}-whole")),
        url: pinned.url.clone(),
        subject: Subject::new(source, place),
    }
}

impl Mirror {
    async fn take(&self, pinned: &Pinned) -> Result<(), SourceError> {
        if !self.folder.join("HEAD").exists() {
            let init = ["init", "--quiet", "--bare", self.folder.as_str()];
            self.checked(process::call("git").args(init)).await?;
        }
        if !self.has_commit(&pinned.commit) {
            // A server may not give a commit by its id alone, but every one gives its branches.
            if self
                .get(&format!("+{0}:refs/bellwether/{0}", pinned.commit))
                .await
                .is_err()
            {
                self.get("+refs/heads/*:refs/bellwether/heads/*").await?;
            }
            if !self.has_commit(&pinned.commit) {
                return Err(self.subject.error(
                    Trouble::Missing,
                    "no branch of it has this commit",
                    "somebody has to update the lock file, or to bring the commit back",
                ));
            }
        }
        // cargo asks for all branches and for HEAD.
        let own = format!("refs/heads/bellwether-{}", pinned.commit);
        for reference in [Some(own.as_str()), pinned.reference.as_deref()]
            .into_iter()
            .flatten()
        {
            let set = ["update-ref", reference, &pinned.commit];
            self.checked(self.git().args(set)).await?;
        }
        let head = || self.read()?.head().map(drop);
        if pinned.is_default || head().is_err() {
            let set = ["symbolic-ref", "HEAD", &own];
            self.checked(self.git().args(set)).await?;
        }
        Ok(())
    }

    async fn get(&self, refspec: &str) -> Result<(), SourceError> {
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        let call = self.git().args(fetch).args([self.url.as_str(), refspec]);
        self.remote(call.limit(FETCH_LIMIT)).await.map(drop)
    }
}

/// The git dependencies of a lock file, each once, in the order of their URLs. Pure.
fn pinned(lock: &str) -> Vec<Pinned> {
    let table: toml::Table = lock.parse().unwrap_or_default();
    let packages = table.get("package").and_then(toml::Value::as_array);
    let mut found: BTreeMap<(String, Option<String>, bool, String), Vec<String>> = BTreeMap::new();
    for package in packages.into_iter().flatten() {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        let Some((name, source)) = text("name").zip(text("source")) else {
            continue;
        };
        let Some((place, commit)) = source
            .strip_prefix("git+")
            .and_then(|git| git.split_once('#'))
        else {
            continue;
        };
        let (url, wanted) = place.split_once('?').unwrap_or((place, ""));
        let reference = match wanted.split_once('=') {
            Some(("branch", name)) => Some(format!("refs/heads/{}", plain(name))),
            Some(("tag", name)) => Some(format!("refs/tags/{}", plain(name))),
            _ => None,
        };
        let is_default = wanted.is_empty();
        let key = (url.to_owned(), reference, is_default, commit.to_owned());
        found.entry(key).or_default().push(name.to_owned());
    }
    let pinned = found
        .into_iter()
        .map(|((url, reference, is_default, commit), packages)| Pinned {
            url,
            reference,
            is_default,
            commit,
            packages,
        });
    pinned.collect()
}

/// A name as cargo writes it in a URL.
fn plain(name: &str) -> String {
    percent_encoding::percent_decode_str(name)
        .decode_utf8_lossy()
        .into_owned()
}

/// The environment in which git, and cargo by git, take the repositories from here. Pure.
#[must_use]
pub fn environment(rewrites: &[Rewrite]) -> Vec<(String, String)> {
    if rewrites.is_empty() {
        return Vec::new();
    }
    let mut environment = vec![
        ("CARGO_NET_GIT_FETCH_WITH_CLI".to_owned(), "true".to_owned()),
        ("GIT_CONFIG_COUNT".to_owned(), rewrites.len().to_string()),
    ];
    for (at, Rewrite { url, folder }) in rewrites.iter().enumerate() {
        let key = format!("url.file://{folder}.insteadOf");
        environment.push((format!("GIT_CONFIG_KEY_{at}"), key));
        environment.push((format!("GIT_CONFIG_VALUE_{at}"), url.clone()));
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
[[package]]
name = "anyhow"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "own"

[[package]]
name = "ttrpc"
source = "git+https://example.org/ttrpc.git?branch=v0.7.1%2Fx#af54d8382d5f93f39ace9391a78cc36a467f9cb0"

[[package]]
name = "ttrpc-codegen"
source = "git+https://example.org/ttrpc.git?branch=v0.7.1%2Fx#af54d8382d5f93f39ace9391a78cc36a467f9cb0"

[[package]]
name = "shim"
source = "git+https://example.org/extensions.git#1127b78fd29f55853f63a1146748ad33b25ca6b7"
"#;

    #[test]
    fn a_lock_file_s_repositories_each_once() {
        let shown: Vec<String> = pinned(LOCK)
            .into_iter()
            .map(|it| {
                format!(
                    "{} {:?} {} {:?}",
                    it.url, it.reference, it.commit, it.packages
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        https://example.org/extensions.git None 1127b78fd29f55853f63a1146748ad33b25ca6b7 ["shim"]
        https://example.org/ttrpc.git Some("refs/heads/v0.7.1/x") af54d8382d5f93f39ace9391a78cc36a467f9cb0 ["ttrpc", "ttrpc-codegen"]
        "#);
        assert_eq!(pinned("no = lock = file"), []);
    }

    fn git(folder: &Utf8Path, arguments: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .args([
                "-C",
                folder.as_str(),
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// cargo itself builds offline from what was fetched, though its URL leads nowhere.
    #[tokio::test]
    async fn cargo_takes_a_dependency_from_its_mirror_and_a_lost_commit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let (library, tree) = (root.join("library"), root.join("tree"));
        for (place, text) in [
            (
                "library/Cargo.toml",
                "[package]\nname = \"library\"\nversion = \"0.1.0\"\n",
            ),
            ("library/src/lib.rs", ""),
            ("tree/src/main.rs", "fn main() {}\n"),
        ] {
            fs::create_dir_all(root.join(place).parent().unwrap()).unwrap();
            fs::write(root.join(place), text).unwrap();
        }
        git(&library, &["init", "-q", "-b", "main"]);
        git(&library, &["add", "-A"]);
        git(&library, &["commit", "-q", "-m", "first"]);
        let commit = git(&library, &["rev-parse", "HEAD"]);
        let url = format!("file://{library}");
        fs::write(
            tree.join("Cargo.toml"),
            format!("[package]\nname = \"tree\"\nversion = \"0.1.0\"\n[dependencies]\nlibrary = {{ git = \"{url}\", branch = \"main\" }}\n[workspace]\n"),
        )
        .unwrap();
        let lock = |commit: &str| {
            format!(
                "version = 3\n\n[[package]]\nname = \"library\"\nversion = \"0.1.0\"\nsource = \"git+{url}?branch=main#{commit}\"\n\n[[package]]\nname = \"tree\"\nversion = \"0.1.0\"\ndependencies = [\n \"library\",\n]\n"
            )
        };
        fs::write(tree.join("Cargo.lock"), lock(&commit)).unwrap();
        let cache = root.join("cache");
        let rewrites = fetch("tree", &tree, &cache).await.unwrap();
        assert_eq!(rewrites.len(), 1);
        fs::rename(&library, root.join("gone")).unwrap();
        let mut cargo = process::call("cargo")
            .args(["metadata", "--locked", "--format-version", "1", "-q"])
            .folder(&tree)
            .env("CARGO_HOME", root.join("home").as_str());
        for (name, value) in environment(&rewrites) {
            cargo = cargo.env(&name, &value);
        }
        let output = cargo.output().await.unwrap();
        assert_eq!(output.status, Some(0), "{}", output.stderr);

        let lost = "0123456789abcdef0123456789abcdef01234567";
        fs::rename(root.join("gone"), &library).unwrap();
        fs::write(tree.join("Cargo.lock"), lock(lost)).unwrap();
        let error = fetch("tree", &tree, &cache).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Missing);
        let said = error.to_string();
        assert!(said.contains("at 0123456789ab, for library"), "{said}");
    }
}
