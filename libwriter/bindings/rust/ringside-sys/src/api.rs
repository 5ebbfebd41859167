//! Of schema.h and ringside.h: schemas, options, segments and handles.

use std::os::raw::{c_char, c_int};

use crate::{rside_cell, rside_histogram_hot};

/// Time from `CLOCK_REALTIME_COARSE`.
pub const RSIDE_CLOCK_COARSE: c_int = 0;
/// Time from the word that a tick stores.
pub const RSIDE_CLOCK_TICK: c_int = 1;
/// Children of a fork get empty pages.
pub const RSIDE_FORK_GUARD: u32 = 1;
/// OFD write lock on the file.
pub const RSIDE_LOCK: u32 = 2;
/// What [`rside_options_init`] sets.
pub const RSIDE_DEFAULT_FLAGS: u32 = 3;

/// One resolution.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_tier {
    /// Length of a window.
    pub resolution_s: u32,
    /// Windows kept.
    pub slots: u32,
    /// `RSIDE_COLUMN_` bits; 0 means all.
    pub columns: u32,
}

/// One metric: a name, a kind, and room for a fixed number of series.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_metric {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: *const c_char,
    /// `RSIDE_COUNTER` and so on.
    pub kind: u8,
    /// `RSIDE_METRIC_` bits.
    pub flags: u8,
    /// Null or "" for none.
    pub unit: *const c_char,
    /// Null or "" for none.
    pub help: *const c_char,
    /// Label names.
    pub labels: *const *const c_char,
    /// How many there are.
    pub label_count: u32,
    /// Series that may be registered.
    pub max_series: u32,
    /// 2^scale buckets per factor of two.
    pub histogram_scale: i8,
    /// Values up to the lower bound of its bucket count as zero.
    pub histogram_lowest: f64,
    /// Values above its bucket are counted as overflow.
    pub histogram_highest: f64,
}

/// What a segment will hold.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_schema {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: *const c_char,
    /// The author's own count.
    pub version: u32,
    /// Finest first.
    pub tiers: *const rside_tier,
    /// How many there are.
    pub tier_count: u32,
    /// In the order of the segment.
    pub metrics: *const rside_metric,
    /// How many there are.
    pub metric_count: u32,
    /// Room for all label values; 0: 64 bytes a series that has labels.
    pub label_arena_bytes: u32,
}

/// What went wrong.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_error {
    /// A negative errno.
    pub code: c_int,
    /// A whole sentence, ending in NUL.
    pub text: [c_char; 252],
}

/// How to create a segment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_options {
    /// 1 .. 63 of `[A-Za-z0-9._:-]`, first one alphanumeric.
    pub vm_id: *const c_char,
    /// Null for the VMM itself, else 1 .. 31 of `[a-z0-9_-]`.
    pub component: *const c_char,
    /// Null: /dev/shm/ringside.
    pub directory: *const c_char,
    /// What the segment will hold.
    pub schema: *const rside_schema,
    /// `RSIDE_CLOCK_`
    pub clock: c_int,
    /// `RSIDE_FORK_GUARD`, `RSIDE_LOCK`
    pub flags: u32,
    /// Owner of a provisioned file; `u32::MAX` keeps the caller.
    pub owner: u32,
    /// Group of a provisioned file; `u32::MAX` keeps what the directory gives.
    pub group: u32,
    /// 0: 0640.
    pub mode: u32,
}

/// An attached segment; only ever seen by its address.
#[repr(C)]
pub struct rside_segment {
    private: [u8; 0],
}

/// Where one series is recorded. Zeros: an empty handle, which records nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_series {
    /// Null: empty.
    pub cell: *mut rside_cell,
    /// The segment of the cell.
    pub segment: *mut rside_segment,
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// Where it is recorded.
            pub series: rside_series,
        }
    )*};
}
handles! {
    /// u64, one thread.
    rside_counter,
    /// u64, any thread.
    rside_shared_counter,
    /// double, one thread.
    rside_counter_f64,
    /// Observations, one thread.
    rside_gauge,
    /// A value that holds, one thread.
    rside_level
}

