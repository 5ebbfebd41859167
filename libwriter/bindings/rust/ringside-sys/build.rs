//! Compiles the writer library from the project's tree, or links the installed one.
//!
//! The installed one, found by pkg-config, is taken with the feature `system`, with `RINGSIDE_SYSTEM=1` in the
//! environment, and where the sources do not lie beside this crate. `RINGSIDE_INCLUDE` tells the crate's own test where
//! the headers are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The same as in libwriter/meson.build: nothing of the C++ runtime may be needed, and nothing that musl has not.
const FLAGS: [&str; 8] = [
    "-std=c++20",
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-fno-asynchronous-unwind-tables",
    "-U_FILE_OFFSET_BITS",
    "-U_FORTIFY_SOURCE",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RINGSIDE_SYSTEM");
    let writer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let wants_installed = env::var_os("CARGO_FEATURE_SYSTEM").is_some()
        || env::var_os("RINGSIDE_SYSTEM").map_or(false, |value| value != "0");
    if !wants_installed && writer.join("src/create.cpp").is_file() {
        compile(&writer);
    } else {
        link_installed();
    }
}

fn compile(writer: &Path) {
    let include = writer.join("include");
    // A folder stands for all that is in it.
    println!("cargo:rerun-if-changed={}", writer.join("src").display());
    println!("cargo:rerun-if-changed={}", include.display());
    let mut build = cc::Build::new();
    build.cpp(true).cpp_link_stdlib(None).include(&include).warnings(false);
    for flag in FLAGS {
        build.flag(flag);
    }
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl") && !chooses_compiler() {
        // Distributions package it without a musl-g++. It compiles C++ as well, and nothing of a C++ library is used.
        build.compiler("musl-gcc");
    }
    build.files(sources(&writer.join("src"))).compile("ringside");
    tell_include(&include);
}

/// Whether one of the variables names a C++ compiler that the crate `cc` looks at.
fn chooses_compiler() -> bool {
    let target = env::var("TARGET").expect("cargo tells the target");
    let names =
        ["CXX".into(), format!("CXX_{target}"), format!("CXX_{}", target.replace('-', "_")), "TARGET_CXX".into()];
    names.iter().any(|name: &String| env::var_os(name).is_some())
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().map_or(false, |extension| extension == "cpp"))
        .collect();
    found.sort(); // The same archive on every machine.
    found
}

/// Not by the crate `pkg-config`: three calls of a program are all that is needed of it.
fn link_installed() {
    for name in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    // As pkg-config writes it: both must hold. The layout that a record writes by is compiled in, and is that of 0.1.
    pkg_config(&["--exists", "--print-errors", "ringside >= 0.1.0 ringside < 0.2.0"]);
    for flag in pkg_config(&["--libs", "ringside"]).split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
    let flags = pkg_config(&["--cflags-only-I", "ringside"]);
    let include = flags.split_whitespace().map(|flag| Path::new(flag.trim_start_matches("-I")));
    match include.clone().find(|folder| folder.join("ringside/ringside.h").is_file()) {
        Some(folder) => tell_include(folder),
        None => panic!("pkg-config finds ringside, but its headers are in none of its folders: {flags}"),
    }
}

fn pkg_config(arguments: &[&str]) -> String {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let help = "install libringside 0.1.0 or newer, before 0.2.0, or build from a checkout of the project, \
                where the sources of the library lie beside this crate";
    // It leaves out /usr/include when it is not told otherwise.
    let output = Command::new(&program).args(arguments).env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1").output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => {
            panic!("pkg-config has no ringside for this crate: {}{help}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => panic!("cannot run {}: {error}; {help}", Path::new(&program).display()),
    }
}

/// For the crate's own test, and as `DEP_RINGSIDE_INCLUDE` for build scripts of crates that depend on this one.
fn tell_include(include: &Path) {
    println!("cargo:rustc-env=RINGSIDE_INCLUDE={}", include.display());
    println!("cargo:include={}", include.display());
}
