//! Facts recorded on real machines, true and disguised, and what must be concluded from them.

use fs_err as fs;

use super::*;
use crate::{model::EvidenceLine, profile::Shape};
fn recorded(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/identity");
    fs::read_to_string(format!("{folder}/{name}.canary.log")).unwrap()
}

fn package(name: &str, path: &str) -> Expected {
    Expected {
        sandboxer: name.into(),
        handler: name.into(),
        shape: Shape::OciRuntime,
        path: path.into(),
        shim: Some("containerd-shim-runc-v2".into()),
        origin: Origin::Package {
            package: name.into(),
        },
    }
}

fn crun() -> Expected {
    package("crun", "/usr/bin/crun")
}

fn runc() -> Expected {
    package("runc", "/usr/sbin/runc")
}

/// The build of youki that the recordings were made with.
fn youki() -> Expected {
    let sha256 = "34193f3496f8bc03b7cc144af836e558421b991f0ca3cbaf54320a4db04c5283";
    Expected {
        origin: Origin::Build {
            build: "youki".into(),
            sha256: sha256.into(),
        },
        ..package("youki", "/usr/local/bin/youki")
    }
}

fn gvisor() -> Expected {
    Expected {
        shape: Shape::Shim,
        shim: Some("containerd-shim-runsc-v1".into()),
        origin: Origin::Build {
            build: "gvisor".into(),
            sha256: "a86fd6a0bd8b1c51f7f20c6436f7d903ea639ade36587d4ddbde5eafc7bec9d3".into(),
        },
        ..package("runsc", "/usr/local/bin/runsc")
    }
}

fn proven(expected: &Expected, text: &str) -> Identity {
    judge(expected, &Facts::read(text)).unwrap_or_else(|mismatch| panic!("{}", mismatch.words))
}

fn refused(expected: &Expected, text: &str) -> Box<Mismatch> {
    let mismatch = judge(expected, &Facts::read(text)).unwrap_err();
    let lines: Vec<&str> = text.lines().collect();
    for EvidenceLine { line, text, .. } in &mismatch.lines {
        assert_eq!(lines[*line as usize - 1], text);
    }
    assert!(!mismatch.lines.is_empty());
    mismatch
}

#[test]
fn true_lanes_are_proven() {
    for (name, expected) in [
        ("runc", runc()),
        ("crun", crun()),
        ("youki", youki()),
        ("runsc", gvisor()),
    ] {
        let identity = proven(&expected, &recorded(name));
        let words: Vec<String> = identity
            .proofs
            .iter()
            .map(|proof| format!("{} ({})", proof.what, proof.line.line))
            .collect();
        insta::assert_snapshot!(name, words.join("\n"));
        assert!(identity.binary.sha256.is_some() && identity.monitor.is_some());
    }
}

#[test]
fn every_disguise_is_seen_through() {
    let cases = [
        ("crun-swap", crun()),
        ("crun-rename", crun()),
        ("crun-wrap", crun()),
        ("crun-clever", crun()),
        ("crun-self", crun()),
        ("crun-link", crun()),
        ("runc-swap", runc()),
        ("youki-swap", youki()),
        ("runsc-shim", gvisor()),
    ];
    let words: Vec<String> = cases
        .iter()
        .map(|(name, expected)| format!("{name}: {}", refused(expected, &recorded(name)).words))
        .collect();
    insta::assert_snapshot!("disguises", words.join("\n"));
}

/// No lane is proven by what another one left.
#[test]
fn a_record_proves_its_own_lane_only() {
    let lanes = [
        ("runc", runc()),
        ("crun", crun()),
        ("youki", youki()),
        ("runsc", gvisor()),
    ];
    for (name, _) in &lanes {
        for (other, expected) in &lanes {
            if name != other {
                refused_or_unproven(expected, name);
            }
        }
    }
}

fn refused_or_unproven(expected: &Expected, name: &str) {
    let result = judge(expected, &Facts::read(&recorded(name)));
    assert!(
        result.is_err(),
        "{} is proven by {name}",
        expected.sandboxer
    );
}

