//! The cache: folders of finished outputs, named by the digest of their inputs.
//!
//! An entry appears by one rename, so what is there is whole. A lock file per digest keeps two
//! bellwethers from doing the same work twice; the second waits and finds the first one's entry.

mod hold;

use std::{fs::File, future::Future, io, time::SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::model::Digest;

pub use hold::{Held, Making};

const MANIFEST: &str = ".bellwether.json";

/// The cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system refused.
    #[error("cannot use the cache: {0}")]
    Io(#[from] io::Error),
}

/// Kinds of entry, where they are treated differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A build, an image, a disk: kept until nobody used it for long.
    #[default]
    Output,
    /// A saved node: large and quickly made again, so all together they are bounded.
    Snapshot,
}

/// All snapshots together may take this much of the disk, in bytes.
pub const SNAPSHOTS: u64 = 10 << 30;

/// What an entry is and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is, such as `build.kubernetes v1.36.3`.
    pub what: String,
    /// The digest of its inputs.
    pub digest: Digest,
    /// How long it took to make, in seconds.
    pub seconds: u64,
    /// Which kind of entry it is.
    #[serde(default)]
    pub kind: Kind,
}

/// A finished output.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder.
    pub folder: Utf8PathBuf,
    /// What it is.
    pub manifest: Manifest,
}

/// An entry with its size, for listing and pruning.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// What it is.
    pub manifest: Manifest,
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// Days since it was last used.
    pub idle_days: u64,
    /// When it was last used.
    #[serde(skip)]
    used: Option<SystemTime>,
}

/// The cache folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: Utf8PathBuf,
}

impl Cache {
    /// Opens, and if need be makes, the cache at `root`.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn open(root: impl Into<Utf8PathBuf>) -> Result<Self, CacheError> {
        let root = root.into();
        for folder in ["entries", "partial", "locks"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(Self { root })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// A folder of its own for something that is kept beside the entries, such as git mirrors.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<Utf8PathBuf, CacheError> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The finished entry for `digest`, if there is one; marks it as used.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Entry> {
        let folder = self.entry(digest);
        let text = fs::read_to_string(folder.join(MANIFEST)).ok()?;
        let manifest = serde_json::from_str(&text).ok()?;
        // The manifest's own times are the entry's last use; failing to mark is harmless.
        let _ = File::options()
            .append(true)
            .open(folder.join(MANIFEST))
            .and_then(|file| file.set_modified(SystemTime::now()));
        Some(Entry { folder, manifest })
    }

