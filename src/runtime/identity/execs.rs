//! What executed what while the canary started, as the kernel told it. Pure.

use super::facts::Noted;

/// One program that a process executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Its number, from 1, in order of time.
    pub number: usize,
    /// The process.
    pub pid: u32,
    /// The number of the program that did it; 0 when that had been running before.
    pub by: usize,
    /// The process had executed that program itself and became this one, as after `exec` in a script.
    pub became: bool,
    /// The path as it was executed.
    pub file: String,
}

impl Exec {
    /// Whether a program executed itself anew by a path that holds for it alone.
    #[must_use]
    pub fn is_self(&self) -> bool {
        self.file.starts_with("/proc/self/")
            || self.file.starts_with("/dev/fd/")
            || self.file.starts_with("/memfd:")
            || self.file.starts_with("/proc/") && self.file.contains("/fd/")
    }

    fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it stands between the runtime and the sandboxer: a shim, or CRI-O's conmon.
    #[must_use]
    pub fn is_monitor(&self) -> bool {
        let name = self.name();
        name.starts_with("containerd-shim") || name == "conmon" || name == "conmonrs"
    }
}

/// Everything that was executed, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execs(pub Vec<Noted<Exec>>);

impl Execs {
    fn get(&self, number: usize) -> Option<&Noted<Exec>> {
        self.0.iter().find(|exec| exec.fact.number == number)
    }

    /// The programs above this one, the nearest first. A program that executed itself anew is still the same one.
    fn above(&self, exec: &Exec) -> impl Iterator<Item = &Noted<Exec>> {
        let (mut at, mut by) = (exec.number, exec.by);
        std::iter::from_fn(move || {
            // A number is always greater than those it follows from; what says otherwise is no trace.
            while by < at {
                let found = self.get(by)?;
                (at, by) = (found.fact.number, found.fact.by);
                if !found.fact.is_self() {
                    return Some(found);
                }
            }
            None
        })
    }

    /// The monitors that were started.
    pub fn monitors(&self) -> impl Iterator<Item = &Noted<Exec>> {
        let real = |exec: &&Noted<Exec>| exec.fact.is_monitor() && !exec.fact.is_self();
        self.0.iter().filter(real)
    }

    /// What monitors called: the OCI runtime, each time. `inside` are the containers' own processes.
    pub fn called<'a>(&'a self, inside: &'a [u32]) -> impl Iterator<Item = &'a Noted<Exec>> {
        self.0.iter().filter(move |Noted { fact, .. }| {
            !fact.is_monitor()
                && !fact.is_self()
                && !inside.contains(&fact.pid)
                && (self.above(fact).next()).is_some_and(|by| by.fact.is_monitor())
        })
    }

    /// What ran below a call, beside the program itself and what ran inside the containers.
    pub fn below<'a>(
        &'a self,
        call: &'a Exec,
        inside: &'a [u32],
    ) -> impl Iterator<Item = &'a Noted<Exec>> {
        let within = move |exec: &Exec| inside.contains(&exec.pid);
        self.0.iter().filter(move |Noted { fact, .. }| {
            let between = || {
                self.above(fact)
                    .take_while(|up| up.fact.number != call.number)
            };
            !fact.is_self()
                && !within(fact)
                && fact.file != call.file
                && self.above(fact).any(|up| up.fact.number == call.number)
                && !between().any(|up| within(&up.fact))
        })
    }
}
