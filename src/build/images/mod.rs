//! The suite's test images, made from the same source, and `images.json`: which of the tags that the suite
//! wants are provided, and why the others are not.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{
    BuildError,
    debian::{self, Base},
    goarch,
    layer::Layer,
    make::Log,
    oci::{self, Config, LayerFile},
    step::Step,
};
use crate::source::version::Version;

mod contents;
mod wanted;

pub use wanted::{Image, Missing, sort};

/// Where the suite's source has its tags.
const MANIFEST: &str = "test/utils/image/manifest.go";

/// Raised when an image's contents change.
pub(super) const VERSION: u32 = 1;

/// What a kubernetes-node build says of its test images, in `images.json` of its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// All tags that the suite may use.
    pub wanted: Vec<String>,
    /// What is there.
    pub provided: Vec<Provided>,
    /// What is not there, and why.
    pub missing: Vec<Missing>,
    /// `package version` of all Debian packages in the images, sorted.
    pub packages: Vec<String>,
}

/// One image tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provided {
    /// What it is.
    pub image: Image,
    /// Its tar, relative to the entry.
    pub tar: Utf8PathBuf,
    /// The full tags it has.
    pub tags: Vec<String>,
}

impl Images {
    /// Reads `images.json` of a kubernetes-node entry.
    ///
    /// # Errors
    /// When the file is missing or is not what [`run`](super::run) writes.
    pub fn read(entry: &Utf8Path) -> std::io::Result<Self> {
        let text = fs::read(entry.join("images.json"))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The newest tag of the pod sandbox's image.
    #[must_use]
    pub fn pause(&self) -> Option<&str> {
        self.tag(Image::Pause)
    }

    /// The newest tag of an image.
    #[must_use]
    pub fn tag(&self, image: Image) -> Option<&str> {
        let mut provided = self.provided.iter();
        let provided = provided.find(|provided| provided.image == image)?;
        provided.tags.last().map(String::as_str)
    }
}

/// What the images are made from.
pub(super) struct Parts<'a> {
    pub suite: &'a Utf8Path,
    /// The project's files.
    pub files: &'a Utf8Path,
    pub agnhost: Option<Utf8PathBuf>,
    pub nonewprivs: Option<Utf8PathBuf>,
    pub pause_source: Option<Utf8PathBuf>,
    /// A step to run other commands like.
    pub step: Step,
}

/// Makes the images that the suite wants in the entry `out`.
pub(super) async fn make(
    parts: &Parts<'_>,
    log: &Log<'_>,
    cache: &super::cache::Cache,
    work: &Utf8Path,
    out: &Utf8Path,
) -> Result<(), BuildError> {
    let wanted = list(parts, log, work).await?;
    provide(wanted, parts, log, cache, work, out).await
}

/// Makes the images that every node has, with the tags that the source says it uses: the pod sandbox's, and the one that
/// has a shell. Neither needs anything built.
pub(super) async fn base(
    parts: &Parts<'_>,
    log: &Log<'_>,
    cache: &super::cache::Cache,
    work: &Utf8Path,
    out: &Utf8Path,
) -> Result<(), BuildError> {
    let mut wanted = in_source(parts, log)?;
    wanted.retain(|tag| matches!(Image::of(tag), Some(Image::Pause | Image::Busybox)));
    if !wanted
        .iter()
        .any(|tag| Image::of(tag) == Some(Image::Pause))
    {
        return Err(BuildError::NoOutput {
            name: log.request.name.clone(),
            recipe: log.request.build.recipe,
            missing: format!("a tag of the pause image in {MANIFEST}"),
            log: log.file.to_owned(),
        });
    }
    provide(wanted, parts, log, cache, work, out).await
}

/// Makes those of the images `wanted` that can be made.
async fn provide(
    wanted: Vec<String>,
    parts: &Parts<'_>,
    log: &Log<'_>,
    cache: &super::cache::Cache,
    work: &Utf8Path,
    out: &Utf8Path,
) -> Result<(), BuildError> {
    let (mut images, mut missing) = sort(&wanted);
    for (image, part, what) in [
        (Image::Agnhost, &parts.agnhost, "test/images/agnhost"),
        (
            Image::Nonewprivs,
            &parts.nonewprivs,
            "test/images/nonewprivs",
        ),
        (
            Image::Pause,
            &parts.pause_source,
            super::recipe::PAUSE_SOURCE,
        ),
    ] {
        if part.is_none() {
            let why = format!("the source has no {what}");
            let tags = images.remove(&image).unwrap_or_default();
            missing.extend(tags.into_iter().map(|tag| Missing {
                tag,
                why: why.clone(),
            }));
        }
    }
    let mut made = Maker {
        parts,
        log,
        cache,
        work,
        out,
        packages: Vec::new(),
    };
    let mut provided = Vec::new();
    if !images.is_empty() {
        fs::create_dir_all(out.join("images"))?;
    }
    for (image, tags) in images {
        let tar = made.image(image, &tags).await?;
        provided.push(Provided { image, tar, tags });
    }
    let mut packages = made.packages;
    packages.sort();
    packages.dedup();
    missing.sort();
    let images = Images {
        wanted,
        provided,
        missing,
        packages,
    };
    let text = serde_json::to_vec_pretty(&images).map_err(std::io::Error::from)?;
    Ok(fs::write(out.join("images.json"), text)?)
}

