//! Segments: made, attached, closed, and what is said when they cannot be.

mod support;

use std::error::Error as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::panic;
use std::path::Path;

use ringside::{provision, Attach, Clock, Metric, Options, Schema, Segment, Tier, DEFAULT_TIERS};
use support::{create, Bytes, Folder, SCHEMA};

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const ESTALE: i32 = 116;

const PROVISIONED: u32 = 0;
const ATTACHED: u32 = 1;
const CLOSED: u32 = 2;

#[test]
fn create_makes_the_file_that_the_schema_foretells() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    assert!(!segment.is_empty());
    assert_eq!(segment.vm_id(), "vm-1");
    assert_eq!(segment.bytes(), SCHEMA.size().unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), segment.bytes());
    let bytes = Bytes::read(&path);
    assert_eq!(bytes.state(), ATTACHED);
    assert_eq!(bytes.word(536), SCHEMA.hash().unwrap());
}

#[test]
fn the_id_of_the_vm_stays_what_it_was_whoever_writes_to_the_file() {
    use std::os::unix::fs::FileExt;
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let vm_id = segment.vm_id();
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"\xffm-2", 592).unwrap();
    assert_eq!((vm_id, segment.vm_id()), ("vm-1", "vm-1"));
}

#[test]
fn create_without_its_folder_says_which_and_leaves_nothing() {
    let folder = Folder::new();
    let missing = folder.path().join("missing");
    let error = Segment::create(&Options::new("vm-1", &SCHEMA).directory(&missing)).unwrap_err();
    assert_eq!(error.errno(), ENOENT);
    assert!(error.text().contains(missing.to_str().unwrap()), "{error}");
    assert_eq!(error.to_string(), error.text());
    assert!(error.source().is_none());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    assert_eq!(folder.files(), 0);
}

#[test]
fn a_broken_schema_is_refused_by_name() {
    let metrics = [Metric::counter("no spaces")];
    let schema = Schema::new("rust_tests", 1, &metrics);
    for error in [schema.size().unwrap_err(), schema.hash().unwrap_err()] {
        assert_eq!(error.errno(), EINVAL);
        assert!(error.text().contains("no spaces"), "{error}");
    }
    let error = Segment::create(&Options::new("vm-1", &schema)).unwrap_err();
    assert_eq!(error.errno(), EINVAL);
}

#[test]
fn a_nul_that_c_could_not_see_is_refused() {
    let metrics = [Metric::gauge("delay_seconds").help("one\0two")];
    let error = Schema::new("rust_tests", 1, &metrics).size().unwrap_err();
    assert_eq!(error.errno(), EINVAL);
    let error = Segment::create(&Options::new("vm\0", &SCHEMA)).unwrap_err();
    assert!(error.text().contains("NUL"), "{error}");
    let error = Segment::attach("a\0b", &Attach::new()).unwrap_err();
    assert_eq!(error.errno(), EINVAL);
}

#[test]
fn the_default_tiers_are_those_of_the_library() {
    assert_eq!(DEFAULT_TIERS, [Tier::new(1, 300), Tier::new(10, 360), Tier::new(300, 288)]);
}

#[test]
fn a_component_and_a_mode_reach_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let options = Options::new("vm-1", &SCHEMA).directory(folder.path()).component("net").mode(0o600);
    let segment = Segment::create(&options).unwrap();
    assert!(segment.path().to_str().unwrap().ends_with(".net.seg"), "{:?}", segment.path());
    assert_eq!(segment.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_provisioned_segment_is_attached_by_path_once() {
    let folder = Folder::new();
    let path = provision(&Options::new("vm-1", &SCHEMA).directory(folder.path())).unwrap();
    assert_eq!(Bytes::read(&path).state(), PROVISIONED);

    let how = Attach::new().schema(&SCHEMA).clock(Clock::Tick).fork_guard(true).lock(true);
    let segment = Segment::attach(&path, &how).unwrap();
    assert_eq!(segment.path(), path);
    assert_eq!(segment.vm_id(), "vm-1");
    assert_eq!(Bytes::read(&path).state(), ATTACHED);
    assert_eq!(Segment::attach(&path, &Attach::new()).unwrap_err().errno(), EBUSY);
}

#[test]
fn a_provisioned_segment_is_attached_by_descriptor() {
    let folder = Folder::new();
    let path = provision(&Options::new("vm-1", &SCHEMA).directory(folder.path())).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let segment = Segment::attach_fd(&file, &Attach::new()).unwrap();
    drop(file);
    assert_eq!(segment.path(), Path::new(""));
    segment.counter("exits_total", &["io"]).unwrap().add(3);
    assert_eq!(Bytes::read(&path).cell(support::EXITS, 2), 3);
}

#[test]
fn attach_tells_what_is_wrong() {
    let folder = Folder::new();
    let path = provision(&Options::new("vm-1", &SCHEMA).directory(folder.path())).unwrap();
    let metrics = [Metric::gauge("delay_seconds")];
    let other = Schema::new("another", 1, &metrics);
    let error = Segment::attach(&path, &Attach::new().schema(&other)).unwrap_err();
    assert_eq!(error.errno(), ESTALE, "{error}");
    let error = Segment::attach(folder.path().join("missing"), &Attach::new()).unwrap_err();
    assert_eq!(error.errno(), ENOENT);
    let reading = File::open(&path).unwrap();
    let error = Segment::attach_fd(&reading, &Attach::new()).unwrap_err();
    assert!(error.errno() > 0 && !error.text().is_empty());
}

#[test]
fn provision_needs_room_for_a_long_path_only_as_long_as_it_is() {
    let folder = Folder::new();
    let long = folder.path().join("d".repeat(200));
    std::fs::create_dir(&long).unwrap();
    let component = "c".repeat(31);
    let vm_id = "v".repeat(63);
    let options = Options::new(&vm_id, &SCHEMA).directory(&long).component(&component);
    let path = provision(&options).unwrap();
    assert!(path.starts_with(&long) && path.is_file(), "{path:?}");
}

#[test]
fn close_says_why() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    segment.close(7, "triple fault");
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.state(), bytes.close_code()), (CLOSED, 7));
    assert_eq!(bytes.close_text(), "triple fault");
}

