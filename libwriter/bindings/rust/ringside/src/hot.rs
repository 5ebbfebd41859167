//! The hot path: what detail/hot_inline.h does, inline in Rust.
//!
//! The labels P1.. name the writer's side of each pairing, as there; docs/ordering.md tells the reader's side. A cell is
//! written by one thread, so its own loads of it need no order. All words that readers in other processes see are
//! accessed as relaxed atomics, and the orders that they need come from the fences.
//!
//! Every function here is unsafe for the same reasons, which the handles see to: `series` is not empty and its segment is
//! mapped; and but for [`shared_add`], one thread at a time uses the series.

use std::ptr::{addr_of, addr_of_mut};
use std::sync::atomic::{compiler_fence, fence, AtomicU64, Ordering};

use ringside_sys as sys;
use sys::{rside_cell, rside_histogram_hot, rside_hot, rside_segment, rside_series};

/// A branch that calls this is laid out aside, as with __builtin_expect.
#[cold]
#[inline(always)]
fn unlikely() {}

#[inline(always)]
unsafe fn atomic<'a, Word>(at: *const Word) -> &'a AtomicU64 {
    // The same size and alignment: u64 and f64 alone are given.
    &*at.cast::<AtomicU64>()
}
#[inline(always)]
unsafe fn load(at: *const u64) -> u64 {
    atomic(at).load(Ordering::Relaxed)
}
#[inline(always)]
unsafe fn store(at: *mut u64, value: u64) {
    atomic(at).store(value, Ordering::Relaxed);
}
#[inline(always)]
unsafe fn load_f64(at: *const f64) -> f64 {
    f64::from_bits(atomic(at).load(Ordering::Relaxed))
}
#[inline(always)]
unsafe fn store_f64(at: *mut f64, value: f64) {
    atomic(at).store(value.to_bits(), Ordering::Relaxed);
}

/// Keeps the stores before it before those after it for whoever looks at what a killed writer left behind (F7). Death shows
/// all that was executed, in program order, so only the compiler has to be told.
#[inline(always)]
fn before() {
    compiler_fence(Ordering::Release);
}

#[inline(always)]
unsafe fn hot_of(segment: *mut rside_segment) -> *const rside_hot {
    segment.cast::<rside_hot>()
}

#[inline(always)]
pub(crate) unsafe fn tick(segment: *mut rside_segment, now_ns: u64) {
    store(addr_of_mut!((*(*hot_of(segment)).header).tick_ns), now_ns);
}

/// A call into the C library and not one more into ours, as in C: that would be 1 ns of a record.
#[cfg(target_pointer_width = "64")]
#[inline(always)]
unsafe fn coarse_ns() -> u64 {
    let mut now = sys::timespec { tv_sec: 0, tv_nsec: 0 };
    sys::clock_gettime(sys::CLOCK_REALTIME_COARSE, &mut now); // Linux always has this clock
    now.tv_sec as u64 * sys::RSIDE_NS_PER_S + now.tv_nsec as u64
}
/// How wide a `timespec` is on these depends on the C library.
#[cfg(not(target_pointer_width = "64"))]
#[inline(always)]
unsafe fn coarse_ns() -> u64 {
    sys::rside_coarse_ns()
}

/// Closes windows when the time has left the open one; returns the time of the record. One compare covers both directions:
/// a time before the window wraps to a huge difference.
#[inline(always)]
unsafe fn enter(series: rside_series) -> u64 {
    let hot = hot_of(series.segment);
    let tick = (*hot).tick_ns;
    let now = if tick.is_null() { coarse_ns() } else { load(tick) };
    let begin = load(addr_of!((*series.cell).open)) & !sys::RSIDE_OPEN_FLAGS;
    if now.wrapping_sub(begin) >= (*hot).window_ns {
        unlikely();
        return sys::rside_turn(series.cell, series.segment, now);
    }
    now
}

#[inline(always)]
unsafe fn reject(series: rside_series) {
    unlikely();
    sys::rside_reject(series.segment);
}

/// Marks the cell of a level or histogram as half written. P1: the odd sequence is visible before any of the fields
/// that follow.
#[inline(always)]
unsafe fn update_begin(cell: *mut rside_cell) -> u64 {
    let seq = load(addr_of!((*cell).seq));
    store(addr_of_mut!((*cell).seq), seq.wrapping_add(1));
    fence(Ordering::Release);
    seq.wrapping_add(2)
}

/// P2: all fields are visible before the even sequence.
#[inline(always)]
unsafe fn update_end(cell: *mut rside_cell, seq: u64) {
    atomic(addr_of!((*cell).seq)).store(seq, Ordering::Release);
}

