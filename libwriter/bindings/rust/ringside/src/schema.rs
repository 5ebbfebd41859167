use std::ffi::CString;
use std::os::raw::c_char;
use std::ptr;

use ringside_sys as sys;

use crate::error::{Error, RawError, EINVAL};

/// Which figures the series of a [`Tier`] keep for each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns(u32);

impl Columns {
    /// Gauge: observations; level: time held; histogram: observations.
    pub const COUNT: Columns = Columns(sys::RSIDE_COLUMN_COUNT);
    /// Gauge and histogram: sum; level: value times seconds.
    pub const SUM: Columns = Columns(sys::RSIDE_COLUMN_SUM);
    /// Gauges and levels.
    pub const MIN: Columns = Columns(sys::RSIDE_COLUMN_MIN);
    /// Gauges and levels.
    pub const MAX: Columns = Columns(sys::RSIDE_COLUMN_MAX);
    /// Gauges and levels.
    pub const LAST: Columns = Columns(sys::RSIDE_COLUMN_LAST);
    /// Counters: the running total.
    pub const VALUE: Columns = Columns(sys::RSIDE_COLUMN_VALUE);
    /// Histograms: the buckets.
    pub const BUCKETS: Columns = Columns(sys::RSIDE_COLUMN_BUCKETS);
    /// All of them.
    pub const ALL: Columns = Columns(sys::RSIDE_COLUMNS_ALL);

    /// These and those as well.
    pub const fn union(self, more: Columns) -> Columns {
        Columns(self.0 | more.0)
    }
}

/// One resolution: a ring of windows for each series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    resolution_s: u32,
    slots: u32,
    columns: Columns,
}

impl Tier {
    /// Windows of `resolution_s` seconds, of which `slots` are kept, with all columns.
    pub const fn new(resolution_s: u32, slots: u32) -> Tier {
        Tier { resolution_s, slots, columns: Columns::ALL }
    }

    /// Keeps these columns only, to save memory.
    pub const fn columns(mut self, columns: Columns) -> Tier {
        self.columns = columns;
        self
    }
}

/// One second for five minutes, ten seconds for an hour, five minutes for a day; all columns.
pub const DEFAULT_TIERS: &[Tier] = &[Tier::new(1, 300), Tier::new(10, 360), Tier::new(300, 288)];

/// One metric of a [`Schema`]: a name, a kind, and room for a fixed number of series.
///
/// ```
/// use ringside::Metric;
///
/// const READS: Metric = Metric::counter("vmm_block_requests_total")
///     .help("Requests that ended.")
///     .labels(&["device", "op"], 4); // one device with four operations, or four devices with one
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    name: &'a str,
    kind: u8,
    flags: u8,
    unit: &'a str,
    help: &'a str,
    labels: &'a [&'a str],
    max_series: u32,
    scale: i8,
    lowest: f64,
    highest: f64,
}

