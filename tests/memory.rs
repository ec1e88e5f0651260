//! Two state machines on one table: what one sends, the other receives, in pieces of any size.

use starttls_core::{Error, Incoming, Phase, Tls};

/// Hands everything that `from` has to send to `to`, in pieces of at most `piece` bytes; the bytes that went over.
pub fn carry(from: &mut impl Phase, to: &mut impl Phase, piece: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    from.poll_transmit(&mut sent);
    give(to, &sent, piece);
    sent
}

/// Hands all of `bytes` in, in pieces of at most `piece` bytes.
pub fn give(to: &mut impl Phase, bytes: &[u8], piece: usize) {
    for mut piece in bytes.chunks(piece.max(1)) {
        while !piece.is_empty() {
            let taken = to.handle_input(piece);
            assert!(taken > 0, "input of {} bytes is not taken", piece.len());
            piece = &piece[taken..];
        }
    }
}

/// Lets two sides shake hands; the bytes that went over, client's and server's.
///
/// # Panics
/// If either of them fails.
pub fn handshake(client: &mut Tls, server: &mut Tls, piece: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    while client.is_handshaking()
        || server.is_handshaking()
        || client.has_output()
        || server.has_output()
    {
        assert_eq!((client.error(), server.error()), (None, None));
        from_client.extend(carry(client, server, piece));
        from_server.extend(carry(server, client, piece));
    }
    (from_client, from_server)
}

/// Lets two sides talk until neither has anything to say, whether they succeed or fail.
pub fn settle(client: &mut Tls, server: &mut Tls) {
    while client.has_output() || server.has_output() {
        carry(client, server, usize::MAX);
        carry(server, client, usize::MAX);
    }
}

/// Everything that can be read now, and how it ends.
pub fn drain(tls: &mut Tls) -> (Vec<u8>, Result<Incoming<()>, Error>) {
    let mut data = Vec::new();
    let mut buf = [0; 1000];
    loop {
        match tls.read(&mut buf) {
            Ok(Incoming::Data(n)) => data.extend_from_slice(&buf[..n]),
            Ok(other) => return (data, Ok(other.map(drop))),
            Err(error) => return (data, Err(error)),
        }
    }
}
