//! What is wrong in a config that its types allow. One function a kind of entry.

mod storage;

use std::collections::BTreeMap;

use ignition_config::v3_3::{Passwd, Resource, Systemd, Verification};

use super::{Config, Problem, data_url::contents};

type Problems = Vec<Problem>;

/// Everything that is wrong in `config`, errors and warnings, in the order of the config.
#[must_use]
pub fn validate(config: &Config) -> Problems {
    let mut problems = Problems::new();
    if let Some(ignition) = &config.ignition.config {
        for (at, resource) in each("ignition.config.merge", ignition.merge.as_deref()) {
            check_resource(&at, resource, &mut problems);
        }
        if let Some(resource) = &ignition.replace {
            check_resource("ignition.config.replace", resource, &mut problems);
        }
    }
    if let Some(passwd) = &config.passwd {
        check_passwd(passwd, &mut problems);
    }
    if let Some(storage) = &config.storage {
        storage::check(storage, &mut problems);
    }
    if let Some(systemd) = &config.systemd {
        check_systemd(systemd, &mut problems);
    }
    problems
}

fn check_passwd(passwd: &Passwd, problems: &mut Problems) {
    let users = each("passwd.users", passwd.users.as_deref());
    unique(
        users.map(|(at, user)| (format!("{at}.name"), user.name.clone())),
        problems,
    );
    let groups = each("passwd.groups", passwd.groups.as_deref());
    unique(
        groups.map(|(at, group)| (format!("{at}.name"), group.name.clone())),
        problems,
    );
    for (at, user) in each("passwd.users", passwd.users.as_deref()) {
        if user.name.is_empty() {
            problems.push(Problem::error(format!("{at}.name"), "a user needs a name"));
        }
        for (key_at, key) in each(
            &format!("{at}.sshAuthorizedKeys"),
            user.ssh_authorized_keys.as_deref(),
        ) {
            if key.trim().lines().count() != 1 {
                problems.push(Problem::error(
                    key_at,
                    "it is not one line with a public key",
                ));
            }
        }
    }
}

fn check_systemd(systemd: &Systemd, problems: &mut Problems) {
    const KINDS: [&str; 11] = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    let units = || each("systemd.units", systemd.units.as_deref());
    unique(
        units().map(|(at, unit)| (format!("{at}.name"), unit.name.clone())),
        problems,
    );
    for (at, unit) in units() {
        let kind = unit.name.rsplit_once('.').map(|(_, kind)| kind);
        if !kind.is_some_and(|kind| KINDS.contains(&kind)) {
            problems.push(
                Problem::error(
                    format!("{at}.name"),
                    format!("`{}` is not a unit's name", unit.name),
                )
                .hint("it ends in .service, .mount, .timer or another kind of unit"),
            );
        }
        let text = unit.contents.as_deref().unwrap_or_default();
        let section = |name: &str| text.lines().any(|line| line.trim() == name);
        if let Some(line) = first_bad_line(text) {
            problems.push(Problem::error(
                format!("{at}.contents"),
                format!("line {line} is no section, key or comment"),
            ));
        } else if unit.enabled == Some(true) && !text.is_empty() && !section("[Install]") {
            problems.push(
                Problem::warning(
                    format!("{at}.enabled"),
                    format!("{} has no [Install] section", unit.name),
                )
                .hint("enabling it does nothing"),
            );
        }
        if unit.enabled == Some(true) && unit.mask == Some(true) {
            problems.push(
                Problem::warning(
                    format!("{at}.mask"),
                    format!("{} is enabled and masked", unit.name),
                )
                .hint("it never starts"),
            );
        }
        let dropins =
            || each(&format!("{at}.dropins"), unit.dropins.as_deref()).collect::<Vec<_>>();
        unique(
            dropins()
                .into_iter()
                .map(|(at, dropin)| (format!("{at}.name"), dropin.name.clone())),
            problems,
        );
        for (at, dropin) in dropins() {
            if !dropin.name.ends_with(".conf") {
                problems.push(Problem::error(
                    format!("{at}.name"),
                    "a drop-in's name ends in .conf",
                ));
            }
            if let Some(line) = dropin.contents.as_deref().and_then(first_bad_line) {
                problems.push(Problem::error(
                    format!("{at}.contents"),
                    format!("line {line} is no section, key or comment"),
                ));
            }
        }
    }
}

/// The first line, from 1, that no unit file has: neither section, nor key, nor comment, nor a continued line.
fn first_bad_line(unit: &str) -> Option<usize> {
    let mut continued = false;
    for (number, line) in unit.lines().enumerate() {
        let text = line.trim();
        let fine = continued
            || text.is_empty()
            || text.starts_with(['#', ';'])
            || (text.starts_with('[') && text.ends_with(']'))
            || text
                .split_once('=')
                .is_some_and(|(key, _)| !key.trim().is_empty());
        if !fine {
            return Some(number + 1);
        }
        // A comment inside a continued value does not end it.
        continued = line.ends_with('\\') || (continued && text.starts_with(['#', ';']));
    }
    None
}

fn check_resource(at: &str, resource: &Resource, problems: &mut Problems) {
    match resource.compression.as_deref() {
        None | Some("" | "gzip") => {
            if let Err(what) = contents(resource) {
                problems.push(Problem::error(format!("{at}.source"), what));
            }
        }
        Some(other) => problems.push(
            Problem::error(
                format!("{at}.compression"),
                format!("compression `{other}` is not known"),
            )
            .hint("it is \"gzip\", or left out"),
        ),
    }
    if let Some(source) = &resource.source {
        let scheme = source
            .split_once(':')
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("data") => {}
            Some("http" | "https" | "tftp" | "s3" | "gs" | "arn") => problems.push(
                Problem::warning(
                    format!("{at}.source"),
                    "nodes have no network: this is never fetched",
                )
                .hint("put the contents into a data URL"),
            ),
            _ if source.is_empty() => {}
            _ => problems.push(Problem::error(
                format!("{at}.source"),
                "it is neither a data URL nor one of http, https, tftp, s3, gs, arn",
            )),
        }
    }
    if let Some(Verification { hash: Some(hash) }) = &resource.verification {
        let digits = match hash.split_once('-') {
            Some(("sha512", sum)) => (sum, 128),
            Some(("sha256", sum)) => (sum, 64),
            _ => ("", 1),
        };
        if digits.0.len() != digits.1 || !digits.0.chars().all(|c| c.is_ascii_hexdigit()) {
            problems.push(Problem::error(
                format!("{at}.verification.hash"),
                "a hash is sha512-… or sha256-… with all its hex digits",
            ));
        }
    }
}

/// The entries of a list with the path of each.
fn each<'a, T>(at: &str, list: Option<&'a [T]>) -> impl Iterator<Item = (String, &'a T)> {
    let at = at.to_owned();
    let list = list.unwrap_or_default().iter().enumerate();
    list.map(move |(index, entry)| (format!("{at}.{index}"), entry))
}

/// Entries that name the same thing as an earlier one.
fn unique(entries: impl Iterator<Item = (String, String)>, problems: &mut Problems) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (at, key) in entries {
        match seen.get(&key) {
            Some(first) => problems.push(Problem::error(
                at,
                format!("`{key}` is there already, at {first}"),
            )),
            None => {
                seen.insert(key, at);
            }
        }
    }
}
