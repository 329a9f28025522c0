//! Which log lines show that a machine is of no use any more. Pure: one line in, perhaps one alarm out.
//!
//! Only the forms count in which the kernel, PID 1, journald, dracut or Ignition themselves speak. Test and
//! kubelet logs mention the same words all day.

use std::sync::LazyLock;

use regex::Regex;

use super::entry::{Artifact, Entry};
use crate::model::Phase;

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The boot ended in an emergency shell.
    Emergency,
    /// A unit that the node cannot do without failed.
    Unit(String),
    /// The kernel panicked.
    Panic,
    /// The kernel killed PID 1 for memory.
    InitKilled,
    /// The initramfs did not find its root disk.
    MissingRoot,
    /// A disk of the guest is full.
    DiskFull,
    /// A disk of the guest, or its file system, gives errors.
    DiskBroken,
    /// Ignition gave up.
    Ignition,
}

/// A line that ends a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub sign: Sign,
    /// The phase it belongs to, where the line alone says so.
    pub phase: Option<Phase>,
    /// In words.
    pub said: String,
}

impl Sign {
    /// Whether the cause is still to come, or stands in other lines that may arrive late.
    #[must_use]
    pub fn is_symptom(&self) -> bool {
        matches!(self, Self::Emergency | Self::Unit(_) | Self::MissingRoot)
    }

    /// Of two alarms, the one that explains more is the cause.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Emergency => 0,
            Self::Unit(_) => 1,
            Self::Panic => 2,
            Self::InitKilled => 3,
            Self::MissingRoot => 4,
            Self::DiskFull => 5,
            Self::DiskBroken => 6,
            Self::Ignition => 7,
        }
    }

    /// Whether the guest can still be asked things after it.
    #[must_use]
    pub fn guest_answers(&self) -> bool {
        matches!(self, Self::Unit(_) | Self::DiskFull | Self::DiskBroken)
    }
}

/// Looks at one entry. `required` are the units the node cannot do without.
#[must_use]
pub fn scan(artifact: Artifact, entry: &Entry, required: &[String]) -> Option<Alarm> {
    let early = artifact == Artifact::Ignition;
    kernel(artifact, entry)
        .or_else(|| ignition(entry))
        .or_else(|| initramfs(entry))
        .or_else(|| emergency(artifact, entry, early))
        .or_else(|| unit(entry, required))
        .or_else(|| disk_full(entry, required))
}

macro_rules! form {
    ($name:ident = $text:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}

fn captured<'t>(form: &Option<Regex>, text: &'t str) -> Option<regex::Captures<'t>> {
    form.as_ref()?.captures(text)
}

fn alarm(sign: Sign, phase: Option<Phase>, said: String) -> Option<Alarm> {
    Some(Alarm { sign, phase, said })
}

fn kernel(artifact: Artifact, entry: &Entry) -> Option<Alarm> {
    form!(PANIC = r"^Kernel panic - not syncing: (.*)$");
    form!(NO_ROOT = r"^VFS: Unable to mount root fs|^VFS: Cannot open root device");
    form!(INIT = r"^Out of memory: Killed process 1 \(");
    // Loop devices belong to specs; these are disks that the machine gave the guest.
    form!(
        BROKEN = r"(?x)
        ^EXT4-fs\ error\ \(device\ (?:vd[a-z]|sd[a-z]|nvme\d+n\d+|dm-\d+)p?\d*\)
        | ^EXT4-fs\ \((?:vd[a-z]|sd[a-z]|nvme\d+n\d+)p?\d*\):\ Remounting\ filesystem\ read-only
        | ^(?:blk_update_request:\ )?I/O\ error,\ dev\ (?:vd[a-z]|sd[a-z]|nvme\d+n\d+)\b
        | ^Buffer\ I/O\ error\ on\ dev(?:ice)?\ (?:vd[a-z]|sd[a-z]|nvme\d+n\d+)
        | ^XFS\ \((?:vd[a-z]|sd[a-z]|nvme\d+n\d+)p?\d*\):\ .*(?:Corruption|shutdown)"
    );
    form!(FULL = r"^EXT4-fs \((?:vd[a-z]|sd[a-z]|nvme\d+n\d+|dm-\d+)p?\d*\): .* with error 28$");
    // A panic without time stamps has no sender; nothing else writes to the console in this form.
    let bare = artifact == Artifact::Console && entry.sender.is_empty();
    if !entry.is_kernel() && !bare {
        return None;
    }
    let text = entry.message.as_str();
    if let Some(found) = captured(&PANIC, text) {
        let reason = &found[1];
        if captured(&NO_ROOT, reason).is_some() {
            let said = format!("the kernel found no root file system: {reason}");
            return alarm(Sign::MissingRoot, Some(Phase::Boot), said);
        }
        return alarm(
            Sign::Panic,
            None,
            format!("the guest's kernel panicked: {reason}"),
        );
    }
    if bare {
        return None;
    }
    if captured(&INIT, text).is_some() {
        let said = "the guest ran out of memory and its kernel killed PID 1".to_owned();
        return alarm(Sign::InitKilled, None, said);
    }
    if captured(&FULL, text).is_some() {
        return alarm(
            Sign::DiskFull,
            None,
            format!("the guest's disk is full: {text}"),
        );
    }
    captured(&BROKEN, text)?;
    alarm(
        Sign::DiskBroken,
        None,
        format!("the guest's disk gives errors: {text}"),
    )
}

