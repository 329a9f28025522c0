//! Asks the archive what would be installed now.

use std::{fs::File, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{
    archive::{self, Archive, UpdateFailure},
    recipe,
};
use crate::{
    build::cache::Cache,
    image::{ImageError, log::missing},
    model::{Digest, DigestBuilder, NodeImageRevision},
    process::{Call, Output, call},
};

/// The answer for one archive state and one set of wanted packages, kept so that an archive that did not move is
/// not asked again.
#[derive(Serialize, Deserialize)]
struct Known {
    state: Digest,
    revision: NodeImageRevision,
}

/// The exact list of packages that `wanted` means in `archive` now.
pub(in crate::image) async fn resolve(
    name: &str,
    archive: &Archive,
    wanted: &[String],
    cache: &Cache,
) -> Result<NodeImageRevision, ImageError> {
    let lists = Lists::open(archive, cache).await?;
    let question = DigestBuilder::new("debian-packages")
        .field("name", name)
        .field("recipe", recipe::digest().as_str())
        .field("wanted", wanted.join(" "))
        .finish();
    let memory = lists.folder.join(format!("{}.json", question.short()));
    let known: Option<Known> = fs::read(&memory)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    if let Err(error) = lists.update().await {
        return Err(with_last(error, known, cache));
    }
    let (state, date) = lists.state()?;
    if let Some(known) = known.filter(|known| known.state == state) {
        return Ok(known.revision);
    }
    let packages = lists.packages(wanted).await?;
    let revision = revision(name, archive, packages, date);
    let text = serde_json::to_vec(&Known {
        state,
        revision: revision.clone(),
    })
    .map_err(std::io::Error::from)?;
    fs::write(&memory, text)?;
    Ok(revision)
}

fn with_last(error: ImageError, known: Option<Known>, cache: &Cache) -> ImageError {
    match error {
        ImageError::Unreachable { url, why, .. } => ImageError::Unreachable {
            url,
            why,
            last: known
                .filter(|known| cache.get(&known.revision.digest).is_some())
                .map(|known| Box::new(known.revision)),
        },
        other => other,
    }
}

fn revision(
    name: &str,
    archive: &Archive,
    packages: Vec<String>,
    date: Option<Timestamp>,
) -> NodeImageRevision {
    // The date is for people: an archive that moves without touching one of these packages gives the same image.
    let digest = DigestBuilder::new("node-image")
        .field("suite", &archive.suite)
        .field("packages", packages.join("\n"))
        .field("recipe", recipe::digest().as_str())
        .finish();
    NodeImageRevision {
        name: name.to_owned(),
        version: date.map_or_else(|| archive.suite.clone(), |date| date.to_string()),
        kernel: archive::kernel(&packages),
        packages,
        link: date.map(|date| {
            let stamp = date.strftime("%Y%m%dT%H%M%SZ");
            format!("https://snapshot.debian.org/archive/debian/{stamp}/")
        }),
        digest,
    }
}

/// apt's lists of one archive, in the cache, used by one process at a time.
pub(super) struct Lists<'a> {
    archive: &'a Archive,
    folder: Utf8PathBuf,
    _lock: File,
}

impl<'a> Lists<'a> {
    pub(super) async fn open(archive: &'a Archive, cache: &Cache) -> Result<Self, ImageError> {
        let key = DigestBuilder::new("archive")
            .field("sources", archive.sources_list())
            .finish();
        let folder = cache
            .folder("archive")?
            .join(format!("{}-{}", archive.suite, key.short()));
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let lock = lock(&folder.join("lock")).await?;
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("sources.list"), archive.sources_list())?;
        let proxies = proxies().await?;
        fs::write(
            folder.join("apt.conf"),
            archive::apt_conf(folder.as_str(), &proxies),
        )?;
        Ok(Self {
            archive,
            folder,
            _lock: lock,
        })
    }

    fn apt(&self) -> Call {
        call("apt-get")
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("LC_ALL", "C")
            .limit(Duration::from_secs(180))
    }

    /// Brings the lists up to date; the archive's signatures are checked by apt.
    async fn update(&self) -> Result<(), ImageError> {
        let output = self
            .apt()
            .args(["-q", "update"])
            .output()
            .await
            .map_err(missing)?;
        if output.status == Some(0) {
            return Ok(());
        }
        Err(match archive::update_failure(&output.stderr) {
            UpdateFailure::Unreachable { url, why } => ImageError::Unreachable {
                url,
                why,
                last: None,
            },
            UpdateFailure::Untrusted(why) => ImageError::Untrusted { why },
            UpdateFailure::Other(why) => ImageError::Unreachable {
                url: self.archive.sources.join(", "),
                why,
                last: None,
            },
        })
    }

    /// What the archive is now, and its newest date.
    fn state(&self) -> Result<(Digest, Option<Timestamp>), ImageError> {
        let mut releases: Vec<Utf8PathBuf> = Vec::new();
        for entry in fs::read_dir(self.folder.join("state/lists"))? {
            if let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path())
                && path.as_str().ends_with("Release")
            {
                releases.push(path);
            }
        }
        releases.sort();
        let mut digest = DigestBuilder::new("archive-state");
        let mut newest = None;
        for path in releases {
            let text = fs::read(&path)?;
            newest = newest.max(archive::date(&String::from_utf8_lossy(&text)));
            digest = digest.field(path.file_name().unwrap_or_default(), text);
        }
        Ok((digest.finish(), newest))
    }

    /// The exact list for `wanted`.
    async fn packages(&self, wanted: &[String]) -> Result<Vec<String>, ImageError> {
        let Output {
            stdout,
            stderr,
            status,
            ..
        } = self
            .apt()
            .args(["-q", "-s", "install"])
            .args(wanted)
            .output()
            .await
            .map_err(missing)?;
        let stdout = String::from_utf8_lossy(&stdout);
        if status == Some(0) {
            return Ok(archive::simulated(&stdout));
        }
        let suite = self.archive.suite.clone();
        Err(match archive::unknown_package(&stderr) {
            Some(package) => ImageError::NoPackage { package, suite },
            None => ImageError::Unsolvable {
                suite,
                why: archive::unsolvable(&stdout, &stderr),
            },
        })
    }
}

/// The host's proxy settings for apt.
pub(super) async fn proxies() -> Result<Vec<String>, ImageError> {
    let dump = call("apt-config")
        .args(["dump", "Acquire::http", "Acquire::https"])
        .run()
        .await
        .map_err(missing)?;
    Ok(archive::proxies(&dump.text()))
}

async fn lock(path: &Utf8Path) -> Result<File, ImageError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
}

#[cfg(test)]
mod tests;
