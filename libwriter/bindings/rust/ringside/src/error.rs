use std::ffi::CStr;
use std::fmt;
use std::io;

use ringside_sys as sys;

/// What went wrong in set-up, for people: a whole sentence that names the offending thing and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    errno: i32,
    text: String,
}

/// The one that this crate says by itself, as <errno.h> has it on every Linux.
pub(crate) const EINVAL: i32 = 22;

impl Error {
    pub(crate) fn new(errno: i32, text: String) -> Error {
        Error { errno, text }
    }

    /// The kind of failure, as a positive `errno`. `ringside.h` says which a call can give.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What [`Display`](fmt::Display) prints.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(io::Error::from_raw_os_error(error.errno).kind(), error)
    }
}

/// Room for what the library has to say of a call.
pub(crate) struct RawError(sys::rside_error);

impl RawError {
    pub(crate) fn new() -> RawError {
        RawError(sys::rside_error { code: 0, text: [0; 252] })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut sys::rside_error {
        &mut self.0
    }

    pub(crate) fn take(self) -> Error {
        // SAFETY: zeros before the call, and the library ends every text with a NUL.
        let text = unsafe { CStr::from_ptr(self.0.text.as_ptr()) };
        Error { errno: -self.0.code, text: text.to_string_lossy().into_owned() }
    }
}
