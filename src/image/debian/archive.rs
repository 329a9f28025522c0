//! The package archive as apt sees it: its configuration, and what its words mean. Pure.

use jiff::Timestamp;

/// A Debian archive and one of its suites.
#[derive(Clone, Debug)]
pub(in crate::image) struct Archive {
    pub suite: String,
    /// `deb` lines without the suite's own: options, URI and suite of each part.
    pub sources: Vec<String>,
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

impl Archive {
    /// The suite on Debian's own mirrors, with its updates.
    pub(in crate::image) fn new(suite: &str) -> Self {
        let line = |path: &str, suite: &str| {
            format!("deb [signed-by={KEYRING}] http://deb.debian.org/{path} {suite} main")
        };
        let mut sources = vec![line("debian", suite)];
        if !["sid", "unstable"].contains(&suite) {
            sources.push(line("debian", &format!("{suite}-updates")));
            sources.push(line("debian-security", &format!("{suite}-security")));
        }
        Self {
            suite: suite.to_owned(),
            sources,
        }
    }

    /// A `sources.list`.
    pub(super) fn sources_list(&self) -> String {
        self.sources
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

/// An `apt.conf` that keeps all of apt's state in `folder` and takes nothing of the host's but `proxies`.
pub(super) fn apt_conf(folder: &str, proxies: &[String]) -> String {
    let mut conf = format!(
        r#"Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
"#
    );
    for proxy in proxies {
        conf.push_str(proxy);
        conf.push('\n');
    }
    conf
}

/// The proxy settings in what `apt-config dump` prints.
pub(super) fn proxies(dump: &str) -> Vec<String> {
    dump.lines()
        .filter(|line| {
            ["Acquire::http::Proxy", "Acquire::https::Proxy"]
                .iter()
                .any(|key| line.starts_with(key))
                && !line.ends_with(" \"\";")
        })
        .map(str::to_owned)
        .collect()
}

/// What `apt-get update` complains about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UpdateFailure {
    /// A file could not be fetched.
    Unreachable { url: String, why: String },
    /// A signature is missing, unknown or wrong.
    Untrusted(String),
    /// Something else.
    Other(String),
}

pub(super) fn update_failure(stderr: &str) -> UpdateFailure {
    let lines = || {
        stderr.lines().filter_map(|line| {
            line.strip_prefix("E: ")
                .or_else(|| line.strip_prefix("W: "))
        })
    };
    let untrusted = |line: &&str| {
        line.contains("GPG error") || line.contains("is not signed") || line.contains("NO_PUBKEY")
    };
    if let Some(line) = lines().find(untrusted) {
        return UpdateFailure::Untrusted(line.to_owned());
    }
    for line in lines() {
        if let Some(rest) = line.strip_prefix("Failed to fetch ") {
            let (url, why) = rest.split_once(' ').unwrap_or((rest, "no reason given"));
            return UpdateFailure::Unreachable {
                url: url.to_owned(),
                why: why.trim().to_owned(),
            };
        }
    }
    UpdateFailure::Other(lines().next().unwrap_or("apt-get update failed").to_owned())
}

/// What `apt-get -s install` would install, as sorted `name=version`.
pub(super) fn simulated(stdout: &str) -> Vec<String> {
    let mut packages: Vec<String> = stdout
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("Inst ")?;
            let (name, rest) = rest.split_once(' ')?;
            let version = rest.split_once('(')?.1.split_whitespace().next()?;
            Some(format!("{name}={version}"))
        })
        .collect();
    packages.sort();
    packages
}

/// The package that `apt-get install` could not find.
pub(super) fn unknown_package(stderr: &str) -> Option<String> {
    stderr.lines().find_map(|line| {
        let line = line.strip_prefix("E: ")?;
        if let Some(name) = line.strip_prefix("Unable to locate package ") {
            return Some(name.trim().to_owned());
        }
        let (name, _) = line
            .strip_prefix("Package '")?
            .split_once("' has no installation candidate")?;
        Some(name.to_owned())
    })
}

/// Why `apt-get install` found no solution: the first broken dependency, else its last word.
pub(super) fn unsolvable(stdout: &str, stderr: &str) -> String {
    let broken = stdout
        .lines()
        .map(str::trim)
        .find(|line| line.contains(" : Depends: ") || line.contains(" : Conflicts: "));
    let error = stderr.lines().find_map(|line| line.strip_prefix("E: "));
    broken
        .or(error)
        .unwrap_or("apt-get gave no reason")
        .to_owned()
}

