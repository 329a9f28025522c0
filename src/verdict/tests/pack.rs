//! The pack validates, and every rule has a fixture that it matches and one that it must not.

use std::{collections::BTreeMap, fs, path::Path};

use regex::Regex;

use super::FIXTURES;
use crate::verdict::{
    Artifact, Artifacts, Example, Rule, Rules, check, classify, matches, rules::PACK,
};

/// Rules of an attempt's files; those of a failure's own text have tests of their own.
fn of_files() -> impl Iterator<Item = &'static Rule> {
    Rules::shipped()
        .iter()
        .filter(|rule| !rule.reads_only_texts())
}

/// The examples in a rule's folder and in the rule itself.
fn examples(rule: &Rule) -> Vec<Example> {
    let folder = Path::new(FIXTURES).join("rules").join(&rule.id);
    let mut found = Example::inline(rule);
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // `match-what.journal.log`: the part before the first dot says what it is for.
        let (purpose, artifact) = name.split_once('.').unwrap();
        found.push(Example {
            matches: purpose.split('-').next() == Some("match"),
            file: Artifact::new(artifact, fs::read_to_string(&path).unwrap()),
            name,
        });
    }
    found
}

fn fixtures(rule: &Rule, kind: &str) -> Vec<(String, Artifacts)> {
    let wanted = kind == "match";
    let found: Vec<_> = examples(rule)
        .into_iter()
        .filter(|example| example.matches == wanted)
        .map(|example| (example.name, Artifacts::new(vec![example.file])))
        .collect();
    assert!(!found.is_empty(), "{} has no {kind} fixture", rule.id);
    found
}

#[test]
fn every_rule_does_what_its_examples_say() {
    for rule in Rules::shipped().iter() {
        let failing = check(Rules::shipped(), rule, &examples(rule));
        assert!(failing.is_empty(), "{failing:#?}");
    }
}

#[test]
fn every_rule_matches_its_fixtures_and_says_it_well() {
    if let Err(error) = Rules::load(&PACK) {
        panic!("{error}");
    }
    let mut said = BTreeMap::new();
    for rule in of_files() {
        for (name, artifacts) in fixtures(rule, "match") {
            let found = matches(Rules::shipped(), &artifacts);
            let found = found.iter().find(|found| found.rule.id == rule.id);
            let found = found.unwrap_or_else(|| panic!("{} does not match {name}", rule.id));
            let stop = super::stop(rule.phases[0], rule.stops[0], "the machine was lost");
            let cause = classify(&stop, &artifacts);
            assert_eq!(
                cause.rule.as_deref(),
                Some(rule.id.as_str()),
                "{name} is stolen"
            );
            assert_eq!(cause.evidence[0], found.line);
            assert!(cause.evidence[0].line >= 1);
            said.insert(
                format!("{}/{name}", rule.id),
                format!("{} | {}", cause.summary, cause.evidence[0].line),
            );
        }
    }
    insta::assert_json_snapshot!("causes", said);
}

/// The same attempt on another node at another time, with unrelated lines around every line.
fn elsewhere(artifacts: &Artifacts) -> Artifacts {
    const NOISE: &str = "I0301 01:02:03.000004    4242 reconciler.go:7] \"Nothing to do\" err=null";
    let changes = [
        (
            r"(?m)^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ ",
            "${1}0301 01:02:03.000004   70707 ",
        ),
        (
            r"(?m)^Nov 20 11:06:33 node1 ([a-z-]+)\[\d+\]",
            "Mar  1 01:02:03 other-host ${1}[70707]",
        ),
        (
            r#""__REALTIME_TIMESTAMP": "\d+""#,
            r#""__REALTIME_TIMESTAMP": "1772326923000000""#,
        ),
        (r"(?m)^\[ *\d+\.\d+\] ", "[  907.000001] "),
        (
            r"\b[0-9a-f]{64}\b",
            "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff",
        ),
    ];
    let files = artifacts.iter().map(|file| {
        let mut text = file.parts[0].1.clone();
        for (pattern, with) in changes {
            text = Regex::new(pattern)
                .unwrap()
                .replace_all(&text, with)
                .into_owned();
        }
        let lines: Vec<&str> = text.lines().flat_map(|line| [NOISE, line, NOISE]).collect();
        (file.name.clone(), lines.join("\n"))
    });
    Artifacts::from_pairs(files.collect::<Vec<_>>())
}

