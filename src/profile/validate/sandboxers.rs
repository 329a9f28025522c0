//! Sandboxers, two of which are known by name.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{Checker, absolute_in_guest, is_text, is_toml, is_unit};
use crate::{
    model::Role,
    profile::{
        problem::Kind,
        raw::{At, RawProfile, RawSandboxer, Text},
        settings::{Build, Recipe, RuntimeKind, Sandboxer, SandboxerBinary},
        units::parse_size,
    },
};

/// A sandboxer whose name is enough.
struct Known {
    name: &'static str,
    package: &'static str,
    path: &'static str,
}

/// OCI runtimes that Debian packages.
const KNOWN: [Known; 2] = [
    Known {
        name: "runc",
        package: "runc",
        path: "/usr/sbin/runc",
    },
    Known {
        name: "crun",
        package: "crun",
        path: "/usr/bin/crun",
    },
];

impl Checker<'_> {
    pub(super) fn sandboxers(
        &mut self,
        raw: &RawProfile,
        builds: &BTreeMap<String, Build>,
    ) -> Vec<Sandboxer> {
        let items = raw
            .sandboxer
            .as_ref()
            .map(|list| list.get().as_slice())
            .unwrap_or_default();
        if items.is_empty() {
            let top = raw.sandboxer.as_ref().map_or(self.top.clone(), At::span);
            self.problems
                .at(
                    Kind::Missing,
                    top,
                    "the profile has no sandboxer, so nothing would run",
                )
                .hint("add `[[sandboxer]]` with `name = \"runc\"`");
        }
        let named = self.named(items, "sandboxer", |sandboxer| sandboxer.name.as_ref());
        let mut out = Vec::new();
        for (name, sandboxer) in named {
            out.extend(self.sandboxer(name, sandboxer, raw, builds));
        }
        out
    }

    fn sandboxer(
        &mut self,
        name: &Text,
        at: &At<RawSandboxer>,
        raw: &RawProfile,
        builds: &BTreeMap<String, Build>,
    ) -> Option<Sandboxer> {
        let written = at.get();
        let kind = raw.runtime.as_ref().and_then(|it| it.get().kind.as_ref());
        let kind = kind.map_or(RuntimeKind::Containerd, |kind| *kind.get());
        let known = KNOWN.iter().find(|known| known.name == name.get());
        if let Some(handler) = &written.handler {
            self.name(handler, "handler");
        }
        let requires = written
            .requires
            .as_ref()
            .map(|list| list.get().as_slice())
            .unwrap_or_default();
        for need in requires {
            self.need(need);
        }
        let with_builds = written
            .with_builds
            .as_ref()
            .map(|list| list.get().as_slice())
            .unwrap_or_default();
        for build in with_builds {
            let declared = raw.build.iter().flatten();
            self.refer(
                build,
                "build",
                declared.map(|(name, _)| name.get().as_str()),
            );
        }
        if let Some(socket) = &written.socket {
            self.in_guest(socket);
        }
        let options =
            written
                .options
                .as_ref()
                .and_then(|options| match toml::to_string(options.get()) {
                    Ok(text) => Some(text),
                    Err(error) => {
                        self.value(
                            options.span(),
                            format!("these options cannot be written as TOML again: {error}"),
                        );
                        None
                    }
                });
        let binary = self.binary(at, name, known, raw, builds);
        let runtime_type = self.runtime_type(at, known, kind)?;
        if let (Some(socket), RuntimeKind::Crio) = (&written.socket, kind) {
            self.value(
                socket.span(),
                "CRI-O asks no sandbox controllers: only containerd knows this socket",
            )
            .hint(
                "give CRI-O the sandboxer's OCI runtime, or its shim with `runtime-type = \"vm\"`",
            );
        }
        Some(Sandboxer {
            name: name.get().clone(),
            handler: written.handler.as_ref().unwrap_or(name).get().clone(),
            runtime_type,
            role: written
                .role
                .as_ref()
                .map_or(Role::Blocking, |role| *role.get()),
            binary: binary?,
            with_builds: with_builds.iter().map(|name| name.get().clone()).collect(),
            with_packages: self.list(written.with_packages.as_ref(), "the package"),
            options,
            config: written
                .config
                .as_ref()
                .and_then(|path| self.file(path, is_toml)),
            files: self.guest_files(written),
            unit: self.service(written, at),
            socket: written.socket.as_ref().map(|socket| socket.get().clone()),
            ready: written
                .ready
                .as_ref()
                .map(|ready| self.filled(ready, "`ready`")),
            requires: requires.iter().map(|need| need.get().clone()).collect(),
        })
    }

    /// The runtime's own word for how it calls the sandboxer.
    fn runtime_type(
        &mut self,
        at: &At<RawSandboxer>,
        known: Option<&Known>,
        kind: RuntimeKind,
    ) -> Option<String> {
        const CRIO: [&str; 3] = ["oci", "vm", "pod"];
        match (&at.get().runtime_type, kind) {
            (Some(written), RuntimeKind::Crio) if !CRIO.contains(&written.get().as_str()) => {
                self.value(
                    written.span(),
                    format!("`{}` is no runtime type of CRI-O", written.get()),
                )
                .hint("there is `oci`, `vm` (a shim of its own) and `pod` (conmon-rs)");
                None
            }
            (Some(written), _) => Some(self.filled(written, "the runtime type")),
            (None, RuntimeKind::Crio) => Some(CRIO[0].to_owned()),
            (None, RuntimeKind::Containerd) if known.is_some() => {
                Some("io.containerd.runc.v2".to_owned())
            }
            (None, RuntimeKind::Containerd) => {
                let example = "runtime-type = \"io.containerd.runc.v2\"";
                self.required(None::<&Text>, at.span(), "runtime-type", example);
                None
            }
        }
    }

    fn guest_files(&mut self, written: &RawSandboxer) -> BTreeMap<String, Utf8PathBuf> {
        let mut files = BTreeMap::new();
        for (to, from) in written.files.iter().flatten() {
            self.in_guest(to);
            if let Some(from) = self.file(from, is_text) {
                files.insert(to.get().clone(), from);
            }
        }
        files
    }

    fn service(&mut self, written: &RawSandboxer, at: &At<RawSandboxer>) -> Option<Utf8PathBuf> {
        let Some(unit) = &written.unit else {
            if let Some(socket) = &written.socket {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        "nothing starts this sandbox controller: the key `unit` is missing",
                    )
                    .also(socket.span(), "it is to answer here")
                    .hint("add `unit = \"config/NAME.service\"`");
            }
            return None;
        };
        if !unit.get().ends_with(".service") {
            self.value(
                unit.span(),
                format!("`{}` is not the file of a service unit", unit.get()),
            )
            .hint("the file's name is the unit's: let it end in `.service`");
        }
        self.file(unit, is_unit)
    }

    fn in_guest(&mut self, path: &Text) {
        if !absolute_in_guest(path.get()) {
            self.value(
                path.span(),
                format!("`{}` is not a path from the guest's root", path.get()),
            )
            .hint("start it with `/`");
        }
    }

    fn binary(
        &mut self,
        at: &At<RawSandboxer>,
        name: &Text,
        known: Option<&Known>,
        raw: &RawProfile,
        builds: &BTreeMap<String, Build>,
    ) -> Option<SandboxerBinary> {
        let RawSandboxer {
            package,
            path,
            build,
            binary,
            ..
        } = at.get();
        if let Some(build) = build {
            let hint = "a binary comes from a build or from the node image";
            self.only(
                "build",
                &[
                    ("package", package.as_ref(), hint),
                    ("path", path.as_ref(), hint),
                ],
            );
            let declared = raw
                .build
                .iter()
                .flatten()
                .map(|(name, _)| name.get().as_str());
            if !self.refer(build, "build", declared) {
                return None;
            }
            let recipe = builds.get(build.get()).map(|build| build.recipe);
            return Some(self.built(build.get(), recipe, binary.as_ref(), name));
        }
        if package.is_none() && path.is_none() && known.is_some_and(|known| known.name == "runc") {
            let mut makers = builds
                .iter()
                .filter(|(_, build)| build.recipe == Recipe::Runc);
            match (makers.next(), makers.next()) {
                (Some((maker, build)), None) => {
                    return Some(self.built(maker, Some(build.recipe), binary.as_ref(), name));
                }
                (Some((one, _)), Some((two, _))) => {
                    self.value(
                        name.span(),
                        format!("the builds `{one}` and `{two}` both make runc"),
                    )
                    .hint(format!("say which: `build = \"{one}\"`"));
                    return None;
                }
                (None, _) => {}
            }
        }
        self.only(
            "package",
            &[(
                "binary",
                binary.as_ref(),
                "it goes with `build`; in the node image `path` says it all",
            )],
        );
        let package = match (package, known) {
            (Some(package), _) => self.filled(package, "the package"),
            (None, Some(known)) => known.package.to_owned(),
            (None, None) => {
                self.problems
                    .at(
                        Kind::Missing,
                        at.span(),
                        "the sandboxer says nowhere to get its binary from",
                    )
                    .hint("add `build = \"…\"`, or `package = \"…\"` and `path = \"/usr/bin/…\"`");
                return None;
            }
        };
        let path = match (path, known) {
            (Some(path), _) => {
                self.in_guest(path);
                path.get().clone()
            }
            (None, Some(known)) => known.path.to_owned(),
            (None, None) => {
                self.required(None::<&Text>, at.span(), "path", "path = \"/usr/bin/…\"");
                return None;
            }
        };
        Some(SandboxerBinary::Package { package, path })
    }

    fn built(
        &mut self,
        build: &str,
        recipe: Option<Recipe>,
        binary: Option<&Text>,
        name: &Text,
    ) -> SandboxerBinary {
        let binary = match (binary, recipe) {
            (Some(binary), _) => {
                if binary.get().is_empty() || binary.get().contains('/') {
                    self.value(
                        binary.span(),
                        format!("`{}` is not a file name", binary.get()),
                    )
                    .hint("write the binary's name without folders");
                }
                binary.get().clone()
            }
            (None, Some(Recipe::Runc)) => "runc".to_owned(),
            (None, _) => name.get().clone(),
        };
        SandboxerBinary::Build {
            build: build.to_owned(),
            binary,
        }
    }

    fn need(&mut self, need: &Text) {
        if ["kvm", "nested-kvm"].contains(&need.get().as_str()) {
            return;
        }
        match need.get().strip_prefix("memory>=").map(parse_size) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.value(need.span(), error.message).hint(error.hint);
            }
            None => {
                self.value(
                    need.span(),
                    format!("`{}` is nothing a node can be asked for", need.get()),
                )
                .hint("there is `kvm`, `nested-kvm` and `memory>=8GiB`");
            }
        }
    }
}
