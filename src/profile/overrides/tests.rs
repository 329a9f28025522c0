use super::super::{
    ProfileErrors, Selection, files::memory::Memory, load_from, settings::SuiteKind,
};
use super::*;

fn load(overrides: &Overrides) -> Result<Profile, ProfileErrors> {
    let files = Memory::default().with("trees/containerd/go.mod", "module x");
    load_from(&files, "containerd", overrides)
}

fn source(value: &str) -> Result<(SourceKind, bool), String> {
    let overrides = Overrides {
        sources: vec![("containerd".to_owned(), value.to_owned())],
        ..Overrides::default()
    };
    let profile = load(&overrides).map_err(|errors| errors.to_string())?;
    let control = profile.pairings[1].selects.get("containerd");
    Ok((
        profile.sources["containerd"].kind.clone(),
        control == Some(&Selection::Stable),
    ))
}

fn git(url: &str, reference: &str) -> SourceKind {
    SourceKind::Git {
        url: url.to_owned(),
        reference: reference.to_owned(),
    }
}

#[test]
fn a_revision_keeps_the_place_and_a_place_keeps_the_revision() {
    let own = "https://github.com/containerd/containerd";
    for (value, expected) in [
        ("v2.4.2", git(own, "v2.4.2")),
        ("refs/pull/123/head", git(own, "refs/pull/123/head")),
        ("release/2.3", git(own, "release/2.3")),
        ("301026e58", git(own, "301026e58")),
        ("/mirrors/c.git", git("/mirrors/c.git", "main")),
        (
            "/mirrors/c.git@release/2.3",
            git("/mirrors/c.git", "release/2.3"),
        ),
        ("mirrors/c.git@x", git("/here/mirrors/c.git", "x")),
        (
            "https://example.org/c@main",
            git("https://example.org/c", "main"),
        ),
        (
            "https://user@example.org/c",
            git("https://user@example.org/c", "main"),
        ),
        (
            "git@example.org:me/c.git@fix",
            git("git@example.org:me/c.git", "fix"),
        ),
    ] {
        assert_eq!(source(value), Ok((expected, true)), "{value}");
    }
}

#[test]
fn a_folder_is_the_same_in_every_pairing() {
    for value in [
        "./trees/containerd",
        "trees/containerd",
        "/here/trees/containerd",
        "trees/../trees/containerd",
    ] {
        let path = "/here/trees/containerd".into();
        assert_eq!(
            source(value),
            Ok((SourceKind::Path { path }, false)),
            "{value}"
        );
    }
}

#[test]
fn a_module_takes_the_place_of_a_repository_in_every_pairing() {
    let module = |version: &str| SourceKind::GoModule {
        module: "example.org/c".to_owned(),
        version: version.to_owned(),
    };
    for (value, version) in [
        ("go-module:example.org/c", "latest"),
        ("go-module:example.org/c@v2.4.2", "v2.4.2"),
    ] {
        assert_eq!(source(value), Ok((module(version), false)), "{value}");
    }
    let error = source("go-module:example.org/c@main").unwrap_err();
    assert!(error.contains("`main` is no version"), "{error}");
}

#[test]
fn a_go_module_takes_versions_only() {
    let load = |revision: &str| {
        let overrides = Overrides {
            sources: vec![("kubernetes".to_owned(), revision.to_owned())],
            ..Overrides::default()
        };
        load_from(&Memory::default(), "quickstart", &overrides)
    };
    let profile = load("v1.35.4").unwrap();
    assert_eq!(
        profile.sources["kubernetes"].kind,
        SourceKind::GoModule {
            module: "k8s.io/kubernetes".to_owned(),
            version: "v1.35.4".to_owned()
        }
    );
    let kind = &load("/m/kubernetes.git@master").unwrap().sources["kubernetes"].kind;
    assert_eq!(kind, &git("/m/kubernetes.git", "master"));
    let told = ["master", "refs/pull/1/head", "/m/kubernetes.git", ""]
        .map(|revision| load(revision).unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn filters_leave_what_they_name() {
    let overrides = Overrides {
        sandboxers: vec!["crun".to_owned()],
        nodes: vec!["swap".to_owned()],
        pairings: vec!["main".to_owned()],
        focus: Some("Swap".to_owned()),
        ..Overrides::default()
    };
    let profile = load(&overrides).unwrap();
    let [serial] = profile.suites.as_slice() else {
        panic!("conformance does not run on swap")
    };
    assert_eq!(
        (serial.nodes.as_slice(), serial.sandboxers.as_slice()),
        (&["swap".to_owned()][..], &["crun".to_owned()][..])
    );
    assert_eq!(
        (
            profile.nodes.len(),
            // All of them, so that the node image has the packages it has in a whole run.
            profile.sandboxers.len(),
            profile.pairings.len()
        ),
        (1, 2, 1)
    );
    let SuiteKind::Ginkgo(ginkgo) = &serial.kind else {
        panic!("a Ginkgo suite");
    };
    assert_eq!(ginkgo.focus, ["Swap"]);
    assert!(
        ginkgo.label_filter.is_some(),
        "the label filter still holds"
    );
}

#[test]
fn filters_that_leave_nothing_say_what_there_is() {
    let one = |text: &str| vec![text.to_owned()];
    let cases = [
        Overrides {
            sandboxers: one("cron"),
            nodes: one("userns"),
            suites: one("conformence"),
            pairings: one("stable"),
            sources: vec![("kubernets".to_owned(), "v1".to_owned())],
            focus: Some("(a".to_owned()),
        },
        Overrides {
            suites: one("conformance"),
            nodes: one("swap"),
            ..Overrides::default()
        },
    ];
    let told = cases.map(|overrides| load(&overrides).unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n\n"));
}
