//! Node images and node variants.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{Checker, foreign, is_ignition};
use crate::profile::{
    nearest::hint_for,
    problem::Kind,
    raw::{At, List, RawImage, RawNode, RawProfile, Text},
    settings::{Image, Node},
};

/// The image that is always there.
const DEFAULT_IMAGE: &str = "debian-13";
/// The Debian suite it is made from.
const DEFAULT_SUITE: &str = "trixie";
/// A node unless the profile says otherwise.
const CPUS: u32 = 2;
const MEMORY: u64 = 4 << 30;
const DISK: u64 = 20 << 30;
/// Below this no node can work: kernel, runtime and kubelet alone take more.
const LEAST_MEMORY: u64 = 512 << 20;

impl Checker<'_> {
    pub(super) fn images(&mut self, raw: &RawProfile) -> BTreeMap<String, Image> {
        let mut out = BTreeMap::from([(
            DEFAULT_IMAGE.to_owned(),
            Image::Debian {
                suite: DEFAULT_SUITE.to_owned(),
                packages: Vec::new(),
            },
        )]);
        for (name, image) in raw.image.iter().flatten() {
            self.name(name, "image");
            if let Some(image) = self.image(image, name.get()) {
                out.insert(name.get().clone(), image);
            }
        }
        out
    }

    fn image(&mut self, at: &At<RawImage>, name: &str) -> Option<Image> {
        let image = at.get();
        let packages = self.list(image.packages.as_ref(), "the package");
        let (debian, file, stream) = (&image.debian, &image.file, &image.coreos_stream);
        let for_file = [
            ("sha256", image.sha256.as_ref(), "it goes with `file`"),
            ("format", image.format.as_ref(), "it goes with `file`"),
        ];
        let for_stream = [("url", image.url.as_ref(), "it goes with `coreos-stream`")];
        if debian.is_none()
            && (file.is_some() || stream.is_some())
            && let Some(list) = &image.packages
        {
            self.value(list.span(), "`packages` goes with `debian` only")
                .hint("other images are taken as they are");
        }
        match (debian, file, stream) {
            (Some(suite), None, None) => {
                self.only("debian", &for_file);
                self.only("debian", &for_stream);
                let suite = self.filled(suite, "the Debian suite");
                Some(Image::Debian { suite, packages })
            }
            (None, Some(file), None) => {
                self.only("file", &for_stream);
                self.disk_image(at, file)
            }
            (None, None, Some(stream)) => {
                self.only("coreos-stream", &for_file);
                let stream = self.filled(stream, "the stream");
                let url = match &image.url {
                    Some(url) => self.filled(url, "the URL"),
                    None => {
                        format!("https://builds.coreos.fedoraproject.org/streams/{stream}.json")
                    }
                };
                Some(Image::CoreosStream { url, stream })
            }
            // `[image.debian-13]` with nothing but packages adds to the image that is always there.
            (None, None, None) if name == DEFAULT_IMAGE => {
                self.only("debian", &for_file);
                self.only("debian", &for_stream);
                Some(Image::Debian {
                    suite: DEFAULT_SUITE.to_owned(),
                    packages,
                })
            }
            (None, None, None) => {
                self.problems
                    .at(Kind::Missing, at.span(), "the image says not what it is")
                    .hint(
                        "add `debian = \"trixie\"`, `file = \"…\"` or `coreos-stream = \"stable\"`",
                    );
                None
            }
            _ => {
                let keys = foreign(&[
                    ("debian", debian.as_ref()),
                    ("file", file.as_ref()),
                    ("coreos-stream", stream.as_ref()),
                ]);
                if let [(one, first), (two, second), ..] = keys.as_slice() {
                    self.value(
                        second.span(),
                        format!("an image is one thing, and this one is `{one}` and `{two}`"),
                    )
                    .also(first.span(), "the first")
                    .hint("keep one of them");
                }
                None
            }
        }
    }

    fn disk_image(&mut self, at: &At<RawImage>, file: &Text) -> Option<Image> {
        let image = at.get();
        let sha256 = self.required(image.sha256.as_ref(), at.span(), "sha256", "sha256 = \"…\"");
        let is_digest =
            |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if let Some(sha256) = sha256.filter(|sha256| !is_digest(sha256.get())) {
            self.value(
                sha256.span(),
                "this is not a SHA-256: that is 64 hex digits",
            )
            .hint("`sha256sum FILE` prints it");
        }
        let ending = Utf8PathBuf::from(file.get())
            .extension()
            .map(str::to_lowercase);
        let format = match (&image.format, ending.as_deref()) {
            (Some(format), _) if matches!(format.get().as_str(), "qcow2" | "raw") => {
                format.get().clone()
            }
            (Some(format), _) => {
                self.value(
                    format.span(),
                    format!("`{}` is not a format of a disk image", format.get()),
                )
                .hint("there is `qcow2` and `raw`");
                return None;
            }
            (None, Some("qcow2")) => "qcow2".to_owned(),
            (None, Some("raw" | "img")) => "raw".to_owned(),
            (None, _) => {
                self.required(None::<&Text>, at.span(), "format", "format = \"qcow2\"");
                return None;
            }
        };
        Some(Image::File {
            path: self.absolute(file),
            sha256: sha256?.get().to_lowercase(),
            format,
        })
    }

    pub(super) fn nodes(
        &mut self,
        raw: &RawProfile,
        images: &BTreeMap<String, Image>,
    ) -> Vec<Node> {
        let items = raw
            .node
            .as_ref()
            .map(|nodes| nodes.get().as_slice())
            .unwrap_or_default();
        if items.is_empty() {
            let top = raw.node.as_ref().map_or(self.top.clone(), At::span);
            self.problems
                .at(
                    Kind::Missing,
                    top,
                    "the profile has no node, so nothing would run",
                )
                .hint("add `[[node]]` with `name = \"plain\"`");
        }
        let named = self.named(items, "node", |node| node.name.as_ref());
        let mut out = Vec::new();
        for (name, node) in &named {
            // Each file is read and each value checked once, where it is written.
            let chain = self.chain(&named, name, node);
            out.push(self.node(name, &chain, raw, images));
        }
        out
    }

    /// The node and what it extends, nearest first.
    fn chain<'t>(
        &mut self,
        all: &[(&'t Text, &'t At<RawNode>)],
        name: &'t Text,
        node: &'t At<RawNode>,
    ) -> Vec<&'t RawNode> {
        let mut chain = vec![node.get()];
        let mut seen = vec![name.get()];
        let mut at = node.get();
        while let Some(parent) = &at.extends {
            // Each `extends` is reported at the node that has it, not again at those that extend that node.
            let own = chain.len() == 1;
            if seen.contains(&parent.get()) {
                if own || parent.get() == name.get() {
                    self.value(
                        parent.span(),
                        format!(
                            "`{}` extends this node, so this goes in a circle",
                            parent.get()
                        ),
                    )
                    .hint("take one of the `extends` out");
                }
                break;
            }
            let found = all.iter().find(|(known, _)| known.get() == parent.get());
            let Some((_, next)) = found else {
                if own {
                    let names = all
                        .iter()
                        .map(|(name, _)| name.get().as_str())
                        .filter(|known| known != name.get());
                    let hint = hint_for(parent.get(), names, "there is no other node");
                    let message = format!("no node is called `{}`", parent.get());
                    self.problems
                        .at(Kind::Reference, parent.span(), message)
                        .hint(hint);
                }
                break;
            };
            seen.push(parent.get());
            chain.push(next.get());
            at = next.get();
        }
        chain
    }

    fn node(
        &mut self,
        name: &Text,
        chain: &[&RawNode],
        raw: &RawProfile,
        images: &BTreeMap<String, Image>,
    ) -> Node {
        let image = chain.iter().find_map(|node| node.image.as_ref());
        if let Some(image) = image {
            let declared = raw
                .image
                .iter()
                .flatten()
                .map(|(name, _)| name.get().as_str());
            self.refer(
                image,
                "image",
                declared.chain(images.keys().map(String::as_str)),
            );
        }
        let cpus = chain.iter().find_map(|node| node.cpus.as_ref());
        if let Some(cpus) = cpus.filter(|cpus| *cpus.get() == 0) {
            self.value(cpus.span(), "a node needs at least one core")
                .hint("write `cpus = 2`");
        }
        let memory = chain.iter().find_map(|node| node.memory.as_ref());
        let bytes = memory
            .and_then(|memory| self.size(memory))
            .unwrap_or(MEMORY);
        if let Some(memory) = memory.filter(|_| bytes < LEAST_MEMORY) {
            self.value(
                memory.span(),
                format!("`{}` is too little memory for a node", memory.get()),
            )
            .hint("write \"512MiB\" or more");
        }
        let disk = chain.iter().find_map(|node| node.disk.as_ref());
        let disk = disk.and_then(|disk| self.size(disk)).unwrap_or(DISK);
        let lists = chain.iter().rev().filter_map(|node| node.disks.as_ref());
        let disks: Vec<_> = lists.flat_map(|list| list.get()).collect();
        let disks = self.disks(&disks);
        let mut ignition: Vec<Utf8PathBuf> = Vec::new();
        for fragment in appended(chain, |node| node.ignition.as_ref()) {
            ignition.extend(self.file(fragment, is_ignition));
        }
        let kernel_arguments = appended(chain, |node| node.kernel_arguments.as_ref())
            .into_iter()
            .map(|argument| self.filled(argument, "the kernel argument"))
            .collect();
        Node {
            name: name.get().clone(),
            image: image.map_or(DEFAULT_IMAGE.to_owned(), |image| image.get().clone()),
            cpus: cpus.map_or(CPUS, |cpus| *cpus.get()),
            memory: bytes,
            disk,
            disks,
            ignition,
            kernel_arguments,
        }
    }
}

/// A list along a chain of nodes, the farthest first.
fn appended<'t>(chain: &[&'t RawNode], list: fn(&RawNode) -> Option<&List>) -> Vec<&'t Text> {
    chain
        .iter()
        .rev()
        .filter_map(|node| list(node))
        .flat_map(|list| list.get())
        .collect()
}