#[inline(always)]
pub(crate) unsafe fn add(series: rside_series, delta: u64) {
    enter(series);
    let value = addr_of_mut!((*series.cell).u.counter.value);
    store(value, load(value).wrapping_add(delta));
}

#[inline(always)]
pub(crate) unsafe fn shared_add(series: rside_series, delta: u64) {
    enter(series);
    // Relaxed: only the sum counts; a thread that is late across a window's end counts into the next window.
    atomic(addr_of!((*series.cell).u.counter.value)).fetch_add(delta, Ordering::Relaxed);
}

#[inline(always)]
pub(crate) unsafe fn value(series: rside_series) -> u64 {
    load(addr_of!((*series.cell).u.counter.value))
}

#[inline(always)]
pub(crate) unsafe fn add_f64(series: rside_series, delta: f64) {
    if !(0.0..=f64::MAX).contains(&delta) {
        return reject(series);
    }
    enter(series);
    let value = addr_of_mut!((*series.cell).u.counter.value);
    store(value, (f64::from_bits(load(value)) + delta).to_bits());
}

#[inline(always)]
pub(crate) unsafe fn baseline(series: rside_series, total: u64) {
    store(addr_of_mut!((*series.cell).u.counter.raw), total);
}

#[inline(always)]
pub(crate) unsafe fn total(series: rside_series, total: u64) {
    let raw = addr_of_mut!((*series.cell).u.counter.raw);
    let before = load(raw);
    add(series, if total >= before { total - before } else { total });
    store(raw, total);
}

#[inline(always)]
pub(crate) unsafe fn total_f64(series: rside_series, total: f64) {
    if !(0.0..=f64::MAX).contains(&total) {
        return reject(series);
    }
    let raw = addr_of_mut!((*series.cell).u.counter.raw);
    let before = f64::from_bits(load(raw));
    add_f64(series, if total >= before { total - before } else { total });
    store(raw, total.to_bits());
}

/// Stores a value that is a new extreme. Where it is none, as mostly, nothing waits for the loads.
#[inline(always)]
unsafe fn extend(min: *mut f64, max: *mut f64, value: f64) {
    if value < load_f64(min) {
        unlikely();
        store_f64(min, value);
    }
    if value > load_f64(max) {
        unlikely();
        store_f64(max, value);
    }
}

#[inline(always)]
pub(crate) unsafe fn record(series: rside_series, value: f64) {
    if !value.is_finite() {
        return reject(series);
    }
    enter(series);
    let cell = series.cell;
    let gauge = addr_of_mut!((*cell).u.gauge);
    let seq = load(addr_of!((*cell).seq)).wrapping_add(1);
    let (bank, other) = ((seq & 1) as usize, (!seq & 1) as usize);
    let sum = load_f64(addr_of!((*gauge).sum[other]));
    store_f64(addr_of_mut!((*gauge).sum[bank]), sum + value);
    store_f64(addr_of_mut!((*gauge).last[bank]), value);
    // P2: the pair is visible before the count that makes it valid. Here the record takes effect (F7).
    atomic(addr_of!((*cell).seq)).store(seq, Ordering::Release);
    // P1: the count is visible before `min` and `max`, and before the pair that the next record overwrites.
    fence(Ordering::Release);
    extend(addr_of_mut!((*gauge).min), addr_of_mut!((*gauge).max), value);
}

/// Accounts the level's value up to `now`. The new sum takes effect by the store of since_ns, which names it: a kill before
/// or after it leaves a sum and a time that belong together (F7).
#[inline(always)]
unsafe fn level_account(cell: *mut rside_cell, now: u64) {
    let level = addr_of_mut!((*cell).u.level);
    let since = load(addr_of!((*level).since_ns));
    let bank = since & 1;
    let now = now & !1;
    if now <= since {
        return; // the clock stepped back, or stands: no time passes
    }
    let held = (now - (since - bank)) as f64;
    let sum = load_f64(addr_of!((*level).sum[bank as usize])) + load_f64(addr_of!((*level).last)) * held;
    store_f64(addr_of_mut!((*level).sum[bank as usize ^ 1]), sum);
    before();
    store(addr_of_mut!((*level).since_ns), now | (bank ^ 1));
}

#[inline(always)]
pub(crate) unsafe fn set(series: rside_series, value: f64) {
    if !value.is_finite() {
        return reject(series);
    }
    let now = enter(series);
    let cell = series.cell;
    let level = addr_of_mut!((*cell).u.level);
    let seq = update_begin(cell);
    level_account(cell, now);
    before(); // the time of the old value is accounted before the value changes
    store_f64(addr_of_mut!((*level).last), value);
    before(); // no value is in min or max that was not set
    extend(addr_of_mut!((*level).min), addr_of_mut!((*level).max), value);
    update_end(cell, seq);
}

