//! Compares what is declared here with the C headers, by asking a C compiler.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::mem::{size_of, size_of_val, MaybeUninit};
use std::path::Path;
use std::process::Command;
use std::ptr::addr_of;

use ringside_sys::*;

const INCLUDE: &str = env!("RINGSIDE_INCLUDE");

/// C expressions, each with the value that Rust has for it.
#[derive(Default)]
struct Facts(Vec<(String, i128)>);

impl Facts {
    fn add(&mut self, expression: String, value: i128) {
        self.0.push((expression, value));
    }
}

fn size_behind<T>(_: *const T) -> i128 {
    size_of::<T>() as i128
}

macro_rules! structure {
    ($facts:ident, $type:ident: $($($field:ident).+),*) => {
        $facts.add(format!("sizeof({})", stringify!($type)), size_of::<$type>() as i128);
        let value = MaybeUninit::<$type>::uninit();
        let base = value.as_ptr();
        $(
            // SAFETY: addresses only, within `value`; nothing is read.
            let field = unsafe { addr_of!((*base).$($field).+) };
            let name = stringify!($($field).+);
            $facts.add(format!("offsetof({}, {name})", stringify!($type)), field as i128 - base as i128);
            $facts.add(format!("sizeof((({} *)0)->{name})", stringify!($type)), size_behind(field));
        )*
    };
}

macro_rules! constants {
    ($facts:ident: $($name:ident),*) => {
        $($facts.add(stringify!($name).to_string(), $name as i128);)*
    };
}

fn structures(facts: &mut Facts) {
    structure!(
        facts,
        rside_header: state,
        close_code,
        attached_ns,
        closed_ns,
        writer_pid,
        clock_mode,
        series_count,
        arena_used,
        reserved2,
        close_text,
        tick_ns,
        reserved3,
        clock_steps_back,
        rebases,
        rebase_from_ns,
        rebase_to_ns,
        rebased_windows,
        rejected_samples,
        refused_series,
        reserved4
    );
    structure!(
        facts,
        rside_cell: seq,
        open,
        u,
        u.counter.value,
        u.counter.raw,
        u.counter.spare,
        u.gauge.sum,
        u.gauge.last,
        u.gauge.min,
        u.gauge.max,
        u.level.since_ns,
        u.level.sum,
        u.level.last,
        u.level.min,
        u.level.max,
        u.histogram.pending,
        u.histogram.sum,
        u.histogram.spare
    );
    structure!(facts, rside_tier: resolution_s, slots, columns);
    structure!(
        facts,
        rside_metric: name,
        kind,
        flags,
        unit,
        help,
        labels,
        label_count,
        max_series,
        histogram_scale,
        histogram_lowest,
        histogram_highest
    );
    structure!(facts, rside_schema: name, version, tiers, tier_count, metrics, metric_count, label_arena_bytes);
    structure!(facts, rside_error: code, text);
    structure!(facts, rside_options: vm_id, component, directory, schema, clock, flags, owner, group, mode);
    structure!(facts, rside_series: cell, segment);
    structure!(facts, rside_counter: series);
    structure!(facts, rside_shared_counter: series);
    structure!(facts, rside_counter_f64: series);
    structure!(facts, rside_gauge: series);
    structure!(facts, rside_level: series);
    structure!(facts, rside_histogram: series, hot);
    structure!(facts, rside_hot: tick_ns, window_ns, header);
    #[cfg(target_pointer_width = "64")]
    structure!(facts, timespec: tv_sec, tv_nsec);
    structure!(facts, rside_histogram_hot: buckets, zero_bound, first, count, scale, reserved);
}

fn all_constants(facts: &mut Facts) {
    constants!(
        facts: RSIDE_FORMAT_VERSION,
        RSIDE_MAGIC,
        RSIDE_HEADER_BYTES,
        RSIDE_MAX_TIERS,
        RSIDE_MAX_LABELS,
        RSIDE_MAX_NAME_BYTES,
        RSIDE_MAX_LABEL_VALUE_BYTES,
        RSIDE_NS_PER_S,
        CLOCK_REALTIME_COARSE,
        RSIDE_VM_ID_BYTES,
        RSIDE_COMPONENT_BYTES,
        RSIDE_CLOSE_TEXT_BYTES,
        RSIDE_HISTOGRAM_SCALE_MIN,
        RSIDE_HISTOGRAM_SCALE_MAX,
        RSIDE_COUNTER,
        RSIDE_COUNTER_F64,
        RSIDE_GAUGE,
        RSIDE_LEVEL,
        RSIDE_HISTOGRAM,
        RSIDE_INFO,
        RSIDE_METRIC_SHARED,
        RSIDE_COLUMN_COUNT,
        RSIDE_COLUMN_SUM,
        RSIDE_COLUMN_MIN,
        RSIDE_COLUMN_MAX,
        RSIDE_COLUMN_LAST,
        RSIDE_COLUMN_VALUE,
        RSIDE_COLUMN_BUCKETS,
        RSIDE_COLUMNS_ALL,
        RSIDE_STATE_PROVISIONED,
        RSIDE_STATE_ATTACHED,
        RSIDE_STATE_CLOSED,
        RSIDE_OPEN_FLAGS,
        RSIDE_CLOCK_COARSE,
        RSIDE_CLOCK_TICK,
        RSIDE_FORK_GUARD,
        RSIDE_LOCK,
        RSIDE_DEFAULT_FLAGS
    );
    // SAFETY: constants of the library.
    let (bounds, start, tiers) = unsafe {
        (size_of_val(&rside_histogram_bounds), size_of_val(&rside_histogram_start), size_of_val(&rside_default_tiers))
    };
    facts.add("sizeof(rside_histogram_bounds)".into(), bounds as i128);
    facts.add("sizeof(rside_histogram_start)".into(), start as i128);
    facts.add("sizeof(rside_default_tiers)".into(), tiers as i128);
}

