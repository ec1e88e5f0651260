//! A connection of bare rustls as the peer: it does what our own side never would.

use starttls_core::Phase;
use starttls_core::rustls::Connection;

/// Hands everything that `from` has to send to `bare`; how many bytes that was.
///
/// # Panics
/// If `bare` fails.
pub fn to_bare(from: &mut impl Phase, bare: &mut Connection) -> usize {
    let mut wire = Vec::new();
    from.poll_transmit(&mut wire);
    let mut rest = &wire[..];
    while !rest.is_empty() {
        bare.read_tls(&mut rest).expect("bytes in memory");
        bare.process_new_packets().expect("what we send is TLS");
    }
    wire.len()
}

/// Everything that `bare` has to send.
pub fn wire_of(bare: &mut Connection) -> Vec<u8> {
    let mut wire = Vec::new();
    while bare.wants_write() {
        bare.write_tls(&mut wire).expect("a vector takes all");
    }
    wire
}

/// Hands everything that `bare` has to send to `to`, as much as it takes; how many bytes that was.
pub fn from_bare(bare: &mut Connection, to: &mut impl Phase) -> usize {
    let wire = wire_of(bare);
    let mut rest = &wire[..];
    while !rest.is_empty() {
        match to.handle_input(rest) {
            0 => break,
            taken => rest = &rest[taken..],
        }
    }
    wire.len() - rest.len()
}

/// Lets both shake hands, until nothing is left to be sent.
pub fn shake_hands(bare: &mut Connection, ours: &mut impl Phase) {
    loop {
        let moved = from_bare(bare, ours) + to_bare(ours, bare);
        if moved == 0 {
            break;
        }
    }
}
