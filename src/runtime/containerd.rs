//! containerd's configuration, version 3. Pure.

use toml::{Table, Value};

use super::{CONTAINERD_SOCKET, RUNTIME_DIR};

/// What containerd is set up for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSpec {
    /// The CRI runtime handler under test; pods that name no handler get it.
    pub handler: String,
    /// Its runtime type, such as `io.containerd.runc.v2`.
    pub runtime_type: String,
    /// Its binary in the guest, where the runtime type takes one.
    pub binary: Option<String>,
    /// Its options beside the generated ones, as TOML text.
    pub options: Option<String>,
    /// The pause image's full tag.
    pub pause_image: String,
    /// The user's fragment, merged over all of it, as TOML text.
    pub fragment: Option<String>,
}

/// A text of the profile's is no TOML.
#[derive(Debug, thiserror::Error)]
#[error("the {what} of containerd's configuration is no TOML: {source}")]
pub struct ConfigError {
    /// Which text.
    what: String,
    /// Why.
    source: toml::de::Error,
}

const RUNTIME: &str = "io.containerd.cri.v1.runtime";
const IMAGES: &str = "io.containerd.cri.v1.images";
/// The only family of shims that takes `BinaryName` and `SystemdCgroup`.
const RUNC_SHIM: &str = "io.containerd.runc.";

/// containerd's `config.toml`.
///
/// # Errors
/// When the handler's options or the user's fragment are no TOML.
pub fn config(spec: &RuntimeSpec) -> Result<String, ConfigError> {
    let handler = handler(spec)?;
    // The node suite asks for this name in its RuntimeClass specs; it must be served by what is under test.
    let mut runtimes = Table::from_iter([("test-handler".to_owned(), handler.clone())]);
    runtimes.insert(spec.handler.clone(), handler);
    let mut table = table([
        ("version", Value::from(3)),
        ("root", Value::from("/var/lib/containerd")),
        ("state", Value::from("/run/containerd")),
        (
            "grpc",
            nested([("address", Value::from(CONTAINERD_SOCKET))]),
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
    if let Some(text) = &spec.fragment {
        merge(&mut table, parse("user's fragment", text)?);
    }
    Ok(table.to_string())
}

fn handler(spec: &RuntimeSpec) -> Result<Value, ConfigError> {
    let mut options = Table::new();
    if spec.runtime_type.starts_with(RUNC_SHIM) {
        options.insert("SystemdCgroup".into(), Value::from(true));
        if let Some(binary) = &spec.binary {
            options.insert("BinaryName".into(), Value::from(binary.as_str()));
        }
    }
    if let Some(text) = &spec.options {
        merge(&mut options, parse("handler's options", text)?);
    }
    let mut entry = table([("runtime_type", Value::from(spec.runtime_type.as_str()))]);
    if !options.is_empty() {
        entry.insert("options".into(), Value::Table(options));
    }
    Ok(Value::Table(entry))
}

fn parse(what: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|source| ConfigError {
        what: what.to_owned(),
        source,
    })
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn nested<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(table(entries))
}

/// Tables merge key by key; anything else is replaced, lists too.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runc() -> RuntimeSpec {
        RuntimeSpec {
            handler: "crun".into(),
            runtime_type: "io.containerd.runc.v2".into(),
            binary: Some("/usr/bin/crun".into()),
            options: None,
            pause_image: "registry.k8s.io/pause:3.10.2".into(),
            fragment: None,
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
            runtime_type: "io.containerd.runsc.v1".into(),
            binary: None,
            options: Some("TypeUrl = \"io.containerd.runsc.v1.options\"".into()),
            ..runc()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
    }

    #[test]
    fn the_user_s_fragment_wins_key_by_key() {
        let fragment = "[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/opt/cni/bin']\n[debug]\nlevel = 'debug'\n";
        let spec = RuntimeSpec {
            fragment: Some(fragment.into()),
            ..runc()
        };
        insta::assert_snapshot!(config(&spec).unwrap());
        let broken = RuntimeSpec {
            fragment: Some("[plugins".into()),
            ..runc()
        };
        let error = config(&broken).unwrap_err().to_string();
        assert!(error.contains("user's fragment"), "{error}");
    }

    proptest! {
        #[test]
        fn any_names_come_back_as_they_went_in(handler in "[a-z][a-z0-9-]{0,12}", binary in "/\\PC{1,20}") {
            let spec = RuntimeSpec { handler: handler.clone(), binary: Some(binary.clone()), ..runc() };
            let table: Table = config(&spec).unwrap().parse().unwrap();
            let runtime = &table["plugins"][RUNTIME]["containerd"];
            prop_assert_eq!(runtime["default_runtime_name"].as_str(), Some(handler.as_str()));
            let runtimes = &runtime["runtimes"];
            prop_assert_eq!(runtimes[&handler]["options"]["BinaryName"].as_str(), Some(binary.as_str()));
            prop_assert_eq!(&runtimes["test-handler"], &runtimes[&handler]);
        }
    }
}
