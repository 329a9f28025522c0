//! Makes the candidates: everything that can move becomes exact before anything is built.

use std::collections::BTreeMap;

use camino::Utf8Path;
use futures_util::future::try_join_all;

use super::{
    Host,
    offer::{Offer, offer},
};
use crate::{
    build::{self, Toolchain, cache::Cache},
    image,
    model::{
        Blame, Candidate, Cause, Class, Confidence, Digest, EvidenceLine, NodeImageRevision, Phase,
        Revision, SandboxerRevision,
    },
    profile::{Build, Image, Pairing, Profile, Recipe, Sandboxer, SandboxerBinary},
    runtime, source,
};

/// Candidates with what their resolution noticed.
pub struct Resolved {
    /// By pairing, in the profile's order.
    pub candidates: Vec<Candidate>,
    /// Sentences for people: a force-push, an answer from the mirror while offline.
    pub notes: Vec<String>,
    /// What this host's machines offer.
    pub offer: Offer,
}

/// Resolves the node images and the toolchains, then all sources of all pairings but those that this host has no use for.
///
/// # Errors
/// With the cause when one of them cannot be resolved; it names which and why.
pub async fn resolve(
    host: &Host,
    profile: &Profile,
    cache: &Cache,
) -> Result<Resolved, Box<Cause>> {
    let (images, toolchain) = tokio::try_join!(
        try_join_all(
            profile
                .images
                .keys()
                .map(|name| image(profile, name, cache))
        ),
        toolchain(profile),
    )?;
    let node_images: BTreeMap<_, _> = images
        .into_iter()
        .flatten()
        .map(|image| (image.name.clone(), image))
        .collect();
    let offer = offer(host, profile, &node_images, cache).await;
    let pairings = profile
        .pairings
        .iter()
        .map(|pairing| sources(profile, pairing, &host.cache, offer));
    let pairings = try_join_all(pairings).await?;
    let mut notes = runtime::kind(profile.runtime.kind).notes(profile);
    let mut candidates = Vec::new();
    for (pairing, (revisions, said)) in profile.pairings.iter().zip(pairings) {
        for note in said {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        candidates.push(Candidate {
            pairing: pairing.name.clone(),
            sandboxers: profile
                .sandboxers
                .iter()
                .map(|sandboxer| {
                    (
                        sandboxer.name.clone(),
                        sandboxer_revision(sandboxer, profile, &revisions, &node_images),
                    )
                })
                .collect(),
            revisions,
            node_images: node_images.clone(),
            toolchains: toolchain.clone(),
            arch: build::goarch().to_owned(),
        });
    }
    Ok(Resolved {
        candidates,
        notes,
        offer,
    })
}

/// The digest of a build's inputs. A source that is missing gives a digest that no cache holds.
#[must_use]
pub fn build_digest(build: &Build, candidate: &Candidate) -> Digest {
    let toolchain = toolchain_of(candidate);
    candidate.revisions.get(&build.source).map_or_else(
        || Digest::of(build.source.as_bytes()),
        |revision| build::digest(build, revision, &toolchain),
    )
}

/// The compilers a candidate was resolved with.
#[must_use]
pub fn toolchain_of(candidate: &Candidate) -> Toolchain {
    Toolchain {
        go: candidate.toolchains.get("go").cloned().unwrap_or_default(),
        selector: "local".to_owned(),
        cc: candidate.toolchains.get("cc").cloned(),
        rust: candidate.toolchains.get("rust").cloned(),
    }
}

async fn toolchain(profile: &Profile) -> Result<BTreeMap<String, String>, Box<Cause>> {
    let found = build::toolchain(None).await.map_err(|error| {
        let mut cause = error.cause(Utf8Path::new(""));
        cause.phase = Phase::Resolve;
        Box::new(cause)
    })?;
    let mut commands = profile.builds.values();
    let rust = match commands.any(|build| build.recipe == Recipe::Commands) {
        true => build::rust().await,
        false => None,
    };
    Ok([("go".to_owned(), found.go)]
        .into_iter()
        .chain(found.cc.map(|cc| ("cc".to_owned(), cc)))
        .chain(rust.map(|rust| ("rust".to_owned(), rust)))
        .collect())
}

type Sources = (BTreeMap<String, Revision>, Vec<String>);

async fn sources(
    profile: &Profile,
    pairing: &Pairing,
    cache_root: &Utf8Path,
    offer: Offer,
) -> Result<Sources, Box<Cause>> {
    let needed = (profile.sources.iter()).filter(|(name, _)| !offer.is_idle(profile, name));
    let resolved = try_join_all(needed.map(async |(name, source)| {
        source::resolve_with_notes(
            &source.kind,
            source.stable.as_deref(),
            pairing.selects.get(name),
            name,
            cache_root,
        )
        .await
        .map_err(|error| {
            let summary = error.to_string();
            let summary = summary
                .split("\n  hint:")
                .next()
                .unwrap_or_default()
                .to_owned();
            unresolved(summary, error.blame(), Some(error.hint.clone()), None)
        })
    }))
    .await?;
    let mut notes = Vec::new();
    let mut revisions = BTreeMap::new();
    for resolved in resolved {
        notes.extend(resolved.notes);
        revisions.insert(resolved.revision.source.clone(), resolved.revision);
    }
    Ok((revisions, notes))
}

/// The packages that a node image of a profile must have beside its own. An image that is taken whole is asked for none
/// of the runtime's: it has what it has, and a runtime that lacks something says so.
#[must_use]
pub fn node_packages(profile: &Profile, image: &Image) -> Vec<String> {
    let mut packages = profile.sandboxer_packages();
    if let Image::Debian { .. } = image {
        let runtime = runtime::kind(profile.runtime.kind).packages();
        packages.extend(runtime.iter().map(|&name| name.to_owned()));
    }
    packages
}

async fn image(
    profile: &Profile,
    name: &str,
    cache: &Cache,
) -> Result<Option<NodeImageRevision>, Box<Cause>> {
    // The images a profile knows but no node uses cost nothing.
    if !profile.nodes.iter().any(|node| node.image == name) {
        return Ok(None);
    }
    let packages = node_packages(profile, &profile.images[name]);
    image::resolve(name, &profile.images[name], &packages, cache)
        .await
        .map(Some)
        .map_err(|error| {
            unresolved(
                format!("node image `{name}`: {error}"),
                error.blame(),
                error.hint(),
                error.line().cloned(),
            )
        })
}

fn unresolved(
    summary: String,
    blame: Blame,
    hint: Option<String>,
    line: Option<EvidenceLine>,
) -> Box<Cause> {
    let first = summary.lines().next().unwrap_or_default().to_owned();
    Box::new(Cause {
        phase: Phase::Resolve,
        class: Class::Infra,
        blame,
        confidence: Confidence::Certain,
        evidence: vec![line.unwrap_or_else(|| EvidenceLine {
            file: "events.jsonl".into(),
            line: 1,
            text: first,
        })],
        summary,
        rule: None,
        hint,
    })
}

fn sandboxer_revision(
    sandboxer: &Sandboxer,
    profile: &Profile,
    revisions: &BTreeMap<String, Revision>,
    images: &BTreeMap<String, NodeImageRevision>,
) -> SandboxerRevision {
    let (origin, version) = match &sandboxer.binary {
        SandboxerBinary::Package { package, .. } => {
            let start = format!("{package}=");
            let version = images
                .values()
                .flat_map(|image| &image.packages)
                .find_map(|listed| listed.strip_prefix(&start))
                .unwrap_or("as the node image has it");
            (format!("package {package} {version}"), version.to_owned())
        }
        SandboxerBinary::Build { build, .. } => {
            let source = profile
                .builds
                .get(build)
                .map_or(build, |build| &build.source);
            let version = revisions
                .get(source)
                .map(|revision| revision.version.clone());
            match version {
                Some(version) => (format!("source {source} {version}"), version),
                // Nobody asked for it.
                None => (format!("source {source}, not used here"), String::new()),
            }
        }
    };
    SandboxerRevision {
        name: sandboxer.name.clone(),
        origin,
        version,
    }
}