#[test]
fn each_sign_alone_gives_a_disguise_away() {
    let text = recorded("crun");
    let served =
        |change: &dyn Fn(&str) -> String| refused(&crun(), &change(&text)).served_by.unwrap();
    assert_eq!(
        served(&|text| text.replace("config.json status", "state.json")),
        "runc"
    );
    assert_eq!(
        served(&|text| text.replace("version /usr/bin/crun: crun", "version /usr/bin/crun: runc")),
        "runc"
    );
    assert_eq!(
        served(&|text| text.replace("cb6b 91750651", "cb6b 00000000")),
        "another crun"
    );
    assert_eq!(
        served(&|text| text.replacen("8c6226f9", "00000000", 1)),
        "another crun"
    );
    assert_eq!(
        served(&|text| text.replace("inside-kernel Linux 6", "inside-kernel Linux 4")),
        "something else"
    );
    let moved = |text: &str| text.replacen(" /usr/bin/crun\nexec", " /opt/crun\nexec", 1);
    assert_eq!(served(&moved), "/opt/crun");
}

#[test]
fn what_nobody_saw_is_not_proven() {
    let text = recorded("crun");
    let kept = |words: &[&str]| {
        let lines = text
            .lines()
            .filter(|line| words.iter().any(|word| line.starts_with(word)));
        lines.collect::<Vec<_>>().join("\n")
    };
    // The digest and the words of a file say nothing about who served.
    let mismatch = judge(&crun(), &Facts::read(&kept(&["file", "dpkg", "version"]))).unwrap_err();
    assert_eq!(mismatch.served_by, None);
    assert_eq!(
        mismatch.words,
        "lane says crun, and nothing shows who served the pod"
    );
    // Either the trace or the state is enough.
    for word in ["exec", "state"] {
        proven(&crun(), &kept(&["file", "dpkg", "version", word]));
    }
    let traced = format!("{}\nproblem the kernel has no tracefs", kept(&["file"]));
    let mismatch = refused(&crun(), &traced);
    assert!(
        mismatch
            .words
            .ends_with("the pod: the kernel has no tracefs"),
        "{}",
        mismatch.words
    );
}

#[test]
fn a_resident_controller_is_found_above_the_pod() {
    let expected = Expected {
        sandboxer: "kuasar-runc".into(),
        handler: "kuasar-runc".into(),
        shape: Shape::Controller,
        path: "/usr/local/bin/runc-sandboxer".into(),
        shim: None,
        origin: Origin::Build {
            build: "kuasar".into(),
            sha256: "aa".into(),
        },
    };
    let text = "pod p1\nfile elf aa bb /usr/local/bin/runc-sandboxer /usr/local/bin/runc-sandboxer\n\
        process 40 30 cc /pause /pause\nprocess 30 1 aa /usr/local/bin/runc-sandboxer runc-sandboxer --listen x\n";
    let identity = proven(&expected, text);
    assert!(
        identity
            .proofs
            .iter()
            .any(|proof| proof.what.contains("process 30"))
    );
    let other = format!("{text}exec 1 50 started 0 /usr/bin/containerd-shim-runc-v2\n");
    assert_eq!(
        refused(&expected, &other).served_by.as_deref(),
        Some("containerd-shim-runc-v2")
    );
    let unseen = text.replace("process 30 1 aa", "process 30 1 dd");
    assert_eq!(
        judge(&expected, &Facts::read(&unseen))
            .unwrap_err()
            .served_by,
        None
    );
    let said = format!("{unseen}said started sandbox p1\n");
    proven(&expected, &said);
}

#[test]
fn lines_that_are_no_facts_are_skipped() {
    let facts = Facts::read(
        "exec x y\nfile\nprocess 1\nstate nothing\nnote exec 1 2 started 0 /x\n\nexec 1 2 started 9 /a b\n",
    );
    assert_eq!(facts.execs.0.len(), 1);
    assert_eq!(facts.execs.0[0].fact.file, "/a b");
    assert_eq!(facts.execs.called(&[]).count(), 0);
}
