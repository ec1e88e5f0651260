//! Buffers to receive records into, lent to a connection for as long as it holds some: an idle connection has none, and none is allocated or
//! cleared for a message.
//!
//! A thread keeps one of each size. Only what the network has seen as TLS records goes through them, never plaintext, so that nothing of one
//! connection could show up in another. A buffer may go back to another thread than it came from.

use std::cell::Cell;

/// What a blocking thread waits with, and what most messages fit into.
pub(super) const SMALL: usize = 4 * 1024;

/// Three of the largest records and a part of a fourth, for connections that have much to say.
pub(super) const LARGE: usize = 64 * 1024;

thread_local! {
    static SPARE: [Cell<Vec<u8>>; 2] = const { [Cell::new(Vec::new()), Cell::new(Vec::new())] };
}

/// A buffer of [`LARGE`] or of [`SMALL`] bytes.
pub(super) fn take(large: bool) -> Vec<u8> {
    let spare = SPARE
        .try_with(|spare| spare[usize::from(large)].take())
        .unwrap_or_default();
    if spare.is_empty() {
        vec![0; if large { LARGE } else { SMALL }]
    } else {
        spare
    }
}

/// A buffer comes back. One of another size was grown for one connection.
pub(super) fn put(buffer: Vec<u8>) {
    let place = match buffer.len() {
        SMALL => 0,
        LARGE => 1,
        _ => return,
    };
    // At the end of a thread there is no place any more.
    let _ = SPARE.try_with(|spare| spare[place].set(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_lent_again_and_one_of_each_size_is_kept() {
        for (large, size) in [(false, SMALL), (true, LARGE)] {
            let mut first = take(large);
            let second = take(large);
            assert_eq!((first.len(), second.len()), (size, size));
            first[0] = 1;
            let place = first.as_ptr();
            put(second);
            put(first);
            let again = take(large);
            assert_eq!(again.as_ptr(), place);
            assert_ne!(take(large).as_ptr(), place);
        }
        put(vec![0; 3 * LARGE]);
        assert_eq!(take(true).len(), LARGE);
    }
}
