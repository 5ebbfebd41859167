"""The Rust binding: its own tests, the rules of a well-kept crate, and what its example records as ringsidectl reads it.

Everything that cargo makes lies below the build folder. The tests run one after the other, so each step builds on the one
before; none writes into the source tree, as the lock file is there to be kept (--locked).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
BUILD = Path(os.environ["RINGSIDE_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "tests/support"))
from library_flags import missing_flags  # noqa: E402
from ringsidectl import ok_json  # noqa: E402

RUST = SOURCE / "libwriter/bindings/rust"
TIMEOUT_S = 600  # ends what hangs; a first build on a busy machine is far from it


def cargo(*arguments, **variables):
    """What cargo printed; fails the test with all of it."""
    done = subprocess.run(
        [RUST / "cargo-offline", BUILD / "cargo", *arguments],
        env={**os.environ, "CARGO_TERM_COLOR": "never", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def passed(output):
    """How many tests passed, of which all must have run."""
    results = re.findall(r"^test result: ok\. (\d+) passed; 0 failed; (\d+) ignored; .* (\d+) filtered out", output, re.MULTILINE)
    assert all(ignored == filtered == "0" for _, ignored, filtered in results), output
    return sum(int(count) for count, _, _ in results)


def test_the_crates_are_formatted():
    cargo("fmt", "--all", "--", "--check")


def test_clippy_finds_nothing():
    cargo("clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings")


def test_the_crates_pass_their_own_tests():
    # Layout against the C headers, set-up, handles, threads, adapters; documentation that must and must not compile.
    assert passed(cargo("test", "--locked", "--workspace")) >= 60


def test_the_documentation_builds_without_a_warning():
    cargo("doc", "--locked", "--workspace", "--no-deps", RUSTDOCFLAGS="-D warnings")


@pytest.mark.skipif(os.environ["RINGSIDE_SANITIZE"] != "none", reason="the library wants a sanitizer's runtime")
def test_a_library_that_pkg_config_finds_is_linked_where_asked_for():
    # Of the bindings alone: what stands on them does not see the difference.
    output = cargo(
        "test", "--locked", "--package", "ringside-sys", "--features", "system",
        PKG_CONFIG_PATH=str(BUILD / "meson-uninstalled"),
        LD_LIBRARY_PATH=str(BUILD / "libwriter"),
    )  # fmt: skip
    assert passed(output) >= 3
    program = BUILD / "cargo" / re.search(r"Running tests/headers.rs \((.+)\)", output)[1]
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert "[libringside.so.0]" in needed


def test_a_missing_library_is_told_with_the_next_step(tmp_path):
    with pytest.raises(AssertionError, match="install libringside 0.1.0 or newer, before 0.2.0, or build from a checkout"):
        cargo("build", "--locked", "--package", "ringside-sys", "--features", "system",
              PKG_CONFIG_PATH="", PKG_CONFIG_LIBDIR=str(tmp_path))  # fmt: skip


def test_a_library_of_another_layout_is_refused(tmp_path):
    # A record writes by the layout of 0.1 whatever library is linked.
    (tmp_path / "ringside.pc").write_text("Name: ringside\nDescription: as if\nVersion: 9.9.9\nLibs: -lringside\n")
    with pytest.raises(AssertionError, match=r"(?s)9\.9\.9.*install libringside 0\.1\.0 or newer"):
        cargo("build", "--locked", "--package", "ringside-sys", "--features", "system",
              PKG_CONFIG_PATH="", PKG_CONFIG_LIBDIR=str(tmp_path))  # fmt: skip


def test_what_the_caller_has_set_up_for_cargo_plays_no_part(tmp_path):
    # A crate in a folder whose configuration asks for what does not exist, as do the environment and PATH.
    crate, fake = tmp_path / "checkout/crate", tmp_path / "bin/cargo"
    for file, text in {
        crate / "src/lib.rs": "",
        crate / "Cargo.toml": '[package]\nname = "nothing"\nversion = "0.1.0"\nedition = "2021"\n',
        crate.parent / ".cargo/config.toml": '[build]\ntarget = "no-such-target"\n',
        fake: "#!/bin/sh\nexit 1\n",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    fake.chmod(0o755)
    shutil.copy(RUST / "cargo-offline", crate)
    asked = {name: "no-such-thing" for name in (
        "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTC", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RUSTFLAGS",
    )}  # fmt: skip
    done = subprocess.run(
        [crate / "cargo-offline", tmp_path / "build", "build"],
        env={**os.environ, **asked, "PATH": f"{fake.parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "build/target/debug").glob("libnothing*"))


def test_the_sources_compile_for_musl_with_what_debian_packages(tmp_path):
    # Rust's own library for musl is not packaged, so cargo ends once the build script is through. A folder of its own, as
    # what an earlier build left must not pass for the outcome of this one.
    subprocess.run(
        [RUST / "cargo-offline", tmp_path, "build", "--locked", "--package", "ringside-sys", "--target", "x86_64-unknown-linux-musl"],
        env={name: value for name, value in os.environ.items() if "CXX" not in name},
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    (library,) = (tmp_path / "target/x86_64-unknown-linux-musl/debug/build").glob("ringside-sys-*/out/libringside.a")
    symbols = subprocess.run(["nm", "--undefined-only", library], capture_output=True, text=True, check=True).stdout
    assert "clock_gettime" in symbols
    assert re.findall(r" U (_Z(?!NK?8ringside)\w+|__cxa\w+|\w+_chk)$", symbols, re.MULTILINE) == []


def test_the_sources_are_compiled_with_the_flags_of_the_library():
    assert missing_flags(RUST / "ringside-sys/build.rs") == []


def orders(path, comment, patterns):
    """The letters of what binds the order of stores in a hot path, in the order in which it stands there."""
    code = re.sub(comment, "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = [(match.start(), letter) for letter, pattern in patterns.items() for match in re.finditer(pattern, code)]
    return "".join(letter for _, letter in sorted(found))


def test_the_hot_path_has_the_orders_of_the_header():
    # The functions stand in the same order in both: who changes one changes the other.
    header = orders(
        SOURCE / "libwriter/include/ringside/detail/hot_inline.h", r"/\*.*?\*/",
        {"f": r"__atomic_thread_fence\(__ATOMIC_RELEASE\)", "b": r"rside_before_\(\);", "s": r"__atomic_store_n\([^;]*__ATOMIC_RELEASE\)",
         "(": r"update_begin_\(cell\)", ")": r"update_end_\(cell, seq\)"},
    )  # fmt: skip
    rust = orders(
        RUST / "ringside/src/hot.rs", r"//.*?$",
        {"f": r"(?<!compiler_)fence\(Ordering::Release\)", "b": r"\bbefore\(\);", "s": r"\.store\([^;]*Ordering::Release\)",
         "(": r"update_begin\(cell\)", ")": r"update_end\(cell, seq\)"},
    )  # fmt: skip
    assert rust == header
    assert len(header) >= 10


def test_a_killed_writer_leaves_each_record_done_or_not_done():
    cargo("build", "--locked", "--package", "ringside-programs", "--bin", "record")
    done = subprocess.run(
        [BUILD / "tests/bindings/recorder_kill"],
        env={**os.environ, "RINGSIDE_RECORDER": str(BUILD / "cargo/target/debug/record"), "GTEST_OUTPUT": ""},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# --- The example ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield Path(directory)


def run_example(folder):
    cargo("build", "--locked", "--package", "ringside", "--example", "vmm")
    return subprocess.run(
        [BUILD / "cargo/target/debug/examples/vmm", folder],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip


def test_what_the_example_records_is_what_ringsidectl_reads(memory):
    done = run_example(memory)
    assert done.stderr == ""
    path = done.stdout.strip()
    (verified,) = ok_json("segment", "verify", path)["files"]
    assert verified["valid"], verified
    document = ok_json("segment", "dump", path, "--series", "{}", "--tier", "5m")
    header = document["header"]
    assert (header["vm_id"], header["close_code"], header["close_text"]) == ("vm-7", 0, "guest shut down")
    assert (header["rejected_samples"], header["refused_series"]) == (0, 0)
    assert {series["metric"]: series["labels"] for series in document["series"]}["vmm_build_info"] == {"version": "1.2.3"}

    # Two points of a series where the example ran across the end of five minutes.
    points = {}
    for point in document["points"]:
        points.setdefault(point["metric"] + "".join(point["labels"].values()), []).append(point)
    last = {name: of_series[-1] for name, of_series in points.items()}
    assert [last[f"vmm_vcpu_exits_total{vcpu}"]["value"] for vcpu in (0, 1)] == [1000, 1000]
    assert last["vmm_memory_faults_total"]["value"] == 500
    assert last["vmm_block_busy_seconds_total"]["value"] == 36 / 1024
    for vcpu in (0, 1):
        durations = points[f"vmm_vcpu_exit_duration_seconds{vcpu}"]
        assert sum(point["count"] for point in durations) == sum(sum(point["buckets"]) for point in durations) == 1000
    requests = points["vmm_block_request_duration_seconds"]
    assert sum(point["count"] for point in requests) == 8
    assert sum(point["sum"] for point in requests) == 36 / 1024
    assert min(point["min"] for point in requests) == 1 / 1024
    assert max(point["max"] for point in requests) == requests[-1]["last"] == 8 / 1024
    balloon = last["vmm_balloon_actual_bytes"]
    assert (balloon["min"], balloon["max"], balloon["last"]) == (64 << 20,) * 3


def test_the_example_goes_on_without_a_segment_folder(memory):
    done = run_example(memory / "missing")
    assert "does not exist" in done.stderr
    assert done.stdout == "\n"
