//! CRI-O: its configuration, its unit, the import of images into the store that it shares. Pure.

use toml::{Table, Value};

use super::{
    ConfigError, Kind, RUNTIME_DIR, RuntimeSpec, TEST_HANDLER,
    tables::{merge, nested, parse, table},
};
use crate::ignition::GuestFile;

/// CRI-O as a runtime under test.
#[derive(Clone, Copy, Debug)]
pub struct Crio;

/// After every other drop-in: a node variant may bring some of its own, and the lane's handler must win.
const CONFIG: &str = "/etc/crio/crio.conf.d/90-bellwether.conf";
/// Nothing here pulls; whoever does says with its own policy whom it trusts.
const POLICY: &str = r#"{ "default": [{ "type": "insecureAcceptAnything" }] }
"#;
/// What conmon and the OCI runtime find programs in.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Kind for Crio {
    fn name(&self) -> &'static str {
        "crio"
    }

    fn socket(&self) -> &'static str {
        "/var/run/crio/crio.sock"
    }

    fn packages(&self) -> &'static [&'static str] {
        &[
            "conmon",
            "golang-github-containers-common",
            "libgpgme11t64",
            "libsqlite3-0",
            "skopeo",
        ]
    }

    fn files(&self, spec: &RuntimeSpec) -> Result<Vec<GuestFile>, ConfigError> {
        Ok(vec![
            GuestFile::new(CONFIG, config(spec)?),
            GuestFile::new("/etc/containers/policy.json", POLICY),
        ])
    }

    fn service(&self) -> String {
        format!(
            "Type=notify
ExecStart={RUNTIME_DIR}/bin/crio
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
        // Unpacked once, for skopeo would do it again for each tag. What is there already is not copied again.
        r#"import() {
  layout=$(mktemp -d -p /var/tmp) && tar -xf "$1" -C "$layout" || return
  named=$(grep -o '"io.containerd.image.name":"[^"]*"' "$layout/index.json" | cut -d '"' -f 4)
  [ -n "$named" ] || { echo 'its index names no image'; rm -rf "$layout"; return 1; }
  for name in $named; do
    skopeo --insecure-policy copy --quiet "oci:$layout:${name##*:}" "containers-storage:$name" || { rm -rf "$layout"; return 1; }
  done
  rm -rf "$layout"
}
"#
    }

    fn monitor(&self, runtime_type: &str, binary: &str) -> Option<String> {
        match runtime_type {
            "vm" => Some(binary.rsplit('/').next()?.to_owned()),
            "pod" => Some("conmonrs".to_owned()),
            _ => Some("conmon".to_owned()),
        }
    }
}

/// CRI-O's configuration. Its programs conmon and pinns are found on its PATH, where built ones come first.
fn config(spec: &RuntimeSpec) -> Result<String, ConfigError> {
    let runtimes = Table::from_iter([(spec.handler.clone(), handler(spec)?)]);
    let crio = nested([
        ("api", nested([("listen", Value::from(Crio.socket()))])),
        (
            "runtime",
            nested([
                ("default_runtime", Value::from(spec.handler.as_str())),
                ("cgroup_manager", Value::from("systemd")),
                ("runtimes", Value::Table(runtimes)),
            ]),
        ),
        (
            "image",
            nested([
                ("pause_image", Value::from(spec.pause_image.as_str())),
                (
                    "signature_policy",
                    Value::from("/etc/containers/policy.json"),
                ),
            ]),
        ),
        (
            "network",
            nested([
                ("network_dir", Value::from("/etc/cni/net.d")),
                (
                    "plugin_dirs",
                    Value::from(vec![format!("{RUNTIME_DIR}/cni")]),
                ),
            ]),
        ),
    ]);
    let mut table = table([("crio", crio)]);
    for (what, text) in &spec.fragments {
        merge(&mut table, parse("CRI-O", what, text)?);
    }
    add_test_handler(&mut table, &spec.handler);
    Ok(table.to_string())
}

/// The handler again under the suite's name, with all that the fragments say of it.
fn add_test_handler(table: &mut Table, handler: &str) {
    let runtimes = table
        .get_mut("crio")
        .and_then(|crio| crio.get_mut("runtime"))
        .and_then(|runtime| runtime.get_mut("runtimes"))
        .and_then(Value::as_table_mut);
    if let Some(runtimes) = runtimes
        && let Some(served) = runtimes.get(handler).cloned()
    {
        runtimes.entry(TEST_HANDLER).or_insert(served);
    }
}

