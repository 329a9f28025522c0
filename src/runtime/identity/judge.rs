//! From the facts about a canary to who served it. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Exec, Expected, Facts, Noted, Origin,
    family::{Family, family_of_state, family_of_words},
};
use crate::{model::EvidenceLine, profile::Shape};

/// Who served the pods of a lane, and what shows it: `identity.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The sandboxer's name in the profile.
    pub sandboxer: String,
    /// The CRI runtime handler that the canary was run on.
    pub handler: String,
    /// The known runtime it is; absent for one that bellwether does not know by its behaviour.
    pub runtime: Option<String>,
    /// Its binary.
    pub binary: Program,
    /// The shim, monitor or sandbox controller that called it, where there is one.
    pub monitor: Option<Program>,
    /// The kernel of the node.
    pub node_kernel: Option<String>,
    /// The kernel that the canary's container saw.
    pub pod_kernel: Option<String>,
    /// How long the check took, in seconds.
    pub seconds: f64,
    /// What it rests on.
    pub proofs: Vec<Proof>,
}

/// A program of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Its path in the guest.
    pub path: String,
    /// The SHA-256 of its file.
    pub sha256: Option<String>,
    /// What it says of its version, in one line.
    pub version: Option<String>,
}

/// One thing that shows who served the pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// What it shows, in words.
    pub what: String,
    /// The line of `canary.log`.
    pub line: EvidenceLine,
}

/// The pods are not served by what the lane says, or nothing shows that they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Who served instead, where that is known. Absent when nothing shows who did.
    pub served_by: Option<String>,
    /// One sentence.
    pub words: String,
    /// The lines it rests on, the most decisive first.
    pub lines: Vec<EvidenceLine>,
}

/// Says who served the canary.
///
/// # Errors
/// When that is not what the lane says, or when it cannot be told.
pub fn judge(expected: &Expected, facts: &Facts) -> Result<Identity, Box<Mismatch>> {
    let mut look = Look {
        expected,
        facts,
        proofs: Vec::new(),
        doubts: Vec::new(),
        served: false,
    };
    match expected.shape {
        Shape::OciRuntime => look.oci_runtime(),
        Shape::Shim => look.own_shim(),
        Shape::Controller => look.controller(),
    }
    look.kernel();
    look.end()
}

/// Something that speaks against the lane.
struct Doubt {
    words: String,
    /// Who it speaks for, and how much that weighs against what others speak for.
    instead: Option<(u8, String)>,
    line: EvidenceLine,
}

struct Look<'a> {
    expected: &'a Expected,
    facts: &'a Facts,
    proofs: Vec<Proof>,
    doubts: Vec<Doubt>,
    /// Whether something was seen that only serving the pod leaves behind.
    served: bool,
}

// Who wrote the state did the work; who was executed last comes next; what a file calls itself is the least.
const WROTE_STATE: u8 = 3;
const WAS_RUN: u8 = 2;
const SAYS_SO: u8 = 1;

impl<'a> Look<'a> {
    fn prove(&mut self, what: impl Into<String>, line: &EvidenceLine) {
        let what = what.into();
        if self.proofs.iter().any(|proof| proof.what == what) {
            return;
        }
        self.proofs.push(Proof {
            what,
            line: line.clone(),
        });
    }

    /// A proof that only who serves the pod can leave.
    fn served(&mut self, what: impl Into<String>, line: &EvidenceLine) {
        self.served = true;
        self.prove(what, line);
    }

    fn doubt(
        &mut self,
        words: impl Into<String>,
        instead: Option<(u8, String)>,
        line: &EvidenceLine,
    ) {
        let words = words.into();
        if self.doubts.iter().all(|doubt| doubt.words != words) {
            self.doubts.push(Doubt {
                words,
                instead,
                line: line.clone(),
            });
        }
    }

    /// A path without the links in it, where the guest said so.
    fn real(&self, path: &'a str) -> &'a str {
        self.facts
            .file(path)
            .map_or(path, |file| file.fact.real.as_str())
    }

    fn says(&self, path: &str) -> Option<&'static Family> {
        family_of_words(&self.facts.version(path)?.fact.1)
    }

    /// What a file is, for a sentence: `runc`, or its path.
    fn who(&self, path: &str) -> String {
        self.says(path)
            .map_or_else(|| path.to_owned(), |family| family.name.to_owned())
    }

    fn oci_runtime(&mut self) {
        self.calls();
        self.binary();
        self.states();
    }

    /// Every program that the monitor called, each once.
    fn calls(&mut self) {
        let facts = self.facts;
        let mut told: Vec<&str> = Vec::new();
        for call in facts.execs.called(&facts.inside) {
            if !told.contains(&call.fact.file.as_str()) {
                told.push(&call.fact.file);
                self.called(call);
            }
        }
    }

