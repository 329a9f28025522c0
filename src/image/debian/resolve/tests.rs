//! Against an archive in a folder: unsigned and tiny, but read by the real apt.

use super::*;
use crate::model::Blame;

struct Host {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
    archive: Archive,
    cache: Cache,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let archive = Archive {
            suite: "trixie".to_owned(),
            sources: vec![format!("deb [trusted=yes] file:{root}/archive ./")],
        };
        let cache = Cache::open(root.join("cache")).unwrap();
        let host = Self {
            _folder: folder,
            root,
            archive,
            cache,
        };
        host.publish("1.0", "Sat, 12 Sep 2026 07:55:41 UTC");
        host
    }

    /// The archive with `tool` at `version`.
    fn publish(&self, version: &str, date: &str) {
        let package = |name: &str, version: &str, more: &str| {
            format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.com>\n\
                 Filename: ./{name}.deb\nSize: 1\nSHA256: {}\nDescription: {name}\n{more}\n",
                "0".repeat(64)
            )
        };
        let packages = [
            package("base", "3.1", "Essential: yes\n"),
            package("tool", version, "Depends: linux-image-6.12.1-amd64\n"),
            package("linux-image-6.12.1-amd64", "6.12.1-1", ""),
            package("broken", "1", "Depends: nowhere\n"),
        ]
        .concat();
        let folder = self.root.join("archive");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Packages"), &packages).unwrap();
        let release = format!(
            "Suite: stable\nCodename: trixie\nDate: {date}\nSHA256:\n {} {} Packages\n",
            Digest::of(packages.as_bytes()),
            packages.len()
        );
        fs::write(folder.join("Release"), release).unwrap();
    }

    async fn resolve(&self, wanted: &[&str]) -> Result<NodeImageRevision, ImageError> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        resolve("debian-13", &self.archive, &wanted, &self.cache).await
    }
}

#[tokio::test]
async fn the_archive_decides_the_exact_list() {
    let host = Host::new();
    let revision = host.resolve(&["?essential", "tool"]).await.unwrap();
    assert_eq!(
        revision.packages,
        ["base=3.1", "linux-image-6.12.1-amd64=6.12.1-1", "tool=1.0"]
    );
    assert_eq!(revision.version, "2026-09-12T07:55:41Z");
    assert_eq!(revision.kernel.as_deref(), Some("6.12.1-amd64"));
    assert_eq!(
        revision.link.as_deref(),
        Some("https://snapshot.debian.org/archive/debian/20260912T075541Z/")
    );
}

#[tokio::test]
async fn an_archive_that_moves_elsewhere_gives_the_same_image() {
    let host = Host::new();
    let first = host.resolve(&["base"]).await.unwrap();
    host.publish("2.0", "Sun, 13 Sep 2026 07:55:41 UTC");
    let second = host.resolve(&["base"]).await.unwrap();
    assert_eq!(first.digest, second.digest);
    assert_ne!(first.version, second.version);
    let tool = host.resolve(&["tool"]).await.unwrap();
    assert!(tool.packages.contains(&"tool=2.0".to_owned()));
    assert_ne!(tool.digest, second.digest);
}

#[tokio::test]
async fn packages_that_cannot_be_had_are_named() {
    let host = Host::new();
    let error = host.resolve(&["base", "youki"]).await.unwrap_err();
    assert_eq!(error.to_string(), "suite trixie has no package `youki`");
    assert_eq!(error.blame(), Blame::NodeImage);
    let error = host.resolve(&["broken"]).await.unwrap_err();
    assert!(
        error.to_string().contains("broken : Depends: nowhere"),
        "{error}"
    );
}

#[tokio::test]
async fn an_archive_out_of_reach_is_the_environments_and_what_is_at_hand_is_named() {
    let mut host = Host::new();
    host.archive.sources =
        vec!["deb [trusted=yes] http://127.0.0.1:9/debian trixie main".to_owned()];
    let error = host.resolve(&["base"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the archive cannot be reached: http://127.0.0.1:9/debian/dists/trixie/"),
        "{error}"
    );
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert_eq!(error.blame(), Blame::Environment);

    let host = Host::new();
    let revision = host.resolve(&["base"]).await.unwrap();
    fs::rename(host.root.join("archive"), host.root.join("gone")).unwrap();
    let hint = host.resolve(&["base"]).await.unwrap_err().hint().unwrap();
    assert!(
        !hint.contains("in the cache"),
        "nothing was made of it yet: {hint}"
    );
    host.cache
        .fill::<ImageError, _, _>(&revision.digest, "image", |_| async { Ok(()) })
        .await
        .unwrap();
    let hint = host.resolve(&["base"]).await.unwrap_err().hint().unwrap();
    assert!(
        hint.contains("as of 2026-09-12T07:55:41Z is in the cache"),
        "{hint}"
    );
}
