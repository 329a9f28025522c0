//! The real tier of the node image: makes it from the Debian archive. Needs the network and minutes, so it runs only
//! with BELLWETHER_REAL=1; the cache is kept in the folder that BELLWETHER_REAL_CACHE names.

use std::time::Instant;

use bellwether::{build::cache::Cache, image, profile::Image};
use camino::Utf8PathBuf;

fn real() -> Option<Cache> {
    if std::env::var_os("BELLWETHER_REAL").is_none() {
        println!("skipped: set BELLWETHER_REAL=1 to make a real node image");
        return None;
    }
    let folder = std::env::var("BELLWETHER_REAL_CACHE").map_or_else(
        |_| Utf8PathBuf::from("/var/tmp/bellwether-real-cache"),
        Utf8PathBuf::from,
    );
    Some(Cache::open(folder).unwrap())
}

fn debian() -> Image {
    Image::Debian {
        suite: "trixie".to_owned(),
        packages: Vec::new(),
    }
}

#[tokio::test]
async fn the_debian_image_is_made_as_resolved() {
    let Some(cache) = real() else { return };
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
