//! A segment folder of a test's own, and the words of a segment as a reader finds them.
#![allow(dead_code)] // Each test program uses a part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use ringside::{Clock, Metric, Options, Schema, Segment, Tier};

/// A time that is a whole number of windows of all default tiers.
pub const START_NS: u64 = 1_700_000_100_000_000_000;

/// A fresh folder on tmpfs, gone when it goes out of scope.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/dev/shm/ringside-test-rust-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a folder on /dev/shm");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn files(&self) -> usize {
        fs::read_dir(&self.0).expect("list the folder").count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("remove the folder");
    }
}

/// One metric of each kind, with labels for one of them.
pub static SCHEMA: Schema = Schema::new(
    "rust_tests",
    1,
    &[
        Metric::counter("exits_total").labels(&["reason"], 2),
        Metric::shared_counter("faults_total"),
        Metric::counter_f64("cpu_seconds_total").unit("seconds"),
        Metric::gauge("delay_seconds"),
        Metric::level("queue_depth"),
        Metric::histogram("request_seconds", 0, 1.0, 8.0),
        Metric::info("build_info").labels(&["version"], 1),
    ],
)
.tiers(&[Tier::new(1, 8), Tier::new(10, 4)]);

/// A segment of [`SCHEMA`] in tick mode at [`START_NS`], and its path.
pub fn create(folder: &Folder) -> (Segment, PathBuf) {
    let options = Options::new("vm-1", &SCHEMA).directory(folder.path()).clock(Clock::Tick);
    let segment = Segment::create(&options).expect("create");
    segment.tick(START_NS);
    let path = segment.path().to_path_buf();
    (segment, path)
}

/// The bytes of a segment's file, by the offsets of format.h.
pub struct Bytes(Vec<u8>);

impl Bytes {
    pub fn read(path: &Path) -> Bytes {
        Bytes(fs::read(path).expect("read the segment"))
    }

    pub fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.0[at as usize..at as usize + 8].try_into().expect("eight bytes"))
    }

    fn half(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    pub fn state(&self) -> u32 {
        self.half(1024)
    }

    pub fn close_code(&self) -> i32 {
        self.half(1028) as i32
    }

    pub fn series_count(&self) -> u32 {
        self.half(1056)
    }

    pub fn close_text(&self) -> String {
        let text = &self.0[1088..1216];
        let end = text.iter().position(|byte| *byte == 0).expect("ends in NUL");
        String::from_utf8_lossy(&text[..end]).into_owned()
    }

    pub fn rejected_samples(&self) -> u64 {
        self.word(1320)
    }

    pub fn refused_series(&self) -> u64 {
        self.word(1328)
    }

    /// Word `index` of the cell of directory entry `entry`.
    pub fn cell(&self, entry: u64, index: u64) -> u64 {
        self.word(self.word(720) + entry * 64 + index * 8)
    }

    pub fn cell_f64(&self, entry: u64, index: u64) -> f64 {
        f64::from_bits(self.cell(entry, index))
    }

    /// Hot bucket `index` of the first histogram.
    pub fn bucket(&self, index: u64) -> u64 {
        self.word(self.word(736) + index * 8)
    }
}

/// Directory entries of [`SCHEMA`]: each metric owns as many as it may have series.
pub const EXITS: u64 = 0;
pub const FAULTS: u64 = 2;
pub const CPU: u64 = 3;
pub const DELAY: u64 = 4;
pub const DEPTH: u64 = 5;
pub const REQUEST: u64 = 6;
