//! Failures by their own words.

use crate::{
    model::{Blame, Class, Confidence, Filing},
    verdict::{EMPTY, Rules, class_of_text, class_of_text_with},
};

fn class(message: &str, output: &str) -> Class {
    class_of_text(message, output).map_or(Class::Unknown, |hit| hit.class)
}

#[test]
fn the_matched_line_and_text_are_told() {
    let output = "I1120 11:06:33.000001 875 x.go:1] hello\n  F1120 11:06:35.100000     875 run_remote.go:1] Failed to run e2e services: failed to start API server: service IP family \"10.0.0.0/24\" must match public address family \"fec0::5054:ff:fe12:3456\"\n";
    let hit = class_of_text("exit status 1", output).unwrap();
    assert_eq!(hit.rule, "services-ip-family");
    assert_eq!(
        (hit.class, hit.blame),
        (Class::Environment, Blame::NodeImage)
    );
    // Words that a node's file would make certain.
    assert_eq!(hit.confidence, Confidence::Likely);
    assert_eq!(hit.filing, Filing::RunIssue);
    let line = hit.line.unwrap();
    assert_eq!((line.file.as_str(), line.line), ("output", 2));
    assert!(line.text.starts_with("F1120"), "{}", line.text);
}

#[test]
fn what_says_nothing_is_no_evidence() {
    for (message, output) in [
        ("", ""),
        ("exit status 1", "FAIL\n"),
        ("error during ./hack/e2e.sh: exit status 1", ""),
        (
            "--- FAIL: TestX (0.00s)",
            "=== RUN   TestX\n--- FAIL: TestX (0.00s)\nFAIL",
        ),
        ("Process completed with exit code 1.", "\n\n"),
    ] {
        let hit = class_of_text(message, output).unwrap_or_else(|| panic!("{message}"));
        assert_eq!(
            (hit.rule.as_str(), hit.class),
            (EMPTY, Class::NoEvidence),
            "{message}"
        );
        assert_eq!(hit.filing, Filing::Nothing);
        assert_eq!(hit.line.is_some(), !message.is_empty());
    }
}

#[test]
fn what_nobody_knows_stays_unknown() {
    assert_eq!(class("the moon is in the wrong house", ""), Class::Unknown);
    // A log that could be anybody's does not speak for a message that says something.
    assert_eq!(
        class("the moon is in the wrong house", "Unable to get logs"),
        Class::Unknown
    );
    assert_eq!(
        class("exit status 3", "Unable to get logs"),
        Class::Assertion
    );
}

#[test]
fn what_kept_a_test_from_its_assertion_comes_first() {
    let waited = "[FAILED] Timed out after 60.000s.\nThe function passed to Eventually failed at x_test.go:3 with:\nExpected\n    <bool>: false\nto be true";
    assert_eq!(class(waited, ""), Class::Assertion);
    let pulled =
        format!("{waited}\npod status: Waiting:&ContainerStateWaiting{{Reason:ErrImagePull,}}");
    assert_eq!(class(&pulled, ""), Class::ImagePull);
    // In a long log another pod may have waited for its image.
    assert_eq!(class(waited, "pod other: ErrImagePull"), Class::Assertion);
    assert_eq!(class(waited, "Kernel panic - not syncing: x"), Class::Infra);
}

#[test]
fn other_suites_are_read_too() {
    for (message, expected) in [
        (
            "E       assert 3 == 4\nE        +  where 3 = f()",
            Class::Assertion,
        ),
        (
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='x'): no route to host",
            Class::Infra,
        ),
        (
            "not ok 14 cgroupv2 unified support\n# (in test file ./cgroups.bats, line 103)\n#   `[[ \"$output\" == *\"209715200\"* ]]' failed",
            Class::Assertion,
        ),
        (
            "java.lang.NoClassDefFoundError: org/example/X",
            Class::Environment,
        ),
        (
            "org.opentest4j.AssertionFailedError: expected: <1> but was: <2>\n\tat x.Y.z(Y.java:3)",
            Class::Assertion,
        ),
        (
            "panic: test timed out after 10m0s\nrunning tests:",
            Class::SuiteTimeout,
        ),
        ("FAIL\tgithub.com/x/y [build failed]", Class::Build),
        (
            "thread 'main' panicked at src/x.rs:3:5:\nassertion `left == right` failed",
            Class::Assertion,
        ),
    ] {
        assert_eq!(class(message, ""), expected, "{message}");
    }
}

#[test]
fn colours_carriage_returns_and_prefixes_do_not_hide_a_line() {
    for coat in [
        "\u{1b}[38;5;9m[FAILED]\u{1b}[0m toomanyrequests: You have reached your pull rate limit\r",
        "Nov 20 11:06:33 node1 kubelet[654]: toomanyrequests: You have reached",
        "    toomanyrequests: You have reached",
        "> # toomanyrequests: You have reached",
    ] {
        assert_eq!(
            class(&format!("x\n{coat}\ny"), ""),
            Class::ImagePull,
            "{coat}"
        );
    }
}

#[test]
fn hostile_texts_neither_crash_nor_stall() {
    let started = std::time::Instant::now();
    let long = "Expected ".repeat(1 << 18);
    let lines = "Failed to pull image \"\n".repeat(1 << 14);
    let nested = "(((((a*)*)*)*)*)[[[\\\\\"".repeat(1 << 12);
    for text in [
        long.as_str(),
        lines.as_str(),
        nested.as_str(),
        "\u{0}\u{feff}\u{202e}",
        "{\"MESSAGE\":",
    ] {
        let _ = class_of_text(text, text);
    }
    // Unoptimised, on a shared machine.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn a_users_rule_joins_the_pack() {
    let mine = r#"
[[rule]]
id = "our-proxy"
artifacts = ["message"]
pattern = 'squid: (?P<error>access denied to \S+)'
class = "infra"
owner = "team-network"
precedence = 700
summary = "Our proxy refused: {error}"
matches = ["squid: access denied to example.com"]
misses = ["squid: access granted"]
"#;
    let rules = Rules::with(&[("mine.toml", mine)]).unwrap();
    let hit = class_of_text_with(&rules, "pull: squid: access denied to example.com", "").unwrap();
    assert_eq!(hit.rule, "our-proxy");
    assert_eq!(hit.owner.as_deref(), Some("team-network"));
    assert_eq!(
        hit.summary,
        "Our proxy refused: access denied to example.com"
    );
    let rule = rules.get("our-proxy").unwrap();
    assert_eq!((rule.pack.as_str(), rule.line), ("mine.toml", 2));
    let taken = mine.replace("our-proxy", "kernel-panic");
    let error = Rules::with(&[("mine.toml", &taken)]).unwrap_err();
    assert_eq!((error.0[0].line, error.0[0].column), (3, 6));
    assert!(error.to_string().contains("the id is taken"), "{error}");
    assert!(error.to_string().contains("rules/machine.toml:"), "{error}");
}
