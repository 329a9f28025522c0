//! Which compilers a build uses. Go itself fetches a newer Go where a tree asks for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BuildError;
use crate::process;

/// The compilers of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// The Go version that will be used, such as `go1.26.8`.
    pub go: String,
    /// What GOTOOLCHAIN is set to: `local`, or the version that Go fetches.
    pub selector: String,
    /// The C compiler's version line, where there is one.
    pub cc: Option<String>,
    /// The Rust compiler's version line, where there is one and a build may use it.
    #[serde(default)]
    pub rust: Option<String>,
}

/// Finds the compilers for a tree that asks for `go_wanted` (`1.26.5`); fetches that Go if the installed one
/// is older.
///
/// # Errors
/// When Go is missing, or the wanted one cannot be fetched.
pub async fn toolchain(go_wanted: Option<&str>) -> Result<Toolchain, BuildError> {
    let installed = go_version("local").await?;
    let selector = select(&installed, go_wanted);
    let go = if selector == "local" {
        installed
    } else {
        go_version(&selector).await?
    };
    let cc = process::call("gcc").arg("--version").run().await.ok();
    let cc = cc.and_then(|output| output.text().lines().next().map(str::to_owned));
    Ok(Toolchain {
        go,
        selector,
        cc,
        rust: None,
    })
}

/// The Rust compiler's version line, where there is one.
pub async fn rust() -> Option<String> {
    let output = process::call("rustc").arg("--version").run().await.ok()?;
    output.text().lines().next().map(str::to_owned)
}

async fn go_version(selector: &str) -> Result<String, BuildError> {
    let call = process::call("go")
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", selector)
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .folder("/")
        .limit(Duration::from_secs(10 * 60));
    match call.run().await {
        Ok(output) => Ok(output.text().trim().to_owned()),
        Err(error) => Err(BuildError::tool(error, |said| BuildError::Toolchain {
            wanted: selector.to_owned(),
            said,
        })),
    }
}

/// What GOTOOLCHAIN must be.
fn select(installed: &str, wanted: Option<&str>) -> String {
    let (Some(have), Some((want, wanted))) = (
        numbers(installed),
        wanted.and_then(|wanted| Some((numbers(wanted)?, wanted))),
    ) else {
        return "local".to_owned();
    };
    if have >= want {
        return "local".to_owned();
    }
    let wanted = wanted.trim_start_matches("go");
    // The first release of a minor series is named with its zero since Go 1.21.
    let zero = if wanted.matches('.').count() == 1 && !wanted.contains("rc") {
        ".0"
    } else {
        ""
    };
    format!("go{wanted}{zero}")
}

/// `go1.26.8` as numbers; a release candidate counts below its release.
fn numbers(version: &str) -> Option<(u64, u64, u64, u64)> {
    let version = version.split([' ', '-']).next()?.trim_start_matches("go");
    let (base, candidate) = match version.split_once("rc") {
        Some((base, candidate)) => (base, candidate.parse().ok()?),
        None => (version, u64::MAX),
    };
    let mut parts = base.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    let patch = parts.next().unwrap_or(Some(0))?;
    Some((major, minor, patch, candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_go_is_replaced() {
        for (installed, wanted, selector) in [
            ("go1.26.8", Some("1.26.5"), "local"),
            ("go1.26.8", Some("1.26.8"), "local"),
            ("go1.26.8", None, "local"),
            ("go1.26.8", Some("1.26.9"), "go1.26.9"),
            ("go1.26.8", Some("1.27"), "go1.27.0"),
            ("go1.9.9", Some("1.21.0"), "go1.21.0"),
            ("go1.27rc2", Some("1.27.0"), "go1.27.0"),
            ("go1.26.8", Some("1.27rc1"), "go1.27rc1"),
            ("go1.26.8 X:nocoverageredesign", Some("1.25.0"), "local"),
            ("devel", Some("1.25.0"), "local"),
        ] {
            assert_eq!(
                select(installed, wanted),
                selector,
                "{installed} {wanted:?}"
            );
        }
    }
}
