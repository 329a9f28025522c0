use super::*;
use crate::{
    model::{Blame, Origin},
    profile::{Selection, SourceKind},
    source::{checkout, commits, go_wanted, resolve_with_notes},
};

/// A repository of a test, and a cache beside it.
struct World {
    root: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let world = Self {
            root: tempfile::tempdir().unwrap(),
        };
        world.git(&["init", "-q", "-b", "main", "."]).await;
        world
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.root.path()).unwrap()
    }

    fn origin(&self) -> Utf8PathBuf {
        self.root().join("origin")
    }

    fn cache(&self) -> Utf8PathBuf {
        self.root().join("cache")
    }

    async fn git(&self, arguments: &[&str]) -> String {
        fs::create_dir_all(self.origin()).unwrap();
        let call = process::call("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments.iter().copied())
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .folder(self.origin());
        call.run().await.unwrap().text().trim().to_owned()
    }

    async fn commit(&self, message: &str) -> String {
        fs::write(self.origin().join("file"), message).unwrap();
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", message]).await;
        self.git(&["rev-parse", "HEAD"]).await
    }

    fn url(&self) -> String {
        self.origin().into_string()
    }

    async fn resolve(&self, reference: &str) -> Result<super::super::Resolved, SourceError> {
        let kind = SourceKind::Git {
            url: self.url(),
            reference: reference.to_owned(),
        };
        resolve_with_notes(&kind, None, None, "kubernetes", &self.cache()).await
    }

    async fn commit_of(&self, reference: &str) -> String {
        match self.resolve(reference).await.unwrap().revision.origin {
            Origin::Git { commit, .. } => commit,
            other => panic!("{other:?}"),
        }
    }

    async fn mirror(&self) -> Mirror {
        Mirror::open("kubernetes", &self.url(), &self.cache())
            .await
            .unwrap()
    }

    fn go_offline(&self) {
        fs::rename(self.origin(), self.root().join("away")).unwrap();
    }
}

#[tokio::test]
async fn a_branch_resolves_to_its_commit_with_version_and_date() {
    let world = World::new().await;
    world.commit("one").await;
    world
        .git(&["tag", "-a", "-m", "x", "v1.37.0-alpha.1"])
        .await;
    world.git(&["tag", "api/v9.0.0"]).await;
    world.commit("two").await;
    let head = world.commit("three").await;
    let revision = world.resolve("main").await.unwrap().revision;
    assert_eq!(
        revision.version,
        format!("v1.37.0-alpha.1-2-g{}", short(&head))
    );
    assert_eq!(revision.date, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert_eq!(revision.identity(), head);
    assert_eq!(
        world.commit_of("v1.37.0-alpha.1").await,
        world.git(&["rev-parse", "HEAD~2"]).await
    );
    assert_eq!(world.commit_of(short(&head)).await, head);
}

#[tokio::test]
async fn without_tags_the_version_counts_commits() {
    let world = World::new().await;
    world.commit("one").await;
    let head = world.commit("two").await;
    let version = world.resolve("main").await.unwrap().revision.version;
    assert_eq!(version, format!("v0.0.0-2-g{}", short(&head)));
}

#[tokio::test]
async fn stable_is_the_highest_release_whatever_the_branch() {
    let world = World::new().await;
    world.commit("one").await;
    world.git(&["checkout", "-q", "-b", "release-1.36"]).await;
    let release = world.commit("release").await;
    world.git(&["tag", "v1.36.10"]).await;
    world.git(&["checkout", "-q", "main"]).await;
    world.commit("two").await;
    world.git(&["tag", "v1.36.9"]).await;
    world.git(&["tag", "v1.37.0-beta.0"]).await;
    let kind = SourceKind::Git {
        url: world.url(),
        reference: "main".to_owned(),
    };
    let resolve = async |stable, selection| {
        resolve_with_notes(
            &kind,
            stable,
            Some(&selection),
            "kubernetes",
            &world.cache(),
        )
        .await
    };
    let stable = resolve(Some("latest-tag"), Selection::Stable)
        .await
        .unwrap();
    assert_eq!(stable.revision.identity(), release);
    assert_eq!(stable.revision.version, "v1.36.10");
    let exact = resolve(None, Selection::Revision("v1.36.9".to_owned()))
        .await
        .unwrap();
    assert_eq!(exact.revision.version, "v1.36.9");
    let error = resolve(None, Selection::Stable).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Usage);
}

