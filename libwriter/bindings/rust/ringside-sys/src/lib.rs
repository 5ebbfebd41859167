//! The C ABI of `libringside`, the writer library of Ringside, declared by hand.
//!
//! Names and comments are those of the C headers, `ringside/ringside.h`, `schema.h` and `format.h`, which are the
//! reference. VMMs use the crate `ringside`, which is safe and has the inline hot path; this crate is what it stands on.
//!
//! Besides the public API there is what an inline hot path needs: the layout of a cell ([`rside_cell`]) and of the few
//! private words that a record reads ([`rside_hot`], [`rside_histogram_hot`]). Sizes and offsets are asserted when this
//! crate is compiled, and its test compares all of them, and all constants, with what a C compiler makes of the headers.

#![allow(non_camel_case_types)]
#![warn(missing_docs)]

mod api;
mod format;
mod hot;
mod pins;

pub use api::*;
pub use format::*;
pub use hot::*;
