//! Of detail/hot.h: the private words that an inline record reads. Written in set-up, only read afterwards.

use std::os::raw::{c_int, c_long};

use crate::{rside_cell, rside_header, rside_segment};

/// The first bytes of an `rside_segment`.
#[repr(C)]
pub struct rside_hot {
    /// In the segment's header; null in coarse-clock mode.
    pub tick_ns: *mut u64,
    /// Length of a window of the first tier.
    pub window_ns: u64,
    /// The mapping begins with it.
    pub header: *mut rside_header,
}

/// Where a histogram's buckets are.
#[repr(C)]
pub struct rside_histogram_hot {
    /// Zero bucket, then the buckets.
    pub buckets: *mut u64,
    /// Values up to here count as zero.
    pub zero_bound: f64,
    /// Index of `buckets[1]`.
    pub first: i32,
    /// Buckets without the zero bucket.
    pub count: u32,
    /// 2^scale buckets per factor of two.
    pub scale: i32,
    /// Zero.
    pub reserved: u32,
}

/// `struct timespec` of the C library on 64-bit Linux.
#[cfg(target_pointer_width = "64")]
#[repr(C)]
pub struct timespec {
    /// Seconds.
    pub tv_sec: c_long,
    /// And nanoseconds, below a second.
    pub tv_nsec: c_long,
}

/// Of `<time.h>`: the clock of a record in coarse-clock mode.
pub const CLOCK_REALTIME_COARSE: c_int = 5;

#[cfg(target_pointer_width = "64")]
extern "C" {
    /// Of `<time.h>`. Through the vDSO for the clock of a record: it reads a page and does not enter the kernel.
    pub fn clock_gettime(clock: c_int, now: *mut timespec) -> c_int;
}

extern "C" {
    /// The bounds 2^(i/256) of one factor of two as 52-bit mantissas.
    pub static rside_histogram_bounds: [u64; 257];
    /// For each 1/256 step of the mantissa the first bound that can be at or above it.
    pub static rside_histogram_start: [u16; 256];

    /// The slow path: `now_ns` lies outside the open window of the cell. Returns the time that the record counts with.
    pub fn rside_turn(cell: *mut rside_cell, segment: *mut rside_segment, now_ns: u64) -> u64;
    /// `CLOCK_REALTIME_COARSE` in ns since 1970.
    pub fn rside_coarse_ns() -> u64;
    /// Counts a sample that cannot be recorded.
    pub fn rside_reject(segment: *mut rside_segment);
}