#[tokio::test]
async fn pull_requests_come_only_by_name() {
    let world = World::new().await;
    world.commit("one").await;
    world.git(&["checkout", "-q", "-b", "topic"]).await;
    let pull = world.commit("proposed").await;
    world.git(&["update-ref", "refs/pull/7/head", &pull]).await;
    world.git(&["checkout", "-q", "main"]).await;
    world.git(&["branch", "-q", "-D", "topic"]).await;
    let main = world.commit_of("main").await;
    let mirror = world.mirror().await;
    assert!(!mirror.has_commit(&pull), "not fetched with heads and tags");
    assert_eq!(world.commit_of("refs/pull/7/head").await, pull);
    assert_eq!(world.commit_of("pull/7/head").await, pull);
    assert!(mirror.is_published(&main).await.unwrap());
    assert!(!mirror.is_published(&pull).await.unwrap());
}

#[tokio::test]
async fn the_mirror_has_no_blobs_until_a_check_out() {
    let world = World::new().await;
    let head = world.commit("content of the file").await;
    let blob = world.git(&["rev-parse", "HEAD:file"]).await;
    world.commit_of("main").await;
    let mirror = world.mirror().await;
    let has_blob = || {
        mirror
            .read()
            .unwrap()
            .find_blob(Oid::from_str(&blob).unwrap())
            .is_ok()
    };
    assert!(!has_blob());
    let folder = world.root().join("tree");
    let revision = world.resolve(&head).await.unwrap().revision;
    checkout(&revision, &world.cache(), &folder).await.unwrap();
    assert!(has_blob());
    let names: Vec<_> = folder
        .read_dir_utf8()
        .unwrap()
        .map(|e| e.unwrap().file_name().to_owned())
        .collect();
    assert_eq!(names, ["file"], "no repository and no index beside it");
    assert_eq!(
        fs::read_to_string(folder.join("file")).unwrap(),
        "content of the file"
    );
}

#[tokio::test]
async fn a_force_push_is_followed_and_said() {
    let world = World::new().await;
    world.commit("one").await;
    let lost = world.commit("lost").await;
    assert_eq!(world.commit_of("main").await, lost);
    world.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    let new = world.commit("instead").await;
    let resolved = world.resolve("main").await.unwrap();
    assert_eq!(resolved.revision.identity(), new);
    assert!(
        resolved.notes[0].contains("force-pushed"),
        "{:?}",
        resolved.notes
    );
    // What was resolved once can be built again.
    assert_eq!(world.commit_of(&lost).await, lost);
    world.commit("plain progress").await;
    assert_eq!(world.resolve("main").await.unwrap().notes, [""; 0]);
}

#[tokio::test]
async fn offline_an_exact_commit_works_and_a_branch_does_not() {
    let world = World::new().await;
    let head = world.commit("one").await;
    world.git(&["tag", "v1.0.0"]).await;
    world.commit_of("main").await;
    world.go_offline();
    let exact = world.resolve(&head).await.unwrap();
    assert_eq!(exact.revision.identity(), head);
    assert!(
        exact.notes[0].contains("in the mirror"),
        "{:?}",
        exact.notes
    );
    let error = world.resolve("main").await.unwrap_err();
    assert!(error.place.ends_with("origin"), "{error}");
}

#[tokio::test]
async fn an_unreachable_host_is_the_environments_fault() {
    let cache = tempfile::tempdir().unwrap();
    let kind = SourceKind::Git {
        url: "git://127.0.0.1:1/x".to_owned(),
        reference: "main".to_owned(),
    };
    let error = resolve_with_notes(
        &kind,
        None,
        None,
        "containerd",
        Utf8Path::from_path(cache.path()).unwrap(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.trouble, error.blame()),
        (Trouble::Unreachable, Blame::Environment)
    );
    assert!(error.to_string().contains("git://127.0.0.1:1/x"), "{error}");
}

