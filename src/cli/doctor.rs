//! `bellwether doctor`: whether this host has what a run needs, and how to mend what it lacks.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::{
    CliError, Globals,
    host::{self, Host, Kvm},
    tools::{DISK, GO_PACKAGE, GO_WITH_TOOLCHAINS, MEMORY, PARTS, TOOLS, UIDMAP_PACKAGE},
};
use crate::{model::ExitCode, report::words};

/// Check everything a run needs, and say how to mend each thing
///
/// Ends with 0 when a run can work, with 3 when something is missing.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Install the missing Debian packages, as root or by sudo
    #[arg(long)]
    fix: bool,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: String,
    state: State,
    /// What was found.
    found: String,
    /// What it is for.
    purpose: String,
    /// How to mend it.
    mend: Option<String>,
    /// The Debian package that mends it.
    package: Option<&'static str>,
}

/// Runs the subcommand.
///
/// # Errors
/// When packages cannot be installed.
pub async fn run(args: DoctorArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let printer = globals.printer();
    let mut host = host::look(globals.cache_folder()).await;
    let mut checks = examine(&host);
    let missing = packages(&checks);
    if args.fix && !missing.is_empty() {
        printer.say(&format!("installing: {}", missing.join(" ")));
        host::install(&missing, host.root).await?;
        host = host::look(globals.cache_folder()).await;
        checks = examine(&host);
    }
    if printer.json {
        printer.document(&checks)?;
    } else {
        printer.data(&page(&checks, host.root))?;
    }
    let worst = checks.iter().map(|check| check.state).max();
    Ok(match worst {
        Some(State::Fail) => ExitCode::Infra,
        _ => ExitCode::Passed,
    })
}

fn check(name: &str, purpose: &str, found: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        state: State::Ok,
        found: found.into(),
        purpose: purpose.to_owned(),
        mend: None,
        package: None,
    }
}

impl Check {
    fn bad(self, state: State, mend: impl Into<String>) -> Self {
        Self {
            state,
            mend: Some(mend.into()),
            ..self
        }
    }

    fn lacks(self, state: State, package: &'static str) -> Self {
        Self {
            package: Some(package),
            ..self.bad(state, format!("apt-get install {package}"))
        }
    }
}

/// All checks. Pure.
fn examine(host: &Host) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for tool in TOOLS {
        let lack = if tool.needed {
            State::Fail
        } else {
            State::Warn
        };
        checks.push(match host.programs.get(tool.program) {
            Some(said) => check(tool.program, tool.purpose, said.as_str()),
            None => check(tool.program, tool.purpose, "not found").lacks(lack, tool.package),
        });
    }
    for part in PARTS {
        let name = part.path.rsplit('/').next().unwrap_or(part.path);
        checks.push(if host.parts.contains(&part.path) {
            check(name, part.purpose, part.path)
        } else {
            check(name, part.purpose, "not found").lacks(State::Fail, part.package)
        });
    }
    checks.push(go(host));
    checks.extend(proxy(host));
    checks.push(kvm(host));
    checks.push(namespaces(host));
    checks.push(room(
        "disk",
        "holds Go's build cache, node images and machines",
        host.disk,
        DISK,
        "free some, or put the cache elsewhere with --cache-dir",
    ));
    checks.push(room(
        "memory",
        "lets one machine and one build run side by side",
        host.memory,
        MEMORY,
        "end other programs, or give the profile's nodes less memory",
    ));
    checks
}

fn go(host: &Host) -> Check {
    const PURPOSE: &str = "builds Kubernetes, containerd and the test images";
    let Some(version) = &host.go else {
        return check("go", PURPOSE, "not found").lacks(State::Fail, GO_PACKAGE);
    };
    let found = check("go", PURPOSE, version.as_str());
    let numbers = version.strip_prefix("go").map(|rest| {
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
        (next().unwrap_or(0), next().unwrap_or(0))
    });
    match numbers {
        Some(numbers) if numbers < GO_WITH_TOOLCHAINS => found.bad(
            State::Fail,
            "Go 1.21 or newer is needed: it fetches by itself the version that a source asks for; \
             https://go.dev/dl or Debian backports have one",
        ),
        // A development version, which is new.
        _ => found,
    }
}

fn proxy(host: &Host) -> Option<Check> {
    const PURPOSE: &str = "brings Go modules and toolchains";
    Some(match host.proxy.as_ref()? {
        Ok(said) => check("Go module proxy", PURPOSE, format!("answers: {said}")),
        Err(said) => check("Go module proxy", PURPOSE, said.as_str()).bad(
            State::Fail,
            "check the network, or name a proxy that can be reached in GOPROXY",
        ),
    })
}

fn kvm(host: &Host) -> Check {
    const PURPOSE: &str = "makes machines ten to thirty times faster";
    match &host.kvm {
        Kvm::Opens => check(
            "/dev/kvm",
            PURPOSE,
            "opens; a run boots a kernel under it before it relies on it",
        ),
        Kvm::Refused(why) => check("/dev/kvm", PURPOSE, why.as_str()).bad(
            State::Warn,
            "add yourself to its group: `sudo usermod -aG kvm $USER`, then log in again; without it \
             machines are emulated",
        ),
        Kvm::Missing => check("/dev/kvm", PURPOSE, "not there").bad(
            State::Warn,
            "turn virtualisation on in the firmware, or nested virtualisation in the hypervisor; \
             without it machines are emulated",
        ),
    }
}