impl<'a> Metric<'a> {
    const fn new(name: &'a str, kind: u8) -> Metric<'a> {
        Metric {
            name,
            kind,
            flags: 0,
            unit: "",
            help: "",
            labels: &[],
            max_series: 1,
            scale: 0,
            lowest: 0.0,
            highest: 0.0,
        }
    }

    /// What only grows, in whole numbers: requests, bytes. By convention the name ends in `_total`.
    pub const fn counter(name: &'a str) -> Metric<'a> {
        Metric::new(name, sys::RSIDE_COUNTER)
    }

    /// A counter that several threads feed.
    pub const fn shared_counter(name: &'a str) -> Metric<'a> {
        let mut metric = Metric::new(name, sys::RSIDE_COUNTER);
        metric.flags = sys::RSIDE_METRIC_SHARED;
        metric
    }

    /// What only grows, in fractions: seconds of CPU, joules.
    pub const fn counter_f64(name: &'a str) -> Metric<'a> {
        Metric::new(name, sys::RSIDE_COUNTER_F64)
    }

    /// A stream of observations: a measured delay, a sampled depth.
    pub const fn gauge(name: &'a str) -> Metric<'a> {
        Metric::new(name, sys::RSIDE_GAUGE)
    }

    /// A state that holds until it is set again: memory, queue depth.
    pub const fn level(name: &'a str) -> Metric<'a> {
        Metric::new(name, sys::RSIDE_LEVEL)
    }

    /// A distribution, in `2^scale` buckets per factor of two (`scale` -4 to 8), from `lowest` to `highest`. What is
    /// below counts as zero, what is above only in count and sum.
    pub const fn histogram(name: &'a str, scale: i8, lowest: f64, highest: f64) -> Metric<'a> {
        let mut metric = Metric::new(name, sys::RSIDE_HISTOGRAM);
        metric.scale = scale;
        metric.lowest = lowest;
        metric.highest = highest;
        metric
    }

    /// Facts that do not change, as labels: image, tenant.
    pub const fn info(name: &'a str) -> Metric<'a> {
        Metric::new(name, sys::RSIDE_INFO)
    }

    /// The base unit: "seconds", "bytes".
    pub const fn unit(mut self, unit: &'a str) -> Metric<'a> {
        self.unit = unit;
        self
    }

    /// One line for people.
    pub const fn help(mut self, help: &'a str) -> Metric<'a> {
        self.help = help;
        self
    }

    /// The names of the labels, and how many series, told apart by their values, may be registered.
    pub const fn labels(mut self, names: &'a [&'a str], max_series: u32) -> Metric<'a> {
        self.labels = names;
        self.max_series = max_series;
        self
    }
}

/// What a segment will hold, fixed before it is created.
///
/// It borrows what it is made of, so it can be a `static` or be put together at run time:
///
/// ```
/// use ringside::{Metric, Schema, Tier};
///
/// static SCHEMA: Schema = Schema::new("example_vmm", 1, &[Metric::counter("vmm_exits_total")])
///     .tiers(&[Tier::new(1, 60), Tier::new(10, 60)]);
///
/// assert!(SCHEMA.size()? < 16 * 1024);
/// # Ok::<(), ringside::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    name: &'a str,
    version: u32,
    tiers: &'a [Tier],
    metrics: &'a [Metric<'a>],
    label_arena_bytes: u32,
}

impl<'a> Schema<'a> {
    /// A schema with [`DEFAULT_TIERS`]; `version` is the author's own count.
    pub const fn new(name: &'a str, version: u32, metrics: &'a [Metric<'a>]) -> Schema<'a> {
        Schema { name, version, tiers: DEFAULT_TIERS, metrics, label_arena_bytes: 0 }
    }

    /// Other tiers, finest first, each resolution a whole multiple of the one before.
    pub const fn tiers(mut self, tiers: &'a [Tier]) -> Schema<'a> {
        self.tiers = tiers;
        self
    }

    /// Room for all label values, each with one byte more; the default is 64 bytes a series that has labels.
    pub const fn label_arena_bytes(mut self, bytes: u32) -> Schema<'a> {
        self.label_arena_bytes = bytes;
        self
    }

    /// The exact size in bytes of a segment of this schema, or the rule that it breaks.
    pub fn size(&self) -> Result<u64, Error> {
        let raw = RawSchema::new(self)?;
        let mut error = RawError::new();
        // SAFETY: both pointers are good for the call.
        match unsafe { sys::rside_schema_size(raw.as_ptr(), error.as_mut_ptr()) } {
            0 => Err(error.take()),
            bytes => Ok(bytes),
        }
    }

    /// The hash that a segment of this schema carries, or the rule that it breaks.
    pub fn hash(&self) -> Result<u64, Error> {
        self.size()?;
        let raw = RawSchema::new(self)?;
        // SAFETY: the pointer is good for the call.
        Ok(unsafe { sys::rside_schema_hash(raw.as_ptr()) })
    }
}

/// A schema in the form of the C ABI, with all that it points to.
pub(crate) struct RawSchema {
    schema: sys::rside_schema,
    // What `schema` points into. The contents of a Vec stay where they are when it is moved, and pointers to them good; not
    // so those of a Box, or of a CString, which is one.
    _texts: Vec<Vec<u8>>,
    _labels: Vec<Vec<*const c_char>>,
    _tiers: Vec<sys::rside_tier>,
    _metrics: Vec<sys::rside_metric>,
}

impl RawSchema {
    pub(crate) fn new(schema: &Schema<'_>) -> Result<RawSchema, Error> {
        let mut texts = Vec::new();
        let mut keep = |text: &str| -> Result<*const c_char, Error> {
            let owned = c_string(text, "schema")?.into_bytes_with_nul();
            let at = owned.as_ptr().cast();
            texts.push(owned);
            Ok(at)
        };
        let name = keep(schema.name)?;
        let mut labels = Vec::new();
        let mut metrics = Vec::new();
        for metric in schema.metrics {
            let names = metric.labels.iter().map(|label| keep(label)).collect::<Result<Vec<_>, _>>()?;
            metrics.push(sys::rside_metric {
                name: keep(metric.name)?,
                kind: metric.kind,
                flags: metric.flags,
                unit: keep(metric.unit)?,
                help: keep(metric.help)?,
                labels: names.as_ptr(),
                label_count: count(names.len()),
                max_series: metric.max_series,
                histogram_scale: metric.scale,
                histogram_lowest: metric.lowest,
                histogram_highest: metric.highest,
            });
            labels.push(names);
        }
        let tiers: Vec<_> = schema
            .tiers
            .iter()
            .map(|tier| sys::rside_tier { resolution_s: tier.resolution_s, slots: tier.slots, columns: tier.columns.0 })
            .collect();
        let raw = sys::rside_schema {
            name,
            version: schema.version,
            tiers: tiers.as_ptr(),
            tier_count: count(tiers.len()),
            metrics: metrics.as_ptr(),
            metric_count: count(metrics.len()),
            label_arena_bytes: schema.label_arena_bytes,
        };
        Ok(RawSchema { schema: raw, _texts: texts, _labels: labels, _tiers: tiers, _metrics: metrics })
    }

    pub(crate) fn as_ptr(&self) -> *const sys::rside_schema {
        &self.schema
    }

    /// For calls that take a schema or null.
    pub(crate) fn or_null(schema: &Option<RawSchema>) -> *const sys::rside_schema {
        schema.as_ref().map_or(ptr::null(), RawSchema::as_ptr)
    }
}

/// More than fit are refused by the library as too many.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// `text` for the C ABI; `what` names it in the error.
pub(crate) fn c_string(text: impl Into<Vec<u8>>, what: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).into_owned();
        Error::new(EINVAL, format!("{what}: {text:?} has a NUL character in it, which C cannot hold; leave it out"))
    })
}
