//! Makes the image of a resolved package list.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
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
        kernel: Some((
            entry.folder.join("vmlinuz"),
            entry.folder.join("initrd.img"),
        )),
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
    fs::write(folder.join("disk.sh"), recipe::DISK_SCRIPT)?;
    let user = User::find(folder, &revision.digest.0).await?;
    let arguments = recipe::arguments(
        user.mode(),
        &archive.suite,
        &revision.packages,
        &proxies().await?,
        folder.as_str(),
    );
    user.prepare().await?;
    let result = log::run(user.mmdebstrap(&arguments), WHAT, log).await;
    user.clean().await?;
    result?;
    log::run(user.disk(folder), WHAT, log).await?;
    check(revision, &fs::read_to_string(folder.join("packages"))?)?;
    for file in ["seed.tar", "sources.list", "disk.sh"] {
        fs::remove_file(folder.join(file))?;
    }
    Ok(())
}

/// How this user can make a tree of files that belong to root and others.
enum User {
    /// It is root.
    Root { temporary: Utf8PathBuf },
    /// By a user namespace with subordinate ids. mmdebstrap's own folder must be one that those ids can enter.
    Namespace { temporary: Utf8PathBuf },
}

/// What a build as root is apart in.
const ROOT_NAMESPACES: [&str; 4] = ["--mount", "--pid", "--fork", "--kill-child"];

impl User {
    async fn find(folder: &Utf8Path, digest: &str) -> Result<Self, ImageError> {
        if rustix::process::geteuid().is_root() {
            return Ok(Self::Root {
                temporary: folder.join("tmp"),
            });
        }
        let tried = namespace()
            .arg("true")
            .output()
            .await
            .map_err(log::missing)?;
        if tried.status != Some(0) {
            return Err(ImageError::NoNamespaces {
                why: tried.stderr.trim().to_owned(),
            });
        }
        let digest = digest.get(..12).unwrap_or(digest);
        Ok(Self::Namespace {
            temporary: format!("/var/tmp/bellwether-image-{digest}").into(),
        })
    }

    const fn mode(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root",
            Self::Namespace { .. } => "unshare",
        }
    }

    /// Makes mmdebstrap's folder.
    async fn prepare(&self) -> Result<(), ImageError> {
        self.clean().await?;
        let (Self::Root { temporary } | Self::Namespace { temporary }) = self;
        fs::create_dir(temporary)?;
        // The user's mask may keep the namespace's ids out.
        fs::set_permissions(
            temporary,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        Ok(())
    }

    /// Removes what mmdebstrap leaves there when it is killed.
    async fn clean(&self) -> Result<(), ImageError> {
        let (Self::Root { temporary } | Self::Namespace { temporary }) = self;
        if !temporary.exists() {
            return Ok(());
        }
        let remove = match self {
            Self::Root { .. } => call("rm"),
            Self::Namespace { .. } => namespace().arg("rm"),
        };
        remove.args(["-rf", temporary.as_str()]).run().await?;
        Ok(())
    }

    fn mmdebstrap(&self, arguments: &[String]) -> Call {
        let (call, temporary) = match self {
            // In namespaces of its own, so that its package scripts and its mounts of /proc, /sys and /dev go with
            // it: a mount that outlived a killed build would lie below a folder that is removed.
            Self::Root { temporary } => (
                call("unshare")
                    .args(ROOT_NAMESPACES)
                    .args(["--", "mmdebstrap"]),
                temporary,
            ),
            Self::Namespace { temporary } => (call("mmdebstrap"), temporary),
        };
        call.args(arguments)
            .env("TMPDIR", temporary.as_str())
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", "0")
            .limit(LIMIT)
    }

    /// mmdebstrap's tar becomes a disk. The tree in between is on a file system of the namespace's own where
    /// this user could not remove it after a kill.
    fn disk(&self, folder: &Utf8Path) -> Call {
        match self {
            Self::Root { .. } => call("sh").args(["disk.sh", "plain"]),
            Self::Namespace { .. } => namespace().args(["--mount", "sh", "disk.sh", "private"]),
        }
        .folder(folder)
        .limit(LIMIT)
    }
}

fn namespace() -> Call {
    call("unshare").args(["--user", "--map-root-user", "--map-auto"])
}

/// What was installed must be what was resolved.
fn check(revision: &NodeImageRevision, installed: &str) -> Result<(), ImageError> {
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
            log: Utf8PathBuf::new(),
            line: None,
        }),
    }
}
