//! Idle means empty: after large records were read, a connection holds what it held before them. One test, alone in its process: the allocator counts all
//! of it.

use std::alloc::System;

use starttls_core::{Incoming, Phase, Tls};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{carry, drain, handshake};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn holds_nothing_of_what_was_read() {
    for version in VERSIONS {
        let (client, server) = pair_of(version);
        let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
        handshake(&mut client, &mut server, usize::MAX);
        let exchange = |client: &mut Tls, server: &mut Tls, data: &[u8], piece: usize| {
            assert_eq!(server.write(data), Ok(data.len()));
            carry(server, client, piece);
            assert_eq!(drain(client), (data.to_vec(), Ok(Incoming::NeedInput)));
        };
        exchange(&mut client, &mut server, b"small", usize::MAX);
        let region = Region::new(ALLOCATOR);
        for piece in [usize::MAX, 1_000] {
            exchange(&mut client, &mut server, &[b'x'; 60_000], piece);
            // Nothing more comes now.
            client.received(0);
            let change = region.change();
            let held = change
                .bytes_allocated
                .saturating_sub(change.bytes_deallocated);
            assert!(held < 2_000, "{held} bytes more than before");
        }
    }
}
