//! The facts about a canary, read from `canary.log`. Pure.
//!
//! The file is the record: the host's scripts wrote it line by line, a word that says what the line is and then the
//! fact, and whatever is concluded names its line.

use super::{
    CANARY_FILE,
    execs::{Exec, Execs},
};
use crate::model::EvidenceLine;

/// A fact and the line that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted<T> {
    /// What it is.
    pub fact: T,
    /// Where it stands.
    pub line: EvidenceLine,
}

/// A file of the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFact {
    /// Its path, as it was asked for.
    pub path: String,
    /// `elf`, `script` or `other`.
    pub kind: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its MD5, which is what dpkg keeps.
    pub md5: String,
    /// The path that it leads to.
    pub real: String,
}

/// A process of the pod, or one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFact {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// The SHA-256 of what it executes.
    pub sha256: String,
    /// The path of that.
    pub exe: String,
    /// Its command line.
    pub command: String,
}

/// What lies in a state folder for one of the pod's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFact {
    /// The folder.
    pub folder: String,
    /// Names in it.
    pub entries: Vec<String>,
}

/// Everything the guest and the runtime said of a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The pod's sandbox id.
    pub pod: String,
    /// The container's id.
    pub container: String,
    /// Processes that the runtime names as the sandbox's and the container's own.
    pub inside: Vec<u32>,
    /// Files; the first of a path is how it was before the canary.
    pub files: Vec<Noted<FileFact>>,
    /// First lines of `--version`, by path.
    pub versions: Vec<Noted<(String, String)>>,
    /// MD5s that dpkg recorded, by path.
    pub recorded: Vec<Noted<(String, String)>>,
    /// What was executed.
    pub execs: Execs,
    /// The pod's processes and those above them.
    pub processes: Vec<Noted<ProcessFact>>,
    /// State folders.
    pub states: Vec<Noted<StateFact>>,
    /// The node's kernel.
    pub host_kernel: Option<Noted<String>>,
    /// What the kernel says of itself inside the container, line by line.
    pub inside_kernel: Vec<Noted<String>>,
    /// What the sandbox controller's unit said about this pod.
    pub said: Vec<Noted<String>>,
    /// What could not be found out.
    pub problems: Vec<Noted<String>>,
}

impl Facts {
    /// Reads `canary.log`. A line that is no fact is skipped: the file holds prose too.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for (index, raw) in text.lines().enumerate() {
            let line = EvidenceLine {
                file: CANARY_FILE.into(),
                line: index as u64 + 1,
                text: raw.to_owned(),
            };
            let (word, rest) = raw.split_once(' ').unwrap_or((raw, ""));
            facts.take(word, rest, line);
        }
        facts
    }

    fn take(&mut self, word: &str, rest: &str, line: EvidenceLine) -> Option<()> {
        let mut words = rest.split(' ');
        let mut next = || words.next().filter(|word| !word.is_empty());
        match word {
            "pod" => self.pod = next()?.to_owned(),
            "container" => self.container = next()?.to_owned(),
            "inside" => self.inside.push(next()?.parse().ok()?),
            "file" => {
                let fact = FileFact {
                    kind: next()?.to_owned(),
                    sha256: next()?.to_owned(),
                    md5: next()?.to_owned(),
                    real: next()?.to_owned(),
                    path: next()?.to_owned(),
                };
                self.files.push(Noted { fact, line });
            }
            "version" => {
                let (path, words) = rest.split_once(": ")?;
                let fact = (path.to_owned(), words.to_owned());
                self.versions.push(Noted { fact, line });
            }
            "dpkg" => {
                let (md5, path) = (next()?.to_owned(), next()?.to_owned());
                let fact = (path, md5);
                self.recorded.push(Noted { fact, line });
            }
            "exec" => {
                let fact = Exec {
                    number: next()?.parse().ok()?,
                    pid: next()?.parse().ok()?,
                    became: next()? == "became",
                    by: next()?.parse().ok()?,
                    file: words.collect::<Vec<_>>().join(" "),
                };
                self.execs.0.push(Noted { fact, line });
            }
            "process" => {
                let fact = ProcessFact {
                    pid: next()?.parse().ok()?,
                    parent: next()?.parse().ok()?,
                    sha256: next()?.to_owned(),
                    exe: next()?.to_owned(),
                    command: words.collect::<Vec<_>>().join(" ").trim().to_owned(),
                };
                self.processes.push(Noted { fact, line });
            }
            "state" => {
                let (folder, entries) = rest.split_once(": ")?;
                let fact = StateFact {
                    folder: folder.to_owned(),
                    entries: entries.split_whitespace().map(str::to_owned).collect(),
                };
                self.states.push(Noted { fact, line });
            }
            "host-kernel" => {
                let fact = rest.to_owned();
                self.host_kernel = Some(Noted { fact, line });
            }
            "inside-kernel" => self.inside_kernel.push(Noted {
                fact: rest.to_owned(),
                line,
            }),
            "said" => self.said.push(Noted {
                fact: rest.to_owned(),
                line,
            }),
            "problem" => self.problems.push(Noted {
                fact: rest.to_owned(),
                line,
            }),
            _ => {}
        }
        Some(())
    }

    /// How a file was found last, which is after the canary had been served.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Noted<FileFact>> {
        self.files.iter().rfind(|file| file.fact.path == path)
    }

    /// What a program calls itself.
    #[must_use]
    pub fn version(&self, path: &str) -> Option<&Noted<(String, String)>> {
        self.versions.iter().rfind(|known| known.fact.0 == path)
    }

    /// The digest that dpkg recorded for a path.
    #[must_use]
    pub fn record(&self, path: &str) -> Option<&Noted<(String, String)>> {
        self.recorded.iter().find(|known| known.fact.0 == path)
    }

    /// The process with this id.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Noted<ProcessFact>> {
        self.processes.iter().find(|known| known.fact.pid == pid)
    }

    /// What the guest's files must be looked at for: programs that a monitor called, and what ran below them.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        let mut programs: Vec<String> = Vec::new();
        for call in self.execs.called(&self.inside) {
            let below = self.execs.below(&call.fact, &self.inside);
            for exec in std::iter::once(call).chain(below) {
                if exec.fact.file.starts_with('/') && !programs.contains(&exec.fact.file) {
                    programs.push(exec.fact.file.clone());
                }
            }
        }
        programs
    }
}
