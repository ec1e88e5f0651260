use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::{ALLOCATOR, counted};

/// What the whole process uses from here on, so both sides and the kernel.
pub(crate) struct Meter {
    cpu: ProcessTime,
    wall: Instant,
    allocations: usize,
    reads: u64,
    writes: u64,
}

/// What was used.
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    pub(crate) allocations: usize,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            allocations: allocations(),
            reads: counted::reads(),
            writes: counted::writes(),
            wall: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    pub(crate) fn stop(&self) -> Used {
        Used {
            cpu: self.cpu.elapsed(),
            wall: self.wall.elapsed(),
            allocations: allocations() - self.allocations,
            reads: counted::reads() - self.reads,
            writes: counted::writes() - self.writes,
        }
    }
}

/// How often memory was asked for, larger memory for what is there included.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Bytes of heap that are in use.
pub(crate) fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}
