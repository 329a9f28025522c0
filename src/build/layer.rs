//! One layer of an image: a tar whose bytes depend on nothing but what is in it.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use crate::model::Digest;

/// A layer in the making, by path without a leading slash. Folders above an entry come by themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
enum Entry {
    Folder {
        mode: u32,
    },
    File {
        mode: u32,
        uid: u64,
        gid: u64,
        content: Content,
    },
    Link(String),
    /// To another path of the layer.
    HardLink(String),
}

/// Where a file's bytes are; large ones stay on disk.
#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    Slice {
        file: Utf8PathBuf,
        from: u64,
        length: u64,
    },
}

/// A layer as a tar file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// Of its bytes, which are not compressed.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

impl Layer {
    pub fn folder(&mut self, path: &str, mode: u32) {
        self.0.insert(path.to_owned(), Entry::Folder { mode });
    }

    pub fn bytes(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        let content = Content::Bytes(bytes.into());
        self.0.insert(
            path.to_owned(),
            Entry::File {
                mode,
                uid: 0,
                gid: 0,
                content,
            },
        );
    }

    /// The bytes of a file on disk, which must stay until the layer is written.
    pub fn file(&mut self, path: &str, mode: u32, from: &Utf8Path) -> io::Result<()> {
        let length = fs::metadata(from)?.len();
        let content = Content::Slice {
            file: from.to_owned(),
            from: 0,
            length,
        };
        self.0.insert(
            path.to_owned(),
            Entry::File {
                mode,
                uid: 0,
                gid: 0,
                content,
            },
        );
        Ok(())
    }

    pub fn link(&mut self, path: &str, target: &str) {
        self.0
            .insert(path.to_owned(), Entry::Link(target.to_owned()));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all its files, one after another.
    pub fn contents(&self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        for entry in self.0.values() {
            match entry {
                Entry::File {
                    content: Content::Bytes(bytes),
                    ..
                } => all.extend_from_slice(bytes),
                Entry::File {
                    content: Content::Slice { file, from, length },
                    ..
                } => {
                    let mut file = fs::File::open(file)?;
                    file.seek(SeekFrom::Start(*from))?;
                    file.take(*length).read_to_end(&mut all)?;
                }
                _ => {}
            }
        }
        Ok(all)
    }

    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Takes what `keep` says of a tar file on disk, which must stay until the layer is written.
    /// Devices and times are left out.
    pub fn take_tar(&mut self, file: &Utf8Path, keep: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut archive = tar::Archive::new(fs::File::open(file)?);
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let path = text(&entry.path_bytes());
            let path = path.trim_start_matches("./").trim_matches('/').to_owned();
            if path.is_empty() || !keep(&path) {
                continue;
            }
            let header = entry.header();
            let mode = header.mode()? & 0o7777;
            let target = entry.link_name_bytes().map(|name| text(&name));
            let made = match (header.entry_type(), target) {
                (EntryType::Directory, _) => Entry::Folder { mode },
                (EntryType::Regular | EntryType::Continuous, _) => Entry::File {
                    mode,
                    uid: header.uid()?,
                    gid: header.gid()?,
                    content: Content::Slice {
                        file: file.to_owned(),
                        from: entry.raw_file_position(),
                        length: entry.size(),
                    },
                },
                (EntryType::Symlink, Some(target)) => Entry::Link(target),
                (EntryType::Link, Some(target)) => {
                    Entry::HardLink(target.trim_start_matches("./").to_owned())
                }
                _ => continue,
            };
            self.0.insert(path, made);
        }
        Ok(())
    }

    /// Writes the tar: sorted, owned by root, without times.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut entries = self.0.clone();
        for path in self.0.keys() {
            for (end, _) in path.match_indices('/') {
                let above = path.get(..end).unwrap_or_default().to_owned();
                entries
                    .entry(above)
                    .or_insert(Entry::Folder { mode: 0o755 });
            }
        }
        let mut tar = tar::Builder::new(to);
        // A hard link must come after what it points to, and goes with it.
        let (links, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|(_, entry)| matches!(entry, Entry::HardLink(_)));
        for (path, entry) in others.into_iter().chain(links) {
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            match entry {
                Entry::Folder { mode } => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    tar.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
                Entry::File {
                    mode,
                    uid,
                    gid,
                    content,
                } => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_uid(*uid);
                    header.set_gid(*gid);
                    match content {
                        Content::Bytes(bytes) => {
                            header.set_size(bytes.len() as u64);
                            tar.append_data(&mut header, path, bytes.as_slice())?;
                        }
                        Content::Slice { file, from, length } => {
                            header.set_size(*length);
                            let mut file = fs::File::open(file)?;
                            file.seek(SeekFrom::Start(*from))?;
                            tar.append_data(&mut header, path, file.take(*length))?;
                        }
                    }
                }
                Entry::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, path, target)?;
                }
                Entry::HardLink(target) => {
                    header.set_entry_type(EntryType::Link);
                    // Unpackers give the link's mode and owner to the file that it shares.
                    if let Some(Entry::File { mode, uid, gid, .. }) = entries.get(target) {
                        header.set_mode(*mode);
                        header.set_uid(*uid);
                        header.set_gid(*gid);
                    }
                    tar.append_link(&mut header, path, target)?;
                }
            }
        }
        tar.finish()
    }

    /// Writes the tar to a file.
    pub fn write_file(&self, path: &Utf8Path) -> io::Result<LayerFile> {
        let mut to = Counted {
            inner: io::BufWriter::with_capacity(1 << 18, fs::File::create(path)?),
            hash: Sha256::new(),
            size: 0,
        };
        self.write(&mut to)?;
        to.flush()?;
        Ok(LayerFile {
            path: path.to_owned(),
            digest: Digest(hex::encode(to.hash.finalize())),
            size: to.size,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Counted<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
