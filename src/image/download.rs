//! Downloads with checksums, resumed where an earlier one ended.

use std::{fmt, io::Read as _, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512};

use super::{ImageError, log::missing};
use crate::process::{Output, call};

/// What a file's bytes must add up to, in lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Checksum {
    Sha256(String),
    Sha512(String),
}

impl Checksum {
    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Sha512(_) => "SHA-512",
        }
    }

    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Sha512(hex) => hex,
        }
    }

    /// The file's own checksum, by the same algorithm.
    async fn of(&self, path: &Utf8Path) -> Result<String, ImageError> {
        fn sum<D: sha2::Digest>(path: &Utf8Path) -> std::io::Result<String> {
            let mut file = fs::File::open(path)?;
            let mut digest = D::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hex::encode(digest.finalize())),
                    n => digest.update(buffer.get(..n).unwrap_or_default()),
                }
            }
        }
        let (path, kind) = (path.to_owned(), self.clone());
        tokio::task::spawn_blocking(move || match kind {
            Self::Sha256(_) => sum::<Sha256>(&path),
            Self::Sha512(_) => sum::<Sha512>(&path),
        })
        .await
        .map_err(std::io::Error::other)?
        .map_err(ImageError::Io)
    }

    /// Fails unless the file at `path` has this checksum; `name` is what it is called in the error.
    pub(super) async fn check(
        &self,
        path: &Utf8Path,
        name: &str,
        downloaded: bool,
    ) -> Result<(), ImageError> {
        let found = self.of(path).await?;
        if found == self.hex() {
            return Ok(());
        }
        Err(ImageError::Checksum {
            file: name.to_owned(),
            algorithm: self.algorithm(),
            expected: self.hex().to_owned(),
            found,
            downloaded,
        })
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

/// A small text.
pub(super) async fn text(url: &str) -> Result<String, ImageError> {
    let output = curl(url, ["--max-time", "60"]).await?;
    match output.status {
        Some(0) => Ok(output.text()),
        _ => Err(failed(url, &output)),
    }
}

/// The file at `url` with this checksum, in `folder`. What an interrupted download left there is continued.
pub(super) async fn file(
    url: &str,
    checksum: &Checksum,
    folder: &Utf8Path,
) -> Result<Utf8PathBuf, ImageError> {
    let path = folder.join(format!(
        "{}.part",
        checksum.hex().get(..32).unwrap_or_default()
    ));
    if path.exists() && checksum.check(&path, url, true).await.is_ok() {
        return Ok(path);
    }
    loop {
        let resumed = path.exists();
        let output = curl(
            url,
            [
                "--continue-at",
                "-",
                "--output",
                path.as_str(),
                "--speed-time",
                "60",
                "--speed-limit",
                "1",
            ],
        )
        .await?;
        let error = match output.status {
            Some(0) => match checksum.check(&path, url, true).await {
                Ok(()) => return Ok(path),
                Err(error) => {
                    fs::remove_file(&path)?;
                    error
                }
            },
            // What is there does not fit what the server has: not a partial content, or past its end.
            Some(22 | 33 | 36) if resumed => {
                fs::remove_file(&path)?;
                failed(url, &output)
            }
            _ => return Err(failed(url, &output)),
        };
        // What an earlier download left may have been of another file; only a fresh one proves anything.
        if !resumed {
            return Err(error);
        }
    }
}

async fn curl<'a>(
    url: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Output, ImageError> {
    call("curl")
        .args(["--fail", "--silent", "--show-error", "--location"])
        .args(["--retry", "2", "--connect-timeout", "20"])
        .args(arguments)
        .args(["--", url])
        .limit(Duration::from_secs(60 * 60))
        .output()
        .await
        .map_err(missing)
}

fn failed(url: &str, output: &Output) -> ImageError {
    let said = output.stderr.lines().rfind(|line| !line.trim().is_empty());
    if said.is_some_and(|line| {
        line.contains("Failure writing output") || line.contains("No space left")
    }) {
        return ImageError::DiskFull {
            what: format!("the download of {url}"),
            line: None,
        };
    }
    ImageError::Download {
        url: url.to_owned(),
        why: said.map_or_else(|| output.status_text(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    fn url(path: &Utf8Path) -> String {
        format!("file://{path}")
    }

    #[tokio::test]
    async fn a_download_continues_and_a_wrong_beginning_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let source = folder.join("image");
        fs::write(&source, "0123456789").unwrap();
        let sum = Checksum::Sha256(hex::encode(Sha256::digest("0123456789")));
        let part = folder.join(format!("{}.part", &sum.hex()[..32]));
        for left in ["01234", "wrong", "0123456789 and more"] {
            fs::write(&part, left).unwrap();
            let path = file(&url(&source), &sum, folder).await.unwrap();
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                "0123456789",
                "after {left:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_wrong_checksum_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let source = folder.join("image");
        fs::write(&source, "0123456789").unwrap();
        let sum = Checksum::Sha512("0".repeat(128));
        let error = file(&url(&source), &sum, folder).await.unwrap_err();
        assert!(matches!(
            &error,
            ImageError::Checksum {
                downloaded: true,
                ..
            }
        ));
        assert!(
            error.to_string().contains("has SHA-512 bb96c2fc40d2d546"),
            "{error}"
        );
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            1,
            "only the source is left"
        );
    }

    #[tokio::test]
    async fn an_unreachable_url_says_why() {
        let error = text("http://127.0.0.1:9/stable.json").await.unwrap_err();
        assert!(error.to_string().contains("onnect"), "{error}");
        assert_eq!(error.blame(), crate::model::Blame::Environment);
    }
}
