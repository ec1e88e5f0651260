//! A handshake in memory, through the core's own state machine.

use starttls_core::rustls::Connection;
use starttls_core::{Error, Phase, Plain, Tls};

/// Both sides of a connection, in TLS.
#[derive(Debug)]
pub struct Pair {
    /// The client's.
    pub client: Tls,
    /// The server's.
    pub server: Tls,
}

/// Completes a handshake.
///
/// # Errors
/// The client's, if it has one, or else the server's.
pub fn handshake(
    client: impl Into<Connection>,
    server: impl Into<Connection>,
) -> Result<Pair, Error> {
    let mut client = Plain::new().start_tls(client)?;
    let mut server = Plain::new().start_tls(server)?;
    loop {
        let moved = carry(&mut client, &mut server) + carry(&mut server, &mut client);
        let done = !client.is_handshaking() && !server.is_handshaking();
        if moved == 0 && (done || client.error().is_some() || server.error().is_some()) {
            break;
        }
        assert!(moved > 0, "the handshake does not go on");
    }
    match (client.error(), server.error()) {
        (Some(error), _) | (_, Some(error)) => Err(error.clone()),
        _ => Ok(Pair { client, server }),
    }
}

/// Takes what one side has to send to the other; how much that was.
pub fn carry(from: &mut Tls, to: &mut Tls) -> usize {
    let mut bytes = Vec::new();
    while from.has_output() {
        from.transmit_to(&mut bytes)
            .expect("a `Vec` takes everything");
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let buffer = to.receive_buffer();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        to.received(n);
        rest = &rest[n..];
        // What was received is acted on when it is looked for.
        let _ = to.peek();
    }
    bytes.len()
}
