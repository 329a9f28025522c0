//! containerd: its configuration, version 3, its unit, the import of images. Pure.

use toml::{Table, Value};

use super::{
    ConfigError, Kind, RUNTIME_DIR, RuntimeSpec, TEST_HANDLER,
    tables::{merge, nested, parse, table},
};
use crate::{
    ignition::GuestFile,
    profile::{Profile, Shape},
};

/// containerd as a runtime under test.
#[derive(Clone, Copy, Debug)]
pub struct Containerd;

impl Kind for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn socket(&self) -> &'static str {
        "/run/containerd/containerd.sock"
    }

    fn packages(&self) -> &'static [&'static str] {
        &[]
    }

    fn files(&self, spec: &RuntimeSpec) -> Result<Vec<GuestFile>, ConfigError> {
        Ok(vec![GuestFile::new(
            "/etc/containerd/config.toml",
            config(spec)?,
        )])
    }

    fn service(&self) -> String {
        format!(
            "Type=notify
ExecStart={RUNTIME_DIR}/bin/containerd
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=1048576
TasksMax=infinity
OOMScoreAdjust=-999
TimeoutStartSec=300
"
        )
    }

    fn import(&self) -> &'static str {
        "import() {
  ctr -n k8s.io images import --local=true \"$1\"
}
"
    }

    fn monitor(&self, runtime_type: &str, _binary: &str) -> Option<String> {
        // It finds a shim by its runtime type: `io.containerd.runsc.v1` is `containerd-shim-runsc-v1`.
        let kind = runtime_type.strip_prefix("io.containerd.")?;
        Some(format!("containerd-shim-{}", kind.replace('.', "-")))
    }

    /// It tells the kubelet the cgroup driver of the first handler with runc's options, whatever the kubelet's own
    /// configuration says.
    fn notes(&self, profile: &Profile) -> Vec<String> {
        let others: Vec<&str> = (profile.sandboxers.iter())
            .filter(|sandboxer| sandboxer.shape() != Shape::OciRuntime)
            .map(|sandboxer| sandboxer.name.as_str())
            .collect();
        if others.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "{}: no handler on these nodes has runc's options, so containerd gives the kubelet the cgroup driver cgroupfs",
            others.join(", ")
        )]
    }
}

const RUNTIME: &str = "io.containerd.cri.v1.runtime";
const IMAGES: &str = "io.containerd.cri.v1.images";
/// containerd's `config.toml`.
///
/// # Errors
/// When the handler's options or a fragment are no TOML.
fn config(spec: &RuntimeSpec) -> Result<String, ConfigError> {
    let runtimes = Table::from_iter([(spec.handler.clone(), handler(spec)?)]);
    let mut table = table([
        ("version", Value::from(3)),
        ("root", Value::from("/var/lib/containerd")),
        ("state", Value::from("/run/containerd")),
        (
            "grpc",
            nested([("address", Value::from(Containerd.socket()))]),
        ),
        (
            "plugins",
            nested([
                (
                    IMAGES,
                    nested([(
                        "pinned_images",
                        nested([("sandbox", Value::from(spec.pause_image.as_str()))]),
                    )]),
                ),
                (
                    RUNTIME,
                    nested([
                        (
                            "containerd",
                            nested([
                                ("default_runtime_name", Value::from(spec.handler.as_str())),
                                ("runtimes", Value::Table(runtimes)),
                            ]),
                        ),
                        (
                            "cni",
                            nested([
                                ("bin_dirs", Value::from(vec![format!("{RUNTIME_DIR}/cni")])),
                                ("conf_dir", Value::from("/etc/cni/net.d")),
                            ]),
                        ),
                    ]),
                ),
            ]),
        ),
    ]);
    if let Some(socket) = &spec.socket {
        let plugin = nested([
            ("type", Value::from("sandbox")),
            ("address", Value::from(socket.as_str())),
        ]);
        let plugins = Table::from_iter([(spec.handler.clone(), plugin)]);
        table.insert("proxy_plugins".into(), Value::Table(plugins));
    }
    for (what, text) in &spec.fragments {
        merge(&mut table, parse("containerd", what, text)?);
    }
    add_test_handler(&mut table, &spec.handler);
    Ok(table.to_string())
}

