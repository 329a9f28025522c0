//! Measures what the documentation states, and writes docs/benchmarks.md.
//!
//! Each measurement drives the released binary as a user would; nothing is mocked.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::restore;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const FILE: &str = "docs/benchmarks.md";
pub const BINARY: &str = "target/release/bellwether";
/// Names a build to measure instead, by the measurements that take it.
pub const OTHER_BINARY: &str = "BELLWETHER_BENCH_BINARY";
const HEAD: &str = "# Benchmarks

Measured by `cargo xtask bench [NAME…]`, which drives the release build as a user would and rewrites the rows it measured.
Names: `junit`, `decision`, `restore`, `warm`, `ctrl-c`, `cold`. `cold` clones the repository and runs `make run` with empty caches.

| what | measured | bound | command | where and when |
|---|---|---|---|---|
";

pub struct Row {
    pub what: &'static str,
    pub measured: String,
    pub bound: &'static str,
    pub command: String,
}

/// Runs the named measurements, or all but `cold`.
pub fn run(names: &[&str]) -> Result<()> {
    let chosen = |name: &str| names.is_empty() && name != "cold" || names.contains(&name);
    let other = names == ["restore"] && std::env::var_os(OTHER_BINARY).is_some();
    if !other && (names.iter().any(|name| *name != "cold") || names.is_empty()) {
        succeed(Command::new("cargo").args(["build", "--release", "--bin", "bellwether"]))?;
    }
    let mut rows = Vec::new();
    if chosen("junit") {
        rows.push(junit()?);
    }
    if chosen("decision") {
        rows.push(decision()?);
    }
    if chosen("restore") {
        rows.extend(restore::measure()?);
    }
    if chosen("cold") {
        rows.extend(cold()?);
    }
    if chosen("warm") {
        rows.extend(warm()?);
    }
    if chosen("ctrl-c") {
        rows.push(ctrl_c()?);
    }
    write(&rows)
}

fn junit() -> Result<Row> {
    let output = Command::new("cargo")
        .args(["bench", "--bench", "junit"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("MB/s"))
        .ok_or("the bench printed no MB/s")?;
    Ok(Row {
        what: "JUnit reader",
        measured: line.trim().to_owned(),
        bound: "≥ 100 MB/s",
        command: "cargo bench --bench junit".to_owned(),
    })
}

fn decision() -> Result<Row> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        succeed(
            Command::new(BINARY)
                .args(["plan", "quickstart"])
                .stdout(Stdio::null()),
        )?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(Row {
        what: "deciding that nothing changed (resolve, digests, cache), median of 5",
        measured: format!(
            "{:.2} s (worst {:.2} s)",
            times[2].as_secs_f64(),
            times[4].as_secs_f64()
        ),
        bound: "≤ 2 s",
        command: format!("{BINARY} plan quickstart"),
    })
}

fn warm() -> Result<Vec<Row>> {
    let state = tempfile::tempdir()?;
    let started = Instant::now();
    let mut child = start(state.path())?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(200));
    };
    let wall = started.elapsed();
    let run = only_run(state.path())?;
    let first_machine = first_machine(&run)?;
    let lanes = lanes(&run)?;
    let overhead: Vec<String> = lanes
        .iter()
        .map(|lane| {
            format!(
                "{} {:.0} s (boot {:.0} s, import {:.0} s)",
                lane.id, lane.rest, lane.boot, lane.import
            )
        })
        .collect();
    let beyond = lanes
        .iter()
        .map(|lane| lane.rest - lane.boot - lane.import)
        .fold(0.0, f64::max);
    let command = format!("{BINARY} run quickstart");
    Ok(vec![
        Row {
            what: "quickstart, warm: two sandboxers, 26 and 8 specs on each",
            measured: format!(
                "{:.1} min under {}, {status}",
                wall.as_secs_f64() / 60.0,
                accelerator(&run)?
            ),
            bound: "≤ 6 min",
            command: command.clone(),
        },
        Row {
            what: "start of an unchanged run until its first machine runs",
            measured: format!("{first_machine:.1} s"),
            bound: "≤ 5 s",
            command: command.clone(),
        },
        Row {
            what: "lane wall − suite wall",
            measured: overhead.join("; "),
            bound: "≤ boot + import + 10 s",
            command: command.clone(),
        },
        Row {
            what: "the same beyond boot and import, worst lane",
            measured: format!("{beyond:.1} s"),
            bound: "≤ 10 s",
            command: command.clone(),
        },
        Row {
            what: "bellwether's own peak memory",
            measured: format!("{:.0} MB", peak as f64 / 1e6),
            bound: "≤ 100 MB",
            command,
        },
    ])
}