/// `rside_histogram_index` for a finite value above 0 and a scale that has been checked. The bounds of every scale are a
/// subset of those of scale 8, so one exact look-up at scale 8 and a rounding shift serve all of them.
#[inline(always)]
fn histogram_index(value: f64, scale: i32) -> i32 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = value.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023; // value > 0: the sign bit is clear
    let mut mantissa = bits & MANTISSA;
    if exponent == -1023 {
        unlikely(); // subnormal: shift the leading one into place
        let shift = mantissa.leading_zeros() - 11;
        mantissa = (mantissa << shift) & MANTISSA;
        exponent = -1022 - shift as i32;
    }
    // Smallest k with mantissa <= bounds[k]; bounds[0] = 0 is 2^exponent itself, bounds[256] the next power. At most
    // two bounds fall into a 1/256 step, as the bounds are at least ln(2) steps apart.
    // SAFETY: constants. 52 - 44 bits index 256 places; as bounds[256] is above every mantissa, k ends there at most.
    let k = unsafe {
        let bounds = &sys::rside_histogram_bounds;
        let mut k = usize::from(*sys::rside_histogram_start.get_unchecked((mantissa >> 44) as usize));
        k += usize::from(mantissa > *bounds.get_unchecked(k));
        k += usize::from(mantissa > *bounds.get_unchecked(k));
        k
    };
    let index = exponent * 256 + k as i32;
    let shift = 8 - scale;
    (index + ((1 << shift) - 1)) >> shift // upper-inclusive buckets: round up
}

#[inline(always)]
pub(crate) unsafe fn record_bucket(series: rside_series, hot: *const rside_histogram_hot, value: f64) {
    if !(0.0..=f64::MAX).contains(&value) {
        return reject(series);
    }
    enter(series);
    let cell = series.cell;
    let histogram = addr_of_mut!((*cell).u.histogram);
    let mut bucket = 0;
    if value > (*hot).zero_bound {
        let index = histogram_index(value, (*hot).scale) - (*hot).first;
        bucket = if index < 0 { 0 } else { index as u32 + 1 }; // never below 0 for a value above the zero bound
    }
    let seq = update_begin(cell);
    let bank = seq >> 1 & 1; // of the sum that this record makes valid
    let sum = load_f64(addr_of!((*histogram).sum[bank as usize ^ 1]));
    // Beyond the last bucket: in the count and the sum, in no bucket.
    let overflow = bucket > (*hot).count;
    let at = (*hot).buckets.wrapping_add(bucket as usize);
    let held = if overflow { 0 } else { load(at) };
    let pending = bank << 63 | u64::from(bucket) << 32 | held & 0xffff_ffff;
    store(addr_of_mut!((*histogram).pending), pending);
    before(); // no bucket is changed of which `pending` does not tell
    if !overflow {
        store(at, held.wrapping_add(1));
    }
    store_f64(addr_of_mut!((*histogram).sum[bank as usize]), sum + value);
    update_end(cell, seq); // here the record takes effect (F7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The double after (1) or before (-1) a positive one.
    fn beside(value: f64, step: i64) -> f64 {
        f64::from_bits((value.to_bits() as i64 + step) as u64)
    }

    #[test]
    fn the_index_is_that_of_the_library_at_and_beside_every_bound() {
        for scale in sys::RSIDE_HISTOGRAM_SCALE_MIN..=sys::RSIDE_HISTOGRAM_SCALE_MAX {
            let per_doubling = if scale > 0 { 1 << scale } else { 1 };
            for index in -40 * per_doubling..40 * per_doubling {
                // SAFETY: any index, and a scale in range.
                let bound = unsafe { sys::rside_histogram_bound(index, scale) };
                for value in [beside(bound, -1), bound, beside(bound, 1)] {
                    // SAFETY: finite and above 0.
                    let expected = unsafe { sys::rside_histogram_index(value, scale) };
                    assert_eq!(histogram_index(value, scale), expected, "{value:e} at scale {scale}");
                }
            }
        }
    }

    #[test]
    fn the_index_is_that_of_the_library_at_the_ends_of_the_range() {
        let least = f64::from_bits(1);
        for value in [least, 3.0 * least, beside(f64::MIN_POSITIVE, -1), f64::MIN_POSITIVE, f64::MAX] {
            for scale in sys::RSIDE_HISTOGRAM_SCALE_MIN..=sys::RSIDE_HISTOGRAM_SCALE_MAX {
                // SAFETY: finite and above 0.
                let expected = unsafe { sys::rside_histogram_index(value, scale) };
                assert_eq!(histogram_index(value, scale), expected, "{value:e} at scale {scale}");
            }
        }
    }
}
