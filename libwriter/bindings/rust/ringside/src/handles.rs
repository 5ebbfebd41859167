//! Handles: where one series is recorded.

use std::fmt;
use std::ptr;
use std::sync::Arc;

use ringside_sys as sys;

use crate::hot;
use crate::segment::Mapping;

/// How [`Segment`](crate::Segment) makes a handle of any type.
pub(crate) trait Handle: Default {
    type Raw;

    /// None for an empty handle.
    ///
    /// # Safety
    /// `raw` points into `mapping`, or is empty; and it is the only handle of its series, or of a shared counter.
    unsafe fn from_raw(raw: Self::Raw, mapping: &Arc<Mapping>) -> Option<Self>;
}

const EMPTY: sys::rside_series = sys::rside_series { cell: ptr::null_mut(), segment: ptr::null_mut() };

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $raw:ident $(, $field:ident)?) => {
        $(#[$doc])*
        pub struct $name {
            raw: sys::$raw,
            /// Keeps what `raw` points to. None for an empty handle.
            _mapping: Option<Arc<Mapping>>,
        }

        // SAFETY: one thread at a time has the handle, and the memory behind it does not depend on which.
        unsafe impl Send for $name {}

        impl $name {
            /// A handle that records nothing: for when set-up failed, or to begin with.
            pub const fn empty() -> $name {
                $name { raw: sys::$raw { series: EMPTY $(, $field: ptr::null())? }, _mapping: None }
            }

            /// Whether it records nothing.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.raw.series.cell.is_null()
            }
        }

        impl Handle for $name {
            type Raw = sys::$raw;

            unsafe fn from_raw(raw: sys::$raw, mapping: &Arc<Mapping>) -> Option<$name> {
                (!raw.series.cell.is_null()).then(|| $name { raw, _mapping: Some(Arc::clone(mapping)) })
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::empty()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("cell", &self.raw.series.cell).finish()
            }
        }
    };
}

handle! {
    /// A counter of one thread: what only grows, in whole numbers.
    ///
    /// It can move to another thread, but not be used by two:
    ///
    /// ```compile_fail,E0277
    /// fn shared_between_threads<T: Sync>() {}
    /// shared_between_threads::<ringside::Counter>();
    /// ```
    /// ```compile_fail,E0277
    /// fn copied<T: Clone>() {}
    /// copied::<ringside::Counter>();
    /// ```
    Counter, rside_counter
}

impl Counter {
    /// Adds `delta`. Wait-free, no system call, never fails.
    #[inline]
    pub fn add(&self, delta: u64) {
        if !self.is_empty() {
            // SAFETY: not empty, mapped by `_mapping`, and no other thread has this handle.
            unsafe { hot::add(self.raw.series, delta) }
        }
    }

    /// Feeds a raw running total, from a source that may restart: adds what it grew by since the call before, or all of it
    /// when it went down. The first call adds the whole total, unless a [`baseline`](Counter::baseline) was set.
    #[inline]
    pub fn total(&self, total: u64) {
        if !self.is_empty() {
            // SAFETY: as in `add`.
            unsafe { hot::total(self.raw.series, total) }
        }
    }

    /// Takes `total` as the raw total from which to count on, adding nothing: for a source that is older than the segment.
    #[inline]
    pub fn baseline(&self, total: u64) {
        if !self.is_empty() {
            // SAFETY: as in `add`.
            unsafe { hot::baseline(self.raw.series, total) }
        }
    }
}

handle! {
    /// A counter that several threads feed, by one atomic addition. Clones are the same series.
    ///
    /// ```
    /// fn shared_between_threads<T: Send + Sync + Clone>() {}
    /// shared_between_threads::<ringside::SharedCounter>();
    /// ```
    SharedCounter, rside_shared_counter
}

// SAFETY: its one operation that writes is an atomic addition, and a turn of its windows arbitrates between threads.
unsafe impl Sync for SharedCounter {}

