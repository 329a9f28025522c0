//! Follows a file that a machine appends to.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    time::Duration,
};

use camino::Utf8PathBuf;
use fs_err::File;

/// How often a growing file is looked at. A spec under emulation takes seconds; a fifth of one is soon enough.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// Reads what a file has gained since the last look.
#[derive(Debug)]
pub struct Follower {
    path: Utf8PathBuf,
    offset: u64,
}

impl Follower {
    /// Follows `path` from its start; the file may not exist yet.
    #[must_use]
    pub const fn new(path: Utf8PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The bytes gained since the last call, at most 1 MiB of them.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn gained(&mut self) -> io::Result<Vec<u8>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(1 << 20).read_to_end(&mut bytes)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_what_is_new_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("log")).unwrap();
        let mut follower = Follower::new(path.clone());
        assert!(follower.gained().unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one").unwrap();
        assert_eq!(follower.gained().unwrap(), b"one");
        file.write_all(b"two").unwrap();
        assert_eq!(follower.gained().unwrap(), b"two");
        assert!(follower.gained().unwrap().is_empty());
    }
}
