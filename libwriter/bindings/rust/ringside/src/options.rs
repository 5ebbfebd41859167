use std::ffi::CString;
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use ringside_sys as sys;

use crate::error::{Error, RawError};
use crate::schema::{c_string, RawSchema, Schema};

/// Where the time of a record comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_REALTIME_COARSE` through the vDSO, about 6 ns a record.
    #[default]
    Coarse,
    /// The word that [`Segment::tick`](crate::Segment::tick) stores, well below 1 ns a record.
    Tick,
}

impl Clock {
    pub(crate) fn raw(self) -> c_int {
        match self {
            Clock::Coarse => sys::RSIDE_CLOCK_COARSE,
            Clock::Tick => sys::RSIDE_CLOCK_TICK,
        }
    }
}

/// How to create a segment, or to provision one for a VMM that attaches later.
///
/// ```no_run
/// # use ringside::{Clock, Metric, Options, Schema, Segment};
/// # static SCHEMA: Schema = Schema::new("example_vmm", 1, &[Metric::counter("vmm_exits_total")]);
/// let segment = Segment::create(&Options::new("vm-7", &SCHEMA).clock(Clock::Tick))?;
/// # Ok::<(), ringside::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options<'a> {
    vm_id: &'a str,
    component: &'a str,
    directory: Option<&'a Path>,
    schema: &'a Schema<'a>,
    clock: Clock,
    flags: u32,
    owner: Option<u32>,
    group: Option<u32>,
    mode: u32,
}

impl<'a> Options<'a> {
    /// `vm_id` is 1 to 63 of `[A-Za-z0-9._:-]`, the first one alphanumeric. The defaults are those of the C ABI: the VMM
    /// itself as the component, /dev/shm/ringside, the coarse clock, fork guard and lock on.
    pub fn new(vm_id: &'a str, schema: &'a Schema<'a>) -> Options<'a> {
        Options {
            vm_id,
            component: "",
            directory: None,
            schema,
            clock: Clock::Coarse,
            flags: sys::RSIDE_DEFAULT_FLAGS,
            owner: None,
            group: None,
            mode: 0,
        }
    }

    /// A process of the VM other than the VMM: 1 to 31 of `[a-z0-9_-]`.
    pub fn component(mut self, component: &'a str) -> Options<'a> {
        self.component = component;
        self
    }

    /// Where the segment goes; it must lie on a tmpfs or hugetlbfs.
    pub fn directory(mut self, directory: &'a Path) -> Options<'a> {
        self.directory = Some(directory);
        self
    }

    /// Where the time of records comes from.
    pub fn clock(mut self, clock: Clock) -> Options<'a> {
        self.clock = clock;
        self
    }

    /// Whether children of a `fork` get empty pages in place of the segment (`RSIDE_FORK_GUARD`).
    pub fn fork_guard(mut self, on: bool) -> Options<'a> {
        self.flags = with_flag(self.flags, sys::RSIDE_FORK_GUARD, on);
        self
    }

    /// Whether the mapping holds a lock on the file, as a second proof of life (`RSIDE_LOCK`).
    pub fn lock(mut self, on: bool) -> Options<'a> {
        self.flags = with_flag(self.flags, sys::RSIDE_LOCK, on);
        self
    }

    /// Provision: who owns the file. By default the caller.
    pub fn owner(mut self, uid: u32) -> Options<'a> {
        self.owner = Some(uid);
        self
    }

    /// Provision: the group of the file. By default what the directory gives.
    pub fn group(mut self, gid: u32) -> Options<'a> {
        self.group = Some(gid);
        self
    }

    /// The file's mode, by default 0640.
    pub fn mode(mut self, mode: u32) -> Options<'a> {
        self.mode = mode;
        self
    }
}

/// How to attach to a provisioned segment. By default: coarse clock, neither fork guard nor lock, whatever schema is there;
/// so the only system calls are `open`, `fstat`, `mmap` and `close`, for VMMs behind a seccomp filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attach<'a> {
    schema: Option<&'a Schema<'a>>,
    clock: Clock,
    flags: u32,
}

