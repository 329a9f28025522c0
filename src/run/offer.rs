//! What this host's machines offer, as far as it is known before anything is made.

use super::Host;
use crate::{
    build::cache::Cache,
    image,
    model::{Accelerator, Candidate},
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
}

/// What is known. Without a kernel to boot nobody knows whether KVM runs guests: then it is taken to, and each lane finds
/// out for itself.
pub async fn offer(
    host: &Host,
    profile: &Profile,
    candidates: &[Candidate],
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
    let images = candidates
        .iter()
        .flat_map(|candidate| &candidate.node_images);
    let kernel = images
        .filter_map(|(name, revision)| {
            image::cached_kernel(revision, profile.images.get(name)?, cache)
        })
        .next();
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