impl Clone for SharedCounter {
    fn clone(&self) -> SharedCounter {
        SharedCounter { raw: self.raw, _mapping: self._mapping.clone() }
    }
}

impl SharedCounter {
    /// Adds `delta`. Wait-free but for the windows' turn, no system call, never fails.
    #[inline]
    pub fn add(&self, delta: u64) {
        if !self.is_empty() {
            // SAFETY: not empty, and mapped by `_mapping`.
            unsafe { hot::shared_add(self.raw.series, delta) }
        }
    }

    /// What was added since the segment began, by all threads; 0 for an empty handle.
    #[inline]
    pub fn value(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        // SAFETY: not empty, and mapped by `_mapping`.
        unsafe { hot::value(self.raw.series) }
    }
}

handle! {
    /// A counter of one thread in fractions: seconds of CPU, joules.
    ///
    /// ```compile_fail,E0277
    /// fn shared_between_threads<T: Sync>() {}
    /// shared_between_threads::<ringside::CounterF64>();
    /// ```
    CounterF64, rside_counter_f64
}

impl CounterF64 {
    /// Adds `delta` >= 0; negative, infinite and NaN deltas are rejected and counted in the segment's header.
    #[inline]
    pub fn add(&self, delta: f64) {
        if !self.is_empty() {
            // SAFETY: not empty, mapped by `_mapping`, and no other thread has this handle.
            unsafe { hot::add_f64(self.raw.series, delta) }
        }
    }

    /// See [`Counter::total`].
    #[inline]
    pub fn total(&self, total: f64) {
        if !self.is_empty() {
            // SAFETY: as in `add`.
            unsafe { hot::total_f64(self.raw.series, total) }
        }
    }

    /// See [`Counter::baseline`].
    #[inline]
    pub fn baseline(&self, total: f64) {
        if !self.is_empty() {
            // SAFETY: as in `add`.
            unsafe { hot::baseline(self.raw.series, total.to_bits()) }
        }
    }
}

handle! {
    /// A stream of observations of one thread.
    ///
    /// ```compile_fail,E0277
    /// fn shared_between_threads<T: Sync>() {}
    /// shared_between_threads::<ringside::Gauge>();
    /// ```
    Gauge, rside_gauge
}

impl Gauge {
    /// Records one observation into count, sum, min, max and last. NaN and infinities are rejected and counted.
    #[inline]
    pub fn record(&self, value: f64) {
        if !self.is_empty() {
            // SAFETY: not empty, mapped by `_mapping`, and no other thread has this handle.
            unsafe { hot::record(self.raw.series, value) }
        }
    }
}

handle! {
    /// A state that holds until it is set again, of one thread; its average is weighted by time.
    ///
    /// ```compile_fail,E0277
    /// fn shared_between_threads<T: Sync>() {}
    /// shared_between_threads::<ringside::Level>();
    /// ```
    Level, rside_level
}

impl Level {
    /// Sets the value that holds from now on. NaN and infinities are rejected and counted.
    #[inline]
    pub fn set(&self, value: f64) {
        if !self.is_empty() {
            // SAFETY: not empty, mapped by `_mapping`, and no other thread has this handle.
            unsafe { hot::set(self.raw.series, value) }
        }
    }
}

handle! {
    /// A distribution, recorded by one thread.
    ///
    /// ```compile_fail,E0277
    /// fn shared_between_threads<T: Sync>() {}
    /// shared_between_threads::<ringside::Histogram>();
    /// ```
    Histogram, rside_histogram, hot
}

impl Histogram {
    /// Records one observation. Negative values, NaN and infinities are rejected and counted.
    #[inline]
    pub fn record(&self, value: f64) {
        if !self.is_empty() {
            // SAFETY: not empty, mapped by `_mapping`, and no other thread has this handle.
            unsafe { hot::record_bucket(self.raw.series, self.raw.hot, value) }
        }
    }
}
