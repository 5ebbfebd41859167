use std::ffi::{CStr, OsStr};
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsFd, AsRawFd};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::str;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::thread;

use ringside_sys as sys;

use crate::error::{Error, RawError};
use crate::handles::{Counter, CounterF64, Gauge, Handle, Histogram, Level, SharedCounter};
use crate::hot;
use crate::options::{c_path, Attach, Options, RawOptions};
use crate::text::{fill, with_c_texts};

/// The exit status of a Rust program whose main thread panicked.
const PANICKED: c_int = 101;

/// One mapped segment. The [`Segment`] and each of its handles own it together; the last one to go unmaps it.
#[derive(Debug)]
pub(crate) struct Mapping {
    segment: NonNull<sys::rside_segment>,
    /// As it was at first, up to its NUL: the segment's own lies in memory that other processes may write to.
    vm_id: [u8; sys::RSIDE_VM_ID_BYTES],
}

// SAFETY: the library's set-up calls lock among themselves; it is unmapped once, in the last owner's thread.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference any thread may register; a tick stores one word; `close` takes the only Segment.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        let (code, text) = match thread::panicking() {
            true => (PANICKED, "panicked\0".as_ptr().cast::<c_char>()),
            false => (0, ptr::null()),
        };
        // SAFETY: nobody has a handle any more. What `Segment::close` said stays.
        unsafe { sys::rside_segment_close(self.segment.as_ptr(), code, text) }
    }
}

/// # Safety
/// `at` has the room of a VM's id in a mapped segment.
unsafe fn copy_vm_id(at: *const c_char) -> [u8; sys::RSIDE_VM_ID_BYTES] {
    let mut copy = [0; sys::RSIDE_VM_ID_BYTES];
    for (i, byte) in copy.iter_mut().enumerate() {
        *byte = (*at.cast::<AtomicU8>().add(i)).load(Ordering::Relaxed);
    }
    copy
}

/// A segment that this process records into.
///
/// [`close`](Segment::close) says why the VM ends. Without it the segment is closed when it and all its handles are dropped: as
/// planned (code 0), or with code 101 where the last one goes while its thread panics.
///
/// Any thread may register series. Metrics are a guest in the VM: when set-up fails, an [empty](Segment::empty) segment
/// lets the VM run on, and its handles record nothing.
///
/// ```
/// # use ringside::{Metric, Options, Schema, Segment};
/// # static SCHEMA: Schema = Schema::new("example_vmm", 1, &[Metric::counter("vmm_exits_total")]);
/// # let options = Options::new("vm-7", &SCHEMA).directory(std::path::Path::new("/dev/shm/no-such-folder"));
/// let segment = Segment::create(&options).unwrap_or_else(|error| {
///     eprintln!("no metrics: {error}");
///     Segment::empty()
/// });
/// let exits = segment.counter("vmm_exits_total", &[])?; // of an empty segment: an empty handle
/// exits.add(1);
/// # assert!(exits.is_empty());
/// # Ok::<(), ringside::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Segment {
    mapping: Option<Arc<Mapping>>,
}

impl Segment {
    /// A segment that is none: its handles are empty, and nothing is recorded.
    pub const fn empty() -> Segment {
        Segment { mapping: None }
    }

    /// Whether this is an [`empty`](Segment::empty) one.
    pub fn is_empty(&self) -> bool {
        self.mapping.is_none()
    }

    fn own(segment: *mut sys::rside_segment) -> Segment {
        let segment = NonNull::new(segment).expect("the library says success and gives a segment");
        // SAFETY: the segment is attached.
        let vm_id = unsafe { copy_vm_id(sys::rside_segment_vm_id(segment.as_ptr())) };
        Segment { mapping: Some(Arc::new(Mapping { segment, vm_id })) }
    }

    fn raw(&self) -> *mut sys::rside_segment {
        self.mapping.as_ref().map_or(ptr::null_mut(), |mapping| mapping.segment.as_ptr())
    }

    /// Creates a new segment and attaches to it. Every page of it is reserved, so a full /dev/shm is an error here and never
    /// a SIGBUS later; after an error no file is left.
    pub fn create(options: &Options<'_>) -> Result<Segment, Error> {
        let mut raw = RawOptions::new(options)?;
        let (mut segment, mut error) = (ptr::null_mut(), RawError::new());
        // SAFETY: all pointers are good for the call.
        match unsafe { sys::rside_segment_create(raw.as_ptr(), &mut segment, error.as_mut_ptr()) } {
            0 => Ok(Segment::own(segment)),
            _ => Err(error.take()),
        }
    }

    /// Attaches to a segment that a launcher has [provisioned](crate::provision).
    pub fn attach(path: impl AsRef<Path>, how: &Attach<'_>) -> Result<Segment, Error> {
        let path = c_path(path.as_ref())?;
        // SAFETY: all pointers are good for the call.
        how.run(|schema, clock, flags, out, error| unsafe {
            sys::rside_segment_attach(path.as_ptr(), schema, clock, flags, out, error)
        })
        .map(Segment::own)
    }

    /// The same by a descriptor that is open for reading and writing. It stays the caller's and may be closed afterwards.
    pub fn attach_fd(fd: impl AsFd, how: &Attach<'_>) -> Result<Segment, Error> {
        let fd = fd.as_fd();
        // SAFETY: all pointers are good for the call, and `fd` is open for as long.
        how.run(|schema, clock, flags, out, error| unsafe {
            sys::rside_segment_attach_fd(fd.as_raw_fd(), schema, clock, flags, out, error)
        })
        .map(Segment::own)
    }

