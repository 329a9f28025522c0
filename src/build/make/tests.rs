use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    build::{first_error, images::Images},
    model::{Blame, Class, Phase},
    process,
    profile::SourceKind,
};

/// A repository made of one of the fixture trees, a cache and a scratch folder.
struct World {
    root: tempfile::TempDir,
    cache: Cache,
    recipe: Recipe,
}

impl World {
    async fn new(tree: &str, recipe: Recipe) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(root.path()).unwrap();
        let from = format!("{}/tests/fixtures/build/{tree}", env!("CARGO_MANIFEST_DIR"));
        let copy = process::call("cp").args(["-r", &from, path.join("tree").as_str()]);
        copy.run().await.unwrap();
        let cache = Cache::open(path.join("cache")).unwrap();
        let world = Self {
            root,
            cache,
            recipe,
        };
        world.git(&["init", "-q", "-b", "main"]).await;
        world.commit().await;
        world.git(&["tag", "v1.37.0-alpha.1"]).await;
        world
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).unwrap().join(name)
    }

    async fn git(&self, arguments: &[&str]) {
        let call = process::call("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(arguments.iter().copied())
            .folder(self.path("tree"));
        call.run().await.unwrap();
    }

    async fn commit(&self) {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", "change"]).await;
    }

    /// Changes a file of the tree and commits it.
    async fn change(&self, file: &str, text: &str) {
        fs::write(self.path("tree").join(file), text).unwrap();
        self.commit().await;
    }

    async fn request(&self, kind: SourceKind) -> BuildRequest {
        let revision = source::resolve(&kind, None, None, "mini", self.cache.root()).await;
        BuildRequest {
            name: "mini".to_owned(),
            build: Build {
                source: "mini".to_owned(),
                recipe: self.recipe,
                tags: Vec::new(),
                run: Vec::new(),
                outputs: BTreeMap::new(),
                timeout: Duration::from_secs(60),
            },
            revision: revision.unwrap(),
            toolchain: Toolchain {
                go: "go1.26.8".to_owned(),
                selector: "local".to_owned(),
                cc: None,
                rust: None,
            },
        }
    }

    fn source(&self, reference: &str) -> SourceKind {
        SourceKind::Git {
            url: self.path("tree").into_string(),
            reference: reference.to_owned(),
        }
    }

    async fn run(&self, request: BuildRequest) -> Result<Built, BuildError> {
        run(
            request,
            &self.cache,
            &self.path("build.log"),
            &self.path("scratch"),
        )
        .await
    }

    async fn build(&self) -> Result<Built, BuildError> {
        self.run(self.request(self.source("main")).await).await
    }

    fn nothing_left(&self) {
        let left: Vec<_> = self.path("scratch").read_dir_utf8().unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn says(program: Utf8PathBuf) -> String {
    process::call(program.as_str()).run().await.unwrap().text()
}

#[tokio::test]
async fn a_kubernetes_tree_gives_binaries_and_images() {
    let world = World::new("mini-kubernetes", Recipe::KubernetesNode).await;
    let built = world.build().await.unwrap();
    let folder = &built.entry.folder;
    assert_eq!(
        says(folder.join("bin/kubelet")).await,
        "Kubernetes v1.37.0-alpha.1\n"
    );
    assert!(folder.join("bin/ginkgo").exists());
    // In trees without such packages the suite answers to these names.
    for name in ["bin/mounter", "bin/gcp-credential-provider"] {
        assert_eq!(folder.join(name).read_link_utf8().unwrap(), "e2e_node.test");
    }
    let images = Images::read(folder).unwrap();
    assert_eq!(images.pause(), Some("registry.k8s.io/pause:3.10.2"));
    assert_eq!(
        images.missing[0].tag,
        "registry.k8s.io/e2e-test-images/perl:5.26"
    );
    assert!(folder.join("images/pause.tar").exists());
    assert!(!folder.join("parts").exists());
    world.nothing_left();
    let log = fs::read_to_string(world.path("build.log")).unwrap();
    assert!(
        log.contains("\n$ gcc ") || log.starts_with("$ make "),
        "{log}"
    );
}

#[tokio::test]
async fn an_unchanged_revision_is_not_built_again_and_a_changed_one_is() {
    let world = World::new("mini-containerd", Recipe::Containerd).await;
    let first = world.build().await.unwrap();
    let said = says(first.entry.folder.join("bin/ctr")).await;
    assert!(
        said.starts_with("ctr github.com/containerd/containerd/v2 v1.37.0-alpha.1 "),
        "{said}"
    );
    let script = fs::read_to_string(first.entry.folder.join("bin/containerd")).unwrap();
    assert!(script.contains("no_btrfs no_devmapper no_zfs"), "{script}");
    let again = world.build().await.unwrap();
    assert!(first.fresh && !again.fresh);
    world
        .change("cmd/ctr/main.sh", "#!/bin/sh\necho changed\n")
        .await;
    let changed = world.build().await.unwrap();
    assert!(changed.fresh);
    assert_eq!(
        says(changed.entry.folder.join("bin/ctr")).await,
        "changed\n"
    );
}

#[tokio::test]
async fn a_folder_is_built_like_a_tree_and_stays_clean() {
    let world = World::new("mini-cni", Recipe::CniPlugins).await;
    let tree = world.path("tree");
    let built = world
        .run(world.request(SourceKind::Path { path: tree.clone() }).await)
        .await
        .unwrap();
    assert_eq!(
        says(built.entry.folder.join("cni/host-local")).await,
        "CNI host-local plugin\n"
    );
    assert!(!tree.join("bin").exists());
}

#[tokio::test]
async fn a_failed_build_shows_the_compilers_error_and_keeps_its_log() {
    let world = World::new("mini-kubernetes", Recipe::KubernetesNode).await;
    world
        .change(
            "build/pause/linux/pause.c",
            "int main(void) {\n  return nosuch;\n}\n",
        )
        .await;
    let error = world.build().await.unwrap_err();
    let cause = error.cause("build.log".into());
    assert_eq!(
        (cause.phase, cause.class, cause.blame),
        (Phase::Build, Class::Build, Blame::Kubernetes)
    );
    let evidence = &cause.evidence[0];
    assert!(evidence.text.contains("'nosuch' undeclared"), "{evidence}");
    let log = fs::read_to_string(world.path("build.log")).unwrap();
    let line = usize::try_from(evidence.line).unwrap() - 1;
    assert_eq!(log.lines().nth(line).unwrap().trim(), evidence.text);
    assert!(
        error.to_string().contains(world.path("build.log").as_str()),
        "{error}"
    );
    assert_eq!(first_error(&log, 0).unwrap().line, evidence.line);
    world.nothing_left();
}

#[tokio::test]
async fn a_build_that_leaves_something_out_is_not_taken() {
    let world = World::new("mini-containerd", Recipe::Containerd).await;
    world
        .change(
            "Makefile",
            "binaries:\n\tmkdir bin\n\ttouch bin/containerd bin/ctr\n",
        )
        .await;
    let error = world.build().await.unwrap_err();
    let BuildError::NoOutput { missing, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(missing, "bin/containerd-shim-runc-v2");
    assert_eq!(error.cause("build.log".into()).blame, Blame::Runtime);
}

#[tokio::test]
async fn a_missing_tool_is_named_with_its_package() {
    let world = World::new("mini-containerd", Recipe::Containerd).await;
    world
        .change("Makefile", "binaries:\n\tnosuchtool --version\n")
        .await;
    let error = world.build().await.unwrap_err();
    let BuildError::MissingTool { program, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(program, "nosuchtool");
    let cause = error.cause("build.log".into());
    assert_eq!(
        (cause.class, cause.blame),
        (Class::Infra, Blame::Environment)
    );
}

#[tokio::test]
async fn a_build_past_its_time_is_killed_and_cleared_away() {
    let world = World::new("mini-containerd", Recipe::Containerd).await;
    let marker = world.path("still-running");
    world
        .change(
            "Makefile",
            &format!("binaries:\n\techo begun; (sleep 3; touch {marker}) & sleep 60\n"),
        )
        .await;
    let mut request = world.request(world.source("main")).await;
    request.build.timeout = Duration::from_millis(1500);
    let error = world.run(request).await.unwrap_err();
    let BuildError::Deadline { last, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(last, "begun");
    world.nothing_left();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!marker.exists(), "a child of the build outlived it");
}

#[tokio::test]
async fn a_pull_requests_code_is_not_run_here() {
    let world = World::new("mini-containerd", Recipe::Containerd).await;
    let marker = world.path("was-run");
    world.git(&["checkout", "-q", "-b", "topic"]).await;
    world
        .change(
            "Makefile",
            &format!("$(shell touch {marker})\nbinaries:\n\ttrue\n"),
        )
        .await;
    world.git(&["update-ref", "refs/pull/7/head", "HEAD"]).await;
    world.git(&["checkout", "-q", "main"]).await;
    world.git(&["branch", "-q", "-D", "topic"]).await;
    let request = world.request(world.source("refs/pull/7/head")).await;
    let error = world.run(request).await.unwrap_err();
    assert!(matches!(error, BuildError::Untrusted { .. }), "{error}");
    assert!(!marker.exists());
}

#[tokio::test]
async fn an_old_suite_is_read_and_not_started() {
    let world = World::new("mini-kubernetes", Recipe::KubernetesNode).await;
    let marker = world.path("was-started");
    let folder = world.path("tree").join("test/utils/image");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("manifest.go"),
        "\tconfigs[Pause] = Config{list.GcRegistry, \"pause\", \"3.8\"}\n",
    )
    .unwrap();
    world
        .change(
            "test/e2e_node/e2e_node.test.sh",
            &format!("#!/bin/sh\ntouch {marker}\n"),
        )
        .await;
    world.git(&["tag", "-d", "v1.37.0-alpha.1"]).await;
    world.git(&["tag", "v1.32.9"]).await;
    let built = world.build().await.unwrap();
    assert!(!marker.exists());
    assert_eq!(
        Images::read(&built.entry.folder).unwrap().pause(),
        Some("registry.k8s.io/pause:3.8")
    );
}