/// A distribution, one thread.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rside_histogram {
    /// Where it is recorded.
    pub series: rside_series,
    /// Where its buckets are.
    pub hot: *const rside_histogram_hot,
}

/// `rside_counter_register` and its like.
pub type rside_register<Handle> = unsafe extern "C" fn(
    segment: *mut rside_segment,
    metric: *const c_char,
    values: *const *const c_char,
    count: usize,
    error: *mut rside_error,
) -> Handle;

extern "C" {
    /// 1s x 300, 10s x 360, 5m x 288 with all columns.
    pub static rside_default_tiers: [rside_tier; 3];

    /// Checks every rule of a schema: 0 or a negative errno.
    pub fn rside_schema_check(schema: *const rside_schema, error: *mut rside_error) -> c_int;
    /// The exact size in bytes of a segment, or 0 with `error` set.
    pub fn rside_schema_size(schema: *const rside_schema, error: *mut rside_error) -> u64;
    /// The hash that a segment of `schema` carries; 0 when the schema breaks a rule.
    pub fn rside_schema_hash(schema: *const rside_schema) -> u64;
    /// Index of the bucket that holds `value`, which is finite and above 0.
    pub fn rside_histogram_index(value: f64, scale: c_int) -> i32;
    /// Upper bound of bucket `index`.
    pub fn rside_histogram_bound(index: i32, scale: c_int) -> f64;

    /// Fills in the defaults.
    pub fn rside_options_init(options: *mut rside_options);
    /// Creates a segment and attaches to it: 0 or a negative errno.
    pub fn rside_segment_create(
        options: *const rside_options,
        out: *mut *mut rside_segment,
        error: *mut rside_error,
    ) -> c_int;
    /// Lays out a segment for a VMM that will attach later: 0 or a negative errno.
    pub fn rside_segment_provision(
        options: *const rside_options,
        path: *mut c_char,
        path_bytes: usize,
        error: *mut rside_error,
    ) -> c_int;
    /// Attaches to a provisioned segment by path: 0 or a negative errno.
    pub fn rside_segment_attach(
        path: *const c_char,
        schema: *const rside_schema,
        clock: c_int,
        flags: u32,
        out: *mut *mut rside_segment,
        error: *mut rside_error,
    ) -> c_int;
    /// Attaches to a provisioned segment by descriptor: 0 or a negative errno.
    pub fn rside_segment_attach_fd(
        fd: c_int,
        schema: *const rside_schema,
        clock: c_int,
        flags: u32,
        out: *mut *mut rside_segment,
        error: *mut rside_error,
    ) -> c_int;
    /// Marks the segment as closed, unmaps it and ends every handle. Null does nothing.
    pub fn rside_segment_close(segment: *mut rside_segment, code: c_int, text: *const c_char);
    /// Only marks the segment as closed: mapping and handles stay. What was said first stays.
    pub fn rside_segment_mark_closed(segment: *mut rside_segment, code: c_int, text: *const c_char);
    /// The file's path; "" when attached by descriptor.
    pub fn rside_segment_path(segment: *const rside_segment) -> *const c_char;
    /// The VM's id.
    pub fn rside_segment_vm_id(segment: *const rside_segment) -> *const c_char;
    /// The file's size.
    pub fn rside_segment_bytes(segment: *const rside_segment) -> u64;
}

macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident -> $handle:ty;)*) => {
        extern "C" {$(
            $(#[$doc])*
            pub fn $name(
                segment: *mut rside_segment,
                metric: *const c_char,
                values: *const *const c_char,
                count: usize,
                error: *mut rside_error,
            ) -> $handle;
        )*}
    };
}
registers! {
    /// Registers a series; an empty handle with `error` set when that cannot be.
    rside_counter_register -> rside_counter;
    /// Likewise; the same series twice gives the same handle.
    rside_shared_counter_register -> rside_shared_counter;
    /// Likewise.
    rside_counter_f64_register -> rside_counter_f64;
    /// Likewise.
    rside_gauge_register -> rside_gauge;
    /// Likewise.
    rside_level_register -> rside_level;
    /// Likewise.
    rside_histogram_register -> rside_histogram;
    /// An info series needs no handle: 0 or a negative errno.
    rside_info_register -> c_int;
}
