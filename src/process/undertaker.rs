//! Ends the children's children when bellwether is killed.
//!
//! The parent-death signal reaches only the direct child: a `make` dies with bellwether, the compilers that it
//! started do not. So one small process outlives bellwether for a moment, and kills the groups that are still open.

use std::{
    io::Write as _,
    process::{ChildStdin, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// A process group that does not outlive this process, until it is dropped.
#[derive(Debug)]
pub(super) struct Watched(Option<u32>);

impl Watched {
    /// Watches the group that `leader` leads.
    pub fn new(leader: Option<u32>) -> Self {
        tell('+', leader);
        Self(leader)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, leader: Option<u32>) {
    static UNDERTAKER: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let undertaker = UNDERTAKER.get_or_init(|| start().map(Mutex::new));
    if let (Some(undertaker), Some(leader)) = (undertaker, leader) {
        let mut stdin = undertaker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = stdin.write_all(format!("{sign} {leader}\n").as_bytes()) {
            tracing::debug!("nobody watches over process group {leader}: {error}");
        }
    }
}

fn start() -> Option<ChildStdin> {
    let mut command = super::lasting_command("sh");
    let command = command
        .as_std_mut()
        .args(["-c", include_str!("undertaker.sh"), "bellwether-undertaker"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => child.stdin.take(),
        Err(error) => {
            tracing::warn!("a killed bellwether would leave its builds running: sh: {error}");
            None
        }
    }
}
