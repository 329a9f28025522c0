//! One node configuration, put together from what each station wants in the guest.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    ignition::{self, NodeConfig},
    model::Digest,
    process::{ProcessError, call},
    profile::{Node, Profile, Sandboxer, SandboxerBinary},
    runtime::{
        self, Kind,
        identity::{Expected, Origin},
    },
    suite::NodeFacts,
};

/// Every guest's host name and Kubernetes node name. Machines have networks of their own, so one name serves all.
pub const NAME: &str = "node1";

/// The key by which bellwether enters its machines.
#[derive(Clone, Debug)]
pub struct SshKey {
    /// The public half, as one line.
    pub public: String,
    /// The private half's file.
    pub private: Utf8PathBuf,
}

/// The host's own key, made on first use. It stays in the state folder: a run directory is published.
///
/// # Errors
/// When `ssh-keygen` fails or its files cannot be read.
pub async fn ssh_key(state: &Utf8Path) -> Result<SshKey, ProcessError> {
    let folder = state.join("ssh");
    let private = folder.join("id_ed25519");
    let lost = |source| ProcessError::Lost {
        program: "ssh-keygen".to_owned(),
        source,
    };
    if !private.exists() {
        fs::create_dir_all(&folder).map_err(lost)?;
        let own = tempfile::tempdir_in(&folder).map_err(lost)?;
        let fresh = Utf8PathBuf::from_path_buf(own.path().join("key")).unwrap_or_default();
        call("ssh-keygen")
            .args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "bellwether",
                "-f",
                fresh.as_str(),
            ])
            .run()
            .await?;
        // The private half last: who finds it finds the public one too, also when two make a key at once.
        fs::rename(format!("{fresh}.pub"), format!("{private}.pub")).map_err(lost)?;
        fs::rename(&fresh, &private).map_err(lost)?;
    }
    let public = fs::read_to_string(format!("{private}.pub")).map_err(lost)?;
    Ok(SshKey {
        public: public.trim().to_owned(),
        private,
    })
}

/// The configuration of a lane's node.
///
/// # Errors
/// When the runtime's configuration cannot be made, for instance because the profile's fragment is no TOML.
pub fn config(
    profile: &Profile,
    node: &Node,
    sandboxer: &Sandboxer,
    pause: &str,
    public_key: &str,
) -> Result<NodeConfig, runtime::ConfigError> {
    let kind = runtime::kind(profile.runtime.kind);
    let mut files = runtime::guest_files(kind, &runtime::spec(profile, sandboxer, pause))?;
    files.extend(runtime::sandboxer_files(profile, sandboxer));
    let mut units = runtime::guest_units(kind);
    units.extend(runtime::sandboxer_units(profile, sandboxer));
    units.extend(ignition::mounts(&node.disks));
    Ok(NodeConfig {
        hostname: NAME.to_owned(),
        ssh_public_key: public_key.to_owned(),
        files,
        units,
        fragments: node
            .ignition
            .iter()
            .filter_map(|path| Some((path.to_string(), profile.files.get(path)?.clone())))
            .collect(),
    })
}

/// What the suite must know of the node.
#[must_use]
pub fn facts(root: &str, runtime: &dyn Kind, sandboxer: &Sandboxer) -> NodeFacts {
    NodeFacts {
        root: root.to_owned(),
        runtime_endpoint: format!("unix://{root}{}", runtime.socket()),
        runtime_unit: runtime.unit(),
        handler: sandboxer.handler.clone(),
        node_name: NAME.to_owned(),
        kubernetes_dir: runtime::KUBERNETES_DIR.to_owned(),
        bin_dirs: vec![format!("{}/bin", runtime::RUNTIME_DIR)],
        ports: true,
    }
}

/// What a lane says serves its pods. `builds` are the folders of what the node's runtime disk was made from: a digest
/// taken there cannot be changed by anything on the node.
///
/// # Errors
/// When the built binary cannot be read.
pub async fn expected(
    runtime: &dyn Kind,
    sandboxer: &Sandboxer,
    builds: &[Utf8PathBuf],
) -> Result<Expected, std::io::Error> {
    let origin = match &sandboxer.binary {
        SandboxerBinary::Package { package, .. } => Origin::Package {
            package: package.clone(),
        },
        SandboxerBinary::Build { build, binary } => {
            let files = builds.iter().map(|folder| folder.join("bin").join(binary));
            match files.into_iter().find(|file| file.exists()) {
                Some(file) => Origin::Build {
                    build: build.clone(),
                    sha256: Digest::of(&tokio::fs::read(file).await?).to_string(),
                },
                None => Origin::Unknown,
            }
        }
    };
    let path = runtime::guest_binary(sandboxer);
    Ok(Expected {
        sandboxer: sandboxer.name.clone(),
        handler: sandboxer.handler.clone(),
        shape: sandboxer.shape(),
        shim: runtime.monitor(&sandboxer.runtime_type, &path),
        path,
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ignition, profile};

    /// What CRI-O's own node jobs bring comes before the lane's configuration, which says the last word.
    #[test]
    fn upstream_s_configs_are_node_variants_of_a_cri_o_node() {
        let fixtures = [
            include_str!("../../tests/fixtures/ignition/crio.ign"),
            include_str!("../../tests/fixtures/ignition/crio_splitfs.ign"),
            include_str!("../../tests/fixtures/ignition/crio_swap1g.ign"),
            include_str!("../../tests/fixtures/ignition/crio_userns.ign"),
        ];
        let mut profile = profile::load("cri-o", &profile::Overrides::default()).unwrap();
        for text in fixtures {
            profile.files.insert("theirs.ign".into(), text.to_owned());
            profile.nodes[0].ignition = vec!["theirs.ign".into()];
            let (node, sandboxer) = (&profile.nodes[0], &profile.sandboxers[1]);
            let made =
                config(&profile, node, sandboxer, "r/pause:1", "ssh-ed25519 AAAA x").unwrap();
            let json: serde_json::Value =
                serde_json::from_str(&ignition::generate(&made).unwrap()).unwrap();
            let files = json["storage"]["files"].as_array().unwrap();
            let conf = files.iter().filter_map(|file| {
                file["path"]
                    .as_str()?
                    .strip_prefix("/etc/crio/crio.conf.d/")
            });
            assert_eq!(conf.max(), Some("90-bellwether.conf"));
            let units = json["systemd"]["units"].as_array().unwrap();
            assert!(units.iter().any(|unit| unit["name"] == "crio.service"));
        }
    }
}
