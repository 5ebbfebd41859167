//! Records the metrics of a VMM into a shared-memory segment that the Ringside agent reads from outside: a few nanoseconds a
//! record, no system call, no allocation, no lock and no thread after set-up.
//!
//! A [`Schema`] says beforehand what there will be. [`Segment::create`] makes the segment, or [`Segment::attach`] takes one
//! that a launcher has made with [`provision`]; it hands out typed handles, one for each series.
//!
//! | handle | for | threads |
//! |---|---|---|
//! | [`Counter`], [`CounterF64`] | what only grows | `Send`: the one thread that has it |
//! | [`SharedCounter`] | what several threads count | `Send + Sync + Clone` |
//! | [`Gauge`] | a stream of observations | `Send` |
//! | [`Level`] | a state that holds until it is set again | `Send` |
//! | [`Histogram`] | a distribution | `Send` |
//!
//! A handle keeps its segment mapped, so none can outlive it. [`adapter`] has what a VMM needs to put its metric traits over
//! the handles.
//!
//! ```
//! use ringside::{Metric, Options, Schema, Segment};
//!
//! static SCHEMA: Schema = Schema::new("example_vmm", 1, &[
//!     Metric::counter("vmm_block_requests_total").help("Requests that ended.").labels(&["device", "op"], 4),
//!     Metric::histogram("vmm_block_request_duration_seconds", 2, 1e-6, 10.0).unit("seconds").labels(&["device", "op"], 4),
//!     Metric::level("vmm_block_queue_depth").help("Requests in flight."),
//! ]);
//!
//! # let folder = std::path::PathBuf::from(format!("/dev/shm/ringside-doctest-{}", std::process::id()));
//! # std::fs::create_dir(&folder)?;
//! let segment = Segment::create(&Options::new("vm-7", &SCHEMA).directory(&folder))?;
//! # std::fs::remove_dir_all(&folder)?;
//! let reads = segment.counter("vmm_block_requests_total", &["vda", "read"])?;
//! let read_time = segment.histogram("vmm_block_request_duration_seconds", &["vda", "read"])?;
//! let depth = segment.level("vmm_block_queue_depth", &[])?;
//!
//! depth.set(1.0); // the device thread
//! read_time.record(0.000_120);
//! reads.add(1);
//! depth.set(0.0);
//!
//! segment.close(0, "guest shut down");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

#[cfg(test)]
extern crate self as ringside; // tests/support knows this crate from outside

pub mod adapter;
mod error;
mod handles;
mod hot;
mod options;
mod schema;
mod segment;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod text;

pub use error::Error;
pub use handles::{Counter, CounterF64, Gauge, Histogram, Level, SharedCounter};
pub use options::{provision, Attach, Clock, Options};
pub use schema::{Columns, Metric, Schema, Tier, DEFAULT_TIERS};
pub use segment::Segment;

/// The examples of the README are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
