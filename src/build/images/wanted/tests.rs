use super::*;

/// What `e2e_node.test --list-images` of Kubernetes 1.36.3 prints.
const LISTED: &str = include_str!("../../../../tests/fixtures/build/list-images-1.36.3.txt");

#[test]
fn every_wanted_tag_is_provided_or_missing_for_a_reason() {
    let wanted = listed(LISTED);
    let (images, missing) = sort(&wanted);
    assert_eq!(
        images.values().map(Vec::len).sum::<usize>() + missing.len(),
        wanted.len()
    );
    insta::assert_json_snapshot!((images, missing));
}

#[test]
fn tags_are_ordered_by_version_and_not_as_text() {
    let tag = |version: &str| format!("registry.k8s.io/e2e-test-images/busybox:{version}");
    let wanted = ["1.9.0-1", "1.37.0-1", "1.36.1-1", "1.37.0-10", "1.37.0-2"].map(tag);
    let (images, _) = sort(&wanted);
    let order = ["1.9.0-1", "1.36.1-1", "1.37.0-1", "1.37.0-2", "1.37.0-10"].map(tag);
    assert_eq!(images[&Image::Busybox], order);
}

#[test]
fn names_that_only_look_alike_are_not_provided() {
    let wanted = [
        "gcr.io/k8s-authenticated-test/agnhost:2.6",
        "registry.k8s.io/e2e-test-images/volume/agnhost:1.0",
        "registry.k8s.io/e2e-test-images/agnhost-extra:1.0",
        "registry.k8s.io/pause-windows:3.9",
        "invalid.registry.k8s.io/invalid/alpine:3.1",
    ]
    .map(str::to_owned);
    let (images, missing) = sort(&wanted);
    assert!(images.is_empty(), "{images:?}");
    assert_eq!(missing.len(), wanted.len());
}

#[test]
fn only_image_names_are_read_from_a_suites_output() {
    let output = "I1120 12:00:00 test.go:1] starting\nregistry.k8s.io/pause:3.10.2\n\n  registry.k8s.io/pause:3.10.2\nPASS\nhttp://x/y:1\nlocalhost:5000/a/b:v1\n";
    assert_eq!(
        listed(output),
        ["localhost:5000/a/b:v1", "registry.k8s.io/pause:3.10.2"]
    );
}

#[test]
fn older_suites_are_read_from_their_source() {
    let manifest = r#"
	configs[Agnhost] = Config{list.PromoterE2eRegistry, "agnhost", "2.39"}
	configs[AuthenticatedWindowsNanoServer] = Config{list.GcAuthenticatedRegistry, "windows-nanoserver", "v1"}
	// configs[Old] is gone
	configs[Pause] = Config{list.GcRegistry, "pause", "3.8"}
"#;
    let tags = [
        "registry.k8s.io/e2e-test-images/agnhost:2.39",
        "registry.k8s.io/pause:3.8",
    ];
    assert_eq!(in_source(manifest), tags);
    assert!(in_source("package image").is_empty());
}