/// What a C compiler says to each of the expressions, in their order.
fn ask_c(facts: &Facts) -> Vec<i128> {
    let mut source = String::from(
        "#define _GNU_SOURCE\n#include <ringside/ringside.h>\n#include <stdio.h>\n\
         typedef struct timespec timespec;\nint main(void) {\n",
    );
    for (expression, _) in &facts.0 {
        writeln!(source, "    printf(\"%lld\\n\", (long long)({expression}));").expect("a String takes all");
    }
    source.push_str("    return 0;\n}\n");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (path, program) = (folder.join("headers.c"), folder.join("headers"));
    fs::write(&path, source).expect("write headers.c");
    let compiler = env::var("RINGSIDE_TEST_CC").unwrap_or_else(|_| "cc".into());
    // The inline functions refer to the library; nothing calls them here, so the optimiser drops them.
    let status = Command::new(compiler)
        .args(["-std=c11", "-O1", "-I", INCLUDE, "-o"])
        .arg(&program)
        .arg(&path)
        .status()
        .expect("run the C compiler");
    assert!(status.success(), "{} does not compile", path.display());
    let output = Command::new(&program).output().expect("run the C program");
    String::from_utf8(output.stdout).expect("digits").lines().map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn layouts_and_constants_are_those_of_c() {
    let mut facts = Facts::default();
    structures(&mut facts);
    all_constants(&mut facts);
    let answers = ask_c(&facts);
    assert_eq!(answers.len(), facts.0.len());
    let wrong: Vec<String> = facts
        .0
        .iter()
        .zip(&answers)
        .filter(|((_, ours), c)| ours != *c)
        .map(|((expression, ours), c)| format!("{expression} is {c} in C and {ours} here"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names that follow `RSIDE_API` in a header.
fn exported(header: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(INCLUDE).join("ringside").join(header)).expect(header);
    text.split("RSIDE_API ")
        .skip(1)
        .filter_map(|declaration| {
            let end = declaration.find(['(', '['])?;
            let name = declaration[..end].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            name.starts_with("rside_").then(|| name.to_string())
        })
        .collect()
}

#[test]
fn every_exported_name_is_declared() {
    let ours = concat!(include_str!("../src/api.rs"), include_str!("../src/hot.rs"));
    let mut found = 0;
    for name in ["ringside.h", "schema.h", "detail/hot.h", "detail/hot_inline.h"].into_iter().flat_map(exported) {
        let is_word = |at: usize| !ours[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        assert!(ours.match_indices(&name).any(|(at, _)| is_word(at)), "{name} is in the headers but not in this crate");
        found += 1;
    }
    assert!(found >= 25, "only {found} names found: are the headers written in another way now?");
}

#[test]
fn every_declared_name_links() {
    // Taken as values, so that the linker must find each of them.
    let functions = [
        rside_schema_check as *const (),
        rside_schema_size as *const (),
        rside_schema_hash as *const (),
        rside_histogram_index as *const (),
        rside_histogram_bound as *const (),
        rside_options_init as *const (),
        rside_segment_create as *const (),
        rside_segment_provision as *const (),
        rside_segment_attach as *const (),
        rside_segment_attach_fd as *const (),
        rside_segment_close as *const (),
        rside_segment_mark_closed as *const (),
        rside_segment_path as *const (),
        rside_segment_vm_id as *const (),
        rside_segment_bytes as *const (),
        rside_counter_register as *const (),
        rside_shared_counter_register as *const (),
        rside_counter_f64_register as *const (),
        rside_gauge_register as *const (),
        rside_level_register as *const (),
        rside_histogram_register as *const (),
        rside_info_register as *const (),
        rside_turn as *const (),
        rside_coarse_ns as *const (),
        rside_reject as *const (),
    ];
    assert!(functions.iter().all(|at| !at.is_null()));
    // SAFETY: constants of the library.
    unsafe {
        assert_eq!(rside_default_tiers[2].resolution_s, 300);
        assert_eq!((rside_histogram_bounds[0], rside_histogram_bounds[256]), (0, 1 << 52));
        assert!(rside_histogram_start[255] >= 254);
    }
}
