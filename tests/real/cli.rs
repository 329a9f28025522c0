//! The built program, run as a user runs it: a folder of its own for its state, the cache that is there.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use bellwether::{machine::args, verdict::Verdict};
use camino::Utf8PathBuf;
use serde_json::Value;

/// Longer than any run of a few specs may take under emulation.
const TOO_LONG: Duration = Duration::from_secs(30 * 60);

/// Whether the real tier is wanted; says so if not.
pub fn wanted() -> bool {
    let wanted = std::env::var("BELLWETHER_REAL").is_ok_and(|value| value == "1");
    if !wanted {
        println!("skipped: set BELLWETHER_REAL=1 to run on real machines");
    }
    wanted
}

/// The cache that the program uses too.
pub fn cache_folder() -> Utf8PathBuf {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let folder = named("BELLWETHER_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("bellwether")))
        .or_else(|| Some(named("HOME")?.join(".cache/bellwether")))
        .expect("a home folder");
    Utf8PathBuf::from_path_buf(folder).unwrap()
}

/// A folder with a profile `planted.toml`, and the state of what is run with it.
pub struct Bench {
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl Bench {
    /// Made under `BELLWETHER_REAL_KEEP` if that is set, and then kept.
    pub fn new(name: &str) -> Self {
        match std::env::var_os("BELLWETHER_REAL_KEEP") {
            Some(kept) => {
                let path = Path::new(&kept).join(name);
                let _ = fs::remove_dir_all(&path);
                fs::create_dir_all(&path).unwrap();
                Self { folder: None, path }
            }
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("bw-real-")
                    .tempdir_in("/var/tmp")
                    .unwrap();
                let path = folder.path().to_owned();
                Self {
                    folder: Some(folder),
                    path,
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A profile that has no fault.
    pub fn profile(&self, text: &str) {
        fs::write(self.path.join("planted.toml"), text).unwrap();
    }

    /// Starts `bellwether run` of the folder's profile on one sandboxer: without snapshots, since no other run has this
    /// folder's state, and without a second try, which would fail for the same reason.
    pub fn start(&self, sandboxer: &str) -> Running {
        let profile = self.path.join("planted.toml");
        self.run(&[
            profile.to_str().unwrap(),
            "--cold",
            "--no-confirm",
            "--suite",
            "conformance",
            "--sandboxer",
            sandboxer,
        ])
    }

    /// Starts `bellwether run` with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Running {
        let said = |name: &str| File::create(self.path.join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .arg("run")
            .args(arguments)
            .env("BELLWETHER_STATE", self.state())
            .env("CI", "true")
            .stdout(said("stdout"))
            .stderr(said("stderr"))
            .spawn()
            .unwrap();
        Running {
            child,
            began: Instant::now(),
        }
    }

    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Other commands on the same state; returns status and stdout.
    pub fn call(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(arguments)
            .env("BELLWETHER_STATE", self.state())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        print!("{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// The oldest run's folder, once it is there.
    pub fn run_folder(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.state().join("runs")).ok()?;
        let mut runs: Vec<_> = runs.map(|run| run.unwrap().path()).collect();
        runs.retain(|run| run.join("run.json").exists());
        runs.sort();
        runs.into_iter().next()
    }

    /// The only lane's first attempt, once it is there.
    pub fn attempt(&self) -> Option<PathBuf> {
        let lanes = fs::read_dir(self.run_folder()?).ok()?;
        let mut attempts = lanes.map(|lane| lane.unwrap().path().join("1"));
        attempts.find(|attempt| attempt.is_dir())
    }

    pub fn verdict(&self) -> Verdict {
        let text = fs::read_to_string(self.run_folder().unwrap().join("verdict.json"));
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    /// The attempt's events.
    pub fn events(&self) -> Vec<Value> {
        let Some(attempt) = self.attempt() else {
            return Vec::new();
        };
        let text = fs::read_to_string(attempt.join("events.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// QEMU processes that belong to this folder's state.
    pub fn machines(&self) -> Vec<u32> {
        let own = self.path.to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            (line.contains(args::QEMU) && line.contains(own)).then_some(pid)
        });
        processes.collect()
    }

    /// Prints what the program said last.
    pub fn print_talk(&self) {
        for name in ["stderr", "stdout"] {
            let text = fs::read_to_string(self.path.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {name}");
            for line in &lines[lines.len().saturating_sub(40)..] {
                println!("{line}");
            }
        }
        if self.folder.is_none() {
            println!("--- kept: {}", self.path.display());
        }
    }
}

/// A started `bellwether`; it does not outlive the test.
pub struct Running {
    pub child: Child,
    pub began: Instant,
}

impl Running {
    /// Calls `look` five times a second until the program ends.
    pub fn wait(&mut self, mut look: impl FnMut()) -> ExitStatus {
        loop {
            look();
            if let Some(status) = self.child.try_wait().unwrap() {
                look();
                return status;
            }
            if self.began.elapsed() > TOO_LONG {
                self.signal(rustix::process::Signal::TERM);
                self.child.wait().unwrap();
                panic!("the run did not end within {TOO_LONG:?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until `there`, or panics when the program ends before.
    pub fn until(&mut self, what: &str, mut there: impl FnMut() -> bool) {
        while !there() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended before {what}: {ended:?}");
            assert!(
                self.began.elapsed() < TOO_LONG,
                "waited too long for {what}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
