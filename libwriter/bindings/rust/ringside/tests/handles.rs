//! Handles: what a record leaves in its cell, and threads. That every language leaves the same bytes is asked by
//! tests/conformance, in windows, turns and all.

mod support;

use std::thread;

use ringside::{Counter, CounterF64, Gauge, Histogram, Level, Options, Segment, SharedCounter};
use support::{create, Bytes, Folder, CPU, DELAY, DEPTH, EXITS, FAULTS, REQUEST, SCHEMA, START_NS};

#[test]
fn a_counter_adds_and_follows_a_raw_total() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counter = segment.counter("exits_total", &["io"]).unwrap();
    counter.add(5);
    counter.baseline(100);
    counter.total(103);
    counter.total(2); // the source began again
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell(EXITS, 2), bytes.cell(EXITS, 3)), (5 + 3 + 2, 2));
}

#[test]
fn a_fractional_counter_adds_and_rejects() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counter = segment.counter_f64("cpu_seconds_total", &[]).unwrap();
    counter.add(0.25);
    counter.baseline(10.0);
    counter.total(10.5);
    counter.total(1.0);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        counter.add(bad);
        counter.total(bad);
    }
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell_f64(CPU, 2), bytes.cell_f64(CPU, 3)), (0.25 + 0.5 + 1.0, 1.0));
    assert_eq!(bytes.rejected_samples(), 6);
}

#[test]
fn a_gauge_keeps_sum_last_and_extremes() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let gauge = segment.gauge("delay_seconds", &[]).unwrap();
    for value in [2.0, -1.0, 4.0, f64::NAN, f64::NEG_INFINITY] {
        gauge.record(value);
    }
    let bytes = Bytes::read(&path);
    assert_eq!(bytes.cell(DELAY, 0) & 1, 1, "three records: the second of each pair is valid");
    assert_eq!((bytes.cell_f64(DELAY, 3), bytes.cell_f64(DELAY, 5)), (5.0, 4.0));
    assert_eq!((bytes.cell_f64(DELAY, 6), bytes.cell_f64(DELAY, 7)), (-1.0, 4.0));
    assert_eq!(bytes.rejected_samples(), 2);
}

#[test]
fn a_level_is_weighted_by_time() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let level = segment.level("queue_depth", &[]).unwrap();
    level.set(3.0);
    segment.tick(START_NS + 200_000_000);
    level.set(1.0);
    segment.tick(START_NS + 500_000_000);
    level.set(2.0);
    level.set(f64::INFINITY);
    let bytes = Bytes::read(&path);
    let since = bytes.cell(DEPTH, 2);
    assert_eq!(since & !1, START_NS + 500_000_000);
    assert_eq!(bytes.cell_f64(DEPTH, 3 + (since & 1)), 3.0 * 2e8 + 1.0 * 3e8);
    assert_eq!((bytes.cell_f64(DEPTH, 5), bytes.cell_f64(DEPTH, 6), bytes.cell_f64(DEPTH, 7)), (2.0, 1.0, 3.0));
    assert_eq!((bytes.cell(DEPTH, 0) & 1, bytes.rejected_samples()), (0, 1));
}

#[test]
fn a_histogram_counts_into_the_buckets_of_the_library() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let histogram = segment.histogram("request_seconds", &[]).unwrap();
    // Scale 0 from 1 to 8: zero up to 0.5, then (0.5, 1], (1, 2], (2, 4], (4, 8], beyond.
    for value in [0.0, 0.5, 0.6, 1.0, 1.5, 2.0, 3.0, 8.0, 9.0, -1.0, f64::NAN] {
        histogram.record(value);
    }
    let bytes = Bytes::read(&path);
    assert_eq!((0..5).map(|i| bytes.bucket(i)).collect::<Vec<_>>(), [2, 2, 2, 1, 1]);
    let seq = bytes.cell(REQUEST, 0);
    assert_eq!(seq, 2 * 9);
    assert_eq!(bytes.cell_f64(REQUEST, 3 + (seq >> 1 & 1)), 25.6);
    assert_eq!(bytes.rejected_samples(), 2);
}

#[test]
fn the_coarse_clock_needs_no_tick() {
    let folder = Folder::new();
    let options = Options::new("vm-1", &SCHEMA).directory(folder.path());
    let segment = Segment::create(&options).unwrap();
    let gauge = segment.gauge("delay_seconds", &[]).unwrap();
    gauge.record(1.0);
    let open = Bytes::read(segment.path()).cell(DELAY, 1);
    assert!(open > START_NS, "the window of now, not {open}");
}

#[test]
fn a_record_after_the_window_closes_it_into_the_ring() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counter = segment.counter("exits_total", &["io"]).unwrap();
    counter.add(1);
    segment.tick(START_NS + 3_000_000_000);
    counter.add(1);
    let bytes = Bytes::read(&path);
    assert_eq!(bytes.cell(EXITS, 1) & !511, START_NS + 3_000_000_000);
    assert_eq!(bytes.cell(EXITS, 2), 2);
}

#[test]
fn several_threads_add_to_a_shared_counter() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counter = segment.shared_counter("faults_total", &[]).unwrap();
    let again = segment.shared_counter("faults_total", &[]).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let counter = counter.clone();
            scope.spawn(move || (0..10_000).for_each(|_| counter.add(2)));
        }
        for i in 0..100 {
            segment.tick(START_NS + i * 50_000_000); // the windows turn meanwhile
            again.add(1);
        }
    });
    assert_eq!(counter.value(), 4 * 20_000 + 100);
    assert_eq!(Bytes::read(&path).cell(FAULTS, 2), counter.value());
}

#[test]
fn each_vcpu_thread_takes_its_handle_along() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counters = ["io", "mmio"].map(|reason| segment.counter("exits_total", &[reason]).unwrap());
    thread::scope(|scope| {
        for (counter, count) in counters.into_iter().zip([1000, 2000]) {
            scope.spawn(move || (0..count).for_each(|_| counter.add(1)));
        }
    });
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell(EXITS, 2), bytes.cell(EXITS + 1, 2)), (1000, 2000));
}

#[test]
fn empty_handles_may_stand_in_a_static() {
    static FAULTS: SharedCounter = SharedCounter::empty();
    FAULTS.add(1);
    assert_eq!(FAULTS.value(), 0);
    let empty = (Counter::empty(), CounterF64::empty(), Gauge::empty(), Level::empty(), Histogram::empty());
    assert!(empty.0.is_empty() && empty.1.is_empty() && empty.2.is_empty() && empty.3.is_empty() && empty.4.is_empty());
    assert!(format!("{empty:?}").contains("Counter"));
}
