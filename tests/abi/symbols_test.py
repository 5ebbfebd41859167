"""What the library asks for and what it offers: a static musl VMM must be able to link it, so nothing may creep in."""

import re
import subprocess

from linking import ARCHIVE, INCLUDE, sanitized

BUILD = ARCHIVE.parent

# What set-up needs of the C library. Recording needs clock_gettime alone, and that only in coarse-clock mode.
# A new name here is a new system call or a new thing that a libc must have: think of seccomp filters and of musl.
ALLOWED = {
    "__errno_location",
    "clock_gettime",
    "close",
    "fchmod",
    "fchown",
    "fcntl",
    "fstat",
    "fstatfs",
    "geteuid",
    "getpid",
    "getrandom",
    "getrlimit",
    "madvise",
    "memcpy",
    "memset",
    "mmap",
    "munmap",
    "open",
    "posix_fallocate",
    "pthread_atfork",
    "pthread_mutex_lock",
    "pthread_mutex_unlock",
    "read",
    "strcmp",
    "strlen",
    "syscall",  # renameat2, which older C libraries do not wrap
    "unlink",
}
# From the compiler and the linker, not from a library.
TOOLCHAIN = {"_GLOBAL_OFFSET_TABLE_"}


def nm(*arguments: str) -> list[list[str]]:
    text = subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in text.splitlines() if line.strip()]


def static_symbols(*arguments: str) -> set[str]:
    return {fields[-1] for fields in nm(*arguments, str(ARCHIVE)) if not fields[-1].endswith(".o:")}


def public_names() -> set[str]:
    """Every function and object that the headers declare for export."""
    names = set()
    for header in INCLUDE.rglob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for declaration in re.findall(r"^RSIDE_API\s+([^;{]*?)(?:\(|\[|;)", text, re.MULTILINE):
            names.add(re.findall(r"\w+", declaration)[-1])
    return names


@sanitized
def test_static_library_asks_for_nothing_new():
    defined = static_symbols("--defined-only")
    undefined = static_symbols("-u") - defined - TOOLCHAIN
    assert undefined <= ALLOWED


def test_headers_declare_what_is_worth_testing():
    assert {"rside_segment_create", "rside_turn", "rside_default_tiers", "rside_histogram_bounds"} <= public_names()


def test_shared_library_exports_exactly_what_the_headers_declare():
    shared = next(BUILD.glob("libringside.so.?.?.?"))
    exported = {fields[-1].split("@")[0] for fields in nm("-D", "--defined-only", str(shared)) if fields[-2] != "A"}
    assert exported == public_names()


def test_every_export_carries_the_version_of_its_release():
    shared = next(BUILD.glob("libringside.so.?.?.?"))
    versions = {fields[-1].partition("@@")[2] for fields in nm("-D", "--defined-only", str(shared)) if fields[-2] != "A"}
    assert versions == {"RINGSIDE_0.1"}


@sanitized
def test_shared_library_needs_the_c_library_alone():
    shared = next(BUILD.glob("libringside.so.?.?.?"))
    dynamic = subprocess.run(["readelf", "-dW", str(shared)], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic) == ["libc.so.6"]
    assert "NODELETE" in dynamic, "the fork handler stays registered when a plugin is unloaded"


@sanitized
def test_static_library_keeps_its_inner_names_to_itself():
    """Two copies in one program, or a VMM with names like ours, must not clash: all else has hidden visibility."""
    lines = subprocess.run(
        ["readelf", "-sW", str(ARCHIVE)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    open_names = set()
    for line in lines:
        fields = line.split()
        if len(fields) >= 8 and fields[4] in ("GLOBAL", "WEAK") and fields[6] != "UND" and fields[5] == "DEFAULT":
            open_names.add(fields[7])
    assert open_names - public_names() == set()
