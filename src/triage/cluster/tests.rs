use std::collections::BTreeMap;

use crate::triage::{
    Clustering, Failure, Place, Reason, RuleHit, Triage, cluster, explain_pair,
    quality::{Labelled, normalised_name, reason_hash, score, truth},
};

fn labelled() -> Vec<Labelled> {
    let mut rows: Vec<Labelled> = include_str!("../../../tests/fixtures/triage/dev.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

fn failures() -> Vec<Failure> {
    labelled().iter().map(Labelled::failure).collect()
}

fn failure(id: &str, test: &str, message: &str) -> Failure {
    Failure {
        id: id.to_owned(),
        test: test.to_owned(),
        message: message.to_owned(),
        ..Failure::default()
    }
}

fn ids(clustering: &Clustering, failures: &[Failure]) -> BTreeMap<String, String> {
    failures
        .iter()
        .enumerate()
        .map(|(at, failure)| {
            (
                failure.id.clone(),
                clustering.cluster_of(at).unwrap().id.clone(),
            )
        })
        .collect()
}

#[test]
fn people_would_group_them_so() {
    let rows = labelled();
    let truth = truth(&rows);
    let failures = failures();
    let clustering = cluster(&failures, &[]);
    let labels: Vec<&str> = (0..rows.len())
        .map(|at| clustering.cluster_of(at).unwrap().id.as_str())
        .collect();
    let quality = score(&truth, &labels);
    assert!(quality.precision >= 0.95, "{quality:?}");
    assert!(quality.f1 >= 0.85, "{quality:?}");
    assert!(quality.wrong <= 2, "{quality:?}");
    let named: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| match normalised_name(&row.test) {
            name if name.is_empty() => format!("?{at}"),
            name => name,
        })
        .collect();
    let reasons: Vec<String> = rows.iter().map(|row| reason_hash(&row.message)).collect();
    assert!(quality.f1 >= score(&truth, &named).f1 + 0.05);
    assert!(quality.f1 >= score(&truth, &reasons).f1 + 0.05);
}

#[test]
fn neither_order_nor_ids_nor_their_number_matter() {
    let straight = failures();
    let mut turned: Vec<Failure> = straight.iter().rev().cloned().collect();
    turned.rotate_left(53);
    let first = ids(&cluster(&straight, &[]), &straight);
    assert_eq!(first, ids(&cluster(&turned, &[]), &turned));
    for failure in &mut turned {
        failure.id = format!("other-{}", failure.id);
    }
    let renamed: BTreeMap<String, String> = ids(&cluster(&turned, &[]), &turned)
        .into_iter()
        .map(|(id, cluster)| (id.trim_start_matches("other-").to_owned(), cluster))
        .collect();
    assert_eq!(first, renamed);
}

#[test]
fn every_failure_is_in_exactly_one_cluster() {
    let mut failures = failures();
    failures.extend([
        failure("empty", "", ""),
        failure("blank", " ", "\n\n"),
        failure("odd", "]", "["),
    ]);
    let clustering = cluster(&failures, &[]);
    let mut seen = vec![0; failures.len()];
    for one in &clustering.clusters {
        assert!(one.members.contains(&one.representative));
        for member in &one.members {
            seen[*member] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times == 1));
    let mut ids: Vec<&str> = clustering
        .clusters
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), clustering.clusters.len());
}

#[test]
fn yesterdays_clusters_are_found_again_by_a_part_of_them() {
    let all = failures();
    let yesterday = cluster(&all, &[]);
    let before = ids(&yesterday, &all);
    let part: Vec<Failure> = all
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 10 != 3)
        .map(|(_, one)| one.clone())
        .collect();
    let today = cluster(&part, yesterday.known());
    for (id, name) in ids(&today, &part) {
        assert_eq!(before[&id], name);
    }
    assert!(today.clusters.iter().all(|one| one.known));
    // What was not seen today is kept for tomorrow.
    assert_eq!(today.known().len(), yesterday.known().len());
}

