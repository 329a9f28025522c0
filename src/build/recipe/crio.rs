//! CRI-O and pinns, which makes the namespaces of its pods. CRI-O needs cgo.

use super::{Inputs, Output, Work};
use crate::process::quote;

/// Like CRI-O's own Makefile where the libraries are there, but for two: without btrfs, which no node uses, and with the
/// system's SQLite instead of compiling the vendored one. Makefiles ask scripts, whose answers change with the host.
const TAGS: [&str; 6] = [
    "libsqlite3",
    "containers_image_ostree_stub",
    "exclude_graphdriver_btrfs",
    "btrfs_noversion",
    "seccomp",
    "selinux",
];

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    let to = inputs.work.join("crio");
    let commit = inputs.commit().unwrap_or(&inputs.revision.version);
    let ldflags = format!("-s -w -X github.com/cri-o/cri-o/internal/version.buildCommit={commit}");
    let crio = inputs
        .go_build(&TAGS, &ldflags, &to)
        .args([inputs.package("cmd/crio")])
        .env("CGO_ENABLED", "1");
    // Its Makefile writes beside its folder, and a module's files are read-only.
    let sources = quote(inputs.checkout.files().join("pinns").as_str());
    let pinns = inputs
        .step("sh")
        .args([
            "-ec".to_owned(),
            format!("cp -RL {sources} pinns && chmod -R u+w pinns && make -C pinns"),
        ])
        .folder(inputs.work.to_owned());
    Work {
        files: Vec::new(),
        steps: vec![crio, pinns],
        outputs: vec![
            Output::new("bin/crio", [to]),
            Output::new("bin/pinns", [inputs.work.join("bin/pinns")]),
        ],
    }
}
