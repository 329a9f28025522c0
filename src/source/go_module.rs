//! Published Go modules, asked of the module proxy by the `go` command.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    SourceError, Trouble,
    error::Subject,
    version::{Version, latest_release},
};
use crate::{
    model::{Origin, Revision},
    process::{self, Call},
};

/// A module zip of hundreds of megabytes may come with it.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// A version of a module in the local module cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Download {
    pub folder: Utf8PathBuf,
    pub sum: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    version: Option<String>,
    time: Option<Timestamp>,
    #[serde(default)]
    versions: Vec<String>,
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    err: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: Option<String>,
    sum: Option<String>,
    error: Option<String>,
}

/// Resolves `wanted`: `latest` or anything the go command takes after `@`.
pub(super) async fn resolve(
    name: &str,
    module: &str,
    wanted: &str,
) -> Result<Revision, SourceError> {
    let subject = Subject::new(name, format!("{module}@{wanted}"));
    check(&subject, module, wanted)?;
    let listed = if wanted == "latest" {
        latest(&subject, module).await?
    } else {
        list(&subject, &["-m", "-json", &format!("{module}@{wanted}")]).await?
    };
    let version = listed.version.ok_or_else(|| {
        subject.error(
            Trouble::Missing,
            "the module has no version at all",
            "check the module's path",
        )
    })?;
    let download = download(&subject, module, &version).await?;
    Ok(Revision {
        source: name.to_owned(),
        origin: Origin::GoModule {
            module: module.to_owned(),
            version: version.clone(),
            sum: download.sum,
        },
        date: listed.time,
        link: Some(format!("https://pkg.go.dev/{module}@{version}")),
        version,
    })
}

/// The module's files, downloaded if need be.
pub(super) async fn fetch(
    name: &str,
    module: &str,
    version: &str,
) -> Result<Download, SourceError> {
    let subject = Subject::new(name, format!("{module}@{version}"));
    check(&subject, module, version)?;
    download(&subject, module, version).await
}

fn check(subject: &Subject, module: &str, wanted: &str) -> Result<(), SourceError> {
    let odd =
        |text: &str| text.is_empty() || text.starts_with('-') || text.contains(char::is_whitespace);
    if odd(module) || odd(wanted) || module.contains('@') {
        return Err(subject.error(
            Trouble::Usage,
            "this is no module path with a version",
            "write `go-module = \"k8s.io/kubernetes\"` and `version = \"latest\"` or an exact version",
        ));
    }
    Ok(())
}

/// The highest release; what the proxy itself calls latest where a module has no release.
async fn latest(subject: &Subject, module: &str) -> Result<Listed, SourceError> {
    let all = list(subject, &["-m", "-json", "-versions", module]).await?;
    let version = latest_release(all.versions.iter().map(String::as_str)).unwrap_or("latest");
    list(subject, &["-m", "-json", &format!("{module}@{version}")]).await
}

async fn list(subject: &Subject, arguments: &[&str]) -> Result<Listed, SourceError> {
    let workspace = Workspace::new(subject)?;
    let call = workspace.go().arg("list").args(arguments.iter().copied());
    let output = call.output().await.map_err(|e| subject.process(&e))?;
    if output.status != Some(0) {
        return Err(refused(subject, &output.stderr));
    }
    let listed: Listed = serde_json::from_slice(&output.stdout)
        .map_err(|e| subject.host(format!("`go list` wrote unreadable JSON: {e}")))?;
    match &listed.error {
        Some(refusal) => Err(refused(subject, &refusal.err)),
        None => Ok(listed),
    }
}

async fn download(subject: &Subject, module: &str, version: &str) -> Result<Download, SourceError> {
    let workspace = Workspace::new(subject)?;
    let call = workspace
        .go()
        .args(["mod", "download", "-json", &format!("{module}@{version}")]);
    let output = call.output().await.map_err(|e| subject.process(&e))?;
    // It writes its JSON, with the error in it, even when it fails.
    let Ok(downloaded) = serde_json::from_slice::<Downloaded>(&output.stdout) else {
        return Err(refused(subject, &output.stderr));
    };
    match (downloaded.error, downloaded.dir, downloaded.sum) {
        (None, Some(folder), Some(sum)) => Ok(Download {
            folder: folder.into(),
            sum,
        }),
        (error, ..) => Err(refused(subject, &error.unwrap_or(output.stderr))),
    }
}