#[test]
fn close_cuts_its_text_at_a_nul_and_at_its_room() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    segment.close(-1, "seen\0unseen");
    assert_eq!(Bytes::read(&path).close_text(), "seen");
    let (segment, path) = create(&folder);
    segment.close(-1, &"x".repeat(1000));
    assert_eq!(Bytes::read(&path).close_text(), "x".repeat(127));
    let (segment, path) = create(&folder);
    segment.close(-1, &"ü".repeat(1000));
    assert_eq!(Bytes::read(&path).close_text(), "ü".repeat(63), "between characters");
}

#[test]
fn drop_closes_as_planned() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    drop(segment);
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.state(), bytes.close_code(), bytes.close_text()), (CLOSED, 0, String::new()));
}

#[test]
fn drop_in_a_panic_does_not_say_as_planned() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let end = std::thread::spawn(move || {
        let _owned = segment;
        panic::resume_unwind(Box::new("the end of this thread")); // a panic without its message
    });
    assert!(end.join().is_err());
    let bytes = Bytes::read(&path);
    assert_eq!((bytes.state(), bytes.close_code()), (CLOSED, 101));
    assert_eq!(bytes.close_text(), "panicked");
}

#[test]
fn a_handle_keeps_the_segment_mapped_and_open() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let counter = segment.counter("exits_total", &["io"]).unwrap();
    drop(segment);
    assert_eq!(Bytes::read(&path).state(), ATTACHED);
    counter.add(5);
    assert_eq!(Bytes::read(&path).cell(support::EXITS, 2), 5);
    drop(counter);
    assert_eq!(Bytes::read(&path).state(), CLOSED);
}

#[test]
fn close_is_seen_at_once_and_leaves_handles_their_memory() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let gauge = segment.gauge("delay_seconds", &[]).unwrap();
    segment.close(3, "at once");
    let closed = |bytes: Bytes| (bytes.state(), bytes.close_code(), bytes.close_text());
    assert_eq!(closed(Bytes::read(&path)), (CLOSED, 3, "at once".to_string()));
    gauge.record(1.0); // by a thread that does not know yet
    drop(gauge);
    assert_eq!(closed(Bytes::read(&path)), (CLOSED, 3, "at once".to_string()), "what was said first stays");
}

#[test]
fn registering_is_refused_with_the_reason_and_counted() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    let _io = segment.counter("exits_total", &["io"]).unwrap();
    let long = "v".repeat(256);
    let refused = [
        (segment.counter("exits_total", &["io"]).unwrap_err(), EEXIST),
        (segment.counter("unknown_total", &[]).unwrap_err(), ENOENT),
        (segment.counter("exits_total", &[]).unwrap_err(), EINVAL),
        (segment.counter("exits_total", &["x"; 40]).unwrap_err(), EINVAL),
        (segment.counter("exits_total", &[&long]).unwrap_err(), EINVAL),
        (segment.gauge("exits_total", &["mmio"]).unwrap_err(), EINVAL),
        (segment.counter("faults_total", &[]).unwrap_err(), EINVAL),
    ];
    for (error, errno) in &refused {
        assert_eq!(error.errno(), *errno, "{error}");
    }
    let _mmio = segment.counter("exits_total", &["mmio"]).unwrap();
    let error = segment.counter("exits_total", &["hlt"]).unwrap_err();
    assert_eq!(error.errno(), ENOSPC);
    assert!(error.text().contains("max_series"), "{error}");
    let bytes = Bytes::read(&path);
    assert_eq!(bytes.refused_series(), refused.len() as u64 + 1);
    assert_eq!(bytes.series_count(), 2);
}

#[test]
fn an_info_series_is_registered_once() {
    let folder = Folder::new();
    let (segment, path) = create(&folder);
    segment.info("build_info", &["1.2.3"]).unwrap();
    assert_eq!(segment.info("build_info", &["1.2.3"]).unwrap_err().errno(), EEXIST);
    assert_eq!(Bytes::read(&path).series_count(), 1);
}

#[test]
fn an_empty_segment_lets_the_vm_run_on() {
    let segment = Segment::default();
    assert!(segment.is_empty() && Segment::empty().is_empty());
    assert_eq!((segment.path(), segment.vm_id(), segment.bytes()), (Path::new(""), "", 0));
    segment.tick(1);
    let counter = segment.counter("any", &["thing"]).unwrap();
    let shared = segment.shared_counter("any", &[]).unwrap();
    let seconds = segment.counter_f64("any", &[]).unwrap();
    let gauge = segment.gauge("any", &[]).unwrap();
    let level = segment.level("any", &[]).unwrap();
    let histogram = segment.histogram("any", &[]).unwrap();
    segment.info("any", &[]).unwrap();
    assert!(counter.is_empty() && shared.is_empty() && seconds.is_empty());
    assert!(gauge.is_empty() && level.is_empty() && histogram.is_empty());
    counter.add(1);
    counter.total(2);
    counter.baseline(3);
    shared.add(1);
    assert_eq!(shared.value(), 0);
    seconds.add(1.0);
    seconds.total(2.0);
    seconds.baseline(3.0);
    gauge.record(1.0);
    level.set(1.0);
    histogram.record(1.0);
    segment.close(0, "nothing to close");
}
