//! runc, static, with seccomp. It is the one recipe that needs cgo.

use super::{Inputs, Output, Work};
use crate::source::Shape;

/// Without `libpathrs`, which newer Makefiles add: it needs a library that Debian does not have.
const TAGS: [&str; 1] = ["seccomp"];

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    let commit = inputs.commit().unwrap_or(&inputs.revision.version);
    let (place, step) = match inputs.checkout.shape {
        Shape::Tree => {
            // A variable on the command line also overrides what the Makefile appends later.
            let step = inputs.step("make").args([
                "static".to_owned(),
                format!("BUILDTAGS={}", inputs.all_tags(&TAGS)),
                format!("COMMIT={commit}"),
            ]);
            (inputs.checkout.folder.join("runc"), step)
        }
        Shape::Module { .. } => {
            let to = inputs.work.join("runc");
            let ldflags = format!("-s -w -X main.gitCommit={commit} -extldflags -static");
            let tags = ["seccomp", "netgo", "osusergo"];
            (
                to.clone(),
                inputs
                    .go_build(&tags, &ldflags, &to)
                    .args([inputs.package(".")]),
            )
        }
    };
    Work {
        files: Vec::new(),
        steps: vec![step.env("CGO_ENABLED", "1")],
        outputs: vec![Output::new("bin/runc", [place])],
    }
}
