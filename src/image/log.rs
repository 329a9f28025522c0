//! What the tools' log says about a failure. Pure but for reading the file.

use camino::Utf8Path;

use super::ImageError;
use crate::{
    model::EvidenceLine,
    process::{Call, ProcessError},
};

/// Runs one tool with its output appended to `log`; a failure names the decisive line.
pub(super) async fn run(call: Call, what: &str, log: &Utf8Path) -> Result<(), ImageError> {
    let before = lines(log);
    match call.log(log).run().await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(error, what, log, before)),
    }
}

/// How many lines a log has; none when it is not there yet.
fn lines(log: &Utf8Path) -> usize {
    text(log).lines().count()
}

fn text(log: &Utf8Path) -> String {
    let bytes = fs_err::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn explain(error: ProcessError, what: &str, log: &Utf8Path, before: usize) -> ImageError {
    let ProcessError::Failed { status, .. } = &error else {
        return missing(error);
    };
    let text = text(log);
    let file = log.file_name().unwrap_or("image.log");
    let line = decisive(&text, before).map(|(number, text)| EvidenceLine {
        file: file.into(),
        line: number,
        text: text.to_owned(),
    });
    match line {
        Some(line) if is_full(&line.text) => ImageError::DiskFull {
            what: what.to_owned(),
            line: Some(Box::new(line)),
        },
        Some(line) => match moved(&line.text) {
            Some((package, wanted)) => ImageError::Moved { package, wanted },
            None => ImageError::Failed {
                what: what.to_owned(),
                why: line.text.clone(),
                log: log.to_owned(),
                line: Some(Box::new(line)),
            },
        },
        None => ImageError::Failed {
            what: what.to_owned(),
            why: status.clone(),
            log: log.to_owned(),
            line: None,
        },
    }
}

/// A program that is not there becomes an error that names its package.
pub(super) fn missing(error: ProcessError) -> ImageError {
    match error {
        ProcessError::Start { program, source }
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            let package = package_of(&program);
            ImageError::Tool { program, package }
        }
        other => ImageError::Process(other),
    }
}

fn package_of(program: &str) -> &'static str {
    match program {
        "mmdebstrap" => "mmdebstrap",
        "mkfs.ext4" => "e2fsprogs",
        "curl" => "curl",
        "xz" => "xz-utils",
        "apt-get" | "apt-config" => "apt",
        "unshare" => "util-linux uidmap",
        _ => "coreutils",
    }
}

fn is_full(line: &str) -> bool {
    line.contains("No space left on device") || line.contains("don't have enough free space")
}

/// The first line after `before` that says why a tool failed: a full disk before all else, then what the tools
/// mark as errors, in the order of how much they know.
fn decisive(text: &str, before: usize) -> Option<(u64, &str)> {
    let marks: [fn(&str) -> bool; 4] = [
        is_full,
        |line| moved(line).is_some(),
        |line| {
            [
                "dpkg: error",
                "dracut[F]",
                "mkfs.ext4:",
                "tar: ",
                "curl: (",
                "xz: ",
            ]
            .iter()
            .any(|mark| line.starts_with(mark))
                || line.contains(": not found")
        },
        |line| line.starts_with("E: ") || line.contains("rror: "),
    ];
    marks.iter().find_map(|mark| {
        text.lines()
            .enumerate()
            .skip(before)
            .find(|(_, line)| mark(line.trim()))
            .map(|(number, line)| (number as u64 + 1, line.trim()))
    })
}

/// `E: Version '1' for 'x' was not found` is how apt says that a pinned version has gone.
fn moved(line: &str) -> Option<(String, String)> {
    let rest = line.split_once("Version '")?.1;
    let (version, rest) = rest.split_once("' for '")?;
    let (package, rest) = rest.split_once('\'')?;
    rest.contains("not found")
        .then(|| (package.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_even_when_other_errors_come_first() {
        let text = "I: running\ndpkg: error processing archive x.deb (--unpack):\n cannot copy: No space left on device\nE: apt failed\n";
        assert_eq!(
            decisive(text, 0),
            Some((3, "cannot copy: No space left on device"))
        );
    }

    #[test]
    fn lines_of_an_earlier_step_do_not_count() {
        let text = "E: an old failure\nI: now\nmkfs.ext4: cannot set up\n";
        assert_eq!(decisive(text, 1), Some((3, "mkfs.ext4: cannot set up")));
        assert_eq!(decisive("E: an old failure\nall is well\n", 1), None);
    }

    #[test]
    fn a_gone_version_is_a_moved_archive() {
        let line = "E: Version '6.12.1-1' for 'linux-image-cloud-amd64' was not found";
        assert_eq!(
            moved(line),
            Some(("linux-image-cloud-amd64".to_owned(), "6.12.1-1".to_owned()))
        );
        assert_eq!(moved("I: Version '6.12.1-1' for 'x' was chosen"), None);
    }

    #[tokio::test]
    async fn a_missing_program_names_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let log = Utf8Path::from_path(folder.path()).unwrap().join("log");
        let error = missing(
            crate::process::call("mkfs.ext4")
                .folder("/nonexistent")
                .run()
                .await
                .unwrap_err(),
        );
        assert!(matches!(
            &error,
            ImageError::Tool {
                package: "e2fsprogs",
                ..
            }
        ));
        let error = run(
            crate::process::call("sh").args(["-c", "echo 'E: it broke'; exit 3"]),
            "a thing",
            &log,
        )
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "making a thing failed: E: it broke");
        assert_eq!(error.line().unwrap().to_string(), "log:1: E: it broke");
    }
}