    /// The entry for `digest`, made by `make` if it is not there. `make` fills the empty folder it is
    /// given; its entry appears only when it returns Ok. The bool says whether it was made now.
    ///
    /// # Errors
    /// What `make` fails with, or a [`CacheError`].
    pub async fn fill<E, F, Fut>(
        &self,
        digest: &Digest,
        what: &str,
        make: F,
    ) -> Result<(Entry, bool), E>
    where
        E: From<CacheError>,
        F: FnOnce(Utf8PathBuf) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        if let Some(entry) = self.get(digest) {
            return Ok((entry, false));
        }
        let _lock = self.lock(digest).await?;
        if let Some(entry) = self.get(digest) {
            return Ok((entry, false));
        }
        let partial = self.root.join("partial").join(digest.as_str());
        remove(&partial)?;
        fs::create_dir_all(&partial).map_err(CacheError::from)?;
        let started = std::time::Instant::now();
        make(partial.clone()).await?;
        let manifest = Manifest {
            what: what.to_owned(),
            digest: digest.clone(),
            seconds: started.elapsed().as_secs(),
            kind: Kind::Output,
        };
        Ok((self.publish(&partial, manifest)?, true))
    }

    /// Makes a filled folder the entry that its manifest says it is.
    fn publish(&self, partial: &Utf8Path, manifest: Manifest) -> Result<Entry, CacheError> {
        let text = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
        fs::write(partial.join(MANIFEST), text)?;
        let folder = self.entry(&manifest.digest);
        remove(&folder)?;
        fs::rename(partial, &folder)?;
        Ok(Entry { folder, manifest })
    }

    /// All finished entries.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, CacheError> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(self.root.join("entries"))? {
            let Ok(folder) = Utf8PathBuf::from_path_buf(entry?.path()) else {
                continue;
            };
            let Ok(text) = fs::read_to_string(folder.join(MANIFEST)) else {
                continue;
            };
            let Ok(manifest) = serde_json::from_str(&text) else {
                continue;
            };
            let used = fs::metadata(folder.join(MANIFEST))?.modified()?;
            let idle = SystemTime::now().duration_since(used).unwrap_or_default();
            listed.push(Listed {
                manifest,
                bytes: size(&folder)?,
                idle_days: idle.as_secs() / 86_400,
                used: Some(used),
            });
        }
        listed.sort_by(|a, b| a.manifest.what.cmp(&b.manifest.what));
        Ok(listed)
    }

    /// Removes entries not used for `days` days, snapshots beyond [`SNAPSHOTS`], and what killed builds left;
    /// returns what went.
    ///
    /// # Errors
    /// When the cache cannot be read or an entry cannot be removed.
    pub fn prune(&self, days: u64) -> Result<Vec<Listed>, CacheError> {
        let (old, _): (Vec<_>, Vec<_>) =
            self.list()?.into_iter().partition(|e| e.idle_days >= days);
        let mut gone = Vec::new();
        for listed in old {
            if self.remove(&listed.manifest.digest)? {
                gone.push(listed);
            }
        }
        gone.extend(self.bound(Kind::Snapshot, SNAPSHOTS)?);
        for entry in fs::read_dir(self.root.join("partial"))? {
            let entry = entry?;
            let digest = Digest(entry.file_name().to_string_lossy().into_owned());
            if let (Some(_lock), Ok(path)) = (
                self.try_lock(&digest)?,
                Utf8PathBuf::from_path_buf(entry.path()),
            ) {
                remove(&path)?;
            }
        }
        self.prune_scratch()?;
        Ok(gone)
    }

    /// Removes check-outs that killed builds left. They have no lock, but no build lasts a day.
    fn prune_scratch(&self) -> Result<(), CacheError> {
        for entry in fs::read_dir(self.folder("scratch")?)? {
            let entry = entry?;
            let age = SystemTime::now().duration_since(entry.metadata()?.modified()?);
            let old = age.is_ok_and(|age| age.as_secs() > 86_400);
            if let (true, Ok(path)) = (old, Utf8PathBuf::from_path_buf(entry.path())) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn entry(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join("entries").join(digest.as_str())
    }

    fn try_lock(&self, digest: &Digest) -> Result<Option<File>, CacheError> {
        self.lock_as(digest, FlockOperation::NonBlockingLockExclusive)
    }

    async fn lock(&self, digest: &Digest) -> Result<File, CacheError> {
        loop {
            if let Some(file) = self.try_lock(digest)? {
                return Ok(file);
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }
}

fn remove(folder: &Utf8Path) -> Result<(), CacheError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn size(folder: &Utf8Path) -> Result<u64, CacheError> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match Utf8PathBuf::from_path_buf(entry.path()) {
            Ok(path) if metadata.is_dir() => size(&path)?,
            _ => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        (folder, cache)
    }

    #[tokio::test]
    async fn a_failed_fill_leaves_no_entry() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"x");
        let result: Result<_, CacheError> = cache
            .fill(&digest, "x", |folder| async move {
                fs::write(folder.join("half"), "half")?;
                Err(CacheError::Io(io::Error::other("compiler died")))
            })
            .await;
        assert!(result.is_err());
        assert!(cache.get(&digest).is_none());
    }

    #[tokio::test]
    async fn two_at_once_make_it_once() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"x");
        let fill = || {
            cache.fill::<CacheError, _, _>(&digest, "x", |folder| async move {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                fs::write(folder.join("out"), "done")?;
                Ok(())
            })
        };
        let (one, two) = tokio::join!(fill(), fill());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.1, two.1, "exactly one of them made it");
        assert_eq!(
            fs::read_to_string(two.0.folder.join("out")).unwrap(),
            "done"
        );
    }

    #[tokio::test]
    async fn prune_removes_what_nobody_used() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"x");
        cache
            .fill::<CacheError, _, _>(&digest, "x", |_| async { Ok(()) })
            .await
            .unwrap();
        assert!(cache.prune(1).unwrap().is_empty());
        assert_eq!(cache.prune(0).unwrap().len(), 1);
        assert!(cache.get(&digest).is_none());
    }
}
