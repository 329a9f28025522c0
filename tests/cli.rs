//! The command line from outside: help, exit codes, and what reads a run directory.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::{path::Path, process::Command};

/// One call with a state folder of its own. Returns exit status, stdout, stderr.
fn call(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BELLWETHER_STATE", state.join("state"))
        .env("BELLWETHER_CACHE", state.join("cache"))
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn quick(arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    call(folder.path(), arguments)
}

const RUN: &str = "019aa0d2-4a10-7c3e-9f61-2b7d4c8e5a90";

/// A state folder that holds the recorded run.
fn with_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report/run-failed");
    copy(&from, &folder.path().join("state/runs").join(RUN));
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn every_subcommand_has_its_help() {
    let commands: &[&[&str]] = &[
        &[],
        &["run"],
        &["plan"],
        &["show"],
        &["report"],
        &["runs"],
        &["ssh"],
        &["repro"],
        &["profile"],
        &["profile", "check"],
        &["image"],
        &["image", "build"],
        &["cache"],
        &["cache", "prune"],
        &["doctor"],
    ];
    let mut all = String::new();
    for command in commands {
        let (status, stdout, _) = quick(&[command, ["-h"].as_slice()].concat());
        assert_eq!(status, 0, "{command:?}");
        // The global options are the same everywhere: once is enough.
        let own = stdout.split("Global options:").next().unwrap().trim_end();
        let text = if command.is_empty() {
            stdout.trim_end()
        } else {
            own
        };
        all.push_str(&format!(
            "$ bellwether {} -h\n{text}\n\n",
            command.join(" ")
        ));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["run"],
        &["run", "quickstart", "--source", "kubernetes"],
        &["run", "no-such-profile"],
        &["plan", "quickstart", "--sandboxer", "no-such"],
        &["profile", "check", "no-such-profile"],
        &["show", "no-such-run"],
        &["report", "latest"],
        &["ssh", "latest"],
        &["repro", "latest"],
        &["cache", "prune", "--days", "soon"],
        &["image", "build", "quickstart", "--image", "no-such"],
    ] {
        let (status, stdout, stderr) = quick(arguments);
        assert_eq!(status, 2, "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}: stdout is for data");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn errors_say_what_to_do_next() {
    let folder = with_run();
    let said = |arguments: &[&str]| call(folder.path(), arguments).2;
    insta::assert_snapshot!(
        [
            said(&["show", "nope"]),
            said(&["ssh", "latest"]),
            said(&["ssh", "latest/crun"]),
            said(&["ssh", "latest/gvisor"]),
            said(&["repro", "latest/gvisor/EmptyDir"]),
            said(&["repro", "latest/gvisor/nothing like it"]),
        ]
        .join("\n")
    );
}

#[test]
fn show_reads_a_run_directory() {
    let folder = with_run();
    let path = folder.path().join("state/runs").join(RUN);
    let (status, by_path, stderr) = call(folder.path(), &["show", path.to_str().unwrap()]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    for name in ["latest", RUN, "019aa0d2-4a10"] {
        assert_eq!(call(folder.path(), &["show", name]).1, by_path, "{name}");
    }
    let shown = by_path.replace(folder.path().to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(shown);
}

#[test]
fn show_as_json_is_the_summary() {
    let folder = with_run();
    let (_, stdout, _) = call(folder.path(), &["show", "latest", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(value["run"], RUN);
    assert_eq!(value["cells"].as_array().unwrap().len(), 3);
}

#[test]
fn a_run_without_a_summary_shows_how_far_it_came() {
    let folder = with_run();
    let run = folder.path().join("state/runs").join(RUN);
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    // Killed while the last lane ran, in the middle of a write.
    let kept = events.lines().count() - 2;
    let mut torn: String = events
        .lines()
        .take(kept)
        .map(|line| format!("{line}\n"))
        .collect();
    torn.push_str("{\"at\":\"2026-1");
    std::fs::write(run.join("events.jsonl"), torn).unwrap();

    let (status, stdout, stderr) = call(folder.path(), &["show"]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.contains("✓ releases.plain.runc.smoke"), "{stdout}");
    assert!(stdout.contains("▸ releases.plain.gvisor.smoke"), "{stdout}");
    let (_, list, _) = call(folder.path(), &["runs"]);
    assert!(list.contains("was killed"), "{list}");
    assert_eq!(call(folder.path(), &["report"]).0, 2);
}

#[test]
fn report_writes_everything_and_prints_the_page() {
    let folder = with_run();
    let (status, stdout, stderr) = call(folder.path(), &["report", "latest"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    let page = std::fs::read_to_string(stdout.trim()).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    let run = folder.path().join("state/runs").join(RUN);
    for file in [
        "junit.xml",
        "prow/started.json",
        "prow/finished.json",
        "prow/build-log.txt",
    ] {
        assert!(run.join(file).exists(), "{file}");
    }
    // Every file that the page links to is there.
    for link in page.split("href=\"./").skip(1) {
        let file = link.split('"').next().unwrap();
        assert!(run.join(file).exists(), "{file}");
    }
    // Every place within the page, too.
    for link in page.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn runs_are_listed() {
    let folder = with_run();
    let (status, stdout, _) = call(folder.path(), &["runs"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!(stdout);
    let (_, json, _) = call(folder.path(), &["runs", "--json", "--profile", "other"]);
    assert_eq!(json.trim(), "[]");
}

#[test]
fn profiles_are_listed_shown_and_checked() {
    let (status, stdout, _) = quick(&["profile", "list"]);
    assert_eq!(status, 0);
    for name in ["quickstart", "containerd"] {
        assert!(
            stdout.lines().any(|line| line.starts_with(name)),
            "{stdout}"
        );
        let (status, shown, _) = quick(&["profile", "show", name]);
        assert_eq!(status, 0);
        // What is shown is a profile again.
        assert!(shown.contains(&format!("name = \"{name}\"")), "{shown}");
    }
    assert_eq!(
        quick(&["profile", "check", "quickstart", "containerd"]).0,
        0
    );
    let (status, schema, _) = quick(&["profile", "schema"]);
    assert_eq!(status, 0);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["type"], "object");
}

#[test]
fn a_wrong_profile_is_shown_with_a_caret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "name = \"bad\"\ndescripton = \"x\"\n").unwrap();
    let (status, stdout, stderr) =
        call(folder.path(), &["profile", "check", file.to_str().unwrap()]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.contains("bad.toml:2:1"), "{stderr}");
    assert!(stderr.contains("^^^"), "{stderr}");
    let (status, stdout, _) = call(
        folder.path(),
        &["profile", "check", "--json", file.to_str().unwrap()],
    );
    assert_eq!(status, 2);
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let errors = value[0]["errors"].as_array().unwrap();
    assert!(errors.iter().any(|error| error["line"] == 2), "{value}");
}

#[test]
fn an_empty_cache_is_no_error() {
    let (status, stdout, stderr) = quick(&["cache", "list"]);
    assert_eq!((status, stdout.as_str()), (0, ""));
    assert!(stderr.starts_with("0 entries kept"), "{stderr}");
    assert_eq!(quick(&["cache", "prune", "--json"]).1.trim(), "[]");
}

#[test]
fn colours_are_shown_when_asked_for_only() {
    let folder = with_run();
    assert!(!call(folder.path(), &["show"]).1.contains('\u{1b}'));
    assert!(
        call(folder.path(), &["show", "--color", "always"])
            .1
            .contains('\u{1b}')
    );
}
