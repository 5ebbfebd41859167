//! Of format.h: what a writer needs to know of the layout of a segment.

/// `RSIDE_FORMAT_VERSION`
pub const RSIDE_FORMAT_VERSION: u32 = 1;
/// "RINGSIDE" in file order.
pub const RSIDE_MAGIC: u64 = 0x4544_4953_474e_4952;
/// Size of the header page.
pub const RSIDE_HEADER_BYTES: u32 = 4096;
/// Tiers of a schema, at most.
pub const RSIDE_MAX_TIERS: u32 = 8;
/// Label names of one metric, at most.
pub const RSIDE_MAX_LABELS: u32 = 16;
/// Bytes of a name of a schema, metric or label, without the final NUL, at most.
pub const RSIDE_MAX_NAME_BYTES: u32 = 128;
/// Bytes of a label value, at most.
pub const RSIDE_MAX_LABEL_VALUE_BYTES: u32 = 255;
/// Nanoseconds of a second.
pub const RSIDE_NS_PER_S: u64 = 1_000_000_000;
/// Room for a VM's id, with the final NUL.
pub const RSIDE_VM_ID_BYTES: usize = 64;
/// Room for the name of a component, with the final NUL.
pub const RSIDE_COMPONENT_BYTES: usize = 32;
/// Room for the text of a close, with the final NUL.
pub const RSIDE_CLOSE_TEXT_BYTES: usize = 128;
/// Fewest buckets per factor of two: 2^-4.
pub const RSIDE_HISTOGRAM_SCALE_MIN: i32 = -4;
/// Most buckets per factor of two: 2^8.
pub const RSIDE_HISTOGRAM_SCALE_MAX: i32 = 8;

/// u64, monotonic.
pub const RSIDE_COUNTER: u8 = 1;
/// double, monotonic (seconds, joules).
pub const RSIDE_COUNTER_F64: u8 = 2;
/// Sampled: a stream of observations.
pub const RSIDE_GAUGE: u8 = 3;
/// Level: holds until set again, weighted by time.
pub const RSIDE_LEVEL: u8 = 4;
/// Base-2 exponential buckets.
pub const RSIDE_HISTOGRAM: u8 = 5;
/// Constant 1 with labels.
pub const RSIDE_INFO: u8 = 6;

/// Several threads may record into one series (counters only).
pub const RSIDE_METRIC_SHARED: u8 = 1;

/// Gauge: observations; level: nanoseconds held; histogram: observations.
pub const RSIDE_COLUMN_COUNT: u32 = 1;
/// Gauge and histogram: sum; level: value x seconds.
pub const RSIDE_COLUMN_SUM: u32 = 2;
/// Gauges.
pub const RSIDE_COLUMN_MIN: u32 = 4;
/// Gauges.
pub const RSIDE_COLUMN_MAX: u32 = 8;
/// Gauges.
pub const RSIDE_COLUMN_LAST: u32 = 16;
/// Counters: cumulative value.
pub const RSIDE_COLUMN_VALUE: u32 = 32;
/// Histograms: cumulative zero bucket and buckets.
pub const RSIDE_COLUMN_BUCKETS: u32 = 64;
/// Every column.
pub const RSIDE_COLUMNS_ALL: u32 = 127;

/// Laid out for a writer that has not come yet.
pub const RSIDE_STATE_PROVISIONED: u32 = 0;
/// A writer took it.
pub const RSIDE_STATE_ATTACHED: u32 = 1;
/// The writer closed it.
pub const RSIDE_STATE_CLOSED: u32 = 2;

/// Bits of [`rside_cell::open`] below the window's begin.
pub const RSIDE_OPEN_FLAGS: u64 = 511;

/// The first page of a segment, as far as a writer has to do with it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_header {
    /// What never changes after creation.
    pub fixed: [u8; 1024],
    /// `RSIDE_STATE_`
    pub state: u32,
    /// As given to [`rside_segment_close`](crate::rside_segment_close).
    pub close_code: i32,
    /// When the writer came, in ns since 1970.
    pub attached_ns: u64,
    /// When the writer closed the segment.
    pub closed_ns: u64,
    /// As the writer sees itself.
    pub writer_pid: u32,
    /// `RSIDE_CLOCK_`
    pub clock_mode: u32,
    /// Registered so far, in all metrics.
    pub series_count: u32,
    /// Bytes of the label arena in use.
    pub arena_used: u32,
    /// Zero.
    pub reserved2: [u8; 24],
    /// As given to [`rside_segment_close`](crate::rside_segment_close).
    pub close_text: [u8; RSIDE_CLOSE_TEXT_BYTES],
    /// Tick mode: the writer's time.
    pub tick_ns: u64,
    /// Zero.
    pub reserved3: [u8; 56],
    /// Records that came with a time before the open window.
    pub clock_steps_back: u64,
    /// Series moved back in time after a large step.
    pub rebases: u64,
    /// Open window before the newest rebase.
    pub rebase_from_ns: u64,
    /// Open window after the newest rebase.
    pub rebase_to_ns: u64,
    /// Closed windows dropped because their time will come again.
    pub rebased_windows: u64,
    /// Not a number, infinite, or negative where that cannot be.
    pub rejected_samples: u64,
    /// Registrations refused.
    pub refused_series: u64,
    /// Zero.
    pub reserved4: [u8; 2760],
}

/// The fields of a counter's cell.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_cell_counter {
    /// u64, or the bits of a double.
    pub value: u64,
    /// Last raw total fed, same type.
    pub raw: u64,
    /// Unused.
    pub spare: [u64; 4],
}

/// The fields of a gauge's cell.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_cell_gauge {
    /// The lowest bit of [`rside_cell::seq`] says which is valid.
    pub sum: [f64; 2],
    /// Likewise.
    pub last: [f64; 2],
    /// Infinite while the window has no record.
    pub min: f64,
    /// Likewise.
    pub max: f64,
}

/// The fields of a level's cell.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_cell_level {
    /// The window is accounted up to here; lowest bit: which sum and origin are valid.
    pub since_ns: u64,
    /// value x nanoseconds, from the origin to `since_ns`.
    pub sum: [f64; 2],
    /// The value that holds.
    pub last: f64,
    /// Infinite until the first set.
    pub min: f64,
    /// Likewise.
    pub max: f64,
}

/// The fields of a histogram's cell.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_cell_histogram {
    /// The record in hand, so that one which was killed half done can be undone.
    pub pending: u64,
    /// Bit 1 of [`rside_cell::seq`] says which is valid.
    pub sum: [f64; 2],
    /// Unused.
    pub spare: [u64; 3],
}

/// What a cell holds beside its sequence and its window.
#[repr(C)]
#[derive(Clone, Copy)]
pub union rside_cell_fields {
    /// `RSIDE_COUNTER` and `RSIDE_COUNTER_F64`
    pub counter: rside_cell_counter,
    /// `RSIDE_GAUGE`
    pub gauge: rside_cell_gauge,
    /// `RSIDE_LEVEL` and `RSIDE_INFO`
    pub level: rside_cell_level,
    /// `RSIDE_HISTOGRAM`
    pub histogram: rside_cell_histogram,
}

/// The hot cell of a series: one cache line, written by the thread that owns the series. All fields are shared with
/// readers in other processes: access them through atomics only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rside_cell {
    /// See format.h: what it counts depends on the kind.
    pub seq: u64,
    /// Begin of the open window in ns since 1970, with `RSIDE_OPEN_` bits; 0: no data.
    pub open: u64,
    /// What depends on the kind.
    pub u: rside_cell_fields,
}