fn ctrl_c() -> Result<Row> {
    let state = tempfile::tempdir()?;
    let mut child = start(state.path())?;
    let deadline = Instant::now() + Duration::from_secs(600);
    // Until a machine runs and its suite has begun: the most there is to take down.
    let run = loop {
        if let Ok(run) = only_run(state.path())
            && events(&run)?
                .iter()
                .any(|event| event["phase"] == "suite-start" && event["event"] == "phase-started")
        {
            break run;
        }
        if Instant::now() > deadline || child.try_wait()?.is_some() {
            return Err("the run never came to its suite".into());
        }
        thread::sleep(Duration::from_millis(200));
    };
    let started = Instant::now();
    succeed(Command::new("kill").args(["-INT", &child.id().to_string()]))?;
    let status = child.wait()?;
    let run = run.display().to_string();
    while Command::new("pgrep")
        .args(["-f", &run])
        .stdout(Stdio::null())
        .status()?
        .success()
    {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(Row {
        what: "Ctrl-C while a suite runs, until no process is left",
        measured: format!("{:.1} s, {status}", started.elapsed().as_secs_f64()),
        bound: "≤ 5 s",
        command: format!("{BINARY} run quickstart, then SIGINT"),
    })
}

fn cold() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let clone = folder.path().join("bellwether");
    succeed(Command::new("git").args(["clone", "-q", "."]).arg(&clone))?;
    let at = |name: &str| folder.path().join(name);
    let started = Instant::now();
    let status = Command::new("make")
        .arg("run")
        .current_dir(&clone)
        .env("BELLWETHER_CACHE", at("cache"))
        .env("GOCACHE", at("go-build"))
        .env("GOMODCACHE", at("go-mod"))
        .env("GOFLAGS", "-modcacherw")
        .env("CARGO_HOME", at("cargo"))
        .status()?;
    Ok(vec![Row {
        what: "`make run` in a fresh clone with empty caches",
        measured: format!(
            "{:.1} min, {status}",
            started.elapsed().as_secs_f64() / 60.0
        ),
        bound: "≤ 25 min",
        command: "cargo xtask bench cold".to_owned(),
    }])
}

fn start(state: &Path) -> Result<Child> {
    let child = Command::new(BINARY)
        .args(["run", "quickstart"])
        .env("BELLWETHER_STATE", state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(child)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// The peak resident memory of a process so far, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("0");
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn only_run(state: &Path) -> Result<PathBuf> {
    let mut runs = fs::read_dir(state.join("runs"))?;
    Ok(runs.next().ok_or("no run yet")??.path())
}

/// All events of a run and its attempts.
pub fn events(run: &Path) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "events.jsonl") {
                let lane = path
                    .parent()
                    .and_then(Path::parent)
                    .map(|lane| lane.display().to_string());
                for line in fs::read_to_string(&path)?.lines() {
                    let mut event: Value = serde_json::from_str(line)?;
                    event["folder"] = lane.clone().into();
                    all.push(event);
                }
            }
        }
    }
    Ok(all)
}

fn at(event: &Value) -> f64 {
    let text = event["at"].as_str().unwrap_or_default();
    text.parse::<jiff::Timestamp>()
        .map_or(0.0, |at| at.as_microsecond() as f64 / 1e6)
}

fn first_machine(run: &Path) -> Result<f64> {
    let events = events(run)?;
    let time = |name: &str| {
        events
            .iter()
            .filter(|event| event["event"] == name)
            .map(at)
            .fold(f64::INFINITY, f64::min)
    };
    Ok(time("machine-started") - time("run-started"))
}

fn accelerator(run: &Path) -> Result<String> {
    let summary: Value = serde_json::from_str(&fs::read_to_string(run.join("summary.json"))?)?;
    Ok(summary["environment"]["accelerator"]
        .as_str()
        .unwrap_or("unknown")
        .to_owned())
}

struct LaneTime {
    id: String,
    rest: f64,
    boot: f64,
    import: f64,
}

fn lanes(run: &Path) -> Result<Vec<LaneTime>> {
    let summary: Value = serde_json::from_str(&fs::read_to_string(run.join("summary.json"))?)?;
    let events = events(run)?;
    let cells = summary["cells"].as_array().cloned().unwrap_or_default();
    Ok(cells
        .iter()
        .map(|cell| {
            let id = cell["lane"]["id"].as_str().unwrap_or_default().to_owned();
            let phase = |name: &str| {
                events
                    .iter()
                    .find(|event| {
                        event["event"] == "phase-started"
                            && event["phase"] == name
                            && event["folder"]
                                .as_str()
                                .is_some_and(|folder| folder.ends_with(&id))
                    })
                    .map_or(0.0, at)
            };
            let number = |key: &str| cell[key].as_f64().unwrap_or(0.0);
            LaneTime {
                rest: number("seconds") - number("suite_seconds"),
                boot: phase("runtime-ready") - phase("boot"),
                import: phase("suite-start") - phase("runtime-ready"),
                id,
            }
        })
        .collect())
}

/// Replaces the rows that were measured and keeps the others.
fn write(rows: &[Row]) -> Result<()> {
    let old = fs::read_to_string(FILE).unwrap_or_default();
    let mut lines: Vec<String> = old
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .map(str::to_owned)
        .collect();
    let cores = thread::available_parallelism()?;
    let today = jiff::Zoned::now().date();
    for row in rows {
        let line = format!(
            "| {} | {} | {} | `{}` | {cores} cores, {today} |",
            row.what, row.measured, row.bound, row.command
        );
        println!("{line}");
        let start = format!("| {} |", row.what);
        match lines.iter_mut().find(|line| line.starts_with(&start)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    fs::write(FILE, format!("{HEAD}{}\n", lines.join("\n")))?;
    Ok(())
}
