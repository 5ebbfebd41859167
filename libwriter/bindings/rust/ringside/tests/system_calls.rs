//! Registering and recording make no system call: a thread behind a filter with the calls of seccomp's strict mode may only
//! read, write and end, and any other call ends it at once. Not by that mode, which a process in a container may not enter.

mod support;

use std::mem;
use std::os::raw::{c_int, c_long, c_ulong};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ringside::adapter::{CountMetric, StoreMetric};
use ringside::{Options, Segment};
use support::{create, Bytes, Folder, DELAY, EXITS, FAULTS, SCHEMA, START_NS};

extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn gettid() -> c_int;
}

/// What a thread does that may call nothing, and how it says that it came to its end.
#[derive(Default)]
struct Strict {
    thread: AtomicI64,
    done: AtomicBool,
}

/// An instruction of a filter (linux/filter.h).
#[repr(C)]
struct Instruction(u16, u8, u8, u32);

#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const Instruction,
}

// Of x86-64, and of all newer architectures.
const SYS_EXIT: u32 = if cfg!(target_arch = "x86_64") { 60 } else { 93 };
const ALLOWED: [u32; 4] = if cfg!(target_arch = "x86_64") {
    [0, 1, 15, SYS_EXIT] // read, write, rt_sigreturn, exit
} else {
    [63, 64, 139, SYS_EXIT]
};

/// Lets this thread make the allowed calls only.
fn shut_in() {
    const PR_SET_SECCOMP: c_int = 22;
    const PR_SET_NO_NEW_PRIVS: c_int = 38;
    const SECCOMP_MODE_FILTER: c_ulong = 2;
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let instructions = [
        Instruction(LOAD, 0, 0, 0), // the number of the call
        Instruction(IF_EQUAL, 4, 0, ALLOWED[0]),
        Instruction(IF_EQUAL, 3, 0, ALLOWED[1]),
        Instruction(IF_EQUAL, 2, 0, ALLOWED[2]),
        Instruction(IF_EQUAL, 1, 0, ALLOWED[3]),
        Instruction(RETURN, 0, 0, 0),           // SECCOMP_RET_KILL_THREAD
        Instruction(RETURN, 0, 0, 0x7fff_0000), // SECCOMP_RET_ALLOW
    ];
    let filter = Filter { length: instructions.len() as u16, instructions: instructions.as_ptr() };
    // SAFETY: both concern this thread alone, and the kernel copies the filter.
    unsafe {
        assert_eq!(prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong), 0);
        assert_eq!(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter as *const Filter), 0, "this kernel has seccomp");
    }
}

/// Runs `work` in a thread of its own that is shut in. Whether it came to its end.
fn in_strict_mode(work: impl FnOnce() + Send + 'static) -> bool {
    let strict = Arc::new(Strict::default());
    let ours = Arc::clone(&strict);
    // Never joined: the thread ends without a word to the standard library.
    mem::forget(thread::spawn(move || {
        // SAFETY: asks for a number.
        strict.thread.store(unsafe { gettid() }.into(), Ordering::Release);
        shut_in();
        work();
        strict.done.store(true, Ordering::Release);
        // SAFETY: ends this thread, which owns nothing that anybody waits for.
        unsafe { syscall(SYS_EXIT.into(), 0) };
    }));
    let is_gone = || {
        let thread = ours.thread.load(Ordering::Acquire);
        thread != 0 && !Path::new(&format!("/proc/self/task/{thread}")).exists()
    };
    while !is_gone() {
        thread::sleep(Duration::from_millis(1));
    }
    ours.done.load(Ordering::Acquire)
}

#[test]
fn strict_mode_ends_a_thread_that_calls_the_kernel() {
    assert!(in_strict_mode(|| {}));
    assert!(!in_strict_mode(|| drop(std::fs::metadata("/"))));
}

#[test]
fn registering_and_recording_call_nothing() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let options = Options::new("vm-2", &SCHEMA).directory(folder.path());
    let coarse = Segment::create(&options).expect("create");
    let coarse_path = coarse.path().to_path_buf();
    assert!(in_strict_mode(move || {
        let counter = segment.counter("exits_total", &["io"]).unwrap_or_default();
        let seconds = segment.counter_f64("cpu_seconds_total", &[]).unwrap_or_default();
        let gauge = segment.gauge("delay_seconds", &[]).unwrap_or_default();
        let histogram = segment.histogram("request_seconds", &[]).unwrap_or_default();
        let faults = CountMetric::from(segment.shared_counter("faults_total", &[]).unwrap_or_default());
        let depth = StoreMetric::from(segment.level("queue_depth", &[]).unwrap_or_default());
        let by_clock = coarse.gauge("delay_seconds", &[]).unwrap_or_default();
        for i in 0..100_000 {
            segment.tick(START_NS + i * 10_000_000); // windows end
            counter.add(1);
            seconds.add(0.5);
            gauge.record(i as f64);
            histogram.record(i as f64);
            faults.add(2);
            depth.store(i);
            by_clock.record(1.0);
        }
        segment.close(0, "recorded"); // in tick mode not even for the time
        mem::forget((counter, seconds, gauge, histogram, faults, depth, by_clock, coarse));
        // to unmap is a call
    }));
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.cell(EXITS, 2), bytes.cell(FAULTS, 2)), (100_000, 200_000));
    assert_eq!((bytes.state(), bytes.close_text()), (2, "recorded".to_string()));
    assert_eq!(Bytes::read(&coarse_path).cell(DELAY, 0), 100_000, "one record a step by the clock as well");
}