#[test]
fn rules_hold_on_other_nodes_at_other_times() {
    for rule in of_files() {
        let stop = super::stop(rule.phases[0], rule.stops[0], "the machine was lost");
        for (name, artifacts) in fixtures(rule, "match") {
            let cause = classify(&stop, &elsewhere(&artifacts));
            assert_eq!(cause.rule.as_deref(), Some(rule.id.as_str()), "{name}");
            assert_eq!(cause.evidence[0].line % 3, 2, "{name}: the line moved");
        }
        for (name, artifacts) in fixtures(rule, "near") {
            let found = matches(Rules::shipped(), &elsewhere(&artifacts));
            assert!(
                found.iter().all(|found| found.rule.id != rule.id),
                "{}: {name}",
                rule.id
            );
        }
    }
}

#[test]
fn no_rule_matches_its_near_miss() {
    for rule in Rules::shipped().iter() {
        for (name, artifacts) in fixtures(rule, "near") {
            let found = matches(Rules::shipped(), &artifacts);
            let ids: Vec<&str> = found.iter().map(|found| found.rule.id.as_str()).collect();
            assert!(
                !ids.contains(&rule.id.as_str()),
                "{} matches {name}",
                rule.id
            );
        }
    }
}

#[test]
fn no_fixture_without_a_rule() {
    for entry in fs::read_dir(Path::new(FIXTURES).join("rules")).unwrap() {
        let id = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            Rules::shipped().get(&id).is_some(),
            "no rule is called {id}"
        );
    }
}

#[test]
fn rules_know_no_node_fixture_or_planted_fault() {
    for rule in Rules::shipped().iter() {
        let text = format!(
            "{} {} {} {:?}",
            rule.id, rule.pattern, rule.summary, rule.hint
        );
        for name in [
            "node1", "vm1", "nosuch", "absent", "planted", "tests/", "/tmp/",
        ] {
            assert!(!text.contains(name), "{} names {name}", rule.id);
        }
    }
}

fn refused(change: impl Fn(&str) -> String) -> String {
    let good = r#"
[[rule]]
id = "one"
phases = ["spec"]
artifacts = ["x.log"]
pattern = 'lost (?P<what>\w+)'
class = "infra"
blame = "environment"
confidence = "certain"
precedence = 1
summary = "It lost {what}"
"#;
    assert!(Rules::load(&[("good.toml", good)]).is_ok());
    Rules::load(&[("bad.toml", &change(good))])
        .unwrap_err()
        .to_string()
}

#[test]
fn a_wrong_pack_is_refused_with_the_reason() {
    let errors = [
        refused(|good| good.replace("precedence", "presedence")),
        refused(|good| good.replace("lost (", "lost ((")),
        refused(|good| good.replace("{what}", "{whom}")),
        refused(|good| format!("{good}{good}")),
        refused(|good| good.replace("\"infra\"", "\"bad-luck\"")),
        refused(|good| good.replace("lost (?P<what>\\w+)", "(?P<what>\\w*)")),
        refused(|good| good.replace("\"It lost {what}\"", "\"It lost {what}.\"")),
        refused(|good| good.replace("[\"x.log\"]", "[]")),
        refused(|good| good.replace("\"one\"", "\"One\"")),
        refused(|good| good.replace("precedence = 1", "precedence = 1\nat-least = 0")),
        refused(|good| good.replace("precedence = 1", "precedence = 1\nfiles = \"issue\"")),
        refused(|good| good.replace("precedence = 1", "precedence = 1\nowner = \" \"")),
    ];
    insta::assert_snapshot!("refused", errors.join("\n---\n"));
}
