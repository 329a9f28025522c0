use std::collections::BTreeSet;

use serde_json::Value;

use super::{files::memory::Memory, *};

mod documents;
mod errors;
mod extends;

/// The shortest profile that is complete.
const SHORT: &str = r#"
name = "short"
[source.kubernetes]
go-module = "k8s.io/kubernetes"
[source.containerd]
go-module = "github.com/containerd/containerd/v2"
[build.kubernetes]
recipe = "kubernetes-node"
[build.containerd]
recipe = "containerd"
[runtime]
kind = "containerd"
[[node]]
name = "plain"
[[sandboxer]]
name = "runc"
[[suite]]
name = "conformance"
kind = "ginkgo"
preset = "e2e_node"
timeout = "60m"
"#;

fn load_text(text: &str) -> Result<Profile, ProfileErrors> {
    load_from(
        &Memory::default().with("p.toml", text),
        "p.toml",
        &Overrides::default(),
    )
}

fn loaded(argument: &str) -> Profile {
    load(argument, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_short_profile_gets_its_defaults() {
    let profile = load_text(SHORT).unwrap_or_else(|errors| panic!("{errors}"));
    insta::assert_snapshot!(show(&profile));
}

#[test]
fn runc_comes_from_its_build_if_there_is_one() {
    let built = load_text(&SHORT.replace(
        "[runtime]",
        "[source.runc]\ngit = \"u\"\nref = \"main\"\n[build.runc]\nrecipe = \"runc\"\n[runtime]",
    ))
    .unwrap();
    assert_eq!(
        built.sandboxers[0].binary,
        SandboxerBinary::Build {
            build: "runc".to_owned(),
            binary: "runc".to_owned()
        }
    );
    let packaged = load_text(SHORT).unwrap();
    assert_eq!(
        packaged.sandboxers[0].binary,
        SandboxerBinary::Package {
            package: "runc".to_owned(),
            path: "/usr/sbin/runc".to_owned()
        }
    );
}

#[test]
fn what_is_shown_loads_as_the_same() {
    for (name, _) in shipped() {
        let profile = loaded(&name);
        let shown = show(&profile);
        let mut files = Memory::default().with("shown.toml", &shown);
        for (path, text) in &profile.files {
            files = files.with(path.as_str(), text);
        }
        let again = load_from(&files, "shown.toml", &Overrides::default())
            .unwrap_or_else(|errors| panic!("{name}: {errors}\n{shown}"));
        assert_eq!(again, profile, "{name}");
    }
}

/// Names and labels of all specs of Kubernetes 1.36.3's node suite.
fn specs() -> Vec<(&'static str, Vec<&'static str>)> {
    include_str!("../../tests/fixtures/profiles/e2e-node-1.36.3-specs.tsv")
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, labels)| (name, labels.split('|').collect()))
        .collect()
}

/// What a suite selects, as Ginkgo does.
fn selected(suite: &Suite) -> Vec<&'static str> {
    let SuiteKind::Ginkgo(ginkgo) = &suite.kind else {
        panic!("a Ginkgo suite");
    };
    let patterns = |patterns: &[String]| -> Vec<regex::Regex> {
        patterns
            .iter()
            .map(|pattern| compile_go_regex(pattern).unwrap())
            .collect()
    };
    let (focus, skip) = (patterns(&ginkgo.focus), patterns(&ginkgo.skip));
    let filter = LabelFilter::parse(ginkgo.label_filter.as_deref().unwrap_or_default()).unwrap();
    specs()
        .into_iter()
        .filter(|(name, _)| focus.is_empty() || focus.iter().any(|regex| regex.is_match(name)))
        .filter(|(name, _)| !skip.iter().any(|regex| regex.is_match(name)))
        .filter(|(_, labels)| filter.matches(labels))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_quickstart_selects_eight_specs_one_by_each_pattern() {
    let profile = loaded("quickstart");
    let mut suites = profile.suites.iter();
    let suite = suites.find(|suite| suite.name == "conformance").unwrap();
    insta::assert_snapshot!(selected(suite).join("\n"));
    let SuiteKind::Ginkgo(ginkgo) = &suite.kind else {
        panic!("a Ginkgo suite");
    };
    for pattern in &ginkgo.focus {
        let mut alone = suite.clone();
        let SuiteKind::Ginkgo(settings) = &mut alone.kind else {
            panic!("a Ginkgo suite");
        };
        settings.focus = vec![pattern.clone()];
        assert_eq!(selected(&alone).len(), 1, "{pattern}");
    }
}

#[test]
fn the_suites_of_containerd_share_no_spec() {
    let profile = loaded("containerd");
    let [conformance, serial] = profile.suites.as_slice() else {
        panic!("two suites")
    };
    let (conformance, serial) = (selected(conformance), selected(serial));
    assert_eq!((conformance.len(), serial.len()), (431, 36));
    assert!(!conformance.iter().any(|name| serial.contains(name)));
    assert_eq!(
        serial.iter().filter(|name| name.contains("Swap")).count(),
        5
    );
}

#[test]
fn the_swap_node_is_plain_and_its_own_fragment() {
    let profile = loaded("containerd");
    let [plain, swap] = profile.nodes.as_slice() else {
        panic!("two nodes")
    };
    assert_eq!(
        (plain.image.as_str(), plain.memory, plain.disk),
        (swap.image.as_str(), swap.memory, swap.disk)
    );
    assert_eq!((plain.ignition.len(), swap.ignition.len()), (0, 1));
    let config: Value = serde_json::from_str(&profile.files[&swap.ignition[0]]).unwrap();
    assert_eq!(config["ignition"]["version"], "3.3.0");
}

#[test]
fn a_path_on_disk_loads_as_the_shipped_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/containerd.toml");
    assert_eq!(loaded(path), loaded("containerd"));
}