fn ignition(entry: &Entry) -> Option<Alarm> {
    // Before its log is a stream it goes to syslog, without the level in words.
    form!(FAILED = r"^(?:CRITICAL *: )?Ignition failed: (.*)$");
    if entry.sender != "ignition" {
        return None;
    }
    let found = captured(&FAILED, &entry.message)?;
    let said = format!("Ignition failed: {}", &found[1]);
    alarm(Sign::Ignition, Some(Phase::Provision), said)
}

fn initramfs(entry: &Entry) -> Option<Alarm> {
    // "… does not exist" alone is also printed when something else failed before the disk was looked for.
    form!(GAVE_UP = r"^(?:Warning: )?(?:Could not boot\.?|Can't mount root filesystem)$");
    form!(REFUSES = r"^(?:FATAL: (.*)|Refusing to continue)$");
    if !entry.sender.starts_with("dracut") {
        return None;
    }
    if captured(&GAVE_UP, &entry.message).is_some() {
        let said = "the initramfs found no root file system".to_owned();
        return alarm(Sign::MissingRoot, Some(Phase::Boot), said);
    }
    let found = captured(&REFUSES, &entry.message)?;
    let said = match found.get(1) {
        Some(reason) => format!("the initramfs refuses to go on: {}", reason.as_str()),
        None => "the initramfs refuses to go on".to_owned(),
    };
    alarm(Sign::MissingRoot, Some(Phase::Boot), said)
}

fn emergency(artifact: Artifact, entry: &Entry, early: bool) -> Option<Alarm> {
    const CONSOLE: [&str; 4] = [
        "Entering emergency mode.",
        "You are in emergency mode.",
        "You are in rescue mode.",
        "Press Enter for emergency shell",
    ];
    const INIT: [&str; 3] = [
        "Reached target emergency.target",
        "Reached target rescue.target",
        "Started emergency.service",
    ];
    let text = entry.message.as_str();
    let on_console = artifact == Artifact::Console
        && entry.sender.is_empty()
        && CONSOLE.iter().any(|form| text.starts_with(form));
    let by_init = entry.is_init() && INIT.iter().any(|form| text.starts_with(form));
    if !on_console && !by_init {
        return None;
    }
    let phase = early.then_some(Phase::Boot);
    alarm(
        Sign::Emergency,
        phase,
        "the boot ended in an emergency shell".to_owned(),
    )
}

fn unit(entry: &Entry, required: &[String]) -> Option<Alarm> {
    form!(FAILED = r"^(?:Failed to (?:start|mount) |Dependency failed for )");
    if !entry.is_init() || !required.contains(&entry.unit) {
        return None;
    }
    captured(&FAILED, &entry.message)?;
    let said = format!("{} failed", entry.unit);
    alarm(Sign::Unit(entry.unit.clone()), None, said)
}

fn disk_full(entry: &Entry, required: &[String]) -> Option<Alarm> {
    form!(SPACE = r"(?i)no space left on device");
    // The kernel gives the same error when inotify watches or cgroup places run out.
    form!(OTHER = r"(?i)inotify|watch|cgroup|control group|cpuset|semaphore");
    // A service's own files, not a pod's.
    form!(FILE = r#"(?i)(/(?:var|run|etc|opt|tmp|root)/[^\s"':]*)["']?: no space left on device"#);
    form!(OF_A_POD = r"/rootfs/|/rootfs$|/pods/|/volumes?/|/sandboxes/|/containers/");
    let text = entry.message.as_str();
    captured(&SPACE, text)?;
    if captured(&OTHER, text).is_some() {
        return None;
    }
    let said = format!("the guest's disk is full: {}", entry.shown());
    if entry.is_init() || entry.sender == "systemd-journald" {
        return alarm(Sign::DiskFull, None, said);
    }
    if !required.iter().any(|unit| entry.is_of(unit))
        || text.contains("level=info")
        || text.contains("level=debug")
    {
        return None;
    }
    let file = captured(&FILE, text)?;
    if captured(&OF_A_POD, &file[1]).is_some() {
        return None;
    }
    alarm(Sign::DiskFull, None, said)
}
