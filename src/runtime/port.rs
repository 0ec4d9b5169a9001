//! A free TCP port on the loopback, picked by the system.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::runner::ports::RuntimeError;

/// A port of 127.0.0.1 that is free at this moment. It is let go before the engine binds it, so
/// it can be taken in between.
pub fn pick() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// [`pick`] in the words of a runtime.
pub fn pick_or_fail(pick: impl Fn() -> io::Result<u16>) -> Result<u16, RuntimeError> {
    pick().map_err(|source| RuntimeError::Host {
        what: "no free port could be found on 127.0.0.1".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picked_port_can_be_bound() {
        let port = pick().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
