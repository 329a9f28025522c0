//! After the fetch: an attempt's folder in its final order, without secrets.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{Redactor, redact::RedactError};

/// Where the fetch puts the guest's output folder, in the attempt's folder.
pub const FETCHED: &str = "out";

/// The attempt's folder could not be tidied.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The file system refused.
    #[error("cannot put the evidence in order: {0}")]
    Io(#[from] io::Error),
    /// A file may still hold a secret.
    #[error(transparent)]
    Redact(#[from] RedactError),
}

/// What is there now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Every file, relative to the attempt's folder, sorted.
    pub files: Vec<Utf8PathBuf>,
    /// Expected files that are missing or empty, as they were asked for.
    pub missing: Vec<String>,
    /// Files in which something was hidden.
    pub redacted: Vec<Utf8PathBuf>,
}

/// Moves what was fetched to the attempt's folder, redacts every text file of it, and lists what of
/// `expected` is missing. A `*` in `expected` stands for any text. Can be done again; the machine must
/// be down, since files are replaced.
///
/// # Errors
/// When a file cannot be moved or redacted.
pub fn tidy(
    attempt: &Utf8Path,
    expected: &[impl AsRef<str>],
    redactor: &Redactor,
) -> Result<Collected, CollectError> {
    let fetched = attempt.join(FETCHED);
    if fetched.is_dir() {
        move_into(&fetched, attempt)?;
        fs::remove_dir_all(&fetched)?;
    }
    let mut files = Vec::new();
    list(attempt, attempt, &mut files)?;
    files.sort();
    let mut collected = Collected::default();
    for file in &files {
        if redactor.file_in_place(&attempt.join(file))? {
            collected.redacted.push(file.clone());
        }
    }
    for name in expected.iter().map(AsRef::as_ref) {
        let mut found = false;
        for file in files.iter().filter(|file| matches(name, file.as_str())) {
            found |= fs::metadata(attempt.join(file))?.len() > 0;
        }
        if !found {
            collected.missing.push(name.to_owned());
        }
    }
    collected.files = files;
    Ok(collected)
}

/// Moves files over; where both sides have one, the longer one stays: the live copy of a log may have
/// more than the fetched one when the guest died, and less when its reader came late.
fn move_into(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        // Regular files only: a link from the guest may point anywhere on this host.
        if kind.is_dir() {
            move_into(entry.path(), &target)?;
        } else if kind.is_file() {
            let length = entry.metadata()?.len();
            let longer = match fs::symlink_metadata(&target) {
                Ok(there) => there.is_file() && there.len() >= length,
                Err(_) => false,
            };
            if !longer {
                fs::rename(entry.path(), &target)?;
            }
        }
    }
    Ok(())
}

/// Regular files only.
fn list(root: &Utf8Path, folder: &Utf8Path, files: &mut Vec<Utf8PathBuf>) -> io::Result<()> {
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(root, entry.path(), files)?;
        } else if kind.is_file()
            && let Ok(relative) = entry.path().strip_prefix(root)
        {
            files.push(relative.to_owned());
        }
    }
    Ok(())
}

/// Whether a path is what a pattern with at most one `*` asks for.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|middle| !middle.contains('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs::create_dir_all(path.join("out/ginkgo")).unwrap();
        for (name, text) in [
            ("suite.log", "live and longer\n"),
            ("kubelet.log", "short\n"),
            ("console.log", "login: \n"),
            ("out/suite.log", "fetched\n"),
            (
                "out/kubelet.log",
                "one\ntwo --bearer-token=AbCd_EfGh-012345 x\nthree\n",
            ),
            ("out/junit_bw_01.xml", "<testsuites/>"),
            ("out/ginkgo/report.json", "[]"),
            ("out/kern.log", ""),
        ] {
            fs::write(path.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", path.join("out/link.log")).unwrap();
        (folder, path)
    }

    #[test]
    fn the_fetched_folder_is_merged_redacted_and_gone() {
        let (_guard, attempt) = attempt();
        let expected = [
            "junit_*.xml",
            "suite.log",
            "kern.log",
            "services.log",
            "ginkgo/report.json",
        ];
        let tidied = tidy(&attempt, &expected, &Redactor::default()).unwrap();
        assert_eq!(
            tidied.files,
            [
                "console.log",
                "ginkgo/report.json",
                "junit_bw_01.xml",
                "kern.log",
                "kubelet.log",
                "suite.log"
            ]
        );
        assert_eq!(tidied.missing, ["kern.log", "services.log"]);
        assert_eq!(tidied.redacted, ["kubelet.log"]);
        let text = |name: &str| fs::read_to_string(attempt.join(name)).unwrap();
        assert_eq!(text("suite.log"), "live and longer\n");
        assert_eq!(
            text("kubelet.log"),
            "one\ntwo --bearer-token=[redacted] x\nthree\n"
        );
        // Again: nothing is left to do.
        let again = tidy(&attempt, &expected, &Redactor::default()).unwrap();
        assert_eq!(
            again,
            Collected {
                redacted: Vec::new(),
                ..tidied
            }
        );
    }

    #[test]
    fn patterns_stay_in_their_folder() {
        for (pattern, path, fits) in [
            ("junit_*.xml", "junit_bw_01.xml", true),
            ("junit_*.xml", "junit_/x.xml", false),
            ("junit_*.xml", "old/junit_1.xml", false),
            ("suite.log", "suite.log", true),
            ("suite.log", "suite.logs", false),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }
}
