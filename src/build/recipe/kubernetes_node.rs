//! kubelet, ginkgo, e2e_node.test and the binaries of the test images.

use super::{Inputs, Output, Work, stamps::Stamps};
use crate::source::Shape;

/// The test image's binary, not kept beside its image.
pub(in crate::build) const AGNHOST: &str = "parts/agnhost";
/// The test image's binary, where the tree still has it.
pub(in crate::build) const NONEWPRIVS: &str = "parts/nonewprivs";
/// In the tree.
pub(in crate::build) const PAUSE_SOURCE: &str = "build/pause/linux/pause.c";

const KUBELET: &str = "cmd/kubelet";
const GINKGO: &str = "github.com/onsi/ginkgo/v2/ginkgo";
const SUITE: &str = "test/e2e_node";
const AGNHOST_PACKAGE: &str = "test/images/agnhost";

/// Packages that only some versions have, with the output each one makes.
const OPTIONAL: [(&str, &str); 4] = [
    (AGNHOST_PACKAGE, AGNHOST),
    ("test/images/nonewprivs", NONEWPRIVS),
    ("cluster/gce/gci/mounter", "bin/mounter"),
    (
        "test/e2e_node/plugins/gcp-credential-provider",
        "bin/gcp-credential-provider",
    ),
];

/// Names that e2e_node.test answers to itself, in versions where they are no packages of their own.
pub(in crate::build) const fn multicall() -> [&'static str; 2] {
    ["bin/mounter", "bin/gcp-credential-provider"]
}

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    let stamps = Stamps::new(
        &inputs.revision.version,
        inputs.commit(),
        inputs.revision.date,
    );
    match inputs.checkout.shape {
        Shape::Module { .. } => from_module(inputs, &stamps),
        Shape::Tree => from_tree(inputs, &stamps),
    }
}

/// The optional packages that these files have as programs of their own.
fn optional<'a>(inputs: &'a Inputs<'_>) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    OPTIONAL.into_iter().filter(|(package, _)| {
        let folder = inputs.checkout.files().join(package);
        let Ok(entries) = folder.read_dir_utf8() else {
            return false;
        };
        entries
            .flatten()
            .any(|entry| entry.path().extension() == Some("go"))
    })
}

fn base(package: &str) -> &str {
    package.rsplit('/').next().unwrap_or(package)
}

fn from_module(inputs: &Inputs<'_>, stamps: &Stamps) -> Work {
    let out = inputs.work.join("out");
    let ldflags = stamps.ldflags();
    let mut packages = vec![inputs.package(KUBELET), GINKGO.to_owned()];
    let mut outputs = vec![
        Output::new("bin/kubelet", [out.join("kubelet")]),
        Output::new("bin/ginkgo", [out.join("ginkgo")]),
        Output::new("bin/e2e_node.test", [out.join("e2e_node.test")]),
    ];
    for (package, output) in optional(inputs) {
        packages.push(inputs.package(package));
        outputs.push(Output::new(output, [out.join(base(package))]));
    }
    let programs = inputs.go_build(&[], &ldflags, &out.join("")).args(packages);
    // Vetting the whole suite takes longer than compiling it.
    let suite = inputs
        .step("go")
        .args(["test", "-c", "-vet=off", "-trimpath"]);
    let tags = inputs.all_tags(&[]);
    let suite = if tags.is_empty() {
        suite
    } else {
        suite.args(["-tags", &tags])
    };
    let suite = suite
        .args([
            "-ldflags",
            &ldflags,
            "-o",
            out.join("e2e_node.test").as_str(),
        ])
        .args([inputs.package(SUITE)]);
    Work {
        files: Vec::new(),
        steps: vec![programs, suite],
        outputs,
    }
}

fn from_tree(inputs: &Inputs<'_>, stamps: &Stamps) -> Work {
    let tree = &inputs.checkout.folder;
    let version_file = inputs.work.join("version.sh");
    let places = |name: &str| {
        let output = tree.join("_output");
        let platform = format!("local/bin/linux/{}", super::super::goarch());
        [
            output.join("bin").join(name),
            output.join(platform).join(name),
            output.join("local/go/bin").join(name),
        ]
    };
    let mut targets = vec![KUBELET, GINKGO, "test/e2e_node/e2e_node.test"];
    let mut outputs = vec![
        Output::new("bin/kubelet", places("kubelet")),
        Output::new("bin/ginkgo", places("ginkgo")),
        Output::new("bin/e2e_node.test", places("e2e_node.test")),
    ];
    let mut own_module = None;
    for (package, output) in optional(inputs) {
        if inputs.has(&format!("{package}/go.mod")) {
            let to = inputs.work.join(base(package));
            outputs.push(Output::new(output, [to.clone()]));
            // A nested module has its own requirements, which the tree's workspace must not override.
            let build = inputs.go_build(&[], "-s -w", &to).args(["."]);
            own_module = Some(build.env("GOWORK", "off").folder(tree.join(package)));
        } else {
            targets.push(package);
            outputs.push(Output::new(output, places(base(package))));
        }
    }
    let statics: Vec<_> = targets.iter().map(|target| base(target)).collect();
    let mut flags = String::from("-buildvcs=false -vet=off");
    if !inputs.build.tags.is_empty() {
        // The project's build reads its extra tags from here; they must be the last flag.
        flags.push_str(&format!(" -tags={}", inputs.build.tags.join(",")));
    }
    let make = inputs
        .step("make")
        .args([format!("WHAT={}", targets.join(" "))])
        .env("KUBE_GIT_VERSION_FILE", version_file.as_str())
        .env("KUBE_STATIC_OVERRIDES", &statics.join(" "))
        .env("GOFLAGS", &flags)
        .env(
            "SOURCE_DATE_EPOCH",
            &inputs
                .revision
                .date
                .map_or(0, |date| date.as_second())
                .to_string(),
        );
    Work {
        files: vec![(version_file, stamps.version_file())],
        steps: std::iter::once(make).chain(own_module).collect(),
        outputs,
    }
}