/// An empty module to ask from: a go.mod in a folder above must not change the answer.
struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    fn new(subject: &Subject) -> Result<Self, SourceError> {
        let folder = tempfile::tempdir().map_err(|e| subject.host(e))?;
        fs::write(
            folder.path().join("go.mod"),
            "module bellwether.invalid/query\n",
        )
        .map_err(|e| subject.host(e))?;
        Ok(Self { folder })
    }

    fn go(&self) -> Call {
        let call = process::call("go")
            .env("GOFLAGS", "-mod=mod")
            .env("GOWORK", "off")
            .env("GO111MODULE", "on")
            .limit(LIMIT);
        match Utf8Path::from_path(self.folder.path()) {
            Some(folder) => call.folder(folder),
            None => call,
        }
    }
}

/// What the go command's refusal means. It quotes the proxy's answer.
fn refused(subject: &Subject, said: &str) -> SourceError {
    let why = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("go: downloading"))
        .collect::<Vec<_>>()
        .join("; ");
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let query = subject
        .place
        .rsplit_once('@')
        .map_or("", |(_, query)| query);
    let exact = query == "latest" || Version::parse(query).is_some();
    if says(&["requires go >=", "toolchain not available"]) {
        let hint = "set GOTOOLCHAIN=auto, or install a newer Go";
        subject.error(Trouble::Tool, why, hint)
    } else if says(&["No space left on device", "no space left on device"]) {
        subject.error(
            Trouble::Host,
            why,
            "free some disk space; `go clean -modcache` helps",
        )
    } else if says(&["SECURITY ERROR", "checksum mismatch"]) {
        let hint = "the proxy's module is not the one in the checksum database; do not build it";
        subject.error(Trouble::Unreachable, why, hint)
    } else if says(&[
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "400 Bad Request",
        "unknown revision",
        "no matching versions",
        "invalid version",
        "malformed module path",
        "unrecognized import path",
        "is not a module",
    ]) && !says(&["dial tcp", "connection refused", "i/o timeout"])
    {
        let hint = if exact {
            "list what there is with `go list -m -versions MODULE`; the proxy of `go env GOPROXY` may hold only some versions"
        } else {
            "a module proxy may refuse branches and commits: use an exact version or `latest`; to follow a branch use a git source"
        };
        subject.error(Trouble::Missing, why, hint)
    } else {
        subject.error(
            Trouble::Unreachable,
            why,
            "check the network and `go env GOPROXY`; a version that was downloaded before works offline with GOPROXY=off",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(query: &str) -> Subject {
        Subject::new("kubernetes", format!("k8s.io/kubernetes@{query}"))
    }

    // The texts are those of go 1.26 against a proxy, and with the network cut.
    #[test]
    fn a_refused_branch_says_so_and_a_missing_version_too() {
        let branch = refused(
            &subject("master"),
            "go: k8s.io/kubernetes@master: invalid version: reading https://proxy.example/k8s.io/kubernetes/@v/master.info: 403 Forbidden\n\tserver response: This module version is not available.\n",
        );
        insta::assert_snapshot!(branch);
        let version = refused(
            &subject("v1.99.0"),
            "k8s.io/kubernetes@v1.99.0: reading https://proxy.example/k8s.io/kubernetes/@v/v1.99.0.info: 404 Not Found",
        );
        assert_eq!(version.trouble, Trouble::Missing);
        assert!(version.hint.contains("go list -m -versions"));
    }

    #[test]
    fn a_dead_network_is_not_a_missing_version() {
        for said in [
            "go: k8s.io/kubernetes@v1.36.3: Get \"https://proxy.example/x.info\": dial tcp: lookup proxy.example: no such host",
            "go: k8s.io/kubernetes@v1.36.3: reading https://proxy.example/x.info: 502 Bad Gateway",
            "go: k8s.io/kubernetes@v1.36.3: module lookup disabled by GOPROXY=off",
            "go: k8s.io/kubernetes@master: invalid version: Get \"https://proxy.example/x\": dial tcp 10.0.0.1:443: connect: connection refused",
        ] {
            assert_eq!(
                refused(&subject("v1.36.3"), said).trouble,
                Trouble::Unreachable,
                "{said}"
            );
        }
        let old = refused(
            &subject("latest"),
            "go: x@v1 requires go >= 1.30 (running go 1.26.8; GOTOOLCHAIN=local)",
        );
        assert_eq!(old.trouble, Trouble::Tool);
    }

    #[test]
    fn what_go_would_take_for_an_option_is_refused() {
        for (module, version) in [
            ("-json", "latest"),
            ("k8s.io/kubernetes", "-x"),
            ("", "latest"),
            ("a b", "v1.0.0"),
        ] {
            assert_eq!(
                check(&subject("x"), module, version).unwrap_err().trouble,
                Trouble::Usage
            );
        }
    }
}
