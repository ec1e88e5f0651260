use std::sync::atomic::{AtomicU64, Ordering};

static REPETITION: AtomicU64 = AtomicU64::new(0);

/// From here on every [`Layout`] is another one.
pub(crate) fn next() {
    REPETITION.fetch_add(1, Ordering::Relaxed);
}

/// Blocks of odd sizes with holes between them, so that every repetition finds the heap in another order.
///
/// On some processors how fast a large copy is depends on how far source and destination are apart within a page (`rep movsb` of AMD's
/// Zen 3, which glibc uses from 4 KiB on). A connection keeps its buffers, so one order of the heap would give all repetitions of a
/// row the same luck, good or bad. Each thread that runs a side wants one, as it has a heap of its own.
pub(crate) struct Layout(#[expect(dead_code, reason = "held, not used")] Vec<Vec<u8>>);

impl Layout {
    pub(crate) fn new() -> Self {
        let mut state = REPETITION.load(Ordering::Relaxed);
        let mut size = || {
            // Knuth's MMIX generator; its upper bits are good enough.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let random = usize::try_from(state >> 48).unwrap_or_default();
            (4 << 10) + random
        };
        let mut blocks: Vec<Vec<u8>> = (0..256).map(|_| Vec::with_capacity(size())).collect();
        let mut keep = false;
        blocks.retain(|_| {
            keep = !keep;
            keep
        });
        Self(blocks)
    }
}
