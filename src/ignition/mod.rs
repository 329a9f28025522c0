//! Ignition: a node configuration in, a typed and validated Ignition config out.
//!
//! Owns: generation, the user's fragments and their merge, rendering. Pure. Must not: know what a runtime
//! or a suite is; they hand over files and units.

mod node;

pub use node::{GuestFile, GuestUnit, NodeConfig};

/// The Ignition config of a node.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn generate(config: &NodeConfig) -> Result<String, serde_json::Error> {
    use serde_json::json;
    let encode = |text: &str| {
        format!(
            "data:,{}",
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        )
    };
    let mut files = vec![
        GuestFile::new("/etc/hostname", format!("{}\n", config.hostname)),
        GuestFile::new(
            "/etc/hosts",
            format!("127.0.0.1 localhost\n10.0.2.15 {}\n", config.hostname),
        ),
        GuestFile::new(
            "/etc/systemd/network/10-node.network",
            "[Match]\nName=en*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        ),
    ];
    files.extend(config.files.iter().cloned());
    let files: Vec<_> = files
        .iter()
        .map(|file| json!({"path": file.path, "mode": file.mode, "overwrite": true, "contents": {"source": encode(&file.contents)}}))
        .collect();
    let mut units: Vec<_> = config
        .units
        .iter()
        .map(|unit| {
            let mut json = json!({"name": unit.name});
            if let Some(contents) = &unit.contents {
                json["contents"] = json!(contents);
            }
            if unit.enabled {
                json["enabled"] = json!(true);
            }
            if unit.mask {
                json["mask"] = json!(true);
            }
            json
        })
        .collect();
    units.push(json!({"name": "bellwether-journal.service", "enabled": true, "contents": "[Unit]\nConditionPathExists=/dev/virtio-ports/bellwether.journal\n[Service]\nExecStart=/bin/sh -c 'exec journalctl -b -f -n all -o short-iso-precise > /dev/virtio-ports/bellwether.journal'\nRestart=on-failure\n[Install]\nWantedBy=multi-user.target\n"}));
    serde_json::to_string_pretty(&json!({
        "ignition": {"version": "3.3.0"},
        "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": [config.ssh_public_key]}]},
        "storage": {"files": files},
        "systemd": {"units": units},
    }))
}
