//! A VMM of two vCPUs and a disk, as far as its metrics go: `vmm [FOLDER]`, /dev/shm/ringside without one.
//!
//! It makes its segment, hands a vCPU's handles to the vCPU's thread, and goes on without metrics where there is no folder.

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use ringside::adapter::StoreMetric;
use ringside::{Counter, Error, Histogram, Metric, Options, Schema, Segment, SharedCounter};

static SCHEMA: Schema = Schema::new(
    "example_vmm",
    1,
    &[
        Metric::counter("vmm_vcpu_exits_total").help("Exits to the VMM.").labels(&["vcpu"], 2),
        Metric::histogram("vmm_vcpu_exit_duration_seconds", 2, 1e-6, 10.0)
            .unit("seconds")
            .help("Time to handle an exit.")
            .labels(&["vcpu"], 2),
        Metric::shared_counter("vmm_memory_faults_total").help("Faults served, by any thread."),
        Metric::gauge("vmm_block_request_duration_seconds").unit("seconds").help("Time of one request."),
        Metric::counter_f64("vmm_block_busy_seconds_total").unit("seconds").help("Time with a request in flight."),
        Metric::level("vmm_balloon_actual_bytes").unit("bytes").help("Memory that the guest gave back."),
        Metric::info("vmm_build_info").help("What runs.").labels(&["version"], 1),
    ],
);

/// What one vCPU thread records into; it moves there.
struct Vcpu {
    exits: Counter,
    duration: Histogram,
    faults: SharedCounter,
}

impl Vcpu {
    fn new(segment: &Segment, number: &str) -> Result<Vcpu, Error> {
        Ok(Vcpu {
            exits: segment.counter("vmm_vcpu_exits_total", &[number])?,
            duration: segment.histogram("vmm_vcpu_exit_duration_seconds", &[number])?,
            faults: segment.shared_counter("vmm_memory_faults_total", &[])?,
        })
    }

    fn run(self) {
        for exit in 0..1000 {
            let begin = Instant::now();
            if exit % 4 == 0 {
                self.faults.add(1);
            }
            self.exits.add(1);
            self.duration.record(begin.elapsed().as_secs_f64());
        }
    }
}

fn disk(segment: &Segment) -> Result<(), Error> {
    let duration = segment.gauge("vmm_block_request_duration_seconds", &[])?;
    let busy = segment.counter_f64("vmm_block_busy_seconds_total", &[])?;
    for request in 1..=8 {
        let seconds = f64::from(request) / 1024.0;
        duration.record(seconds);
        busy.add(seconds);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("/dev/shm/ringside"), PathBuf::from);
    let segment = Segment::create(&Options::new("vm-7", &SCHEMA).directory(&folder)).unwrap_or_else(|error| {
        eprintln!("no metrics: {error}");
        Segment::empty() // the VM runs on; what follows records nothing
    });

    segment.info("vmm_build_info", &["1.2.3"])?;
    let balloon = StoreMetric::from(segment.level("vmm_balloon_actual_bytes", &[])?); // any thread may set it
    let vcpus = [Vcpu::new(&segment, "0")?, Vcpu::new(&segment, "1")?];
    thread::scope(|scope| {
        for vcpu in vcpus {
            scope.spawn(move || vcpu.run());
        }
        scope.spawn(|| balloon.store(64 << 20));
        disk(&segment)
    })?;

    println!("{}", segment.path().display());
    segment.close(0, "guest shut down");
    Ok(())
}