impl<'a> Attach<'a> {
    /// The defaults.
    pub fn new() -> Attach<'a> {
        Attach::default()
    }

    /// Refuses (`ESTALE`) a segment that was laid out with another schema.
    pub fn schema(mut self, schema: &'a Schema<'a>) -> Attach<'a> {
        self.schema = Some(schema);
        self
    }

    /// Where the time of records comes from.
    pub fn clock(mut self, clock: Clock) -> Attach<'a> {
        self.clock = clock;
        self
    }

    /// See [`Options::fork_guard`].
    pub fn fork_guard(mut self, on: bool) -> Attach<'a> {
        self.flags = with_flag(self.flags, sys::RSIDE_FORK_GUARD, on);
        self
    }

    /// See [`Options::lock`].
    pub fn lock(mut self, on: bool) -> Attach<'a> {
        self.flags = with_flag(self.flags, sys::RSIDE_LOCK, on);
        self
    }

    /// Runs one of the two attach calls of the C ABI.
    pub(crate) fn run(
        &self,
        call: impl FnOnce(
            *const sys::rside_schema,
            c_int,
            u32,
            *mut *mut sys::rside_segment,
            *mut sys::rside_error,
        ) -> c_int,
    ) -> Result<*mut sys::rside_segment, Error> {
        let schema = self.schema.map(RawSchema::new).transpose()?;
        let (mut segment, mut error) = (ptr::null_mut(), RawError::new());
        match call(RawSchema::or_null(&schema), self.clock.raw(), self.flags, &mut segment, error.as_mut_ptr()) {
            0 => Ok(segment),
            _ => Err(error.take()),
        }
    }
}

fn with_flag(flags: u32, flag: u32, on: bool) -> u32 {
    if on {
        flags | flag
    } else {
        flags & !flag
    }
}

/// Options in the form of the C ABI, with all that they point to.
pub(crate) struct RawOptions {
    options: sys::rside_options,
    schema: RawSchema,
    vm_id: CString,
    component: CString,
    directory: Option<CString>,
}

impl RawOptions {
    pub(crate) fn new(from: &Options<'_>) -> Result<RawOptions, Error> {
        let options = sys::rside_options {
            vm_id: ptr::null(),
            component: ptr::null(),
            directory: ptr::null(),
            schema: ptr::null(),
            clock: from.clock.raw(),
            flags: from.flags,
            owner: from.owner.unwrap_or(u32::MAX),
            group: from.group.unwrap_or(u32::MAX),
            mode: from.mode,
        };
        Ok(RawOptions {
            options,
            schema: RawSchema::new(from.schema)?,
            vm_id: c_string(from.vm_id, "vm_id")?,
            component: c_string(from.component, "component")?,
            directory: from.directory.map(c_path).transpose()?,
        })
    }

    /// Good until this is moved: the pointers within are taken here, where nothing moves any more.
    pub(crate) fn as_ptr(&mut self) -> *const sys::rside_options {
        self.options.vm_id = self.vm_id.as_ptr();
        self.options.component = self.component.as_ptr();
        self.options.directory = self.directory.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        self.options.schema = self.schema.as_ptr();
        &self.options
    }
}

pub(crate) fn c_path(path: &Path) -> Result<CString, Error> {
    c_string(path.as_os_str().as_bytes(), "path")
}

/// Lays out a segment for a VMM that will attach later, for launchers; the path of its file. Run it inside the VM's own
/// cgroup: its pages are charged for good to the caller's.
pub fn provision(options: &Options<'_>) -> Result<PathBuf, Error> {
    // The default directory is shorter than this.
    let directory_bytes = options.directory.map_or(64, |path| path.as_os_str().len());
    let mut raw = RawOptions::new(options)?;
    let mut path: Vec<u8> = vec![0; directory_bytes + 140];
    let mut error = RawError::new();
    // SAFETY: all pointers are good for the call, and `path` has the room that the contract asks for.
    let code = unsafe {
        let at = path.as_mut_ptr().cast::<c_char>();
        sys::rside_segment_provision(raw.as_ptr(), at, path.len(), error.as_mut_ptr())
    };
    if code != 0 {
        return Err(error.take());
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    path.truncate(end);
    Ok(PathBuf::from(std::ffi::OsString::from_vec(path)))
}
