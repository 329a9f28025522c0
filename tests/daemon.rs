//! The daemon as a process: killed again and again, it loses nothing, doubles nothing and leaves nothing.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A run of it ends within a second, by its sources: no network, no machine.
const PROFILE: &str = "
extends = \"quickstart\"
name = \"broken\"
[source.containerd]
path = \"/nonexistent/containerd\"
";

struct Host {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("broken.toml"), PROFILE).unwrap();
        Self {
            folder,
            daemon: None,
        }
    }

    fn profile(&self) -> PathBuf {
        self.folder.path().join("broken.toml")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        command
            .env("BELLWETHER_STATE", self.folder.path().join("state"))
            .env("BELLWETHER_CACHE", self.folder.path().join("cache"))
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("daemon.log"))
            .unwrap();
        let child = self
            .command()
            .args(["daemon", "--listen", "127.0.0.1:0", "--slots", "2"])
            .arg(self.profile())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.daemon = Some(child.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    fn queue(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self
            .command()
            .args(["--json", "queue"])
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = self.folder.path().join("state/runs").read_dir() else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn wait(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let limit = Instant::now() + Duration::from_secs(120);
        while !done(self) {
            assert!(
                Instant::now() < limit,
                "{what} does not come:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Processes whose command line names this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

#[test]
fn killed_twenty_times_it_loses_and_doubles_no_run_and_leaves_no_process() {
    let mut host = Host::new();
    let profile = host.profile();
    let profile = profile.to_str().unwrap();
    for kill in 0..20_u64 {
        host.queue(&["run", profile]);
        host.start();
        // At another moment each time, from its first steps to well after the run's end.
        std::thread::sleep(Duration::from_millis(20 + kill * 97));
        host.kill();
    }
    host.start();
    host.wait("the end of every run", |host| {
        let live = host.queue(&["list"]);
        live["requests"]
            .as_array()
            .unwrap()
            .iter()
            .all(|request| request["run"].is_null())
    });
    // Every run directory is whole: it ended, and says how.
    let runs = host.runs();
    assert!(!runs.is_empty());
    for run in &runs {
        assert!(run.join("summary.json").exists(), "{run:?}\n{}", host.log());
        let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
        let starts = events.matches("\"run-started\"").count();
        assert_eq!(starts, 1, "{run:?} was started {starts} times");
    }
    // And every one belongs to one request.
    let trail: BTreeSet<String> = runs
        .iter()
        .map(|run| run.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(trail.len(), runs.len());
    host.kill();
    host.wait("the end of every process", |host| {
        processes_of(host.folder.path()).is_empty()
    });
}

#[test]
fn orders_need_the_token_and_questions_do_not() {
    let mut host = Host::new();
    let token = host.folder.path().join("token");
    std::fs::write(&token, "a-secret\n").unwrap();
    let log = std::fs::File::create(host.folder.path().join("daemon.log")).unwrap();
    let child = host
        .command()
        .args(["daemon", "--listen", "127.0.0.1:0", "--token-file"])
        .arg(&token)
        .arg(host.profile())
        .stderr(log)
        .stdout(Stdio::null())
        .spawn();
    host.daemon = Some(child.unwrap());
    host.wait("its address", |host| {
        host.log().contains("listening on http://")
    });
    let log = host.log();
    let address = log
        .split("listening on http://")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    host.wait("readiness", |_| {
        ask(address, "GET", "/readyz", "", "").0 == 200
    });
    assert_eq!(ask(address, "GET", "/healthz", "", "").0, 200);
    assert!(
        ask(address, "GET", "/metrics", "", "")
            .1
            .contains("bellwether_requests")
    );
    let body = "{\"what\":\"*\",\"by\":\"a test\",\"reason\":\"to see\",\"hours\":1}";
    assert_eq!(ask(address, "POST", "/api/v1/pause", "", body).0, 401);
    assert_eq!(ask(address, "POST", "/api/v1/pause", "wrong", body).0, 401);
    assert_eq!(
        ask(address, "POST", "/api/v1/pause", "a-secret", body).0,
        200
    );
    let (status, queue) = ask(address, "GET", "/api/v1/queue", "", "");
    assert_eq!(status, 200);
    assert!(queue.contains("to see"), "{queue}");
    let unknown = "{\"profile\":\"another\"}";
    let (status, said) = ask(address, "POST", "/api/v1/runs", "a-secret", unknown);
    assert_eq!(status, 409, "{said}");
    assert!(said.contains("no profile `another`"), "{said}");
    assert_eq!(
        ask(address, "POST", "/api/v1/drain", "a-secret", "{}").0,
        200
    );
    let mut daemon = host.daemon.take().unwrap();
    assert!(daemon.wait().unwrap().success(), "{}", host.log());
}

/// One HTTP/1.1 exchange: status and body.
fn ask(address: &str, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return (0, String::new());
    };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}
