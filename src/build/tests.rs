use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::model::Origin;

fn revision(commit: &str, version: &str) -> Revision {
    Revision {
        source: "kubernetes".to_owned(),
        origin: Origin::Git {
            url: "https://github.com/kubernetes/kubernetes".to_owned(),
            reference: "master".to_owned(),
            commit: commit.to_owned(),
        },
        version: version.to_owned(),
        date: None,
        link: None,
    }
}

fn toolchain(go: &str, cc: Option<&str>) -> Toolchain {
    Toolchain {
        go: go.to_owned(),
        selector: "local".to_owned(),
        cc: cc.map(str::to_owned),
        rust: None,
    }
}

#[test]
fn the_digest_moves_with_what_the_outputs_depend_on_and_with_nothing_else() {
    let of = |recipe, revision: Revision, toolchain: Toolchain, tags: &[&str]| {
        let build = Build {
            source: "kubernetes".to_owned(),
            recipe,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            run: Vec::new(),
            outputs: BTreeMap::new(),
            timeout: Duration::from_secs(60),
        };
        digest(&build, &revision, &toolchain)
    };
    let go = toolchain("go1.26.8", Some("gcc 12"));
    let base = of(Recipe::KubernetesNode, revision("a", "v1"), go.clone(), &[]);
    for (what, other) in [
        (
            "recipe",
            of(Recipe::Runc, revision("a", "v1"), go.clone(), &[]),
        ),
        (
            "commit",
            of(Recipe::KubernetesNode, revision("b", "v1"), go.clone(), &[]),
        ),
        (
            "version",
            of(Recipe::KubernetesNode, revision("a", "v2"), go.clone(), &[]),
        ),
        (
            "go",
            of(
                Recipe::KubernetesNode,
                revision("a", "v1"),
                toolchain("go1.27.0", Some("gcc 12")),
                &[],
            ),
        ),
        (
            "cc",
            of(
                Recipe::KubernetesNode,
                revision("a", "v1"),
                toolchain("go1.26.8", Some("gcc 14")),
                &[],
            ),
        ),
        (
            "tags",
            of(
                Recipe::KubernetesNode,
                revision("a", "v1"),
                go.clone(),
                &["extra"],
            ),
        ),
    ] {
        assert_ne!(base, other, "{what}");
    }
    // A branch's name and a page about it change nothing; neither does a C compiler that is not used.
    let mut renamed = revision("a", "v1");
    renamed.link = Some("https://example.org".to_owned());
    renamed.origin = Origin::Git {
        url: "/mirror".to_owned(),
        reference: "main".to_owned(),
        commit: "a".to_owned(),
    };
    assert_eq!(base, of(Recipe::KubernetesNode, renamed, go.clone(), &[]));
    let containerd = |cc| {
        of(
            Recipe::Containerd,
            revision("a", "v1"),
            toolchain("go1.26.8", cc),
            &[],
        )
    };
    assert_eq!(containerd(Some("gcc 12")), containerd(None));
}
