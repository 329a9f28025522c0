//! The one place of the verdict that reads files: an attempt's folder in, [`Artifacts`] out.

use std::io::{self, BufReader, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{Artifact, Artifacts};

/// Of a larger file, the first and the last half of this are kept.
const WHOLE: u64 = 32 << 20;

/// Files that are not logs; rules have nothing to find in them.
const SKIPPED: [&str; 6] = ["png", "gz", "zst", "html", "xml", "qcow2"];

/// Reads the text files of an attempt's folder, subfolders included. What cannot be read is left out: a
/// missing log must not cost the verdict.
///
/// # Errors
/// When the folder itself cannot be listed.
pub fn load(folder: &Utf8Path) -> io::Result<Artifacts> {
    let mut names = Vec::new();
    list(folder, &mut names)?;
    let files = names
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(folder).ok()?.to_owned();
            read(&path).ok().map(|parts| Artifact { name, parts })
        })
        .collect();
    Ok(Artifacts::new(files))
}

fn list(folder: &Utf8Path, names: &mut Vec<Utf8PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else {
            continue;
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&path, names)?;
        } else if kind.is_file() && !SKIPPED.contains(&path.extension().unwrap_or_default()) {
            names.push(path);
        }
    }
    Ok(())
}

fn read(path: &Utf8Path) -> io::Result<Vec<(u64, String)>> {
    read_parts(
        BufReader::new(fs::File::open(path)?),
        fs::metadata(path)?.len(),
        WHOLE,
    )
}

/// Everything, or the first and last half of `whole` bytes, cut at line ends.
fn read_parts(
    mut reader: impl io::BufRead,
    size: u64,
    whole: u64,
) -> io::Result<Vec<(u64, String)>> {
    let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let mut head = Vec::new();
    if size <= whole {
        reader.read_to_end(&mut head)?;
        return Ok(vec![(1, text(head))]);
    }
    reader.by_ref().take(whole / 2).read_to_end(&mut head)?;
    reader.read_until(b'\n', &mut head)?;
    let mut at = head.len() as u64;
    let mut number = 1 + head.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut skipped = Vec::new();
    while at < size.saturating_sub(whole / 2) {
        skipped.clear();
        let read = reader.read_until(b'\n', &mut skipped)?;
        if read == 0 {
            break;
        }
        at += read as u64;
        number += 1;
    }
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail)?;
    Ok(vec![(1, text(head)), (number, text(tail))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_file_keeps_both_ends_and_true_line_numbers() {
        let lines: Vec<String> = (1..=1000).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n");
        let parts = read_parts(text.as_bytes(), text.len() as u64, 200).unwrap();
        let file = Artifact {
            name: "x".into(),
            parts,
        };
        assert!(file.lines().count() < 50);
        for line in file.lines() {
            assert_eq!(line.raw, format!("line {}", line.number));
        }
        assert_eq!(file.lines().next_back().unwrap().number, 1000);
    }

    #[test]
    fn a_folder_is_read_with_its_subfolders_and_bad_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir(root.join("out")).unwrap();
        fs::write(root.join("out/services.log"), b"a\xffb\n").unwrap();
        fs::write(root.join("report.html"), "no").unwrap();
        let artifacts = load(root).unwrap();
        let names: Vec<_> = artifacts.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["out/services.log"]);
        assert!(artifacts.find("services.log").is_some());
    }
}
