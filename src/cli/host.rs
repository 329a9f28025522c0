//! What this host has, as far as `doctor` asks.

use std::{collections::BTreeMap, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::tools::{PARTS, TOOLS};
use crate::process;

/// What was found.
#[derive(Clone, Debug)]
pub struct Host {
    /// Programs that are there, with the first line they say about their version.
    pub programs: BTreeMap<&'static str, String>,
    /// Files that are there.
    pub parts: Vec<&'static str>,
    /// `go env GOVERSION`, if there is a go.
    pub go: Option<String>,
    /// What asking Go's module proxy came to.
    pub proxy: Option<Result<String, String>>,
    /// Free bytes in the cache's file system.
    pub disk: Option<u64>,
    /// Bytes of memory that are available.
    pub memory: Option<u64>,
    /// Whether this process is root.
    pub root: bool,
    /// Whether an unprivileged user namespace could be made.
    pub namespaces: Result<(), String>,
    /// Whether `newuidmap` and a range of ids are there.
    pub id_range: bool,
    /// What opening `/dev/kvm` came to.
    pub kvm: Kvm,
}

/// What opening `/dev/kvm` came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kvm {
    /// It can be opened. Whether a kernel boots under it, only booting one tells.
    Opens,
    /// It is there and does not open.
    Refused(String),
    /// It is not there.
    Missing,
}

/// Looks at the host.
pub async fn look(cache: &Utf8Path) -> Host {
    let (programs, go, proxy, namespaces) =
        tokio::join!(programs(), go_version(), proxy(), namespaces());
    Host {
        programs,
        proxy: go.is_some().then_some(proxy),
        go,
        namespaces,
        parts: PARTS
            .iter()
            .map(|part| part.path)
            .filter(|path| Utf8Path::new(path).exists())
            .collect(),
        disk: free(cache),
        memory: memory(),
        root: rustix::process::geteuid().is_root(),
        id_range: id_range(),
        kvm: kvm(),
    }
}

async fn programs() -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    for tool in TOOLS {
        let Some(path) = which(tool.program) else {
            continue;
        };
        let said = if tool.version.is_empty() {
            String::new()
        } else {
            let call = process::call(path.as_str()).args(tool.version.iter().copied());
            let output = call.limit(Duration::from_secs(10)).output().await;
            output.map_or_else(
                |error| error.to_string(),
                |output| {
                    // Some say it on stderr.
                    let text = format!("{}\n{}", output.text(), output.stderr);
                    let line = text.lines().find(|line| !line.trim().is_empty());
                    line.unwrap_or_default().trim().to_owned()
                },
            )
        };
        found.insert(tool.program, said);
    }
    found
}

/// The program's path; the folders of system programs are looked through as well, since mkfs is there.
fn which(program: &str) -> Option<Utf8PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|folder| Utf8Path::new(folder).join(program))
        .find(|path| path.is_file())
}

async fn go_version() -> Option<String> {
    which("go")?;
    let call = process::call("go").args(["env", "GOVERSION"]);
    let output = call.env("GOTOOLCHAIN", "local").output().await.ok()?;
    let text = output.text().trim().to_owned();
    (output.status == Some(0) && !text.is_empty()).then_some(text)
}

async fn proxy() -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = Utf8Path::from_path(folder.path()).ok_or("no UTF-8 folder for temporary files")?;
    let module = "golang.org/x/mod@latest";
    let call = process::call("go")
        .args(["list", "-m", "-f", "{{.Path}} {{.Version}}", module])
        .folder(folder)
        .env("GOFLAGS", "-mod=mod")
        .limit(Duration::from_secs(20));
    match call.run().await {
        Ok(output) => Ok(output.text().trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn namespaces() -> Result<(), String> {
    let call = process::call("unshare").args(["--user", "--map-root-user", "--mount", "true"]);
    call.run()
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn id_range() -> bool {
    which("newuidmap").is_some()
        && fs::read_to_string("/etc/subuid").is_ok_and(|text| !text.trim().is_empty())
}

/// Free bytes where `folder` is, or where it will be.
fn free(folder: &Utf8Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let stat = rustix::fs::statvfs(there.as_std_path()).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn kvm() -> Kvm {
    match std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
    {
        Ok(_) => Kvm::Opens,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kvm::Missing,
        Err(error) => Kvm::Refused(error.to_string()),
    }
}

/// Installs packages, as root or by sudo. apt's own words go to stderr.
///
/// # Errors
/// When apt-get cannot be started or fails.
pub async fn install(packages: &[&str], root: bool) -> Result<(), process::ProcessError> {
    let mut words = vec![
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
    ];
    words.push("--no-install-recommends");
    words.extend(packages);
    if !root {
        words.insert(0, "sudo");
    }
    let (program, arguments) = words.split_at(1);
    process::call(program[0])
        .args(arguments.iter().copied())
        .log("/dev/stderr")
        .limit(Duration::from_secs(1800))
        .run()
        .await
        .map(drop)
}
