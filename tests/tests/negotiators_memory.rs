//! S17, S18: what a negotiation holds and what it copies, whatever is said to it, counted by the allocator. One test, alone in its
//! process: the allocator counts all of it.

use std::alloc::System;

use starttls_core::{Limits, Phase, Plain, Progress};
use starttls_protocols::registry::{ClientOptions, Protocol, Role, ServerOptions};
use starttls_tests::harness::negotiators::AnyNegotiator;
use starttls_tests::harness::transcript::{Transcript, protocols, read_directory};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn from_registry(protocol: Protocol, role: Role) -> AnyNegotiator {
    let client = ClientOptions::new("mail.example.org").port(25);
    let server = ServerOptions::new("mail.example.org").random([7; 20]);
    match role {
        Role::Client => AnyNegotiator::client(protocol.client(&client).expect("complete options")),
        Role::Server => AnyNegotiator::server(protocol.server(&server).expect("complete options")),
    }
}

#[test]
fn a_flood_costs_no_more_than_the_limits() {
    let limits = Limits::default();
    // Both buffers of the plaintext phase. What the negotiators themselves hold is in it, since none fills them.
    let most_held = limits.plaintext_input + limits.plaintext_output;
    // Each byte may be copied a few times: nothing here is quadratic.
    let most_allocated = 16 * limits.negotiation;

    let mut words: Vec<Vec<u8>> = b"\0x \n<\x30\x80\xff"
        .iter()
        .map(|byte| vec![*byte])
        .collect();
    for protocol in protocols() {
        words.extend(read_directory(&protocol).iter().map(Transcript::input));
    }
    words.retain(|word| !word.is_empty());
    let (mut held, mut allocated) = (0, 0);
    for word in words {
        let flood: Vec<u8> = word
            .iter()
            .copied()
            .cycle()
            .take(limits.negotiation + 1000)
            .collect();
        for protocol in Protocol::ALL {
            for role in [Role::Client, Role::Server] {
                let pieces: &[usize] = if word.len() == 1 { &[1, 1460] } else { &[1460] };
                for piece in pieces {
                    let region = Region::new(ALLOCATOR);
                    let mut negotiator = from_registry(protocol, role);
                    let mut plain = Plain::new();
                    for piece in flood.chunks(*piece) {
                        let taken = plain.handle_input(piece);
                        let progress = negotiator.negotiate(&mut plain);
                        // Who reads nothing until it has a whole message may fill the buffer, and that ends it.
                        assert!(taken == piece.len() || progress.is_err());
                        let change = region.change();
                        held = held.max(
                            change
                                .bytes_allocated
                                .saturating_sub(change.bytes_deallocated),
                        );
                        allocated = allocated.max(change.bytes_allocated);
                        let what = || format!("{protocol} {role:?}: {}", word.escape_ascii());
                        assert!(held <= most_held, "{held} bytes held by {}", what());
                        assert!(
                            allocated <= most_allocated,
                            "{allocated} bytes allocated by {}",
                            what()
                        );
                        if progress != Ok(Progress::NeedInput) {
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(held > 1000, "it counts nothing");
}
