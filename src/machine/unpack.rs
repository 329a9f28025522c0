//! Unpacks what a guest sent. The guest may run anybody's code, so only plain files below the folder are made.

use std::{
    fs::File,
    io::{self, Seek as _},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Unpacks the regular files of a tar stream into a folder and returns how many there were. Links, devices and
/// names that lead out of the folder are left out; a stream that ends early keeps what came, half files too.
///
/// # Errors
/// When the host's file system refuses.
pub fn unpack(mut stream: File, into: &Utf8Path) -> io::Result<usize> {
    stream.rewind()?;
    let mut archive = tar::Archive::new(io::BufReader::new(stream));
    let mut files = 0;
    let Ok(entries) = archive.entries() else {
        return Ok(0);
    };
    for entry in entries {
        // A torn stream: what came before is unpacked.
        let Ok(mut entry) = entry else { break };
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_gnu_sparse() || kind.is_contiguous()) {
            continue;
        }
        let Some(name) = entry.path().ok().and_then(|path| inside(&path)) else {
            continue;
        };
        let path = into.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create(&path)?;
        match io::copy(&mut entry, &mut file) {
            Ok(_) => files += 1,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Err(error),
            Err(_) => break,
        }
    }
    Ok(files)
}

/// The name below the folder; absent when it leads out of it or is not text.
fn inside(path: &std::path::Path) -> Option<Utf8PathBuf> {
    let mut name = Utf8PathBuf::new();
    for component in Utf8Path::from_path(path)?.components() {
        match component {
            Utf8Component::Normal(part) => name.push(part),
            Utf8Component::CurDir => {}
            _ => return None,
        }
    }
    (!name.as_str().is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(builder: &mut tar::Builder<File>, name: &str, kind: tar::EntryType, text: &[u8]) {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the builder refuses the names that a hostile guest would send.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        if kind == tar::EntryType::Symlink {
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        builder.append(&header, text).unwrap();
    }

    #[test]
    fn nothing_leaves_the_folder_and_a_torn_stream_keeps_what_came() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let into = root.join("into");
        fs::create_dir_all(&into).unwrap();
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        let file = tar::EntryType::Regular;
        add(&mut builder, "./pods/a.log", file, b"hello");
        add(&mut builder, "../outside", file, b"x");
        add(&mut builder, "/absolute", file, b"x");
        add(&mut builder, "link", tar::EntryType::Symlink, b"");
        add(&mut builder, "link/passwd", file, b"mine");
        add(&mut builder, "last", file, &[7; 4096]);
        let stream = builder.into_inner().unwrap();
        let whole = stream.metadata().unwrap().len();
        stream.set_len(whole - 1024 - 2048).unwrap();

        assert_eq!(unpack(stream, &into).unwrap(), 3);
        assert_eq!(fs::read(into.join("last")).unwrap().len(), 2048);
        assert_eq!(
            fs::read_to_string(into.join("pods/a.log")).unwrap(),
            "hello"
        );
        // The link was left out, so this is a folder of ours.
        assert_eq!(
            fs::read_to_string(into.join("link/passwd")).unwrap(),
            "mine"
        );
        assert!(!root.join("outside").exists());
    }
}