/// The tags that the built suite wants. Suites before 1.33 start instead of listing: their source is read.
async fn list(
    parts: &Parts<'_>,
    log: &Log<'_>,
    work: &Utf8Path,
) -> Result<Vec<String>, BuildError> {
    let version = Version::parse(&log.request.revision.version);
    if version.is_some_and(|version| version.at_least(1, 33)) {
        let folder = work.join("list-images");
        fs::create_dir_all(&folder)?;
        let mut step = parts
            .step
            .clone()
            .folder(folder.clone())
            .env("HOME", folder.as_str());
        step.program = parts.suite.to_string();
        return Ok(wanted::listed(
            &log.read(&step.args(["--list-images"])).await?,
        ));
    }
    log.say("the suite is too old to be asked for its images")?;
    in_source(parts, log)
}

/// The tags that the source itself names.
fn in_source(parts: &Parts<'_>, log: &Log<'_>) -> Result<Vec<String>, BuildError> {
    let manifest = parts.files.join(MANIFEST);
    log.say(&format!("reading the images' tags in {manifest}"))?;
    Ok(wanted::in_source(
        &fs::read_to_string(manifest).unwrap_or_default(),
    ))
}

struct Maker<'a> {
    parts: &'a Parts<'a>,
    log: &'a Log<'a>,
    cache: &'a super::cache::Cache,
    work: &'a Utf8Path,
    out: &'a Utf8Path,
    packages: Vec<String>,
}

impl Maker<'_> {
    async fn image(&mut self, image: Image, tags: &[String]) -> Result<Utf8PathBuf, BuildError> {
        let (base, layer) = match image {
            Image::Agnhost => {
                let base = self.base("tools", &contents::TOOLS).await?;
                let applets = self.applets(&base).await?;
                let binary = self.parts.agnhost.as_deref().unwrap_or(self.out);
                let files = self.parts.files.join("test/images/agnhost");
                (
                    Some(base.layer),
                    contents::agnhost(binary, &files, &applets)?,
                )
            }
            Image::IpcUtils => {
                let base = self.base("ipc", &contents::IPC).await?;
                let applets = self.applets(&base).await?;
                (Some(base.layer), contents::ipc_utils(&applets))
            }
            Image::Nginx => (
                Some(self.base("nginx", &contents::NGINX).await?.layer),
                contents::nginx(),
            ),
            Image::Busybox | Image::Nonroot => (None, self.busybox().await?),
            Image::Nonewprivs => {
                let mut layer = self.busybox().await?;
                let binary = self.parts.nonewprivs.as_deref().unwrap_or(self.out);
                layer.file("usr/local/bin/nnp", 0o6755, binary)?;
                (None, layer)
            }
            Image::Pause => (None, self.pause(tags).await?),
        };
        let name = image.name();
        let tar = Utf8PathBuf::from(format!("images/{name}.tar"));
        let (to, scratch) = (self.out.join(&tar), self.work.join(format!("{name}.layer")));
        let (config, tags) = (contents::config(image), tags.to_vec());
        let write = move || write(base, &layer, &config, &tags, &scratch, &to);
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|e| BuildError::Host(e.to_string()))??;
        Ok(tar)
    }

    async fn base(&mut self, name: &str, packages: &[&str]) -> Result<Base, BuildError> {
        let base = debian::base(name, packages, self.cache, self.log, self.work).await?;
        self.packages.extend(base.packages.iter().cloned());
        Ok(base)
    }

    async fn busybox(&mut self) -> Result<Layer, BuildError> {
        let base = self.base("tools", &contents::TOOLS).await?;
        let applets = self.applets(&base).await?;
        Ok(contents::busybox(&base.busybox, &applets)?)
    }

    /// The names that busybox answers to. It is a static binary of the host's architecture.
    async fn applets(&self, base: &Base) -> Result<Vec<String>, BuildError> {
        let mut step = self.parts.step.clone();
        step.program = base.busybox.to_string();
        let listed = self.log.read(&step.args(["--list-full"])).await?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    async fn pause(&self, tags: &[String]) -> Result<Layer, BuildError> {
        let binary = self.work.join("pause");
        let version = tags
            .last()
            .and_then(|tag| tag.rsplit(':').next())
            .unwrap_or("HEAD");
        let source = self.parts.pause_source.as_deref().unwrap_or(self.out);
        let mut step = self.parts.step.clone().args(["-Os", "-Wall", "-static"]);
        step.program = "gcc".to_owned();
        let define = format!("-DVERSION=v{version}");
        self.log
            .run(&step.args([&define, "-o", binary.as_str(), source.as_str()]))
            .await?;
        let mut layer = Layer::default();
        layer.file("pause", 0o755, &binary)?;
        Ok(layer)
    }
}

fn write(
    base: Option<LayerFile>,
    layer: &Layer,
    config: &Config,
    tags: &[String],
    scratch: &Utf8Path,
    to: &Utf8Path,
) -> std::io::Result<()> {
    let own = if layer.is_empty() {
        None
    } else {
        Some(layer.write_file(scratch)?)
    };
    let layers: Vec<_> = base.into_iter().chain(own).collect();
    let file = std::io::BufWriter::with_capacity(1 << 18, fs::File::create(to)?);
    oci::image_tar(&layers, config, tags, goarch(), file)?;
    let _ = fs::remove_file(scratch);
    Ok(())
}
