//! What every node gets, and what the node configuration's files and units are as a config.

use ignition_config::v3_3::{File, Passwd, Resource, Storage, Systemd, Unit, User};

use super::{
    Config, GuestFile, GuestUnit, IgnitionError, NodeConfig, Problem, data_url::encode,
    error::refuse, validate::validate,
};

/// Timers of distributions that would work beside a suite.
const DISTURBING: [&str; 13] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "logrotate.timer",
    "man-db.timer",
    "rpm-ostree-countme.timer",
    "systemd-tmpfiles-clean.timer",
    "unattended-upgrades.service",
    "update-engine.service",
    "locksmithd.service",
    "zincati.service",
];

/// Streams the journal into a virtio-serial port. It writes from the boot's first line on, outlives an isolated
/// emergency target, and never starts where the port is missing, because only the port's udev rule starts it.
const JOURNAL_UNIT: &str = "\
[Unit]
Description=Stream the journal to the host
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
ExecStart=journalctl --boot --follow --no-tail --output=short-iso-precise
StandardOutput=file:/dev/virtio-ports/bellwether.journal
";

const JOURNAL_RULE: &str = "SUBSYSTEM==\"virtio-ports\", ATTR{name}==\"bellwether.journal\", TAG+=\"systemd\", \
ENV{SYSTEMD_WANTS}+=\"bellwether-journal.service\"\n";

/// QEMU's user network, by hand: its DHCP names no router when the network is restricted, and an IPv6 address
/// would become the node's own.
const NETWORKD: &str = "\
[Match]
Name=en*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
";

/// The same for images with NetworkManager.
const NETWORK_MANAGER: &str = "\
[connection]
id=node
type=ethernet

[ipv4]
method=manual
address1=10.0.2.15/24,10.0.2.2

[ipv6]
method=disabled
";

/// Bellwether's own part of a node's config.
pub(super) fn base(node: &NodeConfig) -> Result<Config, IgnitionError> {
    check_names(node)?;
    let name = &node.hostname;
    let mut files = vec![
        GuestFile::new("/etc/hostname", format!("{name}\n")),
        GuestFile::new(
            "/etc/hosts",
            format!("127.0.0.1 localhost\n::1 localhost\n10.0.2.15 {name}\n"),
        ),
        // Nobody answers there, at once; a server beyond the restricted network would be waited for.
        GuestFile::new("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
        GuestFile::new("/etc/systemd/network/10-node.network", NETWORKD),
        GuestFile::new(
            "/etc/NetworkManager/conf.d/10-node.conf",
            "[main]\ndns=none\n",
        ),
        GuestFile::new(
            "/etc/modules-load.d/bellwether.conf",
            "overlay\nbr_netfilter\n",
        ),
        GuestFile::new(
            "/etc/sysctl.d/90-bellwether.conf",
            "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\nkernel.pid_max = 131072\n",
        ),
        // A suite's burst of lines is evidence; the journal drops it beyond 10000 lines in 30 s otherwise.
        GuestFile::new(
            "/etc/systemd/journald.conf.d/50-bellwether.conf",
            "[Journal]\nRateLimitIntervalSec=0\n",
        ),
        GuestFile::new("/etc/udev/rules.d/80-bellwether.rules", JOURNAL_RULE),
    ];
    files.push(GuestFile {
        mode: 0o600,
        ..GuestFile::new(
            "/etc/NetworkManager/system-connections/node.nmconnection",
            NETWORK_MANAGER,
        )
    });
    let unit = |name: &str, contents: Option<&str>, enabled| GuestUnit {
        name: name.to_owned(),
        contents: contents.map(str::to_owned),
        enabled,
        mask: false,
    };
    let mut units = vec![
        unit("bellwether-journal.service", Some(JOURNAL_UNIT), false),
        unit("systemd-networkd.service", None, true),
    ];
    units.extend(DISTURBING.map(GuestUnit::masked));
    let mut config = config(&files, &units);
    config.passwd = Some(Passwd {
        users: Some(vec![User {
            ssh_authorized_keys: Some(vec![node.ssh_public_key.trim().to_owned()]),
            ..User::new("root".to_owned())
        }]),
        groups: None,
    });
    Ok(config)
}

/// The node's files and units.
pub(super) fn node(node: &NodeConfig) -> Result<Config, IgnitionError> {
    let config = config(&node.files, &node.units);
    refuse("the node configuration", validate(&config), &mut Vec::new())?;
    Ok(config)
}

fn check_names(node: &NodeConfig) -> Result<(), IgnitionError> {
    let mut problems = Vec::new();
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let name = &node.hostname;
    if name.is_empty() || name.len() > 63 || !name.chars().all(label) || name.starts_with('-') {
        problems.push(Problem::error(
            "hostname",
            format!("`{name}` is no host name"),
        ));
    }
    let key = node.ssh_public_key.trim();
    if key.lines().count() != 1 || key.split_whitespace().count() < 2 {
        problems.push(Problem::error(
            "ssh_public_key",
            "it is not one line with a public key",
        ));
    }
    refuse("the node configuration", problems, &mut Vec::new())
}

fn config(files: &[GuestFile], units: &[GuestUnit]) -> Config {
    let file = |file: &GuestFile| File {
        mode: Some(i64::from(file.mode)),
        overwrite: Some(true),
        contents: Some(Resource {
            source: Some(encode(&file.contents)),
            ..Resource::default()
        }),
        ..File::new(file.path.clone())
    };
    let unit = |unit: &GuestUnit| Unit {
        contents: unit.contents.clone(),
        // A unit that is neither enabled nor masked is left as it is.
        enabled: unit.enabled.then_some(true),
        mask: unit.mask.then_some(true),
        ..Unit::new(unit.name.clone())
    };
    Config {
        storage: Some(Storage {
            files: Some(files.iter().map(file).collect()),
            ..Storage::default()
        }),
        systemd: Some(Systemd {
            units: Some(units.iter().map(unit).collect()),
        }),
        ..Config::default()
    }
}
