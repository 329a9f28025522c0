//! The files a profile is made of: what it names on disk, and what bellwether ships.

use std::io;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use rust_embed::Embed;

use super::texts::Place;

/// How files are read; tests read from memory.
pub trait Files {
    /// The text at an absolute path; `None` if there is no such file.
    ///
    /// # Errors
    /// If there is one that cannot be read as text.
    fn read(&self, path: &Utf8Path) -> io::Result<Option<String>>;
    /// Whether there is a folder at an absolute path.
    fn is_folder(&self, path: &Utf8Path) -> bool;
    /// The folder that relative arguments start from.
    ///
    /// # Errors
    /// If it is gone or not UTF-8.
    fn current_folder(&self) -> io::Result<Utf8PathBuf>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Utf8Path) -> io::Result<Option<String>> {
        match fs_err::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_folder(&self, path: &Utf8Path) -> bool {
        path.is_dir()
    }

    fn current_folder(&self) -> io::Result<Utf8PathBuf> {
        Utf8PathBuf::try_from(std::env::current_dir()?).map_err(io::Error::other)
    }
}

#[derive(Embed)]
#[folder = "profiles/"]
struct ShippedProfiles;

#[derive(Embed)]
#[folder = "ignition/"]
struct ShippedIgnition;

fn text_of(file: Option<rust_embed::EmbeddedFile>) -> Option<String> {
    String::from_utf8(file?.data.into_owned()).ok()
}

/// The text of a shipped profile.
pub(super) fn shipped_profile(name: &str) -> Option<String> {
    // A folder below holds no profiles.
    if name.contains('/') {
        return None;
    }
    text_of(ShippedProfiles::get(&format!("{name}.toml")))
}

/// The names of all shipped profiles, sorted.
pub(super) fn shipped_names() -> Vec<String> {
    let mut names: Vec<String> = ShippedProfiles::iter()
        .filter_map(|file| file.strip_suffix(".toml").map(str::to_owned))
        .filter(|name| !name.contains('/'))
        .collect();
    names.sort();
    names
}

/// The text of a shipped file that a profile can name: `ignition/….ign`, `config/….toml`.
fn shipped_file(path: &Utf8Path) -> Option<String> {
    if let Ok(name) = path.strip_prefix("ignition") {
        return text_of(ShippedIgnition::get(name.as_str()));
    }
    let name = path.strip_prefix("config").ok()?;
    text_of(ShippedProfiles::get(&format!("config/{name}")))
}

/// The paths of all shipped files that a profile can name, sorted.
pub(super) fn shipped_files() -> Vec<String> {
    let ignition = ShippedIgnition::iter().map(|file| format!("ignition/{file}"));
    let config = ShippedProfiles::iter()
        .filter(|file| file.starts_with("config/"))
        .map(String::from);
    let mut paths: Vec<String> = ignition.chain(config).collect();
    paths.sort();
    paths
}

/// A file that a profile names.
pub(super) enum Found {
    /// Its text, and how people find it.
    Text { name: String, text: String },
    /// It is in none of these places.
    Missing(Vec<String>),
    /// It is there and cannot be read.
    Unreadable(io::Error),
}

/// Looks for a file that a profile lying in `place` names: beside the profile, then beside the `profiles` folder it
/// lies in, then among the shipped ones.
pub(super) fn find(files: &dyn Files, place: &Place, path: &Utf8Path) -> Found {
    let mut looked = Vec::new();
    if let Place::Folder(folder) = place {
        let above = folder
            .parent()
            .filter(|_| folder.file_name() == Some("profiles"));
        for folder in [Some(folder.as_path()), above].into_iter().flatten() {
            let full = normalised(&folder.join(path));
            match files.read(&full) {
                Ok(Some(text)) => {
                    return Found::Text {
                        name: full.into_string(),
                        text,
                    };
                }
                Ok(None) => looked.push(full.into_string()),
                Err(error) => return Found::Unreadable(error),
            }
        }
    }
    match shipped_file(path) {
        Some(text) => Found::Text {
            name: format!("shipped {path}"),
            text,
        },
        None => {
            looked.push("the shipped files".to_owned());
            Found::Missing(looked)
        }
    }
}

/// The path without `.` and `..`, so that one file has one name.
pub(super) fn normalised(path: &Utf8Path) -> Utf8PathBuf {
    let mut out = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod memory {
    use std::collections::BTreeMap;

    use super::*;

    /// Files in memory; the current folder is `/here`.
    #[derive(Clone, Debug, Default)]
    pub(in crate::profile) struct Memory(pub(in crate::profile) BTreeMap<Utf8PathBuf, String>);

    impl Memory {
        pub(in crate::profile) fn with(mut self, path: &str, text: &str) -> Self {
            self.0
                .insert(Utf8Path::new("/here").join(path), text.to_owned());
            self
        }
    }

    impl Files for Memory {
        fn read(&self, path: &Utf8Path) -> io::Result<Option<String>> {
            Ok(self.0.get(path).cloned())
        }
        fn is_folder(&self, path: &Utf8Path) -> bool {
            self.0
                .keys()
                .any(|file| file != path && file.starts_with(path))
        }
        fn current_folder(&self) -> io::Result<Utf8PathBuf> {
            Ok("/here".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        assert_eq!(normalised("/a/./b/../c.toml".into()), "/a/c.toml");
    }

    #[test]
    fn files_are_looked_for_near_the_profile_first() {
        let files = memory::Memory::default()
            .with("ignition/swap.ign", "mine")
            .with("profiles/ignition/own.ign", "own");
        let from = |folder: &str, path: &str| match find(
            &files,
            &Place::Folder(folder.into()),
            path.into(),
        ) {
            Found::Text { name, .. } => name,
            Found::Missing(looked) => format!("not in {}", looked.join(", ")),
            Found::Unreadable(error) => error.to_string(),
        };
        for (folder, path, found) in [
            (
                "/here/profiles",
                "ignition/own.ign",
                "/here/profiles/ignition/own.ign",
            ),
            (
                "/here/profiles",
                "ignition/swap.ign",
                "/here/ignition/swap.ign",
            ),
            (
                "/elsewhere",
                "ignition/swap.ign",
                "shipped ignition/swap.ign",
            ),
            (
                "/elsewhere/profiles",
                "ignition/no.ign",
                "not in /elsewhere/profiles/ignition/no.ign, /elsewhere/ignition/no.ign, the shipped files",
            ),
        ] {
            assert_eq!(from(folder, path), found);
        }
    }
}
