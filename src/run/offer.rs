//! What this host's machines offer, as far as it is known before anything is made.

use std::collections::BTreeMap;

use super::Host;
use crate::{
    build::cache::Cache,
    image,
    model::{Accelerator, NodeImageRevision},
    plan,
    profile::{Node, Profile, Sandboxer},
};

/// Whether machines run under KVM, and can start machines themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    accelerator: Accelerator,
    nested: bool,
}

impl Offer {
    /// What a sandboxer needs and the node's machine will not have.
    #[must_use]
    pub fn unmet(self, sandboxer: &Sandboxer, node: &Node) -> Option<String> {
        let Self {
            accelerator,
            nested,
        } = self;
        plan::unmet(&sandboxer.requires, accelerator, nested, node.memory)
    }

    /// Whether nothing that this host can run needs the source: every build of it is for sandboxers alone that no node of
    /// the profile can have.
    #[must_use]
    pub fn is_idle(self, profile: &Profile, source: &str) -> bool {
        let possible = |sandboxer: &Sandboxer| {
            (profile.nodes.iter()).any(|node| self.unmet(sandboxer, node).is_none())
        };
        let mut builds = (profile.builds.iter())
            .filter(|(_, build)| build.source == source)
            .peekable();
        builds.peek().is_some()
            && builds.all(|(name, _)| {
                let mut users = (profile.sandboxers.iter())
                    .filter(|sandboxer| sandboxer.builds().any(|of| of == name))
                    .peekable();
                users.peek().is_some() && !users.any(possible)
            })
    }
}

/// What is known. Without a kernel to boot nobody knows whether KVM runs guests: then it is taken to, and each lane finds
/// out for itself.
pub async fn offer(
    host: &Host,
    profile: &Profile,
    images: &BTreeMap<String, NodeImageRevision>,
    cache: &Cache,
) -> Offer {
    let unknown = Offer {
        accelerator: Accelerator::Kvm,
        nested: true,
    };
    let mut requires = profile.sandboxers.iter().flat_map(|s| &s.requires);
    if !requires.any(|need| need.ends_with("kvm")) {
        return unknown;
    }
    if host.hypervisor.refused().is_some() {
        return Offer {
            accelerator: Accelerator::Tcg,
            nested: false,
        };
    }
    let kernel = images.iter().find_map(|(name, revision)| {
        image::cached_kernel(revision, profile.images.get(name)?, cache)
    });
    let Some(kernel) = kernel else {
        return unknown;
    };
    match host.hypervisor.probe(&host.cache, Some(&kernel)).await {
        Ok(probe) => Offer {
            accelerator: probe.accelerator,
            nested: probe.nested,
        },
        // The lanes will meet it too, and say so.
        Err(_) => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    #[test]
    fn what_only_impossible_lanes_need_is_idle() {
        let profile = profile::load("kuasar", &profile::Overrides::default()).unwrap();
        let idle = |accelerator, nested| -> Vec<&str> {
            let offer = Offer {
                accelerator,
                nested,
            };
            let names = profile.sources.keys().map(String::as_str);
            names.filter(|name| offer.is_idle(&profile, name)).collect()
        };
        assert_eq!(idle(Accelerator::Kvm, true), [""; 0]);
        let machines = ["cloud-hypervisor", "quark", "stratovirt"];
        assert_eq!(idle(Accelerator::Kvm, false), machines);
        assert_eq!(idle(Accelerator::Tcg, false), machines);
    }
}