/// The handler again under the suite's name, with all that the fragments say of it.
fn add_test_handler(table: &mut Table, handler: &str) {
    let runtimes = table
        .get_mut("plugins")
        .and_then(|plugins| plugins.get_mut(RUNTIME))
        .and_then(|runtime| runtime.get_mut("containerd"))
        .and_then(|containerd| containerd.get_mut("runtimes"))
        .and_then(Value::as_table_mut);
    if let Some(runtimes) = runtimes
        && let Some(served) = runtimes.get(handler).cloned()
    {
        runtimes.entry(TEST_HANDLER).or_insert(served);
    }
}

fn handler(spec: &RuntimeSpec) -> Result<Value, ConfigError> {
    let mut options = Table::new();
    // Other shims have options of their own.
    if spec.shape == Shape::OciRuntime {
        options.insert("SystemdCgroup".into(), Value::from(true));
        options.insert("BinaryName".into(), Value::from(spec.binary.as_str()));
    }
    if let Some(text) = &spec.options {
        merge(
            &mut options,
            parse("containerd", "handler's options", text)?,
        );
    }
    let mut entry = table([("runtime_type", Value::from(spec.runtime_type.as_str()))]);
    if spec.shape == Shape::Controller {
        entry.insert("sandboxer".into(), Value::from(spec.handler.as_str()));
    }
    if !options.is_empty() {
        entry.insert("options".into(), Value::Table(options));
    }
    Ok(Value::Table(entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile;

    fn runc() -> RuntimeSpec {
        RuntimeSpec {
            handler: "crun".into(),
            shape: Shape::OciRuntime,
            runtime_type: "io.containerd.runc.v2".into(),
            binary: "/usr/bin/crun".into(),
            socket: None,
            options: None,
            pause_image: "registry.k8s.io/pause:3.10.2".into(),
            fragments: Vec::new(),
        }
    }

    #[test]
    fn a_binary_behind_the_runc_shim() {
        insta::assert_snapshot!(config(&runc()).unwrap());
    }

    #[test]
    fn a_shim_of_its_own() {
        let spec = RuntimeSpec {
            handler: "runsc".into(),
            shape: Shape::Shim,
            runtime_type: "io.containerd.runsc.v1".into(),
            options: Some("TypeUrl = \"io.containerd.runsc.v1.options\"".into()),
            ..runc()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
    }

    #[test]
    fn a_sandbox_controller_is_a_proxy_plugin_and_its_fragment_holds_for_both_names() {
        let fragment = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kuasar-vmm]\nio_type = 'streaming'\n";
        let spec = RuntimeSpec {
            handler: "kuasar-vmm".into(),
            shape: Shape::Controller,
            runtime_type: "io.containerd.kuasar-vmm.v1".into(),
            socket: Some("/run/vmm-sandboxer.sock".into()),
            fragments: vec![("sandboxer's fragment", fragment.into())],
            ..runc()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
    }

    #[test]
    fn the_user_s_fragment_wins_key_by_key() {
        let fragment = "[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/opt/cni/bin']\n[debug]\nlevel = 'debug'\n";
        let spec = RuntimeSpec {
            fragments: vec![("user's fragment", fragment.into())],
            ..runc()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
        let broken = RuntimeSpec {
            fragments: vec![("user's fragment", "[plugins".into())],
            ..runc()
        };
        let error = config(&broken).unwrap_err().to_string();
        assert!(error.contains("user's fragment"), "{error}");
    }

    #[test]
    fn handlers_without_runc_s_options_are_noted() {
        let load = |name: &str| profile::load(name, &profile::Overrides::default()).unwrap();
        assert_eq!(Containerd.notes(&load("quickstart")), [""; 0]);
        let notes = Containerd.notes(&load("sandboxers"));
        assert!(notes[0].starts_with("gvisor: "), "{notes:?}");
    }

    proptest! {
        #[test]
        fn any_names_come_back_as_they_went_in(handler in "[a-z][a-z0-9-]{0,12}", binary in "/\\PC{1,20}") {
            let spec = RuntimeSpec { handler: handler.clone(), binary: binary.clone(), ..runc() };
            let table: Table = config(&spec).unwrap().parse().unwrap();
            let runtime = &table["plugins"][RUNTIME]["containerd"];
            prop_assert_eq!(runtime["default_runtime_name"].as_str(), Some(handler.as_str()));
            let runtimes = &runtime["runtimes"];
            prop_assert_eq!(runtimes[&handler]["options"]["BinaryName"].as_str(), Some(binary.as_str()));
            prop_assert_eq!(&runtimes["test-handler"], &runtimes[&handler]);
        }
    }
}
