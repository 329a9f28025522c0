use std::{os::unix::fs::PermissionsExt, time::Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::{
    process,
    suite::{SuiteExit, ginkgo::flags::tests},
};

fn root() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

/// A machine's root with a payload whose `ginkgo` is this script.
fn machine(root: &Utf8Path, ginkgo: &str) {
    let bin = root.join("opt/bellwether/kubernetes/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(root.join("dev/virtio-ports")).unwrap();
    for (name, text) in [
        ("kubelet", ""),
        ("e2e_node.test", ""),
        ("mounter", ""),
        ("ginkgo", ginkgo),
    ] {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for port in ["bellwether.suite", "bellwether.status"] {
        std::fs::write(root.join("dev/virtio-ports").join(port), "").unwrap();
    }
}

async fn sh(script: &str) -> process::Output {
    process::call("sh")
        .arg("-s")
        .input(script)
        .output()
        .await
        .unwrap()
}

async fn start(root: &Utf8Path, limit: u64) {
    let script = script(
        &tests::settings(),
        &tests::facts(root.as_str()),
        Duration::from_secs(limit),
    )
    .unwrap();
    let output = sh(&script).await;
    assert_eq!(output.status, Some(0), "{}", output.stderr);
}

/// Waits for the file to hold something.
async fn wait_for(file: &Utf8Path) -> String {
    let started = Instant::now();
    loop {
        match std::fs::read_to_string(file) {
            Ok(text) if !text.is_empty() => return text,
            _ if started.elapsed() > Duration::from_secs(20) => panic!("{file} stays empty"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn out(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    root.join("var/lib/bellwether/suite/out").join(name)
}

fn status_port(root: &Utf8Path) -> Utf8PathBuf {
    root.join("dev/virtio-ports/bellwether.status")
}

#[test]
fn the_scripts_for_a_real_machine() {
    insta::assert_snapshot!(
        "start",
        script(
            &tests::settings(),
            &tests::facts(""),
            Duration::from_secs(3600)
        )
        .unwrap()
    );
    insta::assert_snapshot!("stop", stop_script(""));
}

#[test]
fn places_in_values_stay() {
    assert_eq!(
        fill("a @X@ @Y@ @Z@", &[("@X@", "@Y@"), ("@Y@", "2")]),
        "a @Y@ 2 @Z@"
    );
}

#[tokio::test]
async fn output_status_and_ports() {
    let (_guard, root) = root();
    machine(
        &root,
        "echo \"in $PWD\"; command -v kubelet; ls; echo last words; exit 1",
    );
    start(&root, 60).await;
    let exit = wait_for(&status_port(&root)).await;
    assert_eq!(
        exit,
        std::fs::read_to_string(out(&root, "exit.json")).unwrap()
    );
    let exit = SuiteExit::parse(&exit).unwrap();
    assert_eq!(
        (exit.status, exit.signal, exit.timed_out),
        (Some(1), None, false)
    );
    let log = std::fs::read_to_string(out(&root, "suite.log")).unwrap();
    let streamed = std::fs::read_to_string(root.join("dev/virtio-ports/bellwether.suite")).unwrap();
    assert_eq!(
        log, streamed,
        "the stream is whole before the status is told"
    );
    assert_eq!(
        log.replace(root.as_str(), ""),
        "in /var/lib/bellwether/suite/ws\n/opt/bellwether/kubernetes/bin/kubelet\ne2e_node.test\ngcp-credential-provider\nginkgo\nkubelet\nkubeletconfig.yaml\nmounter\nlast words\n"
    );
    let config =
        std::fs::read_to_string(root.join("var/lib/bellwether/suite/ws/kubeletconfig.yaml"))
            .unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["cgroupDriver"], "systemd");
}

#[tokio::test]
async fn a_signal_and_a_time_limit_are_told_apart() {
    for (ginkgo, limit, expected) in [
        ("kill -KILL $$", 60, (None, Some(9), false)),
        ("sleep 60", 1, (Some(124), None, true)),
    ] {
        let (_guard, root) = root();
        machine(&root, ginkgo);
        start(&root, limit).await;
        let exit = SuiteExit::parse(&wait_for(&out(&root, "exit.json")).await).unwrap();
        assert_eq!(
            (exit.status, exit.signal, exit.timed_out),
            expected,
            "{ginkgo}"
        );
    }
}

#[tokio::test]
async fn stopping_lets_the_suite_write_its_reports() {
    let (_guard, root) = root();
    machine(
        &root,
        "trap 'echo told to stop; exit 1' TERM; echo running; while :; do sleep 0.1; done",
    );
    start(&root, 60).await;
    wait_for(&out(&root, "suite.log")).await;
    let stopped = sh(&stop_script(root.as_str())).await;
    assert_eq!(stopped.status, Some(0), "{}", stopped.stderr);
    let exit =
        SuiteExit::parse(&std::fs::read_to_string(out(&root, "exit.json")).unwrap()).unwrap();
    assert_eq!(exit.signal, Some(15));
    let log = std::fs::read_to_string(out(&root, "suite.log")).unwrap();
    assert!(log.contains("told to stop"), "{log}");
    // Again, and when nothing was ever started.
    assert_eq!(sh(&stop_script(root.as_str())).await.status, Some(0));
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let (_guard, root) = root();
    machine(&root, "");
    std::fs::remove_file(root.join("opt/bellwether/kubernetes/bin/kubelet")).unwrap();
    let script = script(
        &tests::settings(),
        &tests::facts(root.as_str()),
        Duration::from_secs(60),
    )
    .unwrap();
    let output = sh(&script).await;
    assert_eq!(output.status, Some(66));
    assert!(
        output
            .stderr
            .contains("opt/bellwether/kubernetes/bin/kubelet is missing"),
        "{}",
        output.stderr
    );
}

#[tokio::test]
async fn systemd_says_how_a_killed_runner_ended() {
    let (_guard, root) = root();
    machine(&root, "exit 0");
    start(&root, 60).await;
    wait_for(&status_port(&root)).await;
    let runner = root.join("var/lib/bellwether/suite/run.sh");
    let ended = async |status: &str| {
        let call = process::call("sh").arg(runner.as_str()).arg("ended");
        call.env("EXIT_STATUS", status).run().await.unwrap();
        std::fs::read_to_string(out(&root, "exit.json")).unwrap()
    };
    assert!(
        ended("KILL").await.contains("\"status\":0"),
        "what the runner said stays"
    );
    let told = std::fs::read_to_string(status_port(&root)).unwrap();
    assert_eq!(told.lines().count(), 1, "the host is told once");
    std::fs::remove_file(root.join("var/lib/bellwether/suite/told")).unwrap();
    for (status, line) in [("KILL", "{\"signal\":9}\n"), ("3", "{\"status\":3}\n")] {
        std::fs::remove_file(out(&root, "exit.json")).unwrap();
        assert_eq!(ended(status).await, line);
    }
    let told = std::fs::read_to_string(status_port(&root)).unwrap();
    assert!(told.ends_with("{\"signal\":9}\n"), "{told}");
}

#[tokio::test]
async fn the_guest_can_be_asked_for_the_plan() {
    let (_guard, root) = root();
    machine(
        &root,
        "echo talk; echo \"$@\" > plan.json; test -L e2e_node.test",
    );
    let settings = Ginkgo {
        label_filter: Some("A && !B".into()),
        ..tests::settings()
    };
    let output = sh(&plan_script(&settings, &tests::facts(root.as_str()))).await;
    assert_eq!(output.status, Some(0), "{}", output.stderr);
    assert_eq!(
        output.text(),
        "--dry-run --no-color --label-filter=A && !B --json-report=plan.json ./e2e_node.test\n"
    );
}

#[tokio::test]
async fn a_port_that_nobody_reads_holds_nothing_up() {
    let (_guard, root) = root();
    machine(&root, "echo done");
    for port in ["bellwether.suite", "bellwether.status"] {
        let port = root.join("dev/virtio-ports").join(port);
        std::fs::remove_file(&port).unwrap();
        process::call("mkfifo")
            .arg(port.as_str())
            .run()
            .await
            .unwrap();
    }
    let started = Instant::now();
    start(&root, 60).await;
    let exit = SuiteExit::parse(&wait_for(&out(&root, "exit.json")).await).unwrap();
    assert_eq!(exit.status, Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    // The runner itself waits for the port a while longer; not here.
    let pid = root.join("var/lib/bellwether/suite/pid");
    sh(&format!("kill -s KILL -- \"-$(cat {pid})\"")).await;
}