    /// A program that the monitor called, and what that ran in its turn.
    fn called(&mut self, call: &'a Noted<Exec>) {
        let (facts, path) = (self.facts, self.expected.path.as_str());
        let file = call.fact.file.as_str();
        if self.real(file) == self.real(path) {
            self.served(format!("the monitor executed {file}"), &call.line);
        } else {
            let words = format!("the monitor executed {file}, not {path}");
            self.doubt(words, Some((SAYS_SO, self.who(file))), &call.line);
        }
        for other in facts.execs.below(&call.fact, &facts.inside) {
            let program = other.fact.file.as_str();
            let known = self.says(program);
            // A runtime may run what it needs, such as newuidmap; it does not become it.
            if other.fact.became || known.is_some() {
                let how = if other.fact.became { "became" } else { "ran" };
                let words = format!("{file} {how} {program}");
                self.doubt(words, Some((WAS_RUN, self.who(program))), &other.line);
            }
        }
    }

    /// The lane's own binary: what it holds and what it calls itself.
    fn binary(&mut self) {
        let (expected, facts) = (self.expected, self.facts);
        let path = expected.path.as_str();
        let Some(file) = facts.file(path) else {
            return;
        };
        let who = self
            .says(path)
            .map(|family| (SAYS_SO, family.name.to_owned()));
        for earlier in facts.files.iter().filter(|known| known.fact.path == path) {
            if earlier.fact.sha256 != file.fact.sha256 {
                self.doubt(
                    format!("{path} changed while the canary ran"),
                    who.clone(),
                    &file.line,
                );
            }
        }
        let record = match &expected.origin {
            Origin::Build { sha256, .. } => Some(*sha256 == file.fact.sha256),
            Origin::Package { .. } => facts.record(path).map(|md5| md5.fact.1 == file.fact.md5),
            Origin::Unknown => None,
        };
        let origin = expected.origin_words().unwrap_or_default();
        match record {
            Some(true) => self.prove(format!("{path} is {origin}"), &file.line),
            Some(false) => self.doubt(format!("{path} is not {origin}"), who.clone(), &file.line),
            None if file.fact.kind == "script" => {
                self.doubt(
                    format!("{path} is a script that nobody vouches for"),
                    who.clone(),
                    &file.line,
                );
            }
            None => {}
        }
        let Some(family) = expected.family() else {
            return;
        };
        if let Some(version) = facts.version(path) {
            let words = &version.fact.1;
            match family_of_words(words) {
                Some(other) if other == family => {
                    self.prove(format!("{path} calls itself `{words}`"), &version.line)
                }
                // What has no words for its version is known by the rest.
                _ if record == Some(true) && who.is_none() => {}
                _ => self.doubt(format!("{path} calls itself `{words}`"), who, &version.line),
            }
        }
    }

    /// What the runtime left in its state folders.
    fn states(&mut self) {
        let facts = self.facts;
        for state in &facts.states {
            let Some(wrote) = family_of_state(&state.fact.entries) else {
                continue;
            };
            let folder = state.fact.folder.as_str();
            // The last part is an id, which says nothing to people.
            let ids = [&facts.pod, &facts.container];
            let folder = ids
                .iter()
                .find_map(|id| folder.strip_suffix(id.as_str()))
                .map_or(folder, |folder| folder.trim_end_matches('/'));
            let words = format!("it left {}'s state in {folder}", wrote.name);
            match self.expected.family() {
                Some(family) if family == wrote => self.served(words, &state.line),
                Some(_) => {
                    let instead = Some((WROTE_STATE, wrote.name.to_owned()));
                    self.doubt(words, instead, &state.line);
                }
                None => {}
            }
        }
    }

    /// The sandbox's process must be the lane's binary, below the lane's shim.
    fn own_shim(&mut self) {
        let (expected, facts) = (self.expected, self.facts);
        if let Some(shim) = &expected.shim {
            let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let monitors: Vec<_> = facts.execs.monitors().collect();
            for monitor in &monitors {
                let file = monitor.fact.file.as_str();
                if name(file) == *shim {
                    self.prove(format!("the runtime started {file}"), &monitor.line);
                } else {
                    let words = format!("the runtime started {file}, not {shim}");
                    self.doubt(words, Some((SAYS_SO, name(file))), &monitor.line);
                }
            }
        }
        // A shim that nobody knows may call whatever it needs, such as a hypervisor.
        if expected.family().is_some() {
            self.calls();
        }
        self.binary();
        self.states();
        self.resident(&expected.path);
    }

