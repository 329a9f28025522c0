use std::io::Read as _;

use super::*;
use crate::{
    machine::entry::Artifact::{Console, Ignition, Journal},
    model::Phase,
};

mod units;

fn required() -> Vec<String> {
    vec![
        "containerd.service".into(),
        "opt-bellwether-runtime.mount".into(),
    ]
}

fn told(lines: &[(Artifact, &str)]) -> Option<Ending> {
    let mut story = Story::default();
    for (artifact, line) in lines {
        story.read(*artifact, line, &required());
    }
    story.ending()
}

fn fixture(name: &str) -> String {
    let path = format!("tests/fixtures/machine/{name}");
    let bytes = std::fs::read(path).unwrap();
    if name.ends_with(".gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

fn read(artifact: Artifact, text: &str) -> Option<Ending> {
    let lines: Vec<(Artifact, &str)> = text.lines().map(|line| (artifact, line)).collect();
    told(&lines)
}

fn journal(sender: &str, pid: u32, unit: &str, message: &str) -> String {
    serde_json::json!({
        "SYSLOG_IDENTIFIER": sender, "_PID": pid.to_string(), "MESSAGE": message,
        "_TRANSPORT": if sender == "kernel" { "kernel" } else { "stdout" },
        (if pid == 1 { "UNIT" } else { "_SYSTEMD_UNIT" }): unit,
    })
    .to_string()
}

#[test]
fn ignition_is_named_by_its_innermost_line() {
    let text = fixture("ignition-failed-group.journal.json.gz");
    let ending = read(Ignition, &text).unwrap();
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert_eq!(
        ending.said,
        r#"Ignition failed: creating or modifying user "probe": exit status 6: Cmd: "useradd" "--root" "/sysroot" "--create-home" "--password" "*" "--groups" "nosuchgroup" "probe" Stdout: "" Stderr: "useradd: group 'nosuchgroup' does not exist\n""#
    );
    let line = ending.line.unwrap();
    assert_eq!((line.file.as_str(), line.line), ("ignition.journal", 552));

    let other = text
        .replace("nosuchgroup", "wheelish")
        .replace("probe", "someone")
        .replace("\"_PID\":\"412\"", "\"_PID\":\"97\"");
    let ending = read(Ignition, &other).unwrap();
    assert!(
        ending.said.contains("group 'wheelish' does not exist"),
        "{}",
        ending.said
    );
}

#[test]
fn a_config_that_ignition_refuses_is_named() {
    let text = fixture("ignition-version.journal.json");
    let ending = read(Ignition, &text).unwrap();
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert_eq!(
        ending.said,
        "Ignition failed: failed to acquire config: unsupported config version"
    );
    assert_eq!(ending.line.unwrap().line, 23);

    let other = text
        .replace("unsupported config version", "config is not valid")
        .replace(
            "parsing config with SHA512",
            "error at $.storage.files.0.path, line 1 col 9: path not absolute; SHA512",
        );
    let ending = read(Ignition, &other).unwrap();
    assert!(ending.said.contains("path not absolute"), "{}", ending.said);
    // Without its last word Ignition may still go on.
    let before: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("Ignition failed"))
        .collect();
    assert_eq!(read(Ignition, &before.join("\n")), None);
}

#[test]
fn another_failed_operation_is_not_taken_for_the_cause() {
    let lines = [
        journal(
            "ignition",
            5,
            "",
            "CRITICAL : op(1): [failed]   loading QEMU firmware config module: exit status 1: Cmd: \"modprobe\"",
        ),
        journal(
            "ignition",
            5,
            "",
            "CRITICAL : files: createFilesystemsFiles: op(7): [failed]   writing file \"/etc/x\": open /sysroot/etc/x: read-only file system",
        ),
        journal(
            "ignition",
            5,
            "",
            "CRITICAL : Ignition failed: failed to create files: failed to create file \"/etc/x\": open /sysroot/etc/x: read-only file system",
        ),
    ];
    let ending = read(Ignition, &lines.join("\n")).unwrap();
    assert_eq!(ending.line.unwrap().line, 2);
    // Without the last line Ignition has not given up.
    assert_eq!(read(Ignition, &lines[..2].join("\n")), None);
}

#[test]
fn an_emergency_shell_is_named_by_what_failed_before_it() {
    let ending = read(Console, &fixture("ignition-failed-group.console.log")).unwrap();
    assert!(
        ending.said.starts_with(
            "the boot ended in an emergency shell: systemd: Failed to start ignition-files.service"
        ),
        "{}",
        ending.said
    );
    let line = ending.line.unwrap();
    assert_eq!((line.file.as_str(), line.line), ("console.log", 1));
}

#[test]
fn a_root_that_was_never_looked_for_is_not_the_cause() {
    // Ignition failed first; the same "does not exist" is printed on the way to the shell.
    let text = fixture("ignition-version.console.log");
    assert!(text.contains("/dev/disk/by-label/root does not exist"));
    let ending = read(Console, &text).unwrap();
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert!(
        ending.said.contains("ignition-fetch-off"),
        "{}",
        ending.said
    );

    let missing = fixture("missing-root.console.log");
    let want = "the initramfs found no root file system: /dev/disk/by-label/root does not exist";
    assert_eq!(read(Console, &missing).unwrap().said, want);
    let other = missing.replace("by-label/root", "by-uuid/11-22");
    let ending = read(Console, &other).unwrap();
    assert!(
        ending
            .said
            .ends_with("/dev/disk/by-uuid/11-22 does not exist"),
        "{}",
        ending.said
    );
    assert_eq!(ending.phase, Some(Phase::Boot));
    let hooks = missing
        .lines()
        .take_while(|line| !line.contains("Could not boot"));
    assert_eq!(read(Console, &hooks.collect::<Vec<_>>().join("\n")), None);
}

#[test]
fn the_failure_journal_explains_what_the_console_only_shows() {
    let console = fixture("ignition-failed-group.console.log");
    let channel = fixture("ignition-failed-group.journal.json.gz");
    let mut lines: Vec<(Artifact, &str)> = console.lines().map(|line| (Console, line)).collect();
    lines.extend(channel.lines().map(|line| (Ignition, line)));
    let ending = told(&lines).unwrap();
    assert!(ending.said.contains("nosuchgroup"), "{}", ending.said);
}

#[test]
fn a_clean_run_raises_no_alarm() {
    assert_eq!(read(Console, &fixture("clean.console.log")), None);
    let journal = fixture("clean.journal.json.gz");
    assert!(journal.lines().count() > 2000);
    assert_eq!(read(Journal, &journal), None);
    assert_eq!(read(Ignition, &journal), None);
}

#[test]
fn panics_and_missing_roots() {
    let panic =
        "[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009";
    let ending = told(&[(Console, "[   12.3] x"), (Console, panic)]).unwrap();
    assert_eq!(
        ending.said,
        "the guest's kernel panicked: Attempted to kill init! exitcode=0x00000009"
    );
    assert_eq!(ending.line.unwrap().line, 2);

    let root = "[    3.000001][    T1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
    let ending = told(&[(Console, root)]).unwrap();
    assert_eq!(ending.phase, Some(Phase::Boot));
    assert!(
        ending.said.contains("no root file system"),
        "{}",
        ending.said
    );

    let ending = told(&[
        (
            Ignition,
            &journal(
                "dracut-initqueue",
                300,
                "dracut-initqueue.service",
                "Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks:",
            ),
        ),
        (
            Ignition,
            &journal(
                "dracut-initqueue",
                300,
                "dracut-initqueue.service",
                "Warning: Could not boot.",
            ),
        ),
        (
            Ignition,
            &journal(
                "dracut-emergency",
                301,
                "dracut-emergency.service",
                "Warning: /dev/disk/by-label/rootfs does not exist",
            ),
        ),
        (
            Ignition,
            &journal(
                "systemd",
                1,
                "emergency.target",
                "Reached target emergency.target - Emergency Mode.",
            ),
        ),
    ])
    .unwrap();
    assert_eq!(
        ending.said,
        "the initramfs found no root file system: /dev/disk/by-label/rootfs does not exist"
    );
    assert_eq!(ending.line.unwrap().line, 3);

    let ending = told(&[
        (
            Console,
            "[    2.100000] dracut: FATAL: Don't know how to handle 'root=nonsense'",
        ),
        (Console, "[    2.200000] dracut: Refusing to continue"),
    ])
    .unwrap();
    assert!(
        ending.said.contains("Don't know how to handle"),
        "{}",
        ending.said
    );
}

#[test]
fn the_console_s_last_line_is_what_a_person_sees() {
    let mut story = Story::default();
    story.read(Console, "\u{1b}[0;1mDebian GNU/Linux 13\u{1b}[0m\r", &[]);
    assert_eq!(story.console(), "Debian GNU/Linux 13");
    story.read(Console, "\r", &[]);
    story.prompt("node1 login: ");
    assert_eq!(story.console(), "node1 login:");
}
