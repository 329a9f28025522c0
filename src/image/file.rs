//! Node images that are a disk image at hand.

use camino::Utf8Path;
use fs_err as fs;

use super::{ImageError, NodeImage, download::Checksum, log::missing};
use crate::{
    build::cache::Cache,
    model::{DigestBuilder, NodeImageRevision},
    process::call,
};

/// The image as the profile names it; its contents are checked when it is made.
pub(super) fn resolve(
    name: &str,
    path: &Utf8Path,
    sha256: &str,
    format: &str,
) -> Result<NodeImageRevision, ImageError> {
    fs::metadata(path).map_err(|error| no_file(path, &error))?;
    let sha256 = sha256.to_ascii_lowercase();
    let digest = DigestBuilder::new("node-image")
        .field("sha256", &sha256)
        .field("format", format)
        .finish();
    Ok(NodeImageRevision {
        name: name.to_owned(),
        version: format!("sha256:{sha256}"),
        packages: Vec::new(),
        kernel: None,
        link: None,
        digest,
    })
}

/// A checked copy of the image in the cache, so that nobody changes it under a running machine.
pub(super) async fn make(
    revision: &NodeImageRevision,
    path: &Utf8Path,
    sha256: &str,
    format: &str,
    cache: &Cache,
) -> Result<NodeImage, ImageError> {
    let what = format!("image.{} {path}", revision.name);
    let checksum = Checksum::Sha256(sha256.to_ascii_lowercase());
    let (entry, fresh) = cache
        .fill(&revision.digest, &what, |folder| async move {
            fs::metadata(path).map_err(|error| no_file(path, &error))?;
            let disk = folder.join("disk");
            call("cp")
                .args([
                    "--reflink=auto",
                    "--sparse=always",
                    "--",
                    path.as_str(),
                    disk.as_str(),
                ])
                .limit(std::time::Duration::from_secs(600))
                .run()
                .await
                .map_err(missing)?;
            checksum.check(&disk, path.as_str(), false).await
        })
        .await?;
    Ok(NodeImage {
        root_disk: entry.folder.join("disk"),
        root_format: format.to_owned(),
        kernel: None,
        folder: entry.folder,
        fresh,
    })
}

fn no_file(path: &Utf8Path, error: &std::io::Error) -> ImageError {
    ImageError::NoFile {
        path: path.to_owned(),
        // fs-err repeats the path; the reason alone is enough here.
        why: std::io::Error::from(error.kind()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{image, model::Blame, profile::Image};

    const SUM: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

    fn image(path: &Utf8Path, sha256: &str) -> Image {
        Image::File {
            path: path.to_owned(),
            sha256: sha256.to_owned(),
            format: "qcow2".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_cache_gets_a_checked_copy() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache::open(folder.join("cache")).unwrap();
        let path = folder.join("node.qcow2");
        fs::write(&path, "0123456789").unwrap();
        let (log, image) = (folder.join("log"), image(&path, &SUM.to_uppercase()));
        let revision = image::resolve("mine", &image, &[], &cache).await.unwrap();
        let made = image::make(&revision, &image, &cache, &log).await.unwrap();
        assert!(made.fresh && made.kernel.is_none());
        fs::write(&path, "changed").unwrap();
        let again = image::make(&revision, &image, &cache, &log).await.unwrap();
        assert!(!again.fresh);
        assert_eq!(fs::read_to_string(again.root_disk).unwrap(), "0123456789");
    }

    #[tokio::test]
    async fn a_wrong_file_is_refused_and_blamed_on_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let cache = Cache::open(folder.join("cache")).unwrap();
        let path = folder.join("node.qcow2");
        fs::write(&path, "tampered").unwrap();
        let image = image(&path, SUM);
        let revision = image::resolve("mine", &image, &[], &cache).await.unwrap();
        let error = image::make(&revision, &image, &cache, &folder.join("log"))
            .await
            .unwrap_err();
        assert!(matches!(
            error,
            ImageError::Checksum {
                downloaded: false,
                ..
            }
        ));
        assert_eq!(error.blame(), Blame::NodeImage);
        assert!(error.to_string().contains(path.as_str()), "{error}");
        assert!(cache.get(&revision.digest).is_none());
    }

    #[tokio::test]
    async fn a_missing_file_and_packages_are_refused_when_resolving() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let missing = image("/nonexistent/node.qcow2".into(), SUM);
        let error = image::resolve("mine", &missing, &[], &cache)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "image file /nonexistent/node.qcow2 cannot be read: entity not found"
        );
        let error = image::resolve("mine", &missing, &["crun".to_owned()], &cache)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("package `crun` cannot be added"));
    }
}
