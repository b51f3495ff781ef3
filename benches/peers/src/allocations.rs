//! Counting what is allocated, in passes of their own: while nothing counts, an allocation costs
//! one relaxed load more than the system's allocator, and a free as much.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// The allocator of this program.
pub(crate) struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK_BYTES: AtomicI64 = AtomicI64::new(0);

/// What a piece of work did to the heap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heap {
    /// Calls to the allocator that gave memory; growing a buffer is one.
    pub(crate) allocations: u64,
    /// Bytes that it still holds, after what it gave back.
    pub(crate) held: i64,
    /// The most bytes that it held at once.
    pub(crate) peak: i64,
}

/// Runs `work` and tells what it did to the heap, on all threads.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    ALLOCATIONS.store(0, Relaxed);
    LIVE_BYTES.store(0, Relaxed);
    PEAK_BYTES.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    let result = work();
    COUNTS.store(false, Relaxed);
    let heap = Heap {
        allocations: ALLOCATIONS.load(Relaxed),
        held: LIVE_BYTES.load(Relaxed),
        peak: PEAK_BYTES.load(Relaxed),
    };
    (result, heap)
}

fn record(allocations: u64, bytes: i64) {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        let live = LIVE_BYTES.fetch_add(bytes, Relaxed) + bytes;
        PEAK_BYTES.fetch_max(live, Relaxed);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; it forwards every call")]
// SAFETY: every call goes to the system's allocator as it came, and its answer is passed on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        record(1, signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        record(1, signed(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        record(1, signed(size) - signed(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        record(0, -signed(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}