    /// The file's path as created or as given to [`attach`](Segment::attach); empty when attached by descriptor.
    pub fn path(&self) -> &Path {
        if self.is_empty() {
            return Path::new("");
        }
        // SAFETY: the text lives as long as the segment, and never changes.
        let path = unsafe { CStr::from_ptr(sys::rside_segment_path(self.raw())) };
        Path::new(OsStr::from_bytes(path.to_bytes()))
    }

    /// The id of the VM; empty for an empty segment.
    pub fn vm_id(&self) -> &str {
        let vm_id: &[u8] = self.mapping.as_ref().map_or(&[], |mapping| &mapping.vm_id);
        let end = vm_id.iter().position(|byte| *byte == 0).unwrap_or(vm_id.len());
        str::from_utf8(&vm_id[..end]).unwrap_or_default() // The library takes ASCII only.
    }

    /// The file's size; 0 for an empty segment.
    pub fn bytes(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        // SAFETY: the segment is attached.
        unsafe { sys::rside_segment_bytes(self.raw()) }
    }

    /// With [`Clock::Tick`](crate::Clock::Tick): sets the time of the records that follow, in ns since 1970. Any one thread
    /// at a time; at least once per window of the finest tier. With the coarse clock it has no effect on records.
    #[inline]
    pub fn tick(&self, now_ns: u64) {
        if let Some(mapping) = &self.mapping {
            // SAFETY: the segment is attached.
            unsafe { hot::tick(mapping.segment.as_ptr(), now_ns) }
        }
    }

    /// Registers a series of a [`Metric::counter`](crate::Metric::counter), with the label values in the order of the schema.
    ///
    /// Like the five that follow: no system call, and no allocation unless it fails. Each series is registered once, so its
    /// handle is the only one (`EEXIST`); dropping the handle does not give the series back.
    pub fn counter(&self, metric: &str, values: &[&str]) -> Result<Counter, Error> {
        self.register(sys::rside_counter_register, metric, values)
    }

    /// Registers a series of a [`Metric::shared_counter`](crate::Metric::shared_counter). The same series again gives the
    /// same handle.
    pub fn shared_counter(&self, metric: &str, values: &[&str]) -> Result<SharedCounter, Error> {
        self.register(sys::rside_shared_counter_register, metric, values)
    }

    /// Registers a series of a [`Metric::counter_f64`](crate::Metric::counter_f64).
    pub fn counter_f64(&self, metric: &str, values: &[&str]) -> Result<CounterF64, Error> {
        self.register(sys::rside_counter_f64_register, metric, values)
    }

    /// Registers a series of a [`Metric::gauge`](crate::Metric::gauge).
    pub fn gauge(&self, metric: &str, values: &[&str]) -> Result<Gauge, Error> {
        self.register(sys::rside_gauge_register, metric, values)
    }

    /// Registers a series of a [`Metric::level`](crate::Metric::level).
    pub fn level(&self, metric: &str, values: &[&str]) -> Result<Level, Error> {
        self.register(sys::rside_level_register, metric, values)
    }

    /// Registers a series of a [`Metric::histogram`](crate::Metric::histogram).
    pub fn histogram(&self, metric: &str, values: &[&str]) -> Result<Histogram, Error> {
        self.register(sys::rside_histogram_register, metric, values)
    }

    /// Registers a series of a [`Metric::info`](crate::Metric::info), which is the constant 1 and needs no handle.
    pub fn info(&self, metric: &str, values: &[&str]) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let mut error = RawError::new();
        // SAFETY: all pointers are good for the call.
        match with_c_texts(metric, values, |metric, values, count| unsafe {
            sys::rside_info_register(self.raw(), metric, values, count, error.as_mut_ptr())
        })? {
            0 => Ok(()),
            _ => Err(error.take()),
        }
    }

    fn register<H: Handle>(
        &self,
        call: sys::rside_register<H::Raw>,
        metric: &str,
        values: &[&str],
    ) -> Result<H, Error> {
        let mapping = match &self.mapping {
            Some(mapping) => mapping,
            None => return Ok(H::default()),
        };
        let mut error = RawError::new();
        // SAFETY: all pointers are good for the call.
        let raw = with_c_texts(metric, values, |metric, values, count| unsafe {
            call(mapping.segment.as_ptr(), metric, values, count, error.as_mut_ptr())
        })?;
        // SAFETY: the library has just given the handle, for this mapping.
        unsafe { H::from_raw(raw, mapping) }.ok_or_else(|| error.take())
    }

    /// Says why the VM ends: `code` 0 is as planned, `text` is for people (cut at 127 bytes, and at a NUL). The agent then
    /// drains the segment, when nothing of it is mapped any more.
    ///
    /// Handles that still exist keep their memory, so threads may still record; nobody need see what they do. It allocates
    /// nothing, and in tick mode makes no system call until the last handle goes.
    pub fn close(self, code: i32, text: &str) {
        if let Some(mapping) = &self.mapping {
            // One byte more than the library keeps, which cuts between characters. C itself ends a text at a NUL.
            let mut room = [0; sys::RSIDE_CLOSE_TEXT_BYTES + 1];
            fill(&mut room, text);
            // SAFETY: the segment is attached, and no other thread closes it: this is its only Segment.
            unsafe { sys::rside_segment_mark_closed(mapping.segment.as_ptr(), code, room.as_ptr().cast()) }
        }
    }
}
