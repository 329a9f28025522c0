//! Specs of images.

use super::stage::{Failed, Stage, ensure};
use crate::process::quote;

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
    // Another name for the same image: its removal must leave the image to its other names.
    let tag = "bellwether.invalid/removed:1";
    let script = format!(
        "PATH={root}/opt/bellwether/runtime/bin:$PATH ctr -n k8s.io images tag {} {}",
        quote(name),
        quote(tag),
        root = stage.root(),
    );
    stage.sh("another name for the image", &script).await?;
    let known = || async { Ok(cri.image_status(tag).await?.is_some()) };
    let there = stage
        .until(std::time::Duration::from_secs(5), known, |known| *known)
        .await?;
    ensure(there, || {
        format!("{tag} was made and the runtime does not know it")
    })?;
    // By its name, not by the id: the id stands for all names.
    stage
        .act(format!("RemoveImage {tag}"), cri.remove_image(tag))
        .await?;
    let left = cri.image_status(tag).await?;
    ensure(left.is_none(), || {
        format!("{tag} is there after it was removed")
    })?;
    // Removed already is removed.
    stage
        .act("RemoveImage again", cri.remove_image(tag))
        .await?;
    Ok(())
}
