//! The wrapper module: how a module from a proxy is built with exactly its own dependencies. Pure.
//!
//! A module zip holds neither `vendor/` nor nested modules, and its `replace` lines do not count for others.
//! So an empty module of ours takes over its require and replace lines. Kubernetes' staging modules, which
//! its tree replaces by folders, are published beside it as `v0.<minor>.<patch>`.

use std::{collections::BTreeMap, fmt::Write as _};

use camino::Utf8Path;
use serde::Deserialize;

use super::version::Version;

/// A wrapper module cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WrapperError {
    /// The JSON is not what `go mod edit -json` writes.
    #[error("cannot read the module's go.mod: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A dependency lives in the tree and nowhere else.
    #[error(
        "{module} takes {dependency} from its own folder {folder}, which its module zip does not hold and which is not \
         published with it; build it from a git source"
    )]
    LocalReplace {
        /// The module.
        module: String,
        /// What it needs.
        dependency: String,
        /// Where its tree has it.
        folder: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GoMod {
    go: Option<String>,
    toolchain: Option<String>,
    #[serde(default)]
    go_debug: Option<Vec<Setting>>,
    #[serde(default)]
    require: Option<Vec<Module>>,
    #[serde(default)]
    exclude: Option<Vec<Module>>,
    #[serde(default)]
    replace: Option<Vec<Replace>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Setting {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replace {
    old: Module,
    new: Module,
}

/// What a wrapper takes its module from.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// The module proxy.
    Proxy,
    /// A folder that holds the module; its local replaces are used where they exist below it.
    Folder {
        /// The folder, absolute.
        folder: &'a Utf8Path,
        /// The folders, relative to it, that its replaces name and that exist.
        present: &'a [String],
    },
}

/// The wrapper's go.mod for `module` at `version`, from what `go mod edit -json` says of the module's own.
///
/// # Errors
/// When that is unreadable, or needs a folder that is not there.
pub fn go_mod(
    edit_json: &str,
    module: &str,
    version: &str,
    from: From<'_>,
) -> Result<String, WrapperError> {
    let own: GoMod = serde_json::from_str(edit_json)?;
    let staging = staging_version(module, version);
    let mut replaced = BTreeMap::new();
    let mut lines = Vec::new();
    for replace in own.replace.unwrap_or_default() {
        let target = &replace.new.path;
        let target = if replace.new.version.is_some() || target.starts_with('/') {
            text(&replace.new)
        } else if let From::Folder { folder, present } = from
            && present.iter().any(|path| path == target)
        {
            folder.join(target.trim_start_matches("./")).into_string()
        } else if let Some(staging) = staging.as_ref().filter(|_| target.contains("/staging/")) {
            replaced.insert(replace.old.path.clone(), staging.clone());
            format!("{} {staging}", replace.old.path)
        } else {
            return Err(WrapperError::LocalReplace {
                module: module.to_owned(),
                dependency: replace.old.path,
                folder: target.clone(),
            });
        };
        lines.push(format!("replace {} => {target}", text(&replace.old)));
    }
    let mut wrapper = String::from("module bellwether.invalid/wrapper\n\n");
    let mut line = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(wrapper, "{text}");
    };
    if let Some(go) = own.go {
        line(format!("go {go}"));
    }
    if let Some(toolchain) = own.toolchain {
        line(format!("toolchain {toolchain}"));
    }
    for setting in own.go_debug.unwrap_or_default() {
        line(format!("godebug {}={}", setting.key, setting.value));
    }
    line(format!("require {module} {version}"));
    if let From::Folder { folder, .. } = from {
        line(format!("replace {module} => {folder}"));
    }
    for require in own.require.unwrap_or_default() {
        let version = replaced.get(&require.path).or(require.version.as_ref());
        line(format!(
            "require {} {}",
            require.path,
            version.map_or("", String::as_str)
        ));
    }
    for exclude in own.exclude.unwrap_or_default() {
        line(format!("exclude {}", text(&exclude)));
    }
    for replace in lines {
        line(replace);
    }
    Ok(wrapper)
}

/// The folders that the module's replaces name, as written there.
///
/// # Errors
/// When the JSON is unreadable.
pub fn local_replaces(edit_json: &str) -> Result<Vec<String>, WrapperError> {
    let own: GoMod = serde_json::from_str(edit_json)?;
    let replaces = own.replace.unwrap_or_default().into_iter();
    let local = replaces.filter(|replace| replace.new.version.is_none());
    Ok(local.map(|replace| replace.new.path).collect())
}

fn text(module: &Module) -> String {
    match &module.version {
        Some(version) => format!("{} {version}", module.path),
        None => module.path.clone(),
    }
}

/// `v1.36.3` of Kubernetes is `v0.36.3` of each staging module.
fn staging_version(module: &str, version: &str) -> Option<String> {
    let parsed = Version::parse(version)?;
    let pre = if parsed.is_release() {
        String::new()
    } else {
        format!("-{}", parsed.pre)
    };
    (module == "k8s.io/kubernetes").then(|| format!("v0.{}.{}{pre}", parsed.minor, parsed.patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBERNETES: &str =
        include_str!("../../tests/fixtures/source/kubernetes-1.36.3.gomod.json");
    const CONTAINERD: &str =
        include_str!("../../tests/fixtures/source/containerd-2.4.2.gomod.json");

    #[test]
    fn kubernetes() {
        insta::assert_snapshot!(
            go_mod(KUBERNETES, "k8s.io/kubernetes", "v1.36.3", From::Proxy).unwrap()
        );
    }

    #[test]
    fn containerd() {
        insta::assert_snapshot!(
            go_mod(
                CONTAINERD,
                "github.com/containerd/containerd/v2",
                "v2.4.2",
                From::Proxy
            )
            .unwrap()
        );
    }

    #[test]
    fn pre_releases_have_pre_released_staging_modules() {
        let wrapper = go_mod(
            KUBERNETES,
            "k8s.io/kubernetes",
            "v1.37.0-alpha.1",
            From::Proxy,
        )
        .unwrap();
        assert!(wrapper.contains("replace k8s.io/api => k8s.io/api v0.37.0-alpha.1\n"));
        assert!(wrapper.contains("require k8s.io/api v0.37.0-alpha.1\n"));
        assert!(!wrapper.contains("v0.0.0\n"));
    }

    #[test]
    fn a_folder_is_used_as_it_is() {
        let present = ["./staging/src/k8s.io/api".to_owned()];
        let from = From::Folder {
            folder: "/src/k8s".into(),
            present: &present,
        };
        let wrapper = go_mod(KUBERNETES, "k8s.io/kubernetes", "v1.36.3", from).unwrap();
        assert!(wrapper.contains("replace k8s.io/kubernetes => /src/k8s\n"));
        assert!(wrapper.contains("replace k8s.io/api => /src/k8s/staging/src/k8s.io/api\n"));
        assert!(wrapper.contains("replace k8s.io/kubelet => k8s.io/kubelet v0.36.3\n"));
    }

    #[test]
    fn a_nested_module_of_another_project_is_refused() {
        let json = r#"{"Module":{"Path":"example.org/x"},"Go":"1.24","Replace":[{"Old":{"Path":"example.org/x/api"},"New":{"Path":"./api"}}]}"#;
        let error = go_mod(json, "example.org/x", "v1.0.0", From::Proxy).unwrap_err();
        assert!(error.to_string().contains("./api"), "{error}");
        assert_eq!(local_replaces(json).unwrap(), ["./api"]);
    }
}
