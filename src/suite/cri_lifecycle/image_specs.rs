//! Specs of images.

use std::time::Duration;

use super::stage::{Failed, Stage, ensure};
use crate::process::quote;

/// The image that is made in the guest, and removed.
const TINY: &str = "bellwether.invalid/tiny:1";

pub async fn images(stage: &Stage<'_>) -> Result<(), Failed> {
    let cri = stage.cri();
    let name = stage.image().await?;
    let image = stage
        .act(format!("ImageStatus {name}"), cri.image_status(name))
        .await?
        .ok_or_else(|| Failed::Said(format!("{name} is listed and has no status")))?;
    stage.note(format_args!("  {image:?}"));
    ensure(image.size > 0, || format!("{name} has no size"))?;
    for other in image.repo_tags.iter().chain([&image.id]) {
        let found = cri.image_status(other).await?.map(|found| found.id);
        ensure(found.as_ref() == Some(&image.id), || {
            format!("{other} leads to {found:?}, it is {}", image.id)
        })?;
    }
    let info = stage.act("ImageFsInfo", cri.image_fs_info()).await?;
    let used = (info.image_filesystems.iter())
        .filter_map(|system| system.used_bytes.as_ref())
        .any(|used| used.value > 0);
    ensure(used, || format!("no file system holds images: {info:?}"))?;
    // One of its own, as small as can be: a removal takes an image with all its names.
    let script = format!(
        "PATH={}/opt/bellwether/runtime/bin:$PATH\n{}{}",
        quote(stage.root()),
        stage.runtime().import(),
        include_str!("tiny_image.sh")
    );
    stage.sh("a tiny image is imported", &script).await?;
    let known = || async { Ok(cri.image_status(TINY).await?) };
    let tiny = stage
        .until(Duration::from_secs(5), known, Option::is_some)
        .await?
        .ok_or_else(|| Failed::Said(format!("{TINY} was imported and is not known")))?;
    // What is removed already is removed.
    for _ in 0..2 {
        let remove = cri.remove_image(TINY);
        stage.act(format!("RemoveImage {TINY}"), remove).await?;
    }
    for name in [TINY, &tiny.id] {
        let left = cri.image_status(name).await?;
        ensure(left.is_none(), || {
            format!("{name} is there after it was removed")
        })?;
    }
    let listed = cri.list_images().await?;
    ensure(listed.iter().all(|other| other.id != tiny.id), || {
        format!("{TINY} is listed after it was removed")
    })?;
    ensure(listed.iter().any(|other| other.id == image.id), || {
        format!("{name} went with {TINY}")
    })
}
