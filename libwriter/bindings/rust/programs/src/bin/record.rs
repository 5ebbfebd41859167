//! Records a fixed sequence into one series of each kind until it is killed: what tests/bindings/recorder_kill.cpp runs.
//!
//! `record SEGMENT_PATH SEQUENCE_FILE FINISHED_FILE [stop]`: the sequence is pairs of 64-bit words, the time and the value of
//! each step. The first word of FINISHED_FILE, a file in memory, says how many steps are finished. With "stop" the
//! process stops itself (SIGSTOP) between set-up and the first step.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::ffi::c_void;
use std::fs::{self, OpenOptions};
use std::os::raw::c_int;
use std::os::unix::io::AsRawFd;
use std::process::ExitCode;
use std::ptr;
use std::thread;

use ringside::{Attach, Clock, Segment};

extern "C" {
    fn mmap(at: *mut c_void, bytes: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn raise(signal: c_int) -> c_int;
}

/// The first word of a file, shared with whoever has it open too.
fn shared_word(path: &str) -> Result<*mut u64, Box<dyn Error>> {
    const PROT_READ_WRITE: c_int = 3;
    const MAP_SHARED: c_int = 1;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // SAFETY: a new mapping, of a file that is not made shorter.
    let at = unsafe { mmap(ptr::null_mut(), 4096, PROT_READ_WRITE, MAP_SHARED, file.as_raw_fd(), 0) };
    if at as isize == -1 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(at.cast())
}

fn run(segment: &str, sequence: &str, finished: &str, stop: bool) -> Result<Infallible, Box<dyn Error>> {
    let words: Vec<u64> = fs::read(sequence)?
        .chunks_exact(8)
        .map(|bytes| bytes.try_into().map(u64::from_le_bytes))
        .collect::<Result<_, _>>()?;
    let finished = shared_word(finished)?;
    let segment = Segment::attach(segment, &Attach::new().clock(Clock::Tick))?;
    segment.tick(*words.first().ok_or("the sequence is empty")?);
    let counter = segment.counter("counter", &[])?;
    let seconds = segment.counter_f64("f64", &[])?;
    let shared = segment.shared_counter("shared", &[])?;
    let gauge = segment.gauge("gauge", &[])?;
    let level = segment.level("level", &[])?;
    let histogram = segment.histogram("histogram", &[])?;
    if stop {
        const SIGSTOP: c_int = 19;
        // SAFETY: stops this process until somebody continues it.
        unsafe { raise(SIGSTOP) };
    }
    for (i, step) in words.chunks_exact(2).enumerate() {
        let value = step[1] as f64;
        segment.tick(step[0]);
        counter.add(1);
        seconds.add(1.0);
        shared.add(1);
        gauge.record(value);
        level.set(value);
        histogram.record(value);
        // SAFETY: mapped above, and never unmapped.
        unsafe { finished.write_volatile(i as u64 + 1) };
    }
    loop {
        thread::park();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let wrong = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        [segment, sequence, finished] => run(segment, sequence, finished, false).unwrap_err().to_string(),
        [segment, sequence, finished, "stop"] => run(segment, sequence, finished, true).unwrap_err().to_string(),
        _ => "usage: record SEGMENT_PATH SEQUENCE_FILE FINISHED_FILE [stop]".to_string(),
    };
    eprintln!("{wrong}");
    ExitCode::FAILURE
}
