//! Tells systemd how the daemon is (`sd_notify`): a datagram to the socket that `NOTIFY_SOCKET` names.
//!
//! Source: systemd's `sd_notify(3)`; an abstract socket's name starts with `@` in the variable.

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::net::{SocketAddr, UnixDatagram},
};

/// The way to systemd; none where something else started the daemon.
#[derive(Debug)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// For the socket's name, as the environment has it.
    #[must_use]
    pub fn new(socket: Option<&str>) -> Self {
        let address = socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        Self(address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))))
    }

    /// Says `state`, such as `READY=1` or `WATCHDOG=1`. What nobody hears is no fault.
    pub fn say(&self, state: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!("systemd does not hear `{state}`: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_arrives_and_without_a_socket_none_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        Notify::new(path.to_str()).say("READY=1");
        let mut heard = [0; 32];
        let length = ear.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        Notify::new(None).say("READY=1");
    }
}