fn handler(spec: &RuntimeSpec) -> Result<Value, ConfigError> {
    let binary = spec.binary.as_str();
    let name = binary.rsplit('/').next().unwrap_or_default();
    let mut entry = table([
        ("runtime_path", Value::from(binary)),
        ("runtime_type", Value::from(spec.runtime_type.as_str())),
        // Each has a state folder of its own, so that nothing of another is taken for its own.
        ("runtime_root", Value::from(format!("/run/{name}"))),
    ]);
    if spec.runtime_type == "oci" {
        entry.insert("monitor_cgroup".into(), Value::from("pod"));
        entry.insert("monitor_env".into(), Value::from(vec![PATH]));
    }
    if let Some(text) = &spec.options {
        merge(&mut entry, parse("CRI-O", "handler's options", text)?);
    }
    Ok(Value::Table(entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{process::call, profile::Shape};

    fn crun() -> RuntimeSpec {
        RuntimeSpec {
            handler: "crun".into(),
            shape: Shape::OciRuntime,
            runtime_type: "oci".into(),
            binary: "/usr/bin/crun".into(),
            socket: None,
            options: None,
            pause_image: "registry.k8s.io/pause:3.10.2".into(),
            fragments: Vec::new(),
        }
    }

    #[test]
    fn a_binary_behind_conmon() {
        insta::assert_snapshot!(config(&crun()).unwrap());
    }

    #[test]
    fn a_shim_with_options_and_a_fragment_that_wins() {
        let spec = RuntimeSpec {
            handler: "kata".into(),
            shape: Shape::Shim,
            runtime_type: "vm".into(),
            binary: "/opt/kata/bin/containerd-shim-kata-v2".into(),
            options: Some("privileged_without_host_devices = true".into()),
            fragments: vec![(
                "user's fragment",
                "[crio.runtime]\nlog_level = 'debug'\n[crio.network]\nplugin_dirs = ['/opt/cni/bin']\n".into(),
            )],
            ..crun()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
        let broken = RuntimeSpec {
            options: Some("x = ".into()),
            ..crun()
        };
        let error = config(&broken).unwrap_err().to_string();
        assert!(error.contains("handler's options of CRI-O's"), "{error}");
    }

    proptest! {
        #[test]
        fn any_names_come_back_as_they_went_in(handler in "[a-z][a-z0-9-]{0,12}", binary in "/\\PC{1,20}") {
            let spec = RuntimeSpec { handler: handler.clone(), binary: binary.clone(), ..crun() };
            let table: Table = config(&spec).unwrap().parse().unwrap();
            let runtime = &table["crio"]["runtime"];
            prop_assert_eq!(runtime["default_runtime"].as_str(), Some(handler.as_str()));
            let runtimes = &runtime["runtimes"];
            prop_assert_eq!(runtimes[&handler]["runtime_path"].as_str(), Some(binary.as_str()));
            prop_assert_eq!(&runtimes["test-handler"], &runtimes[&handler]);
        }
    }

    /// skopeo gets each tag once, and the first word of it that fails is the import's.
    #[tokio::test]
    async fn every_tag_of_a_tar_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let script = format!(
            r#"cd {root}
skopeo() {{
  [ "$1 $2 $3" = '--insecure-policy copy --quiet' ] || exit 9
  case $5 in *refused*) echo 'FATA[0000] no room'; return 1 ;; esac
  [ -e "$(echo "$4" | cut -d : -f 2)/index.json" ] && echo "${{4##*:}} $5"
}}
{}
pack() {{ printf '%s' "$2" > index.json; tar -cf "$1" index.json; }}
pack two.tar '{{"manifests":[{{"annotations":{{"io.containerd.image.name":"r/a:1","x":"1"}}}},{{"annotations":{{"io.containerd.image.name":"r/a:2-x"}}}}]}}'
pack refused.tar '{{"annotations":{{"io.containerd.image.name":"r/refused:1"}}}}'
pack none.tar '{{}}'
for tar in two refused none; do import $tar.tar; echo "$tar $?"; done
ls -d /var/tmp/tmp.*/oci-layout 2>/dev/null; true
"#,
            Crio.import()
        );
        let output = call("sh").arg("-s").input(script).output().await.unwrap();
        assert_eq!(
            output.text(),
            "1 containers-storage:r/a:1\n2-x containers-storage:r/a:2-x\ntwo 0\nFATA[0000] no room\nrefused 1\nits index names no image\nnone 1\n"
        );
    }
}
