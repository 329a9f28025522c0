//! Which processes a world left behind.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

/// Fails unless every process that has to do with `folder` is gone within `limit`: by its command line, its
/// environment or its working folder.
pub fn none_within(folder: &Utf8Path, limit: Duration) {
    let started = Instant::now();
    loop {
        let left = processes(folder);
        if left.is_empty() {
            return;
        }
        assert!(
            started.elapsed() < limit,
            "still there after {limit:?}: {left:#?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The command lines of all other processes that have to do with `folder`.
pub fn processes(folder: &Utf8Path) -> Vec<String> {
    let own = std::process::id().to_string();
    let proc = Utf8PathBuf::from("/proc");
    proc.read_dir_utf8()
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name() != own && entry.file_name().parse::<u32>().is_ok())
        .filter_map(|entry| {
            let bytes = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            // What has ended and only waits to be fetched has no command line.
            let line = String::from_utf8_lossy(&bytes("cmdline")).replace('\0', " ");
            let environment = String::from_utf8_lossy(&bytes("environ")).into_owned();
            let at = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let about = line.contains(folder.as_str())
                || environment.contains(folder.as_str())
                || at.starts_with(folder);
            (about && !line.is_empty())
                .then(|| format!("{} {line}(in {})", entry.file_name(), at.display()))
        })
        .collect()
}
