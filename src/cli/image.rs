//! `bellwether image`: node images, ahead of a run.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, Globals};
use crate::{
    image,
    model::ExitCode,
    profile::{self, Overrides},
    run::node_packages,
};

/// Make node images ahead of a run
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Make the images that a profile's nodes use, or find them in the cache
    Build {
        /// A shipped profile's name, or a path
        profile: String,
        /// Only this image; can be repeated
        #[arg(long = "image", value_name = "NAME")]
        images: Vec<String>,
    },
}

#[derive(Serialize)]
struct Made {
    name: String,
    version: String,
    digest: String,
    folder: String,
    fresh: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the profile is wrong, or an image cannot be resolved or made.
pub async fn run(args: ImageArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let ImageCommand::Build { profile, images } = args.command;
    let profile = profile::load(&profile, &Overrides::default())?;
    if let Some(name) = images
        .iter()
        .find(|name| !profile.images.contains_key(*name))
    {
        return Err(CliError::NoImage {
            name: name.clone(),
            images: profile.images.keys().cloned().collect(),
        });
    }
    let cache = globals.cache()?;
    let printer = globals.printer();
    let mut made = Vec::new();
    for (name, image) in &profile.images {
        let used = profile.nodes.iter().any(|node| node.image == *name);
        if !(images.contains(name) || images.is_empty() && used) {
            continue;
        }
        // The same packages as a run asks for, so that the run finds this image.
        let packages = node_packages(&profile, image);
        let revision = image::resolve(name, image, &packages, &cache).await?;
        printer.say(&format!("{name}: {}", revision.version));
        let log = cache.folder("logs")?.join(format!("image.{name}.log"));
        let done = image::make(&revision, image, &cache, &log).await?;
        made.push(Made {
            name: name.clone(),
            version: revision.version,
            digest: revision.digest.short().to_owned(),
            folder: done.folder.to_string(),
            fresh: done.fresh,
        });
    }
    if printer.json {
        printer.document(&made)?;
    } else {
        for made in &made {
            let how = if made.fresh { "made" } else { "in the cache" };
            printer.say(&format!("{}: {how}", made.name));
            printer.data(&made.folder)?;
        }
    }
    Ok(ExitCode::Passed)
}
