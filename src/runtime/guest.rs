//! What containerd needs in the guest: mounts of the payloads, its unit, its network; and the import of images. Pure.

use std::time::Duration;

use super::{KUBERNETES_DIR, RUNTIME_DIR};
use crate::{
    ignition::{GuestFile, GuestUnit},
    process::quote,
};

/// Units without which a node cannot run any suite.
pub const REQUIRED_UNITS: [&str; 2] = ["opt-bellwether-runtime.mount", "containerd.service"];

/// The serial of the payload that a node boots with.
pub const RUNTIME_SERIAL: &str = "runtime";
/// The serial of the payload that is plugged into a node that is ready.
pub const KUBERNETES_SERIAL: &str = "kubernetes";

/// A disk that the machine has is there when udev has run; a longer wait only hides that it is missing.
const DISK_SECONDS: u32 = 45;

/// Files of a containerd node; `config` is the text of [`super::config`].
#[must_use]
pub fn guest_files(config: &str) -> Vec<GuestFile> {
    let device = r"/etc/systemd/system/dev-disk-by\x2did-virtio\x2druntime.device.d/timeout.conf";
    vec![
        GuestFile::new("/etc/containerd/config.toml", config),
        GuestFile::new("/etc/cni/net.d/10-bellwether.conflist", CONFLIST),
        GuestFile::new(
            "/etc/modules-load.d/bellwether-containerd.conf",
            "overlay\nbr_netfilter\n",
        ),
        GuestFile::new(
            "/etc/sysctl.d/60-bellwether-containerd.conf",
            "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
        ),
        GuestFile::new(
            device,
            format!("[Unit]\nJobRunningTimeoutSec={DISK_SECONDS}\n"),
        ),
    ]
}

/// Units of a containerd node.
#[must_use]
pub fn guest_units() -> Vec<GuestUnit> {
    vec![
        mount(RUNTIME_SERIAL, RUNTIME_DIR, "multi-user.target"),
        // Mounted whenever its disk is plugged in.
        mount(
            KUBERNETES_SERIAL,
            KUBERNETES_DIR,
            r"dev-disk-by\x2did-virtio\x2dkubernetes.device",
        ),
        GuestUnit::enabled("containerd.service", containerd()),
    ]
}

fn mount(serial: &str, folder: &str, wanted_by: &str) -> GuestUnit {
    // The disk holds one read-only ext4 file system, without a journal to replay.
    let text = format!(
        "[Unit]
Description=Payload {serial}

[Mount]
What=/dev/disk/by-id/virtio-{serial}
Where={folder}
Type=ext4
Options=ro,noload

[Install]
WantedBy={wanted_by}
"
    );
    GuestUnit::enabled(format!("opt-bellwether-{serial}.mount"), text)
}

fn containerd() -> String {
    format!(
        "[Unit]
Description=containerd under test
After=network.target dbus.service systemd-modules-load.service systemd-sysctl.service opt-bellwether-runtime.mount
Requires=opt-bellwether-runtime.mount

[Service]
Type=notify
Environment=PATH={RUNTIME_DIR}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
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

[Install]
WantedBy=multi-user.target
"
    )
}

/// A bridge with masquerading and host ports. The firewall plugin lets pods through where the host's policy drops.
const CONFLIST: &str = r#"{
  "cniVersion": "1.0.0",
  "name": "bellwether",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": true,
      "promiscMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "10.88.0.0/16" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "firewall" }
  ]
}
"#;

/// A shell script that waits until Kubernetes' payload, which was plugged in, is mounted; and says what the node knows of it
/// if that takes longer than `limit`. `root` stands before every guest path.
#[must_use]
pub fn mounted_script(root: &str, limit: Duration) -> String {
    let folder = quote(&format!("{root}{KUBERNETES_DIR}/bin"));
    format!(
        "n=0
until [ -e {folder} ]; do
  n=$((n+1))
  if [ $n -gt {} ]; then
    ls -l /dev/disk/by-id >&2
    systemctl status --no-pager --lines=5 opt-bellwether-kubernetes.mount >&2
    echo 'the disk was plugged in, and is not mounted' >&2
    exit 1
  fi
  sleep 0.1
done
",
        limit.as_secs() * 10
    )
}

