//! S17: what one connection holds, counted by the allocator. One test, alone in its process: the allocator counts all of it.

use std::alloc::System;
use std::io::Write;

use starttls_core::rustls::Connection;
use starttls_core::{Error, Limits, Misuse, Phase, Plain, Tls};
use starttls_tests::bare::{from_bare, shake_hands};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{drain, handshake};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

#[test]
fn a_flood_that_nobody_reads_stays_within_the_limits() {
    let limits = Limits::default();
    let slack = 40 * 1024;

    // plaintext, received
    let region = Region::new(ALLOCATOR);
    let mut plain = Plain::new();
    for _ in 0..1000 {
        if plain.handle_input(&[b'x'; 1000]) == 0 {
            break;
        }
    }
    assert!(!plain.wants_input());
    assert_eq!(plain.peek().len(), limits.plaintext_input);
    assert!(plain.receive_buffer().is_empty());
    // plaintext, to be sent
    while plain.write(&[b'y'; 1000]) > 0 {}
    assert_eq!(
        plain.write_all(b"z"),
        Err(Error::Misuse(Misuse::OutputFull))
    );
    assert!(held(&region) <= limits.plaintext_input + limits.plaintext_output + slack);
    drop(plain);

    for version in VERSIONS {
        let (client, server) = pair_of(version);
        let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
        handshake(&mut client, &mut server, usize::MAX);
        let mut wire = Vec::new();
        while wire.len() < 1 << 20 {
            assert!(server.write(&[b'x'; 16_000]).unwrap() > 0);
            server.poll_transmit(&mut wire);
        }
        // TLS, received
        let region = Region::new(ALLOCATOR);
        let mut taken = 0;
        while client.wants_input() {
            taken += client.handle_input(&wire[taken..][..1000]);
        }
        assert!(
            taken < limits.tls_input + 2 * 18_437,
            "{taken} bytes were taken"
        );
        assert_eq!(client.handle_input(&wire[taken..]), 0);
        // TLS, to be sent
        while client.write(&[b'y'; 1000]).unwrap() > 0 {}
        let held = held(&region);
        assert!(
            held <= limits.tls_input + 2 * 18_437 + limits.tls_output + slack,
            "{held} bytes are held"
        );
        // and nothing was lost
        let mut received = 0;
        loop {
            received += drain(&mut client).0.len();
            if taken == wire.len() {
                break;
            }
            taken += client.handle_input(&wire[taken..]);
        }
        assert_eq!(received % 16_000, 0);
        assert!(received >= 1 << 20 >> 1);
    }

    // Reading makes output: a peer that asks for new keys again and again, with data in between, and takes nothing.
    let (client, server) = pair_of(VERSIONS[1]);
    let (mut ours, mut peer) = (Tls::new_implicit(server), Connection::from(client));
    shake_hands(&mut peer, &mut ours);
    let mut sent = 0;
    let region = Region::new(ALLOCATOR);
    while sent < 1 << 20 {
        peer.refresh_traffic_keys().unwrap();
        peer.writer().write_all(b"x").unwrap();
        sent += from_bare(&mut peer, &mut ours);
        assert_eq!(drain(&mut ours).0, b"x");
    }
    let held = self::held(&region);
    assert!(held <= slack, "{held} bytes are held");

    // Idle, nothing is held: the buffer goes back when there is nothing to receive.
    let region = Region::new(ALLOCATOR);
    let mut plain = Plain::new();
    plain.receive_buffer()[..3].copy_from_slice(b"abc");
    plain.received(3);
    assert!(self::held(&region) >= 3);
    plain.consume(3);
    assert!(!plain.receive_buffer().is_empty());
    plain.received(0);
    assert_eq!(self::held(&region), 0);
}
