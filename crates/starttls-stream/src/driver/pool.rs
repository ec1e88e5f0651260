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

/// Lends a buffer of [`LARGE`] or of [`SMALL`] bytes to `f`, which may keep it and leave an empty one.
#[inline]
pub(super) fn lend<R>(large: bool, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // At the end of a thread there is no place for them any more.
    let spare = SPARE.try_with(|spare| spare[usize::from(large)].take());
    let mut buffer = spare
        .ok()
        .filter(|spare| !spare.is_empty())
        .unwrap_or_else(|| fresh(large));
    let result = f(&mut buffer);
    if !buffer.is_empty() {
        let _ = SPARE.try_with(|spare| spare[usize::from(large)].set(buffer));
    }
    result
}

#[cold]
fn fresh(large: bool) -> Vec<u8> {
    vec![0; if large { LARGE } else { SMALL }]
}

/// A buffer that was kept comes back. One of another size was made for one connection.
pub(super) fn put(buffer: Vec<u8>) {
    let place = match buffer.len() {
        SMALL => 0,
        LARGE => 1,
        _ => return,
    };
    let _ = SPARE.try_with(|spare| spare[place].set(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_lent_again_and_one_of_each_size_is_kept() {
        for (large, size) in [(false, SMALL), (true, LARGE)] {
            let place = lend(large, |buffer| {
                assert_eq!(buffer.len(), size);
                buffer[0] = 1;
                buffer.as_ptr()
            });
            // Kept, and asked for again meanwhile.
            let kept = lend(large, std::mem::take);
            assert_eq!(kept.as_ptr(), place);
            lend(large, |other| assert_ne!(other.as_ptr(), place));
            put(kept);
            lend(large, |again| assert_eq!(again.as_ptr(), place));
        }
        put(vec![0; 3 * LARGE]);
        lend(true, |buffer| assert_eq!(buffer.len(), LARGE));
    }
}
