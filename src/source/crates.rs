//! Published Rust crates, asked of the crate registry by the `cargo` command.
//!
//! Cargo answers for dependencies of a package, so an empty package of ours depends on the crate. The lock file that
//! cargo writes for it names the version and its checksum.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{SourceError, Trouble, error::Subject};
use crate::{
    model::{Origin, Revision},
    process::{self, Call},
};

/// The registry's index and the crate with its dependencies may come with it.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A crate's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub folder: Utf8PathBuf,
    pub checksum: String,
}

/// Resolves `wanted`: `latest` or an exact version.
pub(super) async fn resolve(
    source: &str,
    name: &str,
    wanted: &str,
) -> Result<Revision, SourceError> {
    let subject = Subject::new(source, format!("crate {name} {wanted}"));
    let scratch = tempfile::tempdir().map_err(|e| subject.host(e))?;
    let folder = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| subject.host("the folder for temporary files is not UTF-8"))?;
    let locked = lock(&subject, name, wanted, folder).await?;
    Ok(Revision {
        source: source.to_owned(),
        origin: Origin::Crate {
            name: name.to_owned(),
            version: locked.version.clone(),
            checksum: locked.checksum,
        },
        date: None,
        link: Some(format!(
            "https://crates.io/crates/{name}/{}",
            locked.version
        )),
        version: locked.version,
    })
}

/// The crate's files, downloaded if need be; `scratch` is a folder that is made for the question.
pub(super) async fn fetch(
    subject: &Subject,
    name: &str,
    version: &str,
    scratch: &Utf8Path,
) -> Result<Fetched, SourceError> {
    let locked = lock(subject, name, version, scratch).await?;
    // `cargo metadata` passes over a dependency without a library, which a program is; `cargo vendor` does not.
    let call = cargo(scratch).args([
        "vendor",
        "--quiet",
        "--locked",
        "--versioned-dirs",
        "vendor",
    ]);
    let output = call.output().await.map_err(|e| subject.process(&e))?;
    if output.status != Some(0) {
        return Err(refused(subject, &output.stderr));
    }
    let folder = scratch.join(format!("vendor/{name}-{}", locked.version));
    if !folder.is_dir() {
        return Err(subject.host("`cargo vendor` left the crate out"));
    }
    Ok(Fetched {
        folder,
        checksum: locked.checksum,
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Locked {
    version: String,
    checksum: String,
}

async fn lock(
    subject: &Subject,
    name: &str,
    wanted: &str,
    folder: &Utf8Path,
) -> Result<Locked, SourceError> {
    fs::create_dir_all(folder.join("src")).map_err(|e| subject.host(e))?;
    fs::write(folder.join("src/lib.rs"), "").map_err(|e| subject.host(e))?;
    fs::write(folder.join("Cargo.toml"), manifest(name, wanted)).map_err(|e| subject.host(e))?;
    let call = cargo(folder).arg("generate-lockfile");
    let output = call.output().await.map_err(|e| subject.process(&e))?;
    if output.status != Some(0) {
        return Err(refused(subject, &output.stderr));
    }
    let text = fs::read_to_string(folder.join("Cargo.lock")).map_err(|e| subject.host(e))?;
    locked(&text, name).ok_or_else(|| subject.host("cargo's lock file does not name the crate"))
}

fn cargo(folder: &Utf8Path) -> Call {
    process::call("cargo")
        .env("LC_ALL", "C")
        .env("CARGO_TERM_COLOR", "never")
        .folder(folder)
        .limit(LIMIT)
}

/// A package that needs nothing but the crate, and of that no more than it must.
fn manifest(name: &str, wanted: &str) -> String {
    let version = match wanted {
        "latest" => "*".to_owned(),
        exact => format!("={exact}"),
    };
    format!(
        "[package]\nname = \"bellwether-query\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n\
         [dependencies]\n{name} = {{ version = \"{version}\", default-features = false }}\n"
    )
}

fn locked(lock: &str, name: &str) -> Option<Locked> {
    let lock: toml::Table = lock.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    // The query asks for one version, and a crate does not depend on another version of itself.
    let package = packages
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))?;
    Some(Locked {
        version: package.get("version")?.as_str()?.to_owned(),
        checksum: package.get("checksum")?.as_str()?.to_owned(),
    })
}

/// What cargo's refusal means.
fn refused(subject: &Subject, said: &str) -> SourceError {
    let talk = |line: &str| {
        ["Updating ", "Locking ", "Downloading "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let why = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !talk(line))
        .collect::<Vec<_>>()
        .join("; ");
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["No space left on device"]) {
        return subject.error(Trouble::Host, why, "free some disk space");
    }
    let missing = [
        "no matching package",
        "failed to select a version for the requirement",
        "is yanked",
    ];
    let network = [
        "Could not resolve host",
        "Couldn't connect",
        "spurious network error",
    ];
    if says(&missing) && !says(&network) {
        return subject.error(
            Trouble::Missing,
            why,
            "see which versions there are with `cargo info NAME`; a yanked one cannot be had",
        );
    }
    subject.error(
        Trouble::Unreachable,
        why,
        "check the network and cargo's registry settings; what was downloaded before works with CARGO_NET_OFFLINE=true",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_version_and_checksum() {
        let lock = "version = 4\n[[package]]\nname = \"bellwether-query\"\nversion = \"0.0.0\"\n\
                    [[package]]\nname = \"youki\"\nversion = \"0.7.0\"\nchecksum = \"ab12\"\n";
        let found = locked(lock, "youki").unwrap();
        assert_eq!(
            (found.version.as_str(), found.checksum.as_str()),
            ("0.7.0", "ab12")
        );
        assert_eq!(locked(lock, "crun"), None);
        assert_eq!(locked(lock, "bellwether-query"), None, "it has no checksum");
    }

    #[test]
    fn an_exact_version_is_asked_for_exactly() {
        for (wanted, asked) in [
            ("0.7.0", "version = \"=0.7.0\""),
            ("latest", "version = \"*\""),
        ] {
            let manifest: toml::Table = manifest("youki", wanted).parse().unwrap();
            let youki = manifest["dependencies"]["youki"].to_string();
            assert!(youki.contains(asked), "{youki}");
        }
    }

    // The texts are those of cargo 1.95.
    #[test]
    fn what_is_not_there_and_what_cannot_be_reached_are_two_things() {
        let subject = Subject::new("youki", "crate youki 9.9.9");
        let trouble = |said: &str| refused(&subject, said).trouble;
        let version = "    Updating crates.io index\nerror: failed to select a version for the requirement `youki = \"=9.9.9\"`\ncandidate versions found which didn't match: 0.7.0, 0.6.0";
        assert_eq!(trouble(version), Trouble::Missing);
        assert!(!refused(&subject, version).why.contains("Updating"));
        assert_eq!(
            trouble("error: no matching package named `yuki` found"),
            Trouble::Missing
        );
        assert_eq!(
            trouble(
                "error: failed to get `youki`\n  [6] Could not resolve hostname (Could not resolve host: index.crates.io)"
            ),
            Trouble::Unreachable
        );
    }
}
