//! What tells the known runtimes apart, whatever their files are called. Pure.

/// A known runtime.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// What people call it.
    pub name: &'static str,
    /// File names it is usually called by.
    pub files: &'static [&'static str],
    /// How the first line of `--version` begins.
    pub version: &'static str,
    /// What it leaves in a container's state folder: every file of one of these lists, and none of `never`.
    pub state: &'static [&'static str],
    /// What other runtimes leave there.
    pub never: &'static [&'static str],
    /// What the kernel that it gives its containers says of itself; absent when they share the host's.
    pub kernel: Option<&'static str>,
}

/// runc writes `state.json`; crun `status`; youki `state.json` and its own `youki_config.json`; gVisor one
/// `….state` file beside the others.
pub(super) const FAMILIES: [Family; 4] = [
    Family {
        name: "runc",
        files: &["runc"],
        version: "runc version ",
        state: &["state.json"],
        never: &["youki_config.json", "status"],
        kernel: None,
    },
    Family {
        name: "crun",
        files: &["crun"],
        version: "crun version ",
        state: &["status"],
        never: &["state.json", "youki_config.json"],
        kernel: None,
    },
    Family {
        name: "youki",
        files: &["youki"],
        version: "youki version",
        state: &["youki_config.json"],
        never: &["status"],
        kernel: None,
    },
    Family {
        name: "gVisor",
        files: &["runsc", "gvisor", "gVisor"],
        version: "runsc version ",
        state: &[".state"],
        never: &[],
        kernel: Some("gVisor"),
    },
];

/// The family that a file or a sandboxer of this name should be.
#[must_use]
pub fn named(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.files.contains(&name))
}

/// The family that speaks so of its version.
#[must_use]
pub fn family_of_words(words: &str) -> Option<&'static Family> {
    let words = words.trim_start();
    FAMILIES
        .iter()
        .find(|family| words.starts_with(family.version))
}

/// The family that leaves these entries in its state folder.
#[must_use]
pub fn family_of_state(entries: &[String]) -> Option<&'static Family> {
    let holds = |wanted: &&str| {
        entries
            .iter()
            .any(|entry| entry == wanted || wanted.starts_with('.') && entry.ends_with(*wanted))
    };
    FAMILIES
        .iter()
        .find(|family| family.state.iter().all(&holds) && !family.never.iter().any(&holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(entries: &[&str]) -> Option<&'static str> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        family_of_state(&entries).map(|family| family.name)
    }

    #[test]
    fn each_is_known_by_what_it_leaves() {
        assert_eq!(state(&["state.json"]), Some("runc"));
        assert_eq!(state(&["config.json", "status", "exec.fifo"]), Some("crun"));
        assert_eq!(
            state(&["notify.sock", "state.json", "youki_config.json"]),
            Some("youki")
        );
        assert_eq!(state(&["1f_sandbox:1f.state"]), Some("gVisor"));
        assert_eq!(state(&["state.json", "status"]), None);
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn each_is_known_by_its_own_words() {
        let name = |words| family_of_words(words).map(|family| family.name);
        assert_eq!(name("runc version 1.1.15+ds1"), Some("runc"));
        assert_eq!(name("crun version 1.21"), Some("crun"));
        assert_eq!(name("youki version: 0.7.0"), Some("youki"));
        assert_eq!(name("runsc version release-20261116.0"), Some("gVisor"));
        assert_eq!(name("this is no runc version 1"), None);
    }
}