#[test]
fn a_merge_keeps_the_older_id_and_adds_the_other_as_an_alias() {
    let one = failure(
        "a",
        "first test of something long",
        "[FAILED] cannot reach the image registry mirror",
    );
    let other = failure(
        "b",
        "second thing that is checked elsewhere",
        "[FAILED] cannot contact the image registry proxy",
    );
    let first = cluster(std::slice::from_ref(&one), &[]);
    let second = cluster(std::slice::from_ref(&other), &[]);
    let mut known = first.known().to_vec();
    known.extend(second.known().to_vec());
    // A failure of the first test with the second's words joins nothing by itself; the same event does.
    let told = |failure: &Failure, text: &str| Failure {
        message: format!("{text}\nIn [It] at: test/a_test.go:1 @ 02/26/26 01:57:04.824"),
        ..failure.clone()
    };
    let both = [
        told(&one, &one.message),
        told(&other, &other.message),
        one.clone(),
        other.clone(),
    ];
    let merged = cluster(&both, &known);
    assert_eq!(merged.clusters.len(), 1);
    assert_eq!(merged.clusters[0].id, known[0].id);
    assert!(merged.clusters[0].aliases.contains(&known[1].id));
}

#[test]
fn a_strong_error_joins_tests_and_a_weak_one_does_not() {
    let strong = "[FAILED] Unexpected error:\n    <*errors.errorString | 0xc000>: \n    dial containerd socket: broken transport\n    {\n        s: \"dial containerd socket: broken transport\",\n    }\noccurred\nIn [It] at: test/e2e/a.go:1";
    let weak = "[FAILED] Timed out after 10.0s.\nExpected\n    <int>: 5\nto equal\n    <int>: 2\nIn [It] at: test/e2e/a.go:1";
    let tests = [
        "pods should start at once",
        "volumes must be mounted read only",
    ];
    let pair =
        |text: &str| explain_pair(&failure("a", tests[0], text), &failure("b", tests[1], text));
    assert_eq!(pair(strong).reason, Some(Reason::SameError));
    assert!(!pair(weak).together, "{:?}", pair(weak));
    assert!(pair(weak).words.starts_with("apart"));
}

#[test]
fn one_test_with_two_strong_reasons_is_two_clusters() {
    let test = "pods should start at once";
    let pair = explain_pair(
        &failure("a", test, "[FAILED] image archive checksum mismatch"),
        &failure("b", test, "[FAILED] seccomp profile rejected by kernel"),
    );
    assert!(!pair.together);
    assert!(pair.words.contains("disagrees"), "{}", pair.words);
}

#[test]
fn a_rule_that_names_a_cause_outweighs_the_text() {
    let hit = |id: &str, text: &str| Failure {
        rule: Some(RuleHit {
            id: "runtime-gone".to_owned(),
            captures: vec!["containerd".to_owned()],
            cause: true,
        }),
        ..failure(id, id, text)
    };
    let both = [
        hit("a first test name", "[FAILED] alpha beta gamma delta"),
        hit("another test name", "[FAILED] one two three fourteen"),
    ];
    assert_eq!(cluster(&both, &[]).clusters.len(), 1);
}

#[test]
fn a_stopped_cell_is_known_by_its_phase() {
    let cell = |id: &str, phase: &str| Failure {
        place: Place {
            phase: phase.to_owned(),
            ..Place::default()
        },
        ..failure(id, "", "no answer")
    };
    let extract = crate::triage::extract(&cell("a", "provision"));
    assert_eq!(extract.phase, "provision");
    let mut triage = Triage::default();
    triage.add(&cell("a", "provision"));
    triage.add(&cell("b", "provision"));
    assert_eq!(triage.finish(&[]).clusters.len(), 1);
}

#[test]
fn hostile_text_ends() {
    let deep = format!("[FAILED] Expected\n    <x>: {}", "{[(<".repeat(200_000));
    let wide = "a-1:".repeat(500_000);
    let lines = "<*errors.E | 0x1>: x {\n".repeat(50_000);
    let uuids = "e96533e3-f55b-4652-853c-55d89c4f087a".repeat(20_000);
    let failures: Vec<Failure> = [
        deep,
        wide,
        lines,
        uuids,
        "\u{fffd}[0m\u{1b}[".repeat(100_000),
        "\u{0}\u{7f}é".repeat(100_000),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, text)| failure(&at.to_string(), &text, &text))
    .collect();
    let clustering = cluster(&failures, &[]);
    assert_eq!(
        clustering
            .clusters
            .iter()
            .map(|one| one.members.len())
            .sum::<usize>(),
        failures.len()
    );
}
