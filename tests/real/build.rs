//! Real builds from the module proxy: minutes and the network.

use std::time::Duration;

use bellwether::{
    build::{self, BuildRequest, cache::Cache, images::Images},
    profile::{Build, Recipe, SourceKind},
    source,
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::cli::{cache_folder, wanted};

/// Builds a module and returns its entry; a second time must find it.
async fn built(name: &str, recipe: Recipe, module: &str, version: &str) -> Utf8PathBuf {
    let root = cache_folder();
    let root = root.as_path();
    let cache = Cache::open(root).unwrap();
    let kind = SourceKind::GoModule {
        module: module.to_owned(),
        version: version.to_owned(),
    };
    let revision = source::resolve(&kind, None, None, name, root)
        .await
        .unwrap();
    let go = source::go_wanted(&revision, root).await.unwrap();
    let request = BuildRequest {
        name: name.to_owned(),
        build: Build {
            source: name.to_owned(),
            recipe,
            tags: Vec::new(),
            run: Vec::new(),
            outputs: std::collections::BTreeMap::new(),
            timeout: Duration::from_secs(2 * 3600),
        },
        revision,
        toolchain: build::toolchain(go.as_deref()).await.unwrap(),
    };
    let log = cache.folder("logs").unwrap().join(format!("{name}.log"));
    let scratch = cache.folder("scratch").unwrap().join(name);
    let first = build::run(request.clone(), &cache, &log, &scratch).await;
    let first = first.unwrap_or_else(|error| panic!("{error}"));
    let again = build::run(request, &cache, &log, &scratch).await.unwrap();
    assert!(!again.fresh);
    assert_eq!(again.entry.folder, first.entry.folder);
    let seconds = first.entry.manifest.seconds;
    println!(
        "{name} {version}: {} (fresh: {}, {seconds} s)",
        first.entry.folder, first.fresh
    );
    assert!(
        scratch.read_dir_utf8().map_or(0, Iterator::count) == 0,
        "scratch folders are removed"
    );
    first.entry.folder
}

async fn says(program: &Utf8Path, argument: &str) -> String {
    let output = bellwether::process::call(program.as_str())
        .arg(argument)
        .output()
        .await
        .unwrap();
    output.text() + &output.stderr
}

#[tokio::test]
async fn latest_is_a_release_and_a_version_that_is_not_there_is_missing() {
    if wanted() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let resolve = async |version: &str| {
            let kind = SourceKind::GoModule {
                module: "github.com/opencontainers/runc".to_owned(),
                version: version.to_owned(),
            };
            source::resolve(&kind, None, None, "runc", root).await
        };
        let latest = resolve("latest").await.unwrap();
        println!("latest runc: {} of {:?}", latest.version, latest.date);
        assert!(!latest.version.contains('-') && latest.date.is_some());
        assert!(latest.identity().starts_with("h1:"));
        let error = resolve("v99.0.0").await.unwrap_err();
        println!("{error}");
        assert_eq!(error.trouble, source::Trouble::Missing);
        let error = resolve("nosuchbranch").await.unwrap_err();
        println!("{error}");
        assert_eq!(error.trouble, source::Trouble::Missing);
    }
}

#[tokio::test]
async fn cni_plugins() {
    if wanted() {
        let entry = built(
            "cni",
            Recipe::CniPlugins,
            "github.com/containernetworking/plugins",
            "v1.9.1",
        )
        .await;
        for plugin in ["bridge", "host-local", "loopback", "portmap", "firewall"] {
            assert!(entry.join("cni").join(plugin).exists(), "{plugin}");
        }
        let said = says(&entry.join("cni/bridge"), "version").await;
        assert!(said.contains("v1.9.1"), "{said}");
    }
}

#[tokio::test]
async fn containerd() {
    if wanted() {
        let entry = built(
            "containerd",
            Recipe::Containerd,
            "github.com/containerd/containerd/v2",
            "v2.4.2",
        )
        .await;
        let said = says(&entry.join("bin/containerd"), "--version").await;
        assert!(
            said.contains("github.com/containerd/containerd/v2 v2.4.2"),
            "{said}"
        );
        assert!(
            entry.join("bin/containerd-shim-runc-v2").exists() && entry.join("bin/ctr").exists()
        );
    }
}

#[tokio::test]
async fn runc() {
    if wanted() {
        let entry = built(
            "runc",
            Recipe::Runc,
            "github.com/opencontainers/runc",
            "v1.5.2",
        )
        .await;
        let said = says(&entry.join("bin/runc"), "--version").await;
        assert!(
            said.contains("1.5.2") && said.contains("libseccomp"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn kubernetes_node() {
    if wanted() {
        let entry = built(
            "kubernetes",
            Recipe::KubernetesNode,
            "k8s.io/kubernetes",
            "v1.36.3",
        )
        .await;
        let said = says(&entry.join("bin/kubelet"), "--version").await;
        assert_eq!(said.trim(), "Kubernetes v1.36.3");
        for name in [
            "ginkgo",
            "e2e_node.test",
            "mounter",
            "gcp-credential-provider",
        ] {
            assert!(entry.join("bin").join(name).exists(), "{name}");
        }
        let images = Images::read(&entry).unwrap();
        let names: Vec<_> = images
            .provided
            .iter()
            .map(|provided| provided.image.name())
            .collect();
        assert_eq!(
            names,
            [
                "agnhost",
                "busybox",
                "ipc-utils",
                "nginx",
                "nonewprivs",
                "nonroot",
                "pause"
            ]
        );
        assert_eq!(images.pause(), Some("registry.k8s.io/pause:3.10.2"));
        assert_eq!(
            images.provided.iter().map(|p| p.tags.len()).sum::<usize>() + images.missing.len(),
            images.wanted.len(),
            "every wanted tag is accounted for"
        );
        for provided in &images.provided {
            assert!(entry.join(&provided.tar).exists(), "{}", provided.tar);
        }
    }
}
