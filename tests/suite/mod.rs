//! One suite for every runtime: each test is written once, over [`Runtime`], and instantiated for each with one line.

use std::sync::atomic::Ordering;

use starttls_tests::certs::{client, server};

mod bare;
mod pipe;
mod runtime;
mod strict;

pub(crate) mod cancelling;
pub(crate) mod ending;
pub(crate) mod flushing;
pub(crate) mod going_back;
pub(crate) mod halves;
pub(crate) mod injecting;
pub(crate) mod leaving;
pub(crate) mod lines;
pub(crate) mod taking;
pub(crate) mod timing;
pub(crate) mod upgrading;
pub(crate) mod waking;

pub(crate) use bare::Bare;
pub(crate) use pipe::Watch;
pub(crate) use runtime::{
    AsyncStd, Blocking, Compat, Futures, InPlace, Lines, Plain, Reading, Runtime, Smol, Split, Tls,
    Tokio, Writing,
};
pub(crate) use strict::Watchdog;

/// The suite on one runtime. Some tests are about futures, and some about the runtime's clock.
macro_rules! suite {
    ($name:ident on $runtime:ty $(, $more:ident)*) => {
        mod $name {
            suite!(@ $runtime;
                upgrading: ping_pong_in_both_roles, a_negotiator_in_both_roles,
                    only_who_asks_for_it_goes_on_without_tls,
                    the_configuration_is_chosen_by_the_hello, what_was_read_before_is_not_lost,
                    tls_from_the_first_byte, a_server_that_is_not_trusted_gets_an_alert,
                    small_pipes_and_a_lot_both_ways;
                injecting: with_the_last_line, after_the_last_line;
                ending: truncation_is_told_by_stage, half_closed_in_both_directions,
                    reading_after_the_end_and_writing_after_closing, an_error_stays_the_same,
                    a_transport_that_takes_nothing_is_write_zero,
                    would_block_as_an_error_is_an_error;
                going_back: and_to_tls_again, not_while_there_is_something_to_read,
                    after_reading_what_is_left, in_place,
                    in_place_there_is_no_way_back_from_an_error, tls_in_tls,
                    tls_in_tls_and_a_peer_that_has_left;
                flushing: over_a_buffering_transport, a_key_update_is_answered_by_reading,
                    key_updates_that_nobody_reads;
                lines: in_plaintext_and_in_tls, over_many_records;
                leaving: who_does_not_speak_tls_is_answered, the_transport_after_a_negotiation,
                    the_parts_of_a_stream;
                taking: a_blocked_write_takes_nothing, a_blocked_plaintext_write_takes_nothing;
                halves: megabytes_both_ways_and_reunited, reunited_in_the_middle,
                    a_blocked_writer_does_not_keep_the_reader, a_key_update_is_answered,
                    an_error_of_one_is_the_others;
            );
            $( suite!(@$more $runtime); )*
        }
    };
    (@polled $runtime:ty) => {
        suite!(@ $runtime;
            waking: an_idle_stream_is_not_polled, polls_are_bounded, a_waker_is_let_go;
            cancelling: an_upgrade, an_upgrade_in_place, flushes_and_reads, going_back,
                a_close_that_was_given_up;
        );
    };
    (@timed $runtime:ty) => {
        suite!(@ $runtime;
            timing: the_beginning_of_a_record_meets_the_deadline,
                a_slow_negotiation_and_no_handshake, a_peer_that_does_not_take_our_close_notify,
                a_peer_that_does_not_answer_it, a_peer_that_does_not_take_our_plaintext,
                a_limit_of_for_ever, a_deadline_says_what_was_waited_for, a_dialogue_has_a_deadline;
        );
    };
    (@ $runtime:ty; $($topic:ident: $($test:ident),*;)*) => { $(
        mod $topic { $(
            #[test]
            fn $test() {
                let _watchdog = crate::suite::Watchdog::new();
                crate::suite::$topic::$test::<$runtime>();
            }
        )* }
    )* };
}

/// A megabyte or so that is not all the same.
fn data(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed)
        .collect()
}

/// Client and server with TLS up, over a pipe that holds so many bytes from now on.
pub(crate) fn connected<R: Runtime>(capacity: usize) -> ((R::Tls, Watch), (R::Tls, Watch)) {
    let ((here, at_here), (there, at_there)) = R::pair(1 << 20);
    let (here, there) = R::both(
        async || {
            let mut tls = here.start_tls(client()).await.unwrap();
            // So that the server's tickets are not in the pipe any more.
            assert_eq!(tls.line().await.unwrap(), "up");
            tls
        },
        async || {
            let mut tls = there.start_tls(server()).await.unwrap();
            tls.send(b"up\n").await.unwrap();
            tls
        },
    );
    at_here.narrow(capacity);
    at_there.narrow(capacity);
    ((here, at_here), (there, at_there))
}
