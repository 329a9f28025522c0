//! What a request takes from the host, and what the host has.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What a request takes while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Machines that run at once.
    pub slots: u32,
    /// Processor cores.
    pub cores: u32,
    /// Memory, in MiB.
    pub memory: u64,
    /// Disk, in MiB.
    pub disk: u64,
    /// Things that only one request may use at a time; a lane's name is one.
    pub locks: BTreeSet<String>,
}

/// What the host has, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Machines that may run at once.
    pub slots: u32,
    /// Processor cores.
    pub cores: u32,
    /// Memory, in MiB.
    pub memory: u64,
    /// Disk, in MiB.
    pub disk: u64,
    /// Locks that are taken.
    pub taken: BTreeSet<String>,
}

/// The first thing a request lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// Machines.
    Slots(u32),
    /// Cores.
    Cores(u32),
    /// Memory, in MiB.
    Memory(u64),
    /// Disk, in MiB.
    Disk(u64),
    /// Something that another request holds.
    Lock(String),
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slots(n) => write!(f, "{n} more machines must be free"),
            Self::Cores(n) => write!(f, "{n} more cores must be free"),
            Self::Memory(n) => write!(f, "{n} MiB more memory must be free"),
            Self::Disk(n) => write!(f, "{n} MiB more disk must be free"),
            Self::Lock(name) => write!(f, "`{name}` is running"),
        }
    }
}

impl Capacity {
    /// What is missing for `demand`; nothing if it fits.
    #[must_use]
    pub fn lacks(&self, demand: &Demand) -> Option<Short> {
        if let Some(lock) = demand.locks.intersection(&self.taken).next() {
            return Some(Short::Lock(lock.clone()));
        }
        self.lacks_room(demand)
    }

    /// The same without the locks: what no waiting will change if `self` is the whole host.
    #[must_use]
    pub const fn lacks_room(&self, demand: &Demand) -> Option<Short> {
        if demand.slots > self.slots {
            Some(Short::Slots(demand.slots - self.slots))
        } else if demand.cores > self.cores {
            Some(Short::Cores(demand.cores - self.cores))
        } else if demand.memory > self.memory {
            Some(Short::Memory(demand.memory - self.memory))
        } else if demand.disk > self.disk {
            Some(Short::Disk(demand.disk - self.disk))
        } else {
            None
        }
    }

    /// Takes `demand` away. What is not there stays at zero: a running request may take more than was thought.
    pub fn take(&mut self, demand: &Demand) {
        self.slots = self.slots.saturating_sub(demand.slots);
        self.cores = self.cores.saturating_sub(demand.cores);
        self.memory = self.memory.saturating_sub(demand.memory);
        self.disk = self.disk.saturating_sub(demand.disk);
        self.taken.extend(demand.locks.iter().cloned());
    }

    /// Gives `demand` back.
    pub fn give(&mut self, demand: &Demand) {
        self.slots += demand.slots;
        self.cores += demand.cores;
        self.memory += demand.memory;
        self.disk += demand.disk;
        for lock in &demand.locks {
            self.taken.remove(lock);
        }
    }
}
