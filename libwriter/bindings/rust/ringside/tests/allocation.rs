//! Registering and recording allocate nothing, so that both may be done behind a seccomp filter.

#![allow(clippy::declare_interior_mutable_const)] // clippy 1.63 takes the thread_local for one

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ringside::adapter::{CountMetric, StoreMetric};
use support::{create, Folder, START_NS};

thread_local! {
    // Of this thread: the harness of the tests allocates in its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        System.dealloc(at, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn registering_and_recording_allocate_nothing() {
    static FAULTS: CountMetric = CountMetric::new();
    static DEPTH: StoreMetric = StoreMetric::new();
    let folder = Folder::new();
    let (segment, _) = create(&folder);

    let before = allocations();
    let counter = segment.counter("exits_total", &["io"]).unwrap();
    let seconds = segment.counter_f64("cpu_seconds_total", &[]).unwrap();
    let gauge = segment.gauge("delay_seconds", &[]).unwrap();
    let histogram = segment.histogram("request_seconds", &[]).unwrap();
    segment.info("build_info", &["1.2.3"]).unwrap();
    assert!(FAULTS.bind(segment.shared_counter("faults_total", &[]).unwrap()));
    assert!(DEPTH.bind(segment.level("queue_depth", &[]).unwrap()));
    for i in 0..1000 {
        segment.tick(START_NS + i * 700_000_000); // windows end
        counter.add(i);
        seconds.add(0.5);
        gauge.record(i as f64);
        histogram.record(i as f64);
        histogram.record(f64::NAN);
        FAULTS.add(1);
        DEPTH.store(i);
    }
    drop((counter, seconds, gauge, histogram));
    assert_eq!(allocations(), before);

    assert!(segment.counter("unknown_total", &[]).is_err()); // its error has a text
    assert!(allocations() > before, "the counter counts");
}