    /// A resident service keeps the sandbox; a shim beside it would mean that somebody else did.
    fn controller(&mut self) {
        let facts = self.facts;
        for monitor in facts.execs.monitors() {
            let file = monitor.fact.file.as_str();
            let name = file.rsplit('/').next().unwrap_or_default().to_owned();
            self.doubt(
                format!("the runtime started {file} for a pod that needs no shim"),
                Some((WAS_RUN, name)),
                &monitor.line,
            );
        }
        self.binary();
        self.resident(&self.expected.path);
        for said in &facts.said {
            self.served(
                format!("{} speaks of the pod", self.expected.label()),
                &said.line,
            );
        }
    }

    /// One of the pod's processes, or one above them, executes the file at `path`.
    fn resident(&mut self, path: &str) {
        let facts = self.facts;
        let Some(file) = facts.file(path) else {
            return;
        };
        let found = facts
            .processes
            .iter()
            .find(|process| process.fact.sha256 == file.fact.sha256);
        if let Some(process) = found {
            let words = format!(
                "process {} of the pod executes what {path} holds",
                process.fact.pid
            );
            self.served(words, &process.line);
        }
    }

    fn kernel(&mut self) {
        let facts = self.facts;
        let (Some(host), Some(first)) = (&facts.host_kernel, facts.inside_kernel.first()) else {
            return;
        };
        let Some(family) = self.expected.family() else {
            return;
        };
        let release = |words: &str| words.split(' ').nth(1).unwrap_or_default().to_owned();
        let shared = release(&host.fact) == release(&first.fact);
        let own = |name: &str| {
            facts
                .inside_kernel
                .iter()
                .find(|line| line.fact.contains(name))
        };
        match family.kernel {
            None if shared => {}
            None => {
                let instead = super::family::FAMILIES
                    .iter()
                    .find(|other| other.kernel.is_some_and(|name| own(name).is_some()));
                let instead = instead.map(|other| (WROTE_STATE, other.name.to_owned()));
                self.doubt(
                    format!("the pod has a kernel of its own, `{}`", first.fact),
                    instead,
                    &first.line,
                );
            }
            Some(name) => match own(name) {
                Some(line) => {
                    self.served(format!("the pod's kernel calls itself {name}"), &line.line)
                }
                None => {
                    let words = format!("the pod's kernel is `{}`, not {name}", first.fact);
                    self.doubt(words, None, &first.line);
                }
            },
        }
    }

    fn end(mut self) -> Result<Identity, Box<Mismatch>> {
        let label = self.expected.label();
        if self.doubts.is_empty() {
            if self.served {
                return Ok(self.identity());
            }
            let problem = self.facts.problems.first();
            let words = problem.map_or_else(String::new, |problem| format!(": {}", problem.fact));
            return Err(Box::new(Mismatch {
                served_by: None,
                words: format!("lane says {label}, and nothing shows who served the pod{words}"),
                lines: problem
                    .map(|problem| problem.line.clone())
                    .into_iter()
                    .collect(),
            }));
        }
        self.doubts.sort_by_key(|doubt| {
            std::cmp::Reverse(doubt.instead.as_ref().map_or(0, |(weight, _)| *weight))
        });
        let family = self.expected.family().map(|family| family.name);
        let instead = self.doubts.iter().find_map(|doubt| doubt.instead.as_ref());
        let served_by = match instead {
            Some((_, name)) if Some(name.as_str()) == family => format!("another {name}"),
            Some((_, name)) => name.clone(),
            None => "something else".to_owned(),
        };
        let reasons: Vec<&str> = self
            .doubts
            .iter()
            .map(|doubt| doubt.words.as_str())
            .collect();
        Err(Box::new(Mismatch {
            words: format!(
                "lane says {label}, the pod was served by {served_by}: {}",
                reasons.join("; ")
            ),
            served_by: Some(served_by),
            lines: self.doubts.iter().map(|doubt| doubt.line.clone()).collect(),
        }))
    }

    fn identity(self) -> Identity {
        let (expected, facts) = (self.expected, self.facts);
        let program = |path: &str| Program {
            path: path.to_owned(),
            sha256: facts.file(path).map(|file| file.fact.sha256.clone()),
            version: facts.version(path).map(|version| version.fact.1.clone()),
        };
        let monitor = facts.execs.monitors().last().map(|monitor| {
            let path = monitor.fact.file.as_str();
            let process = facts
                .processes
                .iter()
                .find(|process| process.fact.exe == path);
            Program {
                sha256: process.map(|process| process.fact.sha256.clone()),
                ..program(path)
            }
        });
        Identity {
            sandboxer: expected.sandboxer.clone(),
            handler: expected.handler.clone(),
            runtime: expected.family().map(|family| family.name.to_owned()),
            binary: program(&expected.path),
            monitor,
            node_kernel: facts.host_kernel.as_ref().map(|kernel| kernel.fact.clone()),
            pod_kernel: facts
                .inside_kernel
                .first()
                .map(|kernel| kernel.fact.clone()),
            seconds: 0.0,
            proofs: self.proofs,
        }
    }
}