#[tokio::test]
async fn a_release_tag_in_the_mirror_stands_in_for_an_unreachable_host() {
    let world = World::new().await;
    let head = world.commit("one").await;
    world.git(&["tag", "v1.0.0"]).await;
    world.commit_of("main").await;
    let mirror = world.mirror().await;
    // The same mirror, whose remote is now a host that does not answer.
    let config = mirror
        .git()
        .args(["config", "remote.origin.url", "git://127.0.0.1:1/x"]);
    config.run().await.unwrap();
    let tag = world.resolve("v1.0.0").await.unwrap();
    assert_eq!(tag.revision.identity(), head);
    assert!(
        tag.notes[0].contains("cannot be reached"),
        "{:?}",
        tag.notes
    );
    let error = world.resolve("main").await.unwrap_err();
    assert_eq!(
        (error.trouble, error.blame()),
        (Trouble::Unreachable, Blame::Environment)
    );
    assert_eq!(
        world.resolve("latest-tag").await.unwrap_err().trouble,
        Trouble::Unreachable
    );
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    let world = World::new().await;
    world.commit("one").await;
    for reference in [
        "nosuchbranch",
        "v9.9.9",
        "refs/pull/99/head",
        "0123456789abcdef0123456789abcdef01234567",
        "latest-tag",
    ] {
        let error = world.resolve(reference).await.unwrap_err();
        assert_eq!(
            (error.trouble, error.blame()),
            (Trouble::Missing, Blame::Environment),
            "{error}"
        );
    }
    assert_eq!(
        world.resolve("main~1").await.unwrap_err().trouble,
        Trouble::Usage
    );
}

#[tokio::test]
async fn two_at_once_share_one_mirror_and_a_killed_git_does_not_block_it() {
    let world = World::new().await;
    let head = world.commit("one").await;
    let (one, two) = tokio::join!(world.resolve("main"), world.resolve("main"));
    assert_eq!(one.unwrap().revision, two.unwrap().revision);
    let folder = world.mirror().await.folder;
    fs::write(folder.join("packed-refs.lock"), "").unwrap();
    fs::write(folder.join("refs/heads/main.lock"), "").unwrap();
    assert_eq!(world.commit_of("main").await, head);
    let next = world.commit("two").await;
    assert_eq!(world.commit_of("main").await, next);
}

#[tokio::test]
async fn ranges_follow_first_parents() {
    let world = World::new().await;
    let base = world.commit("base").await;
    world.git(&["checkout", "-q", "-b", "side"]).await;
    let side = world.commit("on the side").await;
    world.git(&["checkout", "-q", "main"]).await;
    world
        .git(&["commit", "-q", "--allow-empty", "-m", "straight\n\nbody"])
        .await;
    world
        .git(&[
            "merge",
            "-q",
            "-s",
            "ours",
            "--no-ff",
            "-m",
            "merge side",
            "side",
        ])
        .await;
    let head = world.commit("last").await;
    world.commit_of("main").await;
    let mirror = world.mirror().await;
    let range = commits::between(&mirror, &base, &head).unwrap();
    let subjects: Vec<_> = range.commits.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(
        (subjects, range.linear),
        (vec!["straight", "merge side", "last"], true)
    );
    let range = commits::between(&mirror, &side, &head).unwrap();
    let subjects: Vec<_> = range.commits.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(
        (subjects, range.linear),
        (vec!["straight", "merge side", "last"], false)
    );
    assert!(
        commits::between(&mirror, &head, &head)
            .unwrap()
            .commits
            .is_empty()
    );
    let unknown = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(
        commits::between(&mirror, unknown, &head)
            .unwrap_err()
            .trouble,
        Trouble::Missing
    );
}

#[tokio::test]
async fn the_trees_own_go_version_is_found() {
    let world = World::new().await;
    fs::write(world.origin().join("go.mod"), "module x\n\ngo 1.24.2\n").unwrap();
    world.commit("one").await;
    let one = world.resolve("main").await.unwrap().revision;
    fs::write(world.origin().join(".go-version"), "1.26.5\n").unwrap();
    world.commit("two").await;
    let two = world.resolve("main").await.unwrap().revision;
    assert_eq!(
        go_wanted(&one, &world.cache()).await.unwrap().as_deref(),
        Some("1.24.2")
    );
    assert_eq!(
        go_wanted(&two, &world.cache()).await.unwrap().as_deref(),
        Some("1.26.5")
    );
}
