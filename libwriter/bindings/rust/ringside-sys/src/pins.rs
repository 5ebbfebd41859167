//! The layout, asserted when this crate is compiled. The figures are those that format.h pins.
//!
//! A structure is filled with a ramp in which each 32-bit word is its own offset, so a field shows where it lies.

#![allow(dead_code)] // The compiler does not count what `const _` uses.

use std::mem::{size_of, transmute};

use crate::*;

const fn ramp<const WORDS: usize>() -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let mut at = 0;
    while at < WORDS {
        words[at] = (at * 4) as u32;
        at += 1;
    }
    words
}

/// What the ramp holds in the eight bytes at `offset`.
const fn at(offset: u64) -> u64 {
    (offset + 4) << 32 | offset
}

union Bits {
    double: f64,
    word: u64,
}

macro_rules! pin_u32 {
    ($value:expr, $at:expr) => {
        const _: () = assert!($value as u32 == $at);
    };
}
macro_rules! pin_u64 {
    ($value:expr, $at:expr) => {
        const _: () = assert!($value == at($at));
    };
}
macro_rules! pin_f64 {
    ($value:expr, $at:expr) => {
        // SAFETY: a u64 takes any bits.
        const _: () = assert!(unsafe { Bits { double: $value }.word } == at($at));
    };
}

const _: () = assert!(size_of::<rside_header>() == RSIDE_HEADER_BYTES as usize);
// SAFETY: all fields are integers.
const HEADER: rside_header = unsafe { transmute(ramp::<1024>()) };
pin_u32!(HEADER.state, 1024);
pin_u32!(HEADER.close_code, 1028);
pin_u64!(HEADER.attached_ns, 1032);
pin_u64!(HEADER.closed_ns, 1040);
pin_u32!(HEADER.writer_pid, 1048);
pin_u32!(HEADER.clock_mode, 1052);
pin_u32!(HEADER.series_count, 1056);
pin_u32!(HEADER.arena_used, 1060);
pin_u64!(HEADER.tick_ns, 1216);
pin_u64!(HEADER.clock_steps_back, 1280);
pin_u64!(HEADER.rebases, 1288);
pin_u64!(HEADER.rebase_from_ns, 1296);
pin_u64!(HEADER.rebase_to_ns, 1304);
pin_u64!(HEADER.rebased_windows, 1312);
pin_u64!(HEADER.rejected_samples, 1320);
pin_u64!(HEADER.refused_series, 1328);

const _: () = assert!(size_of::<rside_cell>() == 64);
// SAFETY: all fields are integers or doubles, in every variant of the union.
const CELL: rside_cell = unsafe { transmute(ramp::<16>()) };
// SAFETY: likewise.
const COUNTER: rside_cell_counter = unsafe { CELL.u.counter };
const GAUGE: rside_cell_gauge = unsafe { CELL.u.gauge };
const LEVEL: rside_cell_level = unsafe { CELL.u.level };
const HISTOGRAM: rside_cell_histogram = unsafe { CELL.u.histogram };
pin_u64!(CELL.seq, 0);
pin_u64!(CELL.open, 8);
pin_u64!(COUNTER.value, 16);
pin_u64!(COUNTER.raw, 24);
pin_f64!(GAUGE.sum[0], 16);
pin_f64!(GAUGE.last[0], 32);
pin_f64!(GAUGE.min, 48);
pin_f64!(GAUGE.max, 56);
pin_u64!(LEVEL.since_ns, 16);
pin_f64!(LEVEL.sum[0], 24);
pin_f64!(LEVEL.last, 40);
pin_f64!(LEVEL.min, 48);
pin_f64!(LEVEL.max, 56);
pin_u64!(HISTOGRAM.pending, 16);
pin_f64!(HISTOGRAM.sum[0], 24);

// SAFETY: all fields are integers.
const TIER: rside_tier = unsafe { transmute(ramp::<3>()) };
pin_u32!(TIER.resolution_s, 0);
pin_u32!(TIER.slots, 4);
pin_u32!(TIER.columns, 8);

// Structures with pointers cannot be read so; the test of this crate compares their offsets with C.
const _: () = assert!(size_of::<rside_hot>() == 24);
const _: () = assert!(size_of::<rside_histogram_hot>() == 32);
const _: () = assert!(size_of::<rside_series>() == 16);
const _: () = assert!(size_of::<rside_shared_counter>() == 16);
const _: () = assert!(size_of::<rside_histogram>() == 24);
const _: () = assert!(size_of::<rside_metric>() == 72);
const _: () = assert!(size_of::<rside_schema>() == 48);
const _: () = assert!(size_of::<rside_error>() == 256);
const _: () = assert!(size_of::<rside_options>() == 56);