fn namespaces(host: &Host) -> Check {
    const NAME: &str = "user namespaces";
    const PURPOSE: &str = "makes node images without root";
    if host.root {
        return check(NAME, PURPOSE, "not needed: this is root");
    }
    match &host.namespaces {
        Err(why) => check(NAME, PURPOSE, why.as_str()).bad(
            State::Fail,
            "allow them: `sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000`",
        ),
        Ok(()) if !host.id_range => {
            check(NAME, PURPOSE, "allowed, but this user has no range of ids")
                .lacks(State::Fail, UIDMAP_PACKAGE)
        }
        Ok(()) => check(NAME, PURPOSE, "allowed"),
    }
}

fn room(name: &str, purpose: &str, free: Option<u64>, wanted: u64, mend: &str) -> Check {
    match free {
        None => check(name, purpose, "cannot be told").bad(State::Warn, mend),
        Some(free) => {
            let found = check(
                name,
                purpose,
                format!("{} free, {} wanted", words::size(free), words::size(wanted)),
            );
            if free < wanted {
                found.bad(State::Warn, mend)
            } else {
                found
            }
        }
    }
}

/// The packages that mend what is missing, each once.
fn packages(checks: &[Check]) -> Vec<&'static str> {
    let packages: BTreeSet<_> = checks.iter().filter_map(|check| check.package).collect();
    packages.into_iter().collect()
}

fn page(checks: &[Check], root: bool) -> String {
    let mut out = String::new();
    let width = checks.iter().map(|check| check.name.chars().count()).max();
    let width = width.unwrap_or(0);
    for check in checks {
        let word = match check.state {
            State::Ok => "✓ ok  ",
            State::Warn => "! warn",
            State::Fail => "✗ fail",
        };
        let found = shorten(&check.found);
        let (purpose, name) = (&check.purpose, &check.name);
        out.push_str(&match (check.state, check.package) {
            (State::Ok, _) => format!("{word}  {name:<width$}  {found}\n"),
            (_, Some(package)) => {
                format!("{word}  {name:<width$}  {found}; {purpose} (package {package})\n")
            }
            (_, None) => format!("{word}  {name:<width$}  {found}; {purpose}\n"),
        });
        // A package is mended with all others, in one line below.
        if let (Some(mend), None) = (&check.mend, check.package) {
            out.push_str(&format!(
                "{:>width$}  mend: {mend}\n",
                "",
                width = width + 8
            ));
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    out.push_str(&format!(
        "\n{} ok, {} to look at, {} missing\n",
        count(State::Ok),
        count(State::Warn),
        count(State::Fail)
    ));
    let packages = packages(checks);
    if !packages.is_empty() {
        let sudo = if root { "" } else { "sudo " };
        out.push_str(&format!(
            "all packages at once: {sudo}apt-get install --no-install-recommends {}\n",
            packages.join(" ")
        ));
    }
    out
}

/// Some programs tell their life when asked for their version.
fn shorten(found: &str) -> String {
    match found.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &found[..at]),
        None => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Host {
        Host {
            programs: TOOLS
                .iter()
                .map(|tool| (tool.program, "1.0".to_owned()))
                .collect(),
            parts: PARTS.iter().map(|part| part.path).collect(),
            go: Some("go1.26.8".to_owned()),
            proxy: Some(Ok("golang.org/x/mod v0.30.0".to_owned())),
            disk: Some(100 << 30),
            memory: Some(24 << 30),
            root: false,
            namespaces: Ok(()),
            id_range: true,
            kvm: Kvm::Opens,
        }
    }

    #[test]
    fn a_healthy_host_has_nothing_to_mend() {
        let checks = examine(&healthy());
        assert!(
            checks
                .iter()
                .all(|check| check.state == State::Ok && check.mend.is_none())
        );
        assert!(packages(&checks).is_empty());
    }

    #[test]
    fn a_bare_host_is_told_everything_at_once() {
        let host = Host {
            namespaces: Err("unshare: Operation not permitted".to_owned()),
            kvm: Kvm::Refused("Permission denied (os error 13)".to_owned()),
            disk: Some(3 << 30),
            memory: None,
            programs: [].into(),
            parts: vec![],
            go: None,
            proxy: None,
            ..healthy()
        };
        insta::assert_snapshot!(page(&examine(&host), false));
    }

    #[test]
    fn every_bad_check_says_how_to_mend_it() {
        let host = Host {
            go: Some("go1.19.8".to_owned()),
            proxy: Some(Err("lookup failed".to_owned())),
            kvm: Kvm::Missing,
            id_range: false,
            ..healthy()
        };
        let bad: Vec<_> = examine(&host)
            .into_iter()
            .filter(|check| check.state != State::Ok)
            .collect();
        let names: Vec<_> = bad.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(
            names,
            ["go", "Go module proxy", "/dev/kvm", "user namespaces"]
        );
        assert!(bad.iter().all(|check| check.mend.is_some()));
        assert_eq!(packages(&bad), ["uidmap"]);
    }

    #[test]
    fn root_needs_no_namespaces_and_a_new_go_is_no_old_one() {
        let host = Host {
            root: true,
            namespaces: Err("no".to_owned()),
            go: Some("devel go1.28-abcdef".to_owned()),
            ..healthy()
        };
        assert!(examine(&host).iter().all(|check| check.state == State::Ok));
    }
}
