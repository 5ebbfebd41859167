//! Times the four calls of `bench/bindings` (bench/README.md), by the tick and by the coarse clock: `bench FOLDER`, one line of JSON per case.

use std::arch::asm;
use std::env;
use std::error::Error;
use std::os::raw::{c_int, c_long};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringside::{Clock, Metric, Options, Schema, Segment};

static SCHEMA: Schema = Schema::new(
    "bench_bindings",
    1,
    &[
        Metric::counter("bench_counter_total"),
        Metric::gauge("bench_gauge"),
        Metric::level("bench_level"),
        Metric::histogram("bench_histogram_seconds", 3, 1e-6, 10.0).unit("seconds"),
    ],
);

const SAMPLES: usize = 1024;
const BATCH_ROUNDS: usize = 256;
const TIMED: Duration = Duration::from_millis(20);

/// Keeps the compiler from carrying over what it read from memory.
#[inline(always)]
fn clobber_memory() {
    // SAFETY: no instruction at all; without `nomem` it counts as one that may write any memory.
    unsafe { asm!("", options(nostack, preserves_flags)) }
}

#[repr(C)]
struct TimeSpec {
    seconds: c_long,
    nanoseconds: c_long,
}

extern "C" {
    fn clock_gettime(clock: c_int, at: *mut TimeSpec) -> c_int;
}

/// CPU time of this thread: what others did with the core meanwhile is not in it.
fn thread_time() -> Duration {
    const CLOCK_THREAD_CPUTIME_ID: c_int = 3;
    let mut at = TimeSpec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `at` is what the C library expects on 64-bit Linux.
    let code = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut at) };
    assert_eq!(code, 0, "Linux has this clock");
    Duration::new(at.seconds as u64, at.nanoseconds as u32)
}

/// Runs `$call` for each sample, `$count` times over, each time with a tick that lies a millisecond after the one before. Macros,
/// so that the handle is a local of the loop, as it is in C.
macro_rules! rounds {
    ($run:ident, $count:expr, |$sample:ident| $call:expr) => {
        for _ in 0..$count {
            $run.now_ns += 1_000_000;
            $run.segment.tick($run.now_ns);
            for $sample in &$run.samples {
                $call;
                clobber_memory();
            }
        }
    };
}
macro_rules! time {
    ($run:ident, $case:literal, |$sample:ident| $call:expr) => {{
        rounds!($run, 100, |$sample| $call);
        let (mut calls, mut took, begin) = (0, Duration::ZERO, thread_time());
        while took < TIMED {
            rounds!($run, BATCH_ROUNDS, |$sample| $call);
            calls += BATCH_ROUNDS * SAMPLES;
            took = thread_time() - begin;
        }
        let ns = took.as_nanos() as f64 / calls as f64;
        println!("{{\"case\": \"rust_{}_{}\", \"ns\": {ns}}}", $case, $run.clock);
    }};
}

struct Run<'a> {
    segment: &'a Segment,
    /// The last part of the names of its cases.
    clock: &'a str,
    now_ns: u64,
    samples: [f64; SAMPLES],
}

/// With a segment of its own.
fn run(folder: &Path, clock: &str, clock_mode: Clock) -> Result<(), Box<dyn Error>> {
    let options = Options::new("bench-rust", &SCHEMA).directory(folder).clock(clock_mode);
    let segment = Segment::create(&options)?;
    let counter = segment.counter("bench_counter_total", &[])?;
    let gauge = segment.gauge("bench_gauge", &[])?;
    let level = segment.level("bench_level", &[])?;
    let histogram = segment.histogram("bench_histogram_seconds", &[])?;

    let mut samples = [0.0; SAMPLES];
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample = 30e-6 + (i * 709 % SAMPLES) as f64 * 1.5e-6;
    }
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let mut run = Run { segment: &segment, clock, now_ns, samples };
    time!(run, "counter_add", |_sample| counter.add(1));
    time!(run, "gauge_record", |sample| gauge.record(*sample));
    time!(run, "level_set", |sample| level.set(*sample));
    time!(run, "histogram_record", |sample| histogram.record(*sample));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).ok_or("usage: bench FOLDER, on a memory file system")?;
    run(Path::new(&folder), "tick", Clock::Tick)?;
    run(Path::new(&folder), "clock", Clock::Coarse)
}
