//! Entries that are used for long, and entries whose making must not wait: held and made under the same locks.
//!
//! Whoever holds an entry shares its lock, so nobody removes it meanwhile; whoever makes or removes one has the
//! lock alone. Locks go with the process that has them, however it ends.

use std::{fs::File, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::{Cache, CacheError, Entry, Kind, Listed, Manifest, remove};
use crate::model::Digest;

/// An entry that nobody removes while this lives.
#[derive(Debug)]
pub struct Held {
    /// The entry.
    pub entry: Entry,
    _lock: File,
}

/// An entry that only its owner makes. Dropped before [`Making::finish`], it leaves nothing.
#[derive(Debug)]
pub struct Making {
    cache: Cache,
    digest: Digest,
    folder: Utf8PathBuf,
    _lock: File,
}

impl Making {
    /// The empty folder to fill.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Makes the filled folder the entry.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(self, what: &str, kind: Kind, took: Duration) -> Result<Entry, CacheError> {
        let manifest = Manifest {
            what: what.to_owned(),
            digest: self.digest.clone(),
            seconds: took.as_secs(),
            kind,
        };
        self.cache.publish(&self.folder, manifest)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Gone already when it was finished; else the next prune finds it too.
        let _ = remove(&self.folder);
    }
}

impl Cache {
    /// The finished entry for `digest`, kept from removal while it is held; absent when there is none, or when
    /// somebody makes or removes it right now. Marks it as used.
    ///
    /// # Errors
    /// When the lock cannot be used.
    pub fn hold(&self, digest: &Digest) -> Result<Option<Held>, CacheError> {
        let Some(lock) = self.lock_as(digest, FlockOperation::NonBlockingLockShared)? else {
            return Ok(None);
        };
        Ok(self.get(digest).map(|entry| Held { entry, _lock: lock }))
    }

    /// Begins an entry that is not there; absent when it is, or when somebody else makes it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin(&self, digest: &Digest) -> Result<Option<Making>, CacheError> {
        let Some(lock) = self.try_lock(digest)? else {
            return Ok(None);
        };
        if self.get(digest).is_some() {
            return Ok(None);
        }
        let folder = self.root.join("partial").join(digest.as_str());
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        Ok(Some(Making {
            cache: self.clone(),
            digest: digest.clone(),
            folder,
            _lock: lock,
        }))
    }

    /// Removes an entry unless somebody holds or makes it; the bool says whether it is gone.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, digest: &Digest) -> Result<bool, CacheError> {
        match self.try_lock(digest)? {
            Some(_lock) => remove(&self.entry(digest)).map(|()| true),
            None => Ok(false),
        }
    }

    /// Removes entries of one kind, those used longest ago first, until the rest takes at most `most` bytes.
    /// Returns what went; what is held stays.
    ///
    /// # Errors
    /// When the cache cannot be read or an entry cannot be removed.
    pub fn bound(&self, kind: Kind, most: u64) -> Result<Vec<Listed>, CacheError> {
        let mut entries = self.list()?;
        entries.retain(|entry| entry.manifest.kind == kind);
        entries.sort_by_key(|entry| entry.used);
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let mut gone = Vec::new();
        for entry in entries {
            if bytes <= most {
                break;
            }
            if self.remove(&entry.manifest.digest)? {
                bytes -= entry.bytes;
                gone.push(entry);
            }
        }
        Ok(gone)
    }

    pub(super) fn lock_as(
        &self,
        digest: &Digest,
        how: FlockOperation,
    ) -> Result<Option<File>, CacheError> {
        let path = self.root.join("locks").join(digest.as_str());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match flock(&file, how) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(CacheError::Io(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        (folder, cache)
    }

    fn made(cache: &Cache, name: &str) -> Digest {
        let digest = Digest::of(name.as_bytes());
        let making = cache.begin(&digest).unwrap().unwrap();
        fs::write(making.folder().join("memory"), vec![1; 100_000]).unwrap();
        let took = Duration::from_secs(2);
        making.finish(name, Kind::Snapshot, took).unwrap();
        digest
    }

    #[test]
    fn what_is_held_is_not_removed_and_what_is_made_is_not_held() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"a");
        let making = cache.begin(&digest).unwrap().unwrap();
        assert!(cache.begin(&digest).unwrap().is_none());
        assert!(cache.hold(&digest).unwrap().is_none());
        drop(making);
        assert!(!cache.root.join("partial").join(digest.as_str()).exists());
        assert_eq!(made(&cache, "a"), digest);
        assert!(cache.begin(&digest).unwrap().is_none());
        let (one, two) = (cache.hold(&digest).unwrap(), cache.hold(&digest).unwrap());
        assert!(one.is_some() && two.is_some());
        assert!(!cache.remove(&digest).unwrap());
        assert!(cache.prune(0).unwrap().is_empty());
        drop((one, two));
        assert_eq!(cache.prune(0).unwrap().len(), 1);
        assert!(cache.hold(&digest).unwrap().is_none());
    }

    #[test]
    fn the_bound_takes_what_was_used_longest_ago_and_no_other_kind() {
        let (_folder, cache) = cache();
        let build = Digest::of(b"build");
        let making = cache.begin(&build).unwrap().unwrap();
        making
            .finish("build", Kind::Output, Duration::ZERO)
            .unwrap();
        let digests = ["a", "b", "c"].map(|name| made(&cache, name));
        let _held = cache.hold(&digests[2]).unwrap().unwrap();
        for (index, digest) in digests.iter().enumerate() {
            let manifest = cache.entry(digest).join(super::super::MANIFEST);
            let file = File::options().append(true).open(manifest).unwrap();
            // The first was used last.
            let ago = Duration::from_secs(60 * (index as u64 + 1));
            file.set_modified(std::time::SystemTime::now() - ago)
                .unwrap();
        }
        let gone = cache.bound(Kind::Snapshot, 250_000).unwrap();
        let names: Vec<_> = gone
            .iter()
            .map(|gone| gone.manifest.what.as_str())
            .collect();
        assert_eq!(names, ["b"], "c is held");
        assert!(cache.get(&build).is_some() && cache.get(&digests[0]).is_some());
    }
}
