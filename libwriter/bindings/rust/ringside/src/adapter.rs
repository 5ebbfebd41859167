//! For VMMs that have metric traits of their own: the shape of rust-vmm's `Metric` (vmm-sys-util) and of Firecracker's
//! `IncMetric` and `StoreMetric`.
//!
//! Those traits count through `&self`, from any thread, in objects that mostly are fields of a `static` and so exist before
//! there is a segment. [`CountMetric`] and [`StoreMetric`] fit that: they are `Sync`, made by a `const fn`, and count in memory
//! until they are bound to a series. Where set-up failed they go on so, and what the VMM itself reports stays right.
//!
//! A trait of another crate can only be implemented for a type of one's own, which the macros make:
//!
//! ```
//! # mod metric { pub trait Metric {
//! #     fn add(&self, value: u64); fn inc(&self) { self.add(1) } fn count(&self) -> u64;
//! #     fn reset(&self); fn set(&self, value: u64);
//! # } }
//! # use ringside::{Options, Schema, Segment};
//! ringside::impl_metric! {
//!     /// Counts for the devices of rust-vmm, and for the fleet.
//!     pub struct Events: metric::Metric; // in a VMM: vmm_sys_util::metric::Metric
//! }
//!
//! static SHORT_READS: Events = Events::new();
//!
//! # static SCHEMA: Schema = Schema::new("vmm", 1, &[ringside::Metric::shared_counter("vmm_short_reads_total")]);
//! # let folder = std::path::PathBuf::from(format!("/dev/shm/ringside-doctest-adapter-{}", std::process::id()));
//! # std::fs::create_dir(&folder)?;
//! # let segment = Segment::create(&Options::new("vm-7", &SCHEMA).directory(&folder))?;
//! # std::fs::remove_dir_all(&folder)?;
//! use metric::Metric as _;
//! SHORT_READS.inc(); // before there is a segment
//! SHORT_READS.bind(segment.shared_counter("vmm_short_reads_total", &[])?);
//! SHORT_READS.inc();
//! assert_eq!(SHORT_READS.count(), 2);
//! # assert_eq!(segment.shared_counter("vmm_short_reads_total", &[])?.value(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A trait of another shape takes three lines by hand: the methods of the two types are meant for that.

mod count;
mod slot;
mod store;

pub use count::CountMetric;
pub use store::StoreMetric;

/// Makes a type that implements a trait of the shape of vmm-sys-util's `Metric` over a [`CountMetric`](crate::adapter::CountMetric):
/// `impl_metric! { pub struct Events: vmm_sys_util::metric::Metric; }`.
#[macro_export]
macro_rules! impl_metric {
    ($(#[$meta:meta])* $visible:vis struct $name:ident: $($trait:ident)::+;) => {
        $crate::adapter_type! { $(#[$meta])* $visible struct $name($crate::adapter::CountMetric); }

        impl $($trait)::+ for $name {
            #[inline]
            fn add(&self, value: u64) {
                self.0.add(value);
            }
            fn count(&self) -> u64 {
                self.0.since_mark()
            }
            fn reset(&self) {
                self.0.mark();
            }
            fn set(&self, value: u64) {
                self.0.set(value);
            }
        }
    };
}

/// Makes a type that implements a trait of the shape of Firecracker's `IncMetric` over a
/// [`CountMetric`](crate::adapter::CountMetric): `impl_inc_metric! { pub struct SharedIncMetric: IncMetric; }`. What is serialised calls
/// [`take`](crate::adapter::CountMetric::take), after which `fetch_diff` counts from there.
#[macro_export]
macro_rules! impl_inc_metric {
    ($(#[$meta:meta])* $visible:vis struct $name:ident: $($trait:ident)::+;) => {
        $crate::adapter_type! { $(#[$meta])* $visible struct $name($crate::adapter::CountMetric); }

        impl $($trait)::+ for $name {
            #[inline]
            fn add(&self, value: u64) {
                self.0.add(value);
            }
            fn count(&self) -> u64 {
                self.0.total()
            }
            fn fetch_diff(&self) -> u64 {
                self.0.since_mark()
            }
        }
    };
}

/// Makes a type that implements a trait of the shape of Firecracker's `StoreMetric` over a
/// [`StoreMetric`](crate::adapter::StoreMetric): `impl_store_metric! { pub struct SharedStoreMetric: StoreMetric; }`.
#[macro_export]
macro_rules! impl_store_metric {
    ($(#[$meta:meta])* $visible:vis struct $name:ident: $($trait:ident)::+;) => {
        $crate::adapter_type! { $(#[$meta])* $visible struct $name($crate::adapter::StoreMetric); }

        impl $($trait)::+ for $name {
            fn fetch(&self) -> u64 {
                self.0.value()
            }
            fn store(&self, value: u64) {
                self.0.store(value);
            }
        }
    };
}

/// The part that the three above have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! adapter_type {
    ($(#[$meta:meta])* $visible:vis struct $name:ident($inner:ty);) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $visible struct $name($inner);

        impl $name {
            /// Bound to no series yet.
            pub const fn new() -> Self {
                Self(<$inner>::new())
            }
        }

        impl ::std::ops::Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }
    };
}
