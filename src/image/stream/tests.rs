use super::*;
use crate::{image, profile::Image};

const FEDORA: &str = include_str!("../../../tests/fixtures/image/fcos-stable.json");
const FLATCAR: &str = include_str!("../../../tests/fixtures/image/flatcar-version.txt");
const DIGESTS: &str = include_str!("../../../tests/fixtures/image/flatcar.DIGESTS");

#[test]
fn fedoras_qemu_image_of_this_architecture_is_taken() {
    let artifact = fedora(FEDORA, "stable").unwrap();
    assert_eq!(artifact.version, "44.20260829.3.1");
    assert!(
        artifact
            .url
            .ends_with("/x86_64/fedora-coreos-44.20260829.3.1-qemu.x86_64.qcow2.xz")
    );
    assert_eq!(artifact.unpacker(), Some((".xz", "xz")));
    assert_eq!(
        artifact.checksum.to_string(),
        "SHA-256:a0aa13c4c88519c9c3ee6a16101f84c9f4184fc4eb1e687779b31177e540c12e"
    );
}

#[test]
fn metadata_without_the_image_says_what_is_missing() {
    for (from, to, said) in [
        (
            "\"stream\": \"stable\"",
            "\"stream\": \"next\"",
            "it is of stream next",
        ),
        ("x86_64\": {", "riscv64\": {", "no x86_64"),
        ("\"qemu\"", "\"qemux\"", "no qemu artifact"),
        ("qcow2.xz\": {", "vmdk\": {", "no qcow2 disk"),
        ("a0aa13c4", "a0aa13c", "no checksum of 64 hex digits"),
        ("\"release\"", "\"version\"", "missing field `release`"),
    ] {
        let error = fedora(&FEDORA.replace(from, to), "stable").unwrap_err();
        assert!(error.contains(said), "{from}: {error}");
    }
}

#[test]
fn flatcars_image_is_pinned_to_its_release_and_its_strongest_checksum() {
    let version = flatcar_version(FLATCAR).unwrap();
    assert_eq!(version, "4593.2.4");
    let url = "https://stable.release.flatcar-linux.net/amd64-usr/current/version.txt";
    let image = flatcar_image(url, &version);
    assert_eq!(
        image,
        "https://stable.release.flatcar-linux.net/amd64-usr/4593.2.4/flatcar_production_qemu_image.img"
    );
    let pinned = flatcar_image(&url.replace("current", "4593.2.3"), &version);
    assert!(
        pinned.contains("/4593.2.3/"),
        "a folder that is named stays"
    );
    let checksum = flatcar_checksum(DIGESTS, &image).unwrap();
    assert_eq!(checksum.algorithm(), "SHA-512");
    let weak: String = DIGESTS
        .lines()
        .take(4)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        flatcar_checksum(&weak, &image).is_err(),
        "MD5 and SHA-1 prove nothing"
    );
    assert!(flatcar_version("<html>not found</html>").is_err());
}

/// A stream served from a folder, its image packed by xz.
async fn served(folder: &Utf8Path, tampered: bool) -> (Image, Cache) {
    let image = folder.join("image.qcow2");
    fs::write(&image, "a qcow2 image").unwrap();
    call("xz").arg(image.as_str()).run().await.unwrap();
    let packed = folder.join("image.qcow2.xz");
    let sum = call("sha256sum")
        .arg(packed.as_str())
        .run()
        .await
        .unwrap()
        .text();
    let sum = if tampered {
        "0".repeat(64)
    } else {
        sum[..64].to_owned()
    };
    let text = FEDORA
        .replace("a0aa13c4c88519c9c3ee6a16101f84c9f4184fc4eb1e687779b31177e540c12e", &sum)
        .replace(
            "https://builds.coreos.fedoraproject.org/prod/streams/stable/builds/44.20260829.3.1/x86_64/fedora-coreos-44.20260829.3.1-qemu.x86_64.qcow2.xz\"",
            &format!("file://{packed}\""),
        );
    let stream = folder.join("stable.json");
    fs::write(&stream, text).unwrap();
    let image = Image::CoreosStream {
        url: format!("file://{stream}"),
        stream: "stable".to_owned(),
    };
    (image, Cache::open(folder.join("cache")).unwrap())
}

#[tokio::test]
async fn a_stream_image_is_downloaded_checked_and_unpacked_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let (image, cache) = served(folder, false).await;
    let log = folder.join("log");
    let revision = image::resolve("fcos", &image, &[], &cache).await.unwrap();
    assert_eq!(revision.version, "44.20260829.3.1");
    let made = image::make(&revision, &image, &cache, &log).await.unwrap();
    assert_eq!(
        fs::read_to_string(&made.root_disk).unwrap(),
        "a qcow2 image"
    );
    assert!(made.fresh && made.kernel.is_none());
    assert!(
        !image::make(&revision, &image, &cache, &log)
            .await
            .unwrap()
            .fresh
    );
}

#[tokio::test]
async fn a_stream_image_with_a_wrong_checksum_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let (image, cache) = served(folder, true).await;
    let revision = image::resolve("fcos", &image, &[], &cache).await.unwrap();
    let error = image::make(&revision, &image, &cache, &folder.join("log"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Checksum {
                downloaded: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(cache.get(&revision.digest).is_none());
    assert_eq!(
        fs::read_dir(folder.join("cache/downloads"))
            .unwrap()
            .count(),
        0
    );
}
