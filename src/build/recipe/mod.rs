//! The built-in recipes: how each kind of source becomes binaries. Each gives its commands as data.

mod cni_plugins;
mod commands;
mod containerd;
mod crio;
mod kubernetes_node;
mod runc;
mod stamps;

use camino::{Utf8Path, Utf8PathBuf};

use super::{step::Step, toolchain::Toolchain};
use crate::{
    model::Revision,
    profile::{Build, Recipe},
    source::{Checkout, Shape},
};

pub(super) use kubernetes_node::{AGNHOST, NONEWPRIVS, PAUSE_SOURCE, multicall};

/// What a recipe may depend on.
pub(super) struct Inputs<'a> {
    pub checkout: &'a Checkout,
    pub revision: &'a Revision,
    pub toolchain: &'a Toolchain,
    pub build: &'a Build,
    /// An empty folder for what commands write.
    pub work: &'a Utf8Path,
}

/// Files to write, commands to run, and where the outputs are then.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub files: Vec<(Utf8PathBuf, String)>,
    pub steps: Vec<Step>,
    pub outputs: Vec<Output>,
}

/// A file that a recipe makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// Its place in the entry. Names under `parts/` are for the images and are not kept.
    pub name: Utf8PathBuf,
    /// Where it may be after the commands; the first that exists counts.
    pub places: Vec<Utf8PathBuf>,
}

impl Output {
    fn new(name: &str, places: impl IntoIterator<Item = Utf8PathBuf>) -> Self {
        Self {
            name: name.into(),
            places: places.into_iter().collect(),
        }
    }
}

/// Raised when a recipe's commands or outputs change, so that old entries no longer count.
pub(super) const fn version(recipe: Recipe) -> u32 {
    match recipe {
        Recipe::KubernetesNode
        | Recipe::Containerd
        | Recipe::Crio
        | Recipe::CniPlugins
        | Recipe::Runc
        | Recipe::Commands => 1,
    }
}

/// Whether the recipe runs the C compiler.
pub(super) const fn uses_cc(recipe: Recipe) -> bool {
    matches!(
        recipe,
        Recipe::KubernetesNode | Recipe::Crio | Recipe::Runc | Recipe::Commands
    )
}

/// What the recipe does with these inputs.
pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    match inputs.build.recipe {
        Recipe::KubernetesNode => kubernetes_node::work(inputs),
        Recipe::Containerd => containerd::work(inputs),
        Recipe::Crio => crio::work(inputs),
        Recipe::CniPlugins => cni_plugins::work(inputs),
        Recipe::Runc => runc::work(inputs),
        Recipe::Commands => commands::work(inputs),
    }
}

impl Inputs<'_> {
    fn step(&self, program: &str) -> Step {
        Step::new(program, self.checkout, self.toolchain)
    }

    fn go_build(&self, tags: &[&str], ldflags: &str, to: &Utf8Path) -> Step {
        let step = self.step("go").args(["build", "-trimpath"]);
        let tags = self.all_tags(tags);
        let step = if tags.is_empty() {
            step
        } else {
            step.args(["-tags", &tags])
        };
        step.args(["-ldflags", ldflags, "-o", to.as_str()])
    }

    fn all_tags(&self, own: &[&str]) -> String {
        let extra = self.build.tags.iter().map(String::as_str);
        own.iter()
            .copied()
            .chain(extra)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The full import path in a wrapper module, the relative one in a tree.
    fn package(&self, path: &str) -> String {
        match &self.checkout.shape {
            Shape::Module { module, .. } if path == "." => module.clone(),
            Shape::Module { module, .. } => format!("{module}/{path}"),
            Shape::Tree if path == "." => ".".to_owned(),
            Shape::Tree => format!("./{path}"),
        }
    }

    fn has(&self, path: &str) -> bool {
        self.checkout.files().join(path).exists()
    }

    fn commit(&self) -> Option<&str> {
        match &self.revision.origin {
            crate::model::Origin::Git { commit, .. } => Some(commit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
