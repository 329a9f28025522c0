//! A run that is killed or interrupted leaves no machine, and what it finished can be read.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{
    cli::{Bench, Running, wanted},
    fault,
    world::one_machine,
};

fn started(name: &str) -> (Bench, Running) {
    let bench = Bench::new(name);
    bench.profile(&fault::longer_profile());
    let running = bench.start("runc");
    (bench, running)
}

fn saw(bench: &Bench, event: &str) -> bool {
    bench.events().iter().any(|seen| seen["event"] == event)
}

/// Waits until no machine of the bench is left.
fn machines_end(bench: &Bench, within: Duration) -> Duration {
    let began = Instant::now();
    while !bench.machines().is_empty() {
        assert!(began.elapsed() < within, "left: {:?}", bench.machines());
        std::thread::sleep(Duration::from_millis(50));
    }
    began.elapsed()
}

/// The next start judges the run by what it has; `run` of a profile that is wrong is such a start.
fn is_readable(bench: &Bench, passed: u32) {
    let (_, text) = bench.call(&["--json", "runs"]);
    println!("{text}");
    let folder = bench.run_folder().unwrap();
    std::fs::write(bench.path().join("none.toml"), NOTHING).unwrap();
    let next = bench.path().join("none.toml");
    let (status, _) = bench.call(&["run", next.to_str().unwrap()]);
    assert_eq!(status, Some(3), "a source that is not there");
    let verdict = bench.verdict();
    assert_eq!(verdict.exit_status, 5, "{}", verdict.headline);
    let [lane] = &verdict.blocking[..] else {
        panic!("one lane: {:?}", verdict.blocking);
    };
    println!("{}: {}", verdict.headline, lane.words);
    assert!(!lane.outcome.is_green());
    assert!(lane.counts.passed >= passed, "{:?}", lane.counts);
    assert!(folder.join("report.html").exists() && folder.join("summary.json").exists());
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let (_, shown) = bench.call(&["show", &run]);
    println!("{shown}");
    assert!(shown.contains("runc"), "{shown}");
}

/// Stops in phase resolve: one source is a folder that is not there.
const NOTHING: &str =
    "name = \"none\"\nextends = \"quickstart\"\n[source.cni]\npath = \"./absent\"\n";

#[test]
fn a_kill_during_boot_leaves_no_machine() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let (bench, mut running) = started("kill-boot");
    running.until("the machine", || !bench.machines().is_empty());
    std::thread::sleep(Duration::from_secs(10));
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    println!(
        "gone {:?} after the kill",
        machines_end(&bench, Duration::from_secs(2))
    );
    is_readable(&bench, 0);
}

#[test]
fn a_kill_during_the_suite_keeps_what_was_finished() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let (bench, mut running) = started("kill-suite");
    running.until("a finished spec", || saw(&bench, "spec-finished"));
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    println!(
        "gone {:?} after the kill",
        machines_end(&bench, Duration::from_secs(2))
    );
    is_readable(&bench, 1);
}

#[test]
fn ctrl_c_ends_within_five_seconds() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let (bench, mut running) = started("ctrl-c");
    running.until("a finished spec", || saw(&bench, "spec-finished"));
    let asked = Instant::now();
    running.signal(Signal::INT);
    let status = running.child.wait().unwrap();
    let took = asked.elapsed();
    println!("{status} after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(bench.machines().is_empty());
    assert_eq!(status.code(), Some(130));
    let verdict = bench.verdict();
    println!("{}", verdict.headline);
    assert_eq!(verdict.exit_status, 130);
    assert!(verdict.blocking[0].counts.passed >= 1);
    assert!(bench.run_folder().unwrap().join("report.html").exists());
}
