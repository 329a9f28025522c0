//! Profiles on top of profiles, nodes on top of nodes.

use super::*;

fn load_two(child: &str, parent: &str) -> Result<Profile, ProfileErrors> {
    let files = Memory::default()
        .with("child.toml", child)
        .with("base/parent.toml", parent);
    load_from(&files, "child.toml", &Overrides::default())
}

#[test]
fn tables_merge_and_named_lists_merge_by_name() {
    let child = r#"
name = "child"
extends = "base/parent.toml"
[source.kubernetes]
version = "v1.35.4"
[[node]]
name = "big"
extends = "plain"
memory = "8GiB"
[[node]]
name = "plain"
cpus = 4
[[suite]]
name = "conformance"
processes = 8
"#;
    let profile = load_two(child, SHORT).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(profile.name, "child");
    assert_eq!(
        profile.sources["kubernetes"].kind,
        SourceKind::GoModule {
            module: "k8s.io/kubernetes".to_owned(),
            version: "v1.35.4".to_owned()
        }
    );
    let nodes: Vec<(&str, u32, u64)> = profile
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.cpus, node.memory >> 30))
        .collect();
    assert_eq!(
        nodes,
        [("plain", 4, 4), ("big", 4, 8)],
        "the parent's order first"
    );
    let SuiteKind::Ginkgo(ginkgo) = &profile.suites[0].kind else {
        panic!("a Ginkgo suite");
    };
    assert_eq!((ginkgo.processes, profile.suites.len()), (8, 1));
}

#[test]
fn another_kind_of_source_replaces_the_whole_source() {
    let child = "name = \"child\"\nextends = \"base/parent.toml\"\n[source.kubernetes]\ngit = \"u\"\nref = \"master\"\n";
    let profile = load_two(
        child,
        &SHORT.replace(
            "k8s.io/kubernetes\"",
            "k8s.io/kubernetes\"\nversion = \"v1.36.3\"",
        ),
    )
    .unwrap();
    assert_eq!(
        profile.sources["kubernetes"].kind,
        SourceKind::Git {
            url: "u".to_owned(),
            reference: "master".to_owned()
        }
    );
}

#[test]
fn a_node_appends_to_the_lists_of_the_node_it_extends() {
    let text = SHORT.replace(
        "[[sandboxer]]",
        "ignition = [\"a.ign\"]\nkernel-arguments = [\"a\"]\n[[node]]\nname = \"two\"\nextends = \"plain\"\nignition = [\"b.ign\"]\n\
         kernel-arguments = [\"b\"]\n[[node]]\nname = \"three\"\nextends = \"two\"\nignition = [\"c.ign\"]\n[[sandboxer]]",
    );
    let config = "{\"ignition\": {\"version\": \"3.3.0\"}}";
    let files = Memory::default()
        .with("p.toml", &text)
        .with("a.ign", config)
        .with("b.ign", config)
        .with("c.ign", config);
    let profile = load_from(&files, "p.toml", &Overrides::default()).unwrap();
    assert_eq!(profile.nodes[2].ignition, ["a.ign", "b.ign", "c.ign"]);
    assert_eq!(profile.nodes[2].kernel_arguments, ["a", "b"]);
    assert_eq!(profile.files.len(), 3);
}

#[test]
fn paths_start_from_the_file_they_are_written_in() {
    let child =
        "name = \"child\"\nextends = \"base/parent.toml\"\n[source.mine]\npath = \"tree\"\n";
    let parent = format!("{SHORT}[source.theirs]\npath = \"tree\"\n");
    let profile = load_two(child, &parent).unwrap();
    let path = |name: &str| match &profile.sources[name].kind {
        SourceKind::Path { path } => path.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (path("mine"), path("theirs")),
        ("/here/tree".into(), "/here/base/tree".into())
    );
}

#[test]
fn a_shipped_profile_can_be_extended() {
    let profile = load_text("name = \"mine\"\nextends = \"containerd\"\n[[sandboxer]]\nname = \"crun\"\nrequires = [\"kvm\"]\n")
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(profile.sandboxers[1].requires, ["kvm"]);
    assert!(
        profile
            .files
            .contains_key(camino::Utf8Path::new("ignition/swap.ign"))
    );
    assert_eq!(profile.description, "", "not inherited");
}

#[test]
fn expected_failures_add_up_and_the_nearest_comes_first() {
    let entry = |spec: &str, expires: &str| {
        format!(
            "[[expect]]\nspec = '{spec}'\nreason = \"r\"\nno-tracker = \"n\"\nexpires = {expires}\n"
        )
    };
    let parent = format!("{SHORT}{}", entry("b", "2027-03-01"));
    let child = format!(
        "name = \"child\"\nextends = \"base/parent.toml\"\n{}",
        entry("a", "\"2027-04-01\"")
    );
    let profile = load_two(&child, &parent).unwrap_or_else(|errors| panic!("{errors}"));
    let said: Vec<String> = profile
        .expect
        .iter()
        .map(|expect| format!("{} {}", expect.expectation.spec, expect.expectation.expires))
        .collect();
    assert_eq!(said, ["a 2027-04-01", "b 2027-03-01"]);
}
