//! Makes the image of a resolved package list.

use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;

use super::{archive::Archive, recipe, resolve::proxies};
use crate::{
    build::cache::Cache,
    image::{ImageError, NodeImage, log},
    model::NodeImageRevision,
    process::{Call, call},
};

const WHAT: &str = "the node image";
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The kernel's place in an image's folder.
pub(in crate::image) const KERNEL: &str = "vmlinuz";

/// The image of `revision`, from the cache or made now.
pub(in crate::image) async fn make(
    revision: &NodeImageRevision,
    archive: &Archive,
    cache: &Cache,
    log: &Utf8Path,
) -> Result<NodeImage, ImageError> {
    let what = format!("image.{} {}", revision.name, revision.version);
    let (entry, fresh) = cache
        .fill(&revision.digest, &what, |folder| async move {
            bootstrap(revision, archive, &folder, log).await
        })
        .await?;
    Ok(NodeImage {
        root_disk: entry.folder.join("root.img"),
        root_format: "raw".to_owned(),
        kernel: Some((entry.folder.join(KERNEL), entry.folder.join("initrd.img"))),
        folder: entry.folder,
        fresh,
    })
}

async fn bootstrap(
    revision: &NodeImageRevision,
    archive: &Archive,
    folder: &Utf8Path,
    log: &Utf8Path,
) -> Result<(), ImageError> {
    fs::write(folder.join("seed.tar"), recipe::seed_tar()?)?;
    fs::write(folder.join("sources.list"), archive.sources_list())?;
    fs::write(folder.join("make.sh"), recipe::SCRIPT)?;
    let arguments = recipe::arguments(
        &archive.suite,
        &revision.packages,
        &proxies().await?,
        folder.as_str(),
    );
    let (call, tree) = namespace().await?;
    let call = call
        .args(["sh", "make.sh", tree])
        .args(arguments)
        .folder(folder)
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", "0")
        .limit(LIMIT);
    log::run(call, WHAT, log).await?;
    check(revision, &fs::read_to_string(folder.join("packages"))?, log)?;
    for file in ["seed.tar", "sources.list", "make.sh"] {
        fs::remove_file(folder.join(file))?;
    }
    Ok(fs::remove_dir(folder.join("tmp"))?)
}

/// A call that is root over its own mounts and processes, which end with it (a mount of /dev that outlived a killed
/// build would lie below a folder that is removed), and how it may make its tree of files that belong to root and
/// others. Root is root; anybody else needs subordinate ids.
async fn namespace() -> Result<(Call, &'static str), ImageError> {
    let own = ["--mount", "--pid", "--fork", "--kill-child"];
    if rustix::process::geteuid().is_root() {
        return Ok((call("unshare").args(own).arg("--"), "plain"));
    }
    let user = || {
        call("unshare")
            .args(["--user", "--map-root-user", "--map-auto"])
            .args(own)
            .arg("--")
    };
    let tried = user().arg("true").output().await.map_err(log::missing)?;
    if tried.status == Some(0) {
        return Ok((user(), "private"));
    }
    Err(ImageError::NoNamespaces {
        why: tried.stderr.trim().to_owned(),
    })
}

/// What was installed must be what was resolved.
fn check(revision: &NodeImageRevision, installed: &str, log: &Utf8Path) -> Result<(), ImageError> {
    let mut installed: Vec<&str> = installed.lines().collect();
    installed.sort_unstable();
    let differs = revision
        .packages
        .iter()
        .find(|package| installed.binary_search(&package.as_str()).is_err());
    let extra = installed
        .iter()
        .find(|package| !revision.packages.iter().any(|known| known == *package));
    match (differs, extra) {
        (None, None) => Ok(()),
        (Some(package), _) => {
            let (name, version) = package.split_once('=').unwrap_or((package, ""));
            Err(ImageError::Moved {
                package: name.to_owned(),
                wanted: version.to_owned(),
            })
        }
        (None, Some(extra)) => Err(ImageError::Failed {
            what: WHAT.to_owned(),
            why: format!("it holds {extra}, which was not resolved"),
            log: log.to_owned(),
            line: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn what_is_installed_is_what_was_resolved() {
        let revision = NodeImageRevision {
            name: "debian-13".to_owned(),
            version: "2026-09-12T07:55:41Z".to_owned(),
            packages: ["apt=3.0.3", "crun=1.21-1"].map(str::to_owned).into(),
            kernel: None,
            link: None,
            digest: Digest::of(b""),
        };
        let log = Utf8Path::new("image.log");
        let said = |installed| check(&revision, installed, log).map_err(|error| error.to_string());
        assert_eq!(said("crun=1.21-1\napt=3.0.3\n"), Ok(()));
        assert_eq!(
            said("apt=3.0.3\ncrun=1.22-1\n").unwrap_err(),
            "the archive moved since this image was resolved: it has no crun=1.21-1 any more"
        );
        assert_eq!(
            said("apt=3.0.3\ncrun=1.21-1\nvim=9\n").unwrap_err(),
            "making the node image failed: it holds vim=9, which was not resolved"
        );
    }
}
