//! The node image, from the Debian archive: minutes and the network.

use std::time::Instant;

use bellwether::{build::cache::Cache, image, profile::Image};

use crate::cli::{cache_folder, wanted};

pub fn debian() -> Image {
    Image::Debian {
        suite: "trixie".to_owned(),
        packages: Vec::new(),
    }
}

#[tokio::test]
async fn the_debian_image_is_made_as_resolved() {
    if !wanted() {
        return;
    }
    let cache = Cache::open(cache_folder()).unwrap();
    let sandboxers = ["runc", "crun"].map(str::to_owned);
    let started = Instant::now();
    let revision = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    println!("resolved in {:?}: {revision:#?}", started.elapsed());
    assert!(revision.packages.iter().any(|p| p.starts_with("crun=")));
    assert!(revision.kernel.is_some());

    let started = Instant::now();
    let again = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    assert_eq!(revision, again);
    println!("resolved again in {:?}", started.elapsed());
    assert!(
        started.elapsed().as_millis() < 2000,
        "an unchanged archive must be a quick answer"
    );

    let started = Instant::now();
    let log = cache.folder("logs").unwrap().join("image.log");
    let made = image::make(&revision, &debian(), &cache, &log)
        .await
        .unwrap();
    println!("made in {:?}: {made:#?}", started.elapsed());
    assert!(made.root_disk.exists());
    let (kernel, initrd) = made.kernel.unwrap();
    assert!(kernel.exists() && initrd.exists());
    let again = image::make(&revision, &debian(), &cache, &log)
        .await
        .unwrap();
    assert!(!again.fresh);
}
