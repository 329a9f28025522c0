//! Whole configs: the base, and four that a real project uses.

use ignition_config::v3_3::{File, Resource};

use super::*;

const FIXTURES: [(&str, &str); 4] = [
    (
        "crio.ign",
        include_str!("../../tests/fixtures/ignition/crio.ign"),
    ),
    (
        "crio_splitfs.ign",
        include_str!("../../tests/fixtures/ignition/crio_splitfs.ign"),
    ),
    (
        "crio_swap1g.ign",
        include_str!("../../tests/fixtures/ignition/crio_swap1g.ign"),
    ),
    (
        "crio_userns.ign",
        include_str!("../../tests/fixtures/ignition/crio_userns.ign"),
    ),
];

fn node() -> NodeConfig {
    NodeConfig {
        hostname: "node1".to_owned(),
        ssh_public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample node\n".to_owned(),
        files: vec![GuestFile::new(
            "/etc/containerd/config.toml",
            "version = 3\n",
        )],
        units: vec![GuestUnit::enabled(
            "containerd.service",
            "[Service]\nExecStart=/opt/payload/bin/containerd\n\n[Install]\nWantedBy=multi-user.target\n",
        )],
        fragments: Vec::new(),
    }
}

fn with(fragments: &[(&str, &str)]) -> NodeConfig {
    NodeConfig {
        fragments: fragments
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        ..node()
    }
}

fn files(config: &Config) -> &[File] {
    config
        .storage
        .as_ref()
        .and_then(|storage| storage.files.as_deref())
        .unwrap_or_default()
}

fn text(config: &Config, path: &str) -> String {
    let file = files(config).iter().find(|file| file.path == path).unwrap();
    let resource: &Resource = file.contents.as_ref().unwrap();
    String::from_utf8(contents(resource).unwrap().unwrap()).unwrap()
}

#[test]
fn the_generated_config() {
    let rendered = generate(&node()).unwrap();
    assert_eq!(rendered, generate(&node()).unwrap());
    insta::assert_snapshot!(rendered);
}

#[test]
fn what_is_rendered_is_read_again_without_a_warning() {
    let assembled = assemble(&node()).unwrap();
    let parsed = parse("node.ign", &render(&assembled.config).unwrap()).unwrap();
    assert_eq!(parsed.config, assembled.config);
    assert_eq!(parsed.warnings, []);
}

#[test]
fn real_configs_survive_parsing_merging_and_rendering() {
    for (name, fragment) in FIXTURES {
        let own = parse(name, fragment).unwrap().config;
        let assembled = assemble(&with(&[(name, fragment)])).unwrap();
        let again = parse(name, &render(&assembled.config).unwrap()).unwrap();
        assert_eq!(again.config, assembled.config, "{name}");
        assert!(files(&own).len() >= 7);
        for file in files(&own) {
            assert_eq!(
                text(&own, &file.path),
                text(&again.config, &file.path),
                "{name}"
            );
            assert!(!text(&own, &file.path).is_empty());
        }
        let units = |config: &Config| config.systemd.clone().unwrap().units.unwrap();
        for unit in units(&own) {
            assert!(
                units(&again.config).contains(&unit),
                "{name}: {}",
                unit.name
            );
        }
        let storage = |config: &Config| config.storage.clone().unwrap();
        assert_eq!(storage(&own).disks, storage(&again.config).disks);
        assert_eq!(
            storage(&own).filesystems,
            storage(&again.config).filesystems
        );
        assert_eq!(
            assembled.unwanted_kernel_arguments(),
            ["mitigations=auto,nosmt"]
        );
        assert_eq!(text(&again.config, "/etc/hostname"), "node1\n");
    }
}

#[test]
fn gzip_and_base64_contents_of_a_real_config_are_legible() {
    let config = parse("crio.ign", FIXTURES[0].1).unwrap().config;
    assert!(text(&config, "/etc/sysctl.d/99-e2e-sysctl.conf").contains("kernel.pid_max"));
    assert_eq!(
        text(&config, "/etc/ssh-key-secret/ssh-public"),
        "GCE_SSH_PUBLIC_KEY_FILE_CONTENT"
    );
}

#[test]
fn a_fragment_wins_over_the_node_and_the_node_over_the_base() {
    let fragment = r#"{"ignition": {"version": "3.1.0"}, "storage": {"files": [
        {"path": "/etc/containerd/config.toml", "contents": {"source": "data:,theirs"}}
    ]}, "kernelArguments": {"shouldExist": ["swapaccount=1"]},
    "systemd": {"units": [{"name": "fstrim.timer", "mask": false}]}}"#;
    let mut node = with(&[("theirs.ign", &fragment.replace("3.1.0", "3.3.0"))]);
    node.files
        .push(GuestFile::new("/etc/hosts", "127.0.0.1 mine\n"));
    let assembled = assemble(&node).unwrap();
    assert_eq!(
        text(&assembled.config, "/etc/containerd/config.toml"),
        "theirs"
    );
    assert_eq!(text(&assembled.config, "/etc/hosts"), "127.0.0.1 mine\n");
    assert_eq!(assembled.kernel_arguments(), ["swapaccount=1"]);
    let units = assembled.config.systemd.unwrap().units.unwrap();
    let timer = units
        .iter()
        .find(|unit| unit.name == "fstrim.timer")
        .unwrap();
    assert_eq!(timer.mask, Some(false));
}

#[test]
fn bad_names_and_double_files_are_refused() {
    let bad = NodeConfig {
        hostname: "Node_1".to_owned(),
        ssh_public_key: "two\nlines".to_owned(),
        ..node()
    };
    insta::assert_snapshot!(generate(&bad).unwrap_err(), @r"
    the node configuration: hostname: `Node_1` is no host name
    the node configuration: ssh_public_key: it is not one line with a public key
    ");
    let mut twice = node();
    twice.files.extend(node().files);
    insta::assert_snapshot!(
        generate(&twice).unwrap_err(),
        @"the node configuration: storage.files.1.path: `/etc/containerd/config.toml` is there already, at storage.files.0.path"
    );
}

#[test]
fn a_user_in_a_group_that_only_the_image_knows_is_fine() {
    let failed = include_str!("../../tests/fixtures/ignition/failed-group.ign");
    assert_eq!(parse("failed-group.ign", failed).unwrap().warnings, []);
}
