//! S17, S26: what the streams of each adapter hold while reading makes output that nobody takes, counted by the allocator. One test, alone in its process: the
//! allocator counts all of it.

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use starttls_stream::PlainStream;
use starttls_tests::certs::{client, server};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[macro_use]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "one of its tests is run here"
)]
#[path = "../suite/mod.rs"]
mod suite;

use suite::{Blocking, Futures, Runtime, Smol, Tokio};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn streams_hold_little() {
    let _watchdog = suite::Watchdog::new();
    a_flood_of_key_updates_is_not_hoarded();
    halves_hold_little_while_nothing_comes();
}

fn a_flood_of_key_updates_is_not_hoarded() {
    while_flooded::<Tokio>();
    while_flooded::<Futures>();
    while_flooded::<Smol>();
    while_flooded::<Blocking>();
}

/// A blocking half has a buffer of its own to be blocked with.
fn halves_hold_little_while_nothing_comes() {
    const LENGTH: usize = 1 << 20;
    // Over sockets: what is under way is held by the system.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let there = listener.accept().unwrap().0;
    let serving = thread::spawn(|| PlainStream::new(there).start_tls(server()).unwrap());
    let here = PlainStream::new(here).start_tls(client()).unwrap();
    let mut there = serving.join().unwrap();
    let (mut reader, writer) = here.split().unwrap();
    let bulk = vec![7; LENGTH];
    let held = || {
        let stats = Region::new(ALLOCATOR).initial();
        stats.bytes_allocated - stats.bytes_deallocated
    };
    let before = held();
    thread::scope(|scope| {
        scope.spawn(|| there.write_all(&bulk).unwrap());
        let mut received = vec![0; LENGTH];
        reader.read_exact(&mut received).unwrap();
        assert!(received == bulk);
    });
    there.flush().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.read_exact(&mut [0]).unwrap());
        // What was needed for the bulk is let go by whoever waits for more. What two threads keep to lend to all their connections is no connection's,
        // and is at most 84 KiB each; with the 64 KiB of a half on top the watchdog would end this.
        while held() > before + 2 * 84 * 1024 + 8 * 1024 {
            thread::yield_now();
        }
        there.write_all(b"x").unwrap();
        waiting.join().unwrap();
    });
    drop((reader, writer, there));
}

fn while_flooded<R: Runtime>() {
    // The first has the certificates and the runtime made, which stay.
    suite::flushing::of_a_flood_of_key_updates::<R>(100, || ());
    let region = Region::new(ALLOCATOR);
    suite::flushing::of_a_flood_of_key_updates::<R>(10_000, || {
        let change = region.change();
        let held = change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated);
        // Both ends of a connection, and the pipe. The answers alone would be 270,000 bytes, were each of them kept.
        assert!(held < 100_000, "{held}");
    });
}
