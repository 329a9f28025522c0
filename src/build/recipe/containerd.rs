//! containerd, its runc shim and ctr.

use super::{Inputs, Output, Work};
use crate::source::Shape;

const COMMANDS: [&str; 3] = ["containerd", "containerd-shim-runc-v2", "ctr"];
/// The snapshotters that need C libraries.
const TAGS: [&str; 3] = ["no_btrfs", "no_devmapper", "no_zfs"];

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    match &inputs.checkout.shape {
        Shape::Module { module, .. } => from_module(inputs, module),
        Shape::Tree => from_tree(inputs),
    }
}

fn from_module(inputs: &Inputs<'_>, module: &str) -> Work {
    let out = inputs.work.join("out");
    let version = &inputs.revision.version;
    let ldflags =
        format!("-s -w -X {module}/version.Version={version} -X {module}/version.Package={module}");
    let packages = COMMANDS.map(|command| inputs.package(&format!("cmd/{command}")));
    let build = inputs
        .go_build(&TAGS, &ldflags, &out.join(""))
        .args(packages);
    let outputs =
        COMMANDS.map(|command| Output::new(&format!("bin/{command}"), [out.join(command)]));
    Work {
        files: Vec::new(),
        steps: vec![build],
        outputs: outputs.to_vec(),
    }
}

fn from_tree(inputs: &Inputs<'_>) -> Work {
    let make = inputs.step("make").args([
        "STATIC=1".to_owned(),
        format!("BUILDTAGS={}", inputs.all_tags(&TAGS)),
        format!("VERSION={}", inputs.revision.version),
        format!("REVISION={}", inputs.commit().unwrap_or_default()),
        "binaries".to_owned(),
    ]);
    let bin = inputs.checkout.folder.join("bin");
    let outputs =
        COMMANDS.map(|command| Output::new(&format!("bin/{command}"), [bin.join(command)]));
    Work {
        files: Vec::new(),
        steps: vec![make],
        outputs: outputs.to_vec(),
    }
}
