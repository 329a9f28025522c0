//! Restores of a saved node, beside the boot that it was saved from.
//!
//! Every run is a user's: `bellwether run quickstart` with a focus that no spec has, so that nothing but the node and its
//! canary is measured: a pod that is run through CRI on the lane's handler, without which no node counts.
//! `BELLWETHER_BENCH_BINARY` names a build to measure instead of the release build.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::bench::{BINARY, OTHER_BINARY, Result, Row, events};

const COMMAND: &str = "cargo xtask bench restore";

/// The memory that a guest uses, in bytes.
const USED: &str = "free -b | awk '/^Mem:/ {print $3}'\n";

struct Measured {
    restored: bool,
    seconds: f64,
    /// Whether its pod ran.
    pod: bool,
    /// Of the snapshot that was saved, and how long the machine stood still for it.
    saved: Option<(f64, f64)>,
    /// Memory that the guest used, in bytes; of a machine that was kept.
    used: f64,
}

/// One boot and `BELLWETHER_BENCH_RESTORES` restores, 50 if it is not set.
pub fn measure() -> Result<Vec<Row>> {
    let wanted = std::env::var("BELLWETHER_BENCH_RESTORES").unwrap_or_else(|_| "50".to_owned());
    let wanted: usize = wanted.parse()?;
    // A state folder of its own has a key of its own, so its first node cannot be in the cache.
    let state = tempfile::tempdir()?;
    let boot = one(state.path(), &["--keep"])?;
    let (bytes, stood) = boot.saved.ok_or("the first run did not save its node")?;
    let mut times = Vec::new();
    let mut pods = 0;
    for _ in 0..wanted {
        let restored = one(state.path(), &[])?;
        if !restored.restored {
            return Err("a run booted though there is a snapshot".into());
        }
        let pod = if restored.pod { "ran" } else { "FAILED" };
        println!("restored in {:.2} s, its pod {pod}", restored.seconds);
        pods += usize::from(restored.pod);
        times.push(restored.seconds);
    }
    times.sort_by(f64::total_cmp);
    let (p50, p95) = (percentile(&times, 50), percentile(&times, 95));
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').nth(2).unwrap_or_default();
    let row = |what, measured, bound| Row {
        what,
        measured,
        bound,
        command: COMMAND.to_owned(),
    };
    Ok(vec![
        row(
            "a node from its snapshot, until CRI answers Version and Status; each then ran a pod",
            format!(
                "p50 {p50:.1} s, p95 {p95:.1} s, worst {:.1} s of {wanted}; pods: {pods} ran, {} failed; with a load of {load}",
                times.last().copied().unwrap_or_default(),
                wanted - pods
            ),
            "p50 ≤ 3.5 s, p95 ≤ 6 s",
        ),
        row(
            "the same beside the boot of the same node, images imported",
            format!(
                "boot {:.0} s: 1/{:.0} of it",
                boot.seconds,
                boot.seconds / p50
            ),
            "≤ 1/15 of the boot",
        ),
        row(
            "a snapshot's size, memory and disk",
            format!(
                "{:.0} MB with {:.0} MB of memory used; the machine stood still for {stood:.1} s",
                bytes / 1e6,
                boot.used / 1e6
            ),
            "≤ memory used + 300 MB",
        ),
    ])
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn one(state: &Path, more: &[&str]) -> Result<Measured> {
    let runs = state.join("runs");
    let _ = fs::remove_dir_all(&runs);
    // No spec is selected, so it ends with 5.
    let binary = std::env::var(OTHER_BINARY).unwrap_or_else(|_| BINARY.to_owned());
    let status = Command::new(binary)
        .args(["run", "quickstart", "--sandboxer", "runc"])
        .args(["--suite", "conformance", "--focus", "no spec is called so"])
        .args(more)
        .env("BELLWETHER_STATE", state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let run = fs::read_dir(&runs)?.next().ok_or("no run")??.path();
    let events = events(&run)?;
    // The last one: a machine that came to nothing was replaced by another.
    let event = |name: &str| events.iter().rfind(|event| event["event"] == name);
    let ready = event("node-ready").ok_or_else(|| format!("no node was ready: {status}"))?;
    let attempt = ready["folder"].as_str().ok_or("no lane")?;
    let used = match event("machine-started").and_then(|event| event["pid"].as_u64()) {
        Some(pid) if more.contains(&"--keep") => {
            let used = used(state, pid);
            Command::new("kill").arg(pid.to_string()).status()?;
            used?
        }
        _ => 0.0,
    };
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let start = &ready["start"];
    Ok(Measured {
        restored: start["how"] == "restored",
        seconds: number(&start["seconds"]) + number(&start["plugged"]),
        // Written when the pod has run and it is known who served it.
        pod: Path::new(attempt).join("1/identity.json").exists(),
        saved: event("node-saved")
            .map(|saved| (number(&saved["bytes"]), number(&saved["seconds"]))),
        used,
    })
}

/// The memory that is used in a machine that was kept.
fn used(state: &Path, pid: u64) -> Result<f64> {
    let mut records = Vec::new();
    for entry in fs::read_dir(state.join("machines"))? {
        let record: Value = serde_json::from_str(&fs::read_to_string(entry?.path())?)?;
        records.push(record);
    }
    let record = records
        .iter()
        .find(|record| record["machine"]["pid"].as_u64() == Some(pid))
        .ok_or("the machine was not kept")?;
    let ssh = record["ssh_command"].as_str().ok_or("no ssh command")?;
    let script = state.join("used.sh");
    fs::write(&script, USED)?;
    let output = Command::new("sh")
        .args(["-c", &format!("{ssh} sh -s < {}", script.display())])
        .stderr(Stdio::inherit())
        .output()?;
    fs::remove_file(&script)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
