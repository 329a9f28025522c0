//! The CNI plugins that a node's network configuration names.

use super::{Inputs, Output, Work};
use crate::source::Shape;

/// The plugins with their packages.
const PLUGINS: [(&str, &str); 5] = [
    ("bridge", "plugins/main/bridge"),
    ("host-local", "plugins/ipam/host-local"),
    ("loopback", "plugins/main/loopback"),
    ("portmap", "plugins/meta/portmap"),
    ("firewall", "plugins/meta/firewall"),
];
const VERSION: &str = "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion";

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    let ldflags = format!("-s -w -X {VERSION}={}", inputs.revision.version);
    let script = matches!(inputs.checkout.shape, Shape::Tree) && inputs.has("build_linux.sh");
    let (out, step) = if script {
        let tags = inputs.all_tags(&[]);
        let step = inputs
            .step("sh")
            .args(["./build_linux.sh", "-trimpath", "-ldflags", &ldflags]);
        let step = if tags.is_empty() {
            step
        } else {
            step.args(["-tags", &tags])
        };
        (inputs.checkout.folder.join("bin"), step)
    } else {
        let out = inputs.work.join("out");
        let packages = PLUGINS.map(|(_, package)| inputs.package(package));
        (
            out.clone(),
            inputs.go_build(&[], &ldflags, &out.join("")).args(packages),
        )
    };
    let outputs = PLUGINS.map(|(name, _)| Output::new(&format!("cni/{name}"), [out.join(name)]));
    Work {
        files: Vec::new(),
        steps: vec![step],
        outputs: outputs.to_vec(),
    }
}