/// The running kernel's version (`uname -r`) that this list gives.
pub(super) fn kernel(packages: &[String]) -> Option<String> {
    packages.iter().find_map(|package| {
        let (name, _) = package.split_once('=')?;
        let release = name.strip_prefix("linux-image-")?;
        // The versionless packages are empty and only depend on the newest.
        release
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| release.trim_end_matches("-unsigned").to_owned())
    })
}

/// The `Date` of a Release file.
pub(super) fn date(release: &str) -> Option<Timestamp> {
    let text = release
        .lines()
        .find_map(|line| line.strip_prefix("Date: "))?;
    // Debian writes "UTC", which RFC 2822 does not know.
    let text = text.trim().trim_end_matches("UTC").trim_end();
    let date = jiff::fmt::rfc2822::parse(&format!("{text} +0000")).ok()?;
    Some(date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_simulation_gives_exact_versions() {
        let stdout = "Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])\n\
            Inst base-files (13.8+deb13u7 Debian:13.7/stable [amd64]) []\n\
            Conf libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])\n";
        assert_eq!(
            simulated(stdout),
            ["base-files=13.8+deb13u7", "libc6=2.41-12+deb13u4"]
        );
    }

    #[test]
    fn the_kernel_is_the_versioned_package() {
        let list = [
            "linux-base=4.12",
            "linux-image-6.12.117+deb13-cloud-amd64=6.12.117-1",
            "linux-image-cloud-amd64=6.12.117-1",
        ]
        .map(str::to_owned);
        assert_eq!(kernel(&list).as_deref(), Some("6.12.117+deb13-cloud-amd64"));
        assert_eq!(kernel(&list[..1]), None);
    }

    #[test]
    fn release_dates_are_utc() {
        let release = "Origin: Debian\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n";
        assert_eq!(date(release).unwrap().to_string(), "2026-09-12T07:55:41Z");
        assert_eq!(date("Origin: Debian\n"), None);
    }

    #[test]
    fn update_failures_are_told_apart() {
        let refused = "E: Failed to fetch http://127.0.0.1:9/debian/dists/trixie/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)\n\
            E: Some index files failed to download. They have been ignored, or old ones used instead.\n";
        assert_eq!(
            update_failure(refused),
            UpdateFailure::Unreachable {
                url: "http://127.0.0.1:9/debian/dists/trixie/InRelease".to_owned(),
                why: "Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)"
                    .to_owned(),
            }
        );
        let unsigned = "W: GPG error: http://x trixie InRelease: The following signatures couldn't be verified: NO_PUBKEY 6ED0E7B82643E131\n\
            E: The repository 'http://x trixie InRelease' is not signed.\n";
        assert!(
            matches!(update_failure(unsigned), UpdateFailure::Untrusted(why) if why.contains("NO_PUBKEY"))
        );
        assert_eq!(
            update_failure("E: The method driver is broken\n"),
            UpdateFailure::Other("The method driver is broken".to_owned())
        );
    }

    #[test]
    fn missing_and_unsolvable_packages_are_named() {
        assert_eq!(
            unknown_package("E: Unable to locate package youki\n").as_deref(),
            Some("youki")
        );
        assert_eq!(
            unknown_package("E: Package 'runc' has no installation candidate\n").as_deref(),
            Some("runc")
        );
        assert_eq!(unknown_package("E: Broken packages\n"), None);
        let stdout = "The following packages have unmet dependencies:\n crun : Depends: libyajl2 (>= 3) but it is not installable\n";
        assert_eq!(
            unsolvable(stdout, "E: Unable to correct problems\n"),
            "crun : Depends: libyajl2 (>= 3) but it is not installable"
        );
    }

    #[test]
    fn only_the_hosts_proxy_settings_are_taken() {
        let dump = "Acquire::http \"\";\nAcquire::http::Proxy \"http://proxy:3128\";\nAcquire::https::Proxy \"\";\nAcquire::Check-Date \"false\";\n";
        assert_eq!(
            proxies(dump),
            ["Acquire::http::Proxy \"http://proxy:3128\";"]
        );
        let conf = apt_conf("/cache/archive", &proxies(dump));
        assert!(conf.ends_with("Acquire::http::Proxy \"http://proxy:3128\";\n"));
        assert!(!conf.contains("Check-Date"));
    }
}
