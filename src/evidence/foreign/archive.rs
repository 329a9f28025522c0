//! Archives and compressed files, unpacked in memory and within bounds. Nothing is ever written, so a path in an
//! archive leads nowhere; one that tries to is left out all the same.

use std::io::{self, Cursor, Read, Seek};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::{sniff, walk::Collector};

const HEAD: usize = 1024;

/// Where a file stands: its name, and how it was come to.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub name: &'a str,
    /// Whether a person named it, or it is alone in what a person named.
    pub explicit: bool,
    /// How many archives it is inside of.
    pub nested: usize,
}

/// Takes a file of any kind.
pub(super) fn take(collector: &mut Collector, at: At<'_>, reader: &mut dyn Read) {
    let mut head = Vec::new();
    if let Err(error) = (&mut *reader).take(HEAD as u64).read_to_end(&mut head) {
        collector.skip(at.name, format!("it cannot be read: {error}"));
        return;
    }
    let packed = is_gzip(&head) || is_zip(&head) || is_tar(&head);
    if packed && at.nested >= collector.limits.nested {
        let most = collector.limits.nested;
        collector.skip(
            at.name,
            format!("more than {most} archives inside each other"),
        );
        return;
    }
    let gzip = is_gzip(&head);
    let (tar, zip) = (is_tar(&head), is_zip(&head));
    let why =
        other_packer(&head).map(|packer| format!("it is packed with {packer}, which is not read"));
    // Text of an encoding with zero bytes is rare; programs are many.
    let binary = (!packed && head.contains(&0)).then(|| "it is no text".to_owned());
    if let Some(why) = why.or(binary) {
        collector.skip(at.name, why);
        return;
    }
    let mut whole = Cursor::new(head).chain(reader);
    if gzip {
        let name = unpacked_name(at.name);
        let inner = At {
            name: &name,
            nested: at.nested + 1,
            ..at
        };
        let left = collector.left;
        let mut unpacked = MultiGzDecoder::new(io::BufReader::new(whole)).take(left);
        take(collector, inner, &mut unpacked);
    } else if tar {
        untar(collector, at, &mut whole);
    } else if let Some(bytes) = read_bounded(collector, at.name, &mut whole) {
        match zip {
            true => unzip(collector, at, Cursor::new(bytes)),
            false => collector.parse(at.name, &bytes, at.explicit),
        }
    }
}

pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(b"\x1f\x8b")
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn other_packer(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', ..] => Some("bzip2"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("7z"),
        _ => None,
    }
}

fn unpacked_name(name: &str) -> String {
    match name.strip_suffix(".tgz") {
        Some(stem) => format!("{stem}.tar"),
        None => name.strip_suffix(".gz").unwrap_or(name).to_owned(),
    }
}

/// The whole file, when it is within the bounds.
fn read_bounded(collector: &mut Collector, name: &str, reader: &mut dyn Read) -> Option<Vec<u8>> {
    let most = collector.limits.file.min(collector.left);
    let mut bytes = Vec::new();
    let end = reader.take(most + 1).read_to_end(&mut bytes);
    collector.left = collector.left.saturating_sub(bytes.len() as u64);
    if bytes.len() as u64 > most {
        let why = match most < collector.limits.file {
            true => "everything together is larger than what is read".to_owned(),
            false => format!("it is larger than {} MiB", most >> 20),
        };
        collector.skip(name, why);
        return None;
    }
    match end {
        Ok(_) => Some(bytes),
        // What a broken archive gave before it broke is still worth reading.
        Err(error) if !bytes.is_empty() => {
            collector.remark(name, format!("it ends early: {error}"));
            Some(bytes)
        }
        Err(error) => {
            collector.skip(name, format!("it cannot be read: {error}"));
            None
        }
    }
}

fn untar(collector: &mut Collector, at: At<'_>, reader: &mut dyn Read) {
    let left = collector.left;
    let mut archive = tar::Archive::new(reader.take(left));
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => {
            collector.skip(at.name, format!("the archive cannot be read: {error}"));
            return;
        }
    };
    for entry in entries {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                collector.skip(at.name, format!("the archive ends early: {error}"));
                return;
            }
        };
        if !collector.count(at.name) {
            return;
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (path, why) = entry_name(&path);
        let special = (!kind.is_file() && !kind.is_contiguous() && !kind.is_gnu_sparse())
            .then(|| "it is a link or a device".to_owned());
        member(collector, at, &path, why.or(special), &mut entry);
    }
}

/// Takes one member of an archive, unless `refused` or its name says why not.
fn member(
    collector: &mut Collector,
    at: At<'_>,
    path: &str,
    refused: Option<String>,
    entry: &mut dyn Read,
) {
    let name = format!("{}/{path}", at.name);
    match refused.or_else(|| sniff::unwanted(path, false)) {
        Some(why) => collector.skip(&name, why),
        None => take(
            collector,
            At {
                name: &name,
                explicit: false,
                nested: at.nested + 1,
            },
            entry,
        ),
    }
}

/// Reads a zip file.
pub(super) fn unzip(collector: &mut Collector, at: At<'_>, source: impl Read + Seek) {
    let mut archive = match ZipArchive::new(source) {
        Ok(archive) => archive,
        Err(error) => {
            collector.skip(at.name, format!("the archive cannot be read: {error}"));
            return;
        }
    };
    for index in 0..archive.len() {
        if !collector.count(at.name) {
            return;
        }
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                collector.skip(at.name, format!("entry {index} cannot be read: {error}"));
                continue;
            }
        };
        if entry.is_dir() {
            continue;
        }
        let (path, why) = entry_name(entry.name());
        let special = entry.is_symlink().then(|| "it is a link".to_owned());
        member(collector, at, &path, why.or(special), &mut entry);
    }
}

/// An entry's name fit to be shown, and why it is not taken if it leads out of the archive.
fn entry_name(raw: &str) -> (String, Option<String>) {
    let plain: String = raw
        .chars()
        .map(|c| if c == '\\' { '/' } else { c })
        .filter(|c| !c.is_control())
        .take(1024)
        .collect();
    let outside = plain.starts_with('/')
        || plain.split('/').any(|part| part == "..")
        || plain.get(1..3) == Some(":/");
    let name = plain.trim_start_matches("./").to_owned();
    let why = outside.then(|| "its path leads out of the archive".to_owned());
    (name, why)
}
