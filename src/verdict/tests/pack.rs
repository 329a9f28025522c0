//! The pack validates, and every rule has a fixture that it matches and one that it must not.

use std::{collections::BTreeMap, fs, path::Path};

use super::FIXTURES;
use crate::verdict::{Artifacts, Rule, Rules, classify, matches, rules::PACK};

fn fixtures(rule: &Rule, kind: &str) -> Vec<(String, Artifacts)> {
    let folder = Path::new(FIXTURES).join("rules").join(&rule.id);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} has no fixtures", rule.id)) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // `match-what.journal.log`: the part before the first dot says what it is for.
        let (purpose, artifact) = name.split_once('.').unwrap();
        if purpose.split('-').next() == Some(kind) {
            let text = fs::read_to_string(&path).unwrap();
            found.push((name.clone(), Artifacts::from_pairs([(artifact, text)])));
        }
    }
    assert!(!found.is_empty(), "{} has no {kind} fixture", rule.id);
    found
}

#[test]
fn every_rule_matches_its_fixtures_and_says_it_well() {
    if let Err(error) = Rules::load(&PACK) {
        panic!("{error}");
    }
    let mut said = BTreeMap::new();
    for rule in Rules::shipped().iter() {
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
    ];
    insta::assert_snapshot!("refused", errors.join("\n---\n"));
}
