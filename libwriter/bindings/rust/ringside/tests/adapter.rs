//! The adapters, behind traits of the shape that rust-vmm and Firecracker have.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use ringside::adapter::{CountMetric, StoreMetric};
use ringside::{Level, SharedCounter};
use support::{create, Bytes, Folder, DEPTH, FAULTS};

/// As a crate of a VMM has them.
mod vmm {
    pub trait Metric {
        fn add(&self, value: u64);
        fn inc(&self) {
            self.add(1);
        }
        fn count(&self) -> u64;
        fn reset(&self);
        fn set(&self, value: u64);
    }

    pub mod logger {
        pub trait IncMetric {
            fn add(&self, value: u64);
            fn inc(&self) {
                self.add(1);
            }
            fn count(&self) -> u64;
            fn fetch_diff(&self) -> u64;
        }

        pub trait StoreMetric {
            fn fetch(&self) -> u64;
            fn store(&self, value: u64);
        }
    }
}

ringside::impl_metric! {
    /// What a device of rust-vmm counts.
    pub struct Events: vmm::Metric;
}
ringside::impl_inc_metric! { struct SharedIncMetric: vmm::logger::IncMetric; }
ringside::impl_store_metric! { struct SharedStoreMetric: vmm::logger::StoreMetric; }

#[test]
fn a_rust_vmm_device_counts_through_its_trait() {
    use vmm::Metric;
    struct Serial<M: Metric> {
        missed: Arc<M>,
    }
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let missed = Arc::new(Events::new());
    missed.bind(segment.shared_counter("faults_total", &[]).unwrap());
    let serial = Serial { missed: Arc::clone(&missed) };
    serial.missed.inc();
    serial.missed.add(4);
    assert_eq!(missed.count(), 5);
    missed.reset();
    assert_eq!(missed.count(), 0);
    missed.set(10);
    missed.set(12); // grew by two
    assert_eq!(missed.count(), 12);
    missed.set(3); // began again
    assert_eq!(missed.count(), 3);
    assert_eq!(Bytes::read(&path).cell(FAULTS, 2), 5 + 12 + 3, "the series only grows");
}

#[test]
fn a_metric_of_firecracker_counts_through_its_traits() {
    use vmm::logger::{IncMetric, StoreMetric};
    struct Metrics {
        faults: SharedIncMetric,
        depth: SharedStoreMetric,
    }
    static METRICS: Metrics = Metrics { faults: SharedIncMetric::new(), depth: SharedStoreMetric::new() };

    METRICS.faults.inc(); // before there is a segment
    METRICS.depth.store(7);
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    assert!(METRICS.faults.bind(segment.shared_counter("faults_total", &[]).unwrap()));
    assert!(METRICS.depth.bind(segment.level("queue_depth", &[]).unwrap()));
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell(FAULTS, 2), bytes.cell_f64(DEPTH, 5)), (1, 7.0));

    METRICS.faults.add(2);
    METRICS.depth.store(9);
    assert_eq!((METRICS.faults.count(), METRICS.faults.fetch_diff(), METRICS.depth.fetch()), (3, 3, 9));
    assert_eq!(METRICS.faults.take(), 3); // what is written to the VMM's own log
    METRICS.faults.inc();
    assert_eq!((METRICS.faults.count(), METRICS.faults.fetch_diff()), (4, 1));
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell(FAULTS, 2), bytes.cell_f64(DEPTH, 5)), (4, 9.0));
}

#[test]
fn without_a_segment_the_vmm_still_counts_for_itself() {
    let count = CountMetric::new();
    assert!(!count.bind(SharedCounter::empty()));
    count.add(3);
    assert_eq!((count.total(), count.since_mark()), (3, 3));
    count.mark();
    count.add(1);
    assert_eq!((count.total(), count.since_mark(), count.take(), count.since_mark()), (4, 1, 1, 0));

    let store = StoreMetric::new();
    assert!(!store.bind(Level::empty()));
    store.store(3);
    assert_eq!(store.value(), 3);
}

#[test]
fn only_the_first_series_is_bound() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let series = segment.shared_counter("faults_total", &[]).unwrap();
    let count = CountMetric::from(series.clone());
    assert!(!count.bind(series));
    count.add(1);
    assert_eq!(Bytes::read(&path).cell(FAULTS, 2), 1);
    let store = StoreMetric::from(segment.level("queue_depth", &[]).unwrap());
    assert!(!format!("{store:?}").contains("unbound"));
}

#[test]
fn a_level_that_was_never_stored_stays_absent() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let store = StoreMetric::new();
    store.bind(segment.level("queue_depth", &[]).unwrap());
    assert_eq!(Bytes::read(&path).cell(DEPTH, 1), 0, "no window was opened");
}

/// Three threads that call `work` with a number of their own until `meanwhile` has run to its end; how often they did.
fn beside(work: impl Fn(u64) + Sync, meanwhile: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 1..=3 {
            let (work, done, calls) = (&work, &done, &calls);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    work(thread);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let wait_for_more = || {
            let seen = calls.load(Ordering::Relaxed);
            while calls.load(Ordering::Relaxed) < seen + 10 {
                thread::yield_now();
            }
        };
        wait_for_more();
        meanwhile();
        wait_for_more();
        done.store(true, Ordering::Relaxed);
    });
    calls.into_inner()
}

#[test]
fn nothing_is_lost_when_threads_add_while_another_binds() {
    for _ in 0..50 {
        let folder = Folder::new();
        let (segment, path) = create(&folder);
        let series = segment.shared_counter("faults_total", &[]).unwrap();
        let count = CountMetric::new();
        let added = beside(|_| count.add(1), || assert!(count.bind(series)));
        assert_eq!((count.total(), Bytes::read(&path).cell(FAULTS, 2)), (added, added));
    }
}

#[test]
fn nothing_is_read_that_was_not_counted_while_another_thread_binds() {
    for _ in 0..100 {
        let folder = Folder::new();
        let (segment, _path) = create(&folder);
        let series = segment.shared_counter("faults_total", &[]).unwrap();
        let count = CountMetric::new();
        count.add(5);
        count.mark();
        let (most_since, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let read = |_| {
            most_since.fetch_max(count.since_mark(), Ordering::Relaxed);
            most.fetch_max(count.total(), Ordering::Relaxed);
        };
        beside(read, || assert!(count.bind(series)));
        assert_eq!((most_since.into_inner(), most.into_inner()), (0, 5));
        assert_eq!((count.total(), count.since_mark()), (5, 0));
    }
}

#[test]
fn the_last_value_is_recorded_when_threads_store_at_once() {
    for _ in 0..50 {
        let folder = Folder::new();
        let (segment, path) = create(&folder);
        let store = StoreMetric::new();
        let level = segment.level("queue_depth", &[]).unwrap();
        beside(|thread| store.store(thread), || assert!(store.bind(level)));
        let bytes = Bytes::read(&path);
        assert_eq!(bytes.cell_f64(DEPTH, 5), store.value() as f64);
        assert_eq!(bytes.cell(DEPTH, 0) & 1, 0, "no record is half done");
    }
}
