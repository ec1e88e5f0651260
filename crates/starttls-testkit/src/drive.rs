//! Moving bytes between two state machines in memory, with no wire between them.

use starttls_core::{Error, Phase, Plain, Tls};

use crate::certs;

/// Hands everything that `from` has to send to `to`; returns the bytes, as an eavesdropper sees them.
///
/// # Panics
/// If `to` does not take all of it.
pub fn carry(from: &mut impl Phase, to: &mut impl Phase) -> Vec<u8> {
    let mut wire = Vec::new();
    from.poll_transmit(&mut wire);
    assert_eq!(to.handle_input(&wire), wire.len(), "all of it is taken");
    wire
}

/// Goes back and forth until neither side has anything to say; returns what each has sent.
///
/// # Panics
/// As [`carry`].
pub fn settle(client: &mut impl Phase, server: &mut impl Phase) -> (Vec<u8>, Vec<u8>) {
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    while client.has_output() || server.has_output() {
        sent.append(&mut carry(client, server));
        answered.append(&mut carry(server, client));
    }
    (sent, answered)
}

/// A client and a server that have shaken hands and know each other as `localhost`.
///
/// ```
/// use starttls_core::Incoming;
/// use starttls_testkit::drive::{pair, settle};
///
/// let (mut client, mut server) = pair()?;
/// assert_eq!(client.write(b"PING\n")?, 5);
/// settle(&mut client, &mut server);
/// let mut buf = [0; 100];
/// assert_eq!(server.read(&mut buf)?, Incoming::Data(5));
/// # Ok::<(), starttls_core::Error>(())
/// ```
///
/// # Errors
/// Those of the handshake: there are none, unless somebody has changed what is tested.
pub fn pair() -> Result<(Tls, Tls), Error> {
    let mut client = Plain::new().start_tls(certs::client())?;
    let mut server = Plain::new().start_tls(certs::server())?;
    settle(&mut client, &mut server);
    for side in [&client, &server] {
        if let Some(error) = side.error() {
            return Err(error.clone());
        }
    }
    Ok((client, server))
}