/// A shell script that imports every image tar of the payload that is mounted at `payload`, and fails naming each that it
/// could not. `root` stands before every guest path.
#[must_use]
pub fn import_script(root: &str, payload: &str) -> String {
    let images = quote(&format!("{root}{payload}/images"));
    let bin = quote(&format!("{root}{RUNTIME_DIR}/bin"));
    format!(
        "PATH={bin}:$PATH
failed=0
found=0
for tar in {images}/*.tar; do
  [ -e \"$tar\" ] || continue
  found=$((found+1))
  if ! said=$(ctr -n k8s.io images import --local=true \"$tar\" 2>&1); then
    echo \"cannot import ${{tar##*/}}: $(echo \"$said\" | tail -n 1)\" >&2
    failed=$((failed+1))
  fi
done
if [ $found -eq 0 ]; then
  echo 'there is no image tar in '{images} >&2
  exit 1
fi
echo \"$((found-failed)) of $found images imported\"
[ $failed -eq 0 ]
"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8Path;
    use fs_err as fs;

    use super::*;
    use crate::process::call;

    #[test]
    fn the_units_of_a_node() {
        let text: Vec<String> = guest_units()
            .iter()
            .map(|unit| {
                format!(
                    "# {}\n{}",
                    unit.name,
                    unit.contents.as_deref().unwrap_or("")
                )
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"));
        let names: Vec<String> = guest_units().into_iter().map(|unit| unit.name).collect();
        for unit in REQUIRED_UNITS {
            assert!(names.iter().any(|name| name == unit), "{unit}");
        }
    }

    #[test]
    fn the_network_is_json_and_every_path_is_absolute() {
        let files = guest_files("version = 3\n");
        assert!(files.iter().all(|file| file.path.starts_with('/')));
        let network: serde_json::Value = serde_json::from_str(CONFLIST).unwrap();
        let kinds: Vec<&str> = network["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|plugin| plugin["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["bridge", "portmap", "firewall"]);
    }

    async fn import(tars: &[&str]) -> crate::process::Output {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let bin = root.join("opt/bellwether/runtime/bin");
        let images = root.join("opt/bellwether/kubernetes/images");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&images).unwrap();
        for tar in tars {
            fs::write(images.join(tar), "").unwrap();
        }
        let ctr = bin.join("ctr");
        let text = "#!/bin/sh\n[ \"$1 $2 $3 $4 $5\" = '-n k8s.io images import --local=true' ] || exit 9\ncase $6 in *bad*) echo one; echo 'ctr: unrecognized image format' >&2; exit 1;; esac\n";
        fs::write(&ctr, text).unwrap();
        fs::set_permissions(&ctr, std::fs::Permissions::from_mode(0o755)).unwrap();
        call("sh")
            .arg("-s")
            .input(import_script(root.as_str(), KUBERNETES_DIR))
            .output()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_payload_is_waited_for_and_missed() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let limit = Duration::from_secs(1);
        let wait = || {
            call("sh")
                .arg("-s")
                .input(mounted_script(root.as_str(), limit))
        };
        let missed = wait().output().await.unwrap();
        assert_eq!(missed.status, Some(1));
        assert!(
            missed.stderr.ends_with("is not mounted\n"),
            "{}",
            missed.stderr
        );
        fs::create_dir_all(root.join("opt/bellwether/kubernetes/bin")).unwrap();
        assert_eq!(wait().output().await.unwrap().status, Some(0));
    }

    #[tokio::test]
    async fn each_image_that_cannot_be_imported_is_named() {
        let good = import(&["a.tar", "b c.tar"]).await;
        assert_eq!(
            (good.text().as_str(), good.status),
            ("2 of 2 images imported\n", Some(0))
        );
        let bad = import(&["a.tar", "bad.tar", "bad2.tar"]).await;
        assert_eq!(bad.status, Some(1));
        assert_eq!(
            bad.stderr,
            "cannot import bad.tar: ctr: unrecognized image format\ncannot import bad2.tar: ctr: unrecognized image format\n"
        );
        let none = import(&[]).await;
        assert_eq!(none.status, Some(1));
        assert!(none.stderr.contains("no image tar"), "{}", none.stderr);
    }
}
