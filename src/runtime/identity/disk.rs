//! The files of the runtime's disk, which the guest names by their place: the host knows what it put there.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{Expected, Origin};
use crate::{model::Digest, runtime::RUNTIME_DIR};

/// How the guest begins such a place.
const PLACE: &str = "runtime:/";

/// The runtime's disk, as the host knows it.
#[derive(Debug)]
pub(super) struct Disk<'a> {
    builds: &'a [Utf8PathBuf],
    known: BTreeMap<String, String>,
}

impl<'a> Disk<'a> {
    /// The disk that was made from these folders. The digest of the lane's own binary is known already.
    pub(super) fn new(builds: &'a [Utf8PathBuf], expected: &Expected) -> Self {
        let own = expected.path.strip_prefix(RUNTIME_DIR);
        let own = own.map(|path| path.trim_start_matches('/').to_owned());
        let known = match (own, &expected.origin) {
            (Some(own), Origin::Build { sha256, .. }) => BTreeMap::from([(own, sha256.clone())]),
            _ => BTreeMap::new(),
        };
        Self { builds, known }
    }

    /// The same text with digests in place of places. A file that the host does not know keeps its place, which is
    /// nobody's digest.
    pub(super) async fn digests(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for piece in text.split_inclusive([' ', '\n']) {
            let word = piece.trim_end_matches([' ', '\n']);
            match word.strip_prefix(PLACE) {
                Some(file) => match self.digest(file).await {
                    Some(digest) => {
                        out.push_str(&digest);
                        out.push_str(&piece[word.len()..]);
                    }
                    None => out.push_str(piece),
                },
                None => out.push_str(piece),
            }
        }
        out
    }

    async fn digest(&mut self, file: &str) -> Option<String> {
        if let Some(known) = self.known.get(file) {
            return Some(known.clone());
        }
        for folder in self.builds {
            if let Ok(bytes) = tokio::fs::read(folder.join(file)).await {
                let digest = Digest::of(&bytes).to_string();
                self.known.insert(file.to_owned(), digest.clone());
                return Some(digest);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::profile::Shape;

    #[tokio::test]
    async fn places_become_digests_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("two/bin")).unwrap();
        fs_err::write(root.join("two/bin/runsc"), "runsc").unwrap();
        let builds = [root.join("one"), root.join("two")];
        let expected = Expected {
            sandboxer: "own".into(),
            handler: "own".into(),
            shape: Shape::OciRuntime,
            path: format!("{RUNTIME_DIR}/bin/own"),
            shim: None,
            origin: Origin::Build {
                build: "own".into(),
                sha256: "0f".into(),
            },
        };
        let mut disk = Disk::new(&builds, &expected);
        let digest = Digest::of(b"runsc");
        let text = "file elf runtime:/bin/runsc - /x /x\nprocess 7 1 runtime:/bin/absent /x\n\nversion /x: a  b\nfile runtime:/bin/own\n";
        assert_eq!(
            disk.digests(text).await,
            format!(
                "file elf {digest} - /x /x\nprocess 7 1 runtime:/bin/absent /x\n\nversion /x: a  b\nfile 0f\n"
            )
        );
    }
}
