"""The library in a static musl program, also behind the seccomp filter that Firecracker gives its vCPU threads."""

import platform
import re
import signal
import subprocess

import pytest

from linking import ARCHIVE, INCLUDE, RECORDER, SOURCE, check_recorder, sanitized, segment_folder, values_of
from symbols_test import ALLOWED, TOOLCHAIN, nm

VCPU_JAIL = SOURCE / "tests/abi/vcpu_jail.c"
# musl brings no headers of the kernel: last in line, so that musl's own are taken where both have one.
KERNEL_HEADERS = ["-idirafter", "/usr/include", "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu"]
ROUNDS = 700 * 12_000  # of each thread of vcpu_jail.c


def compile_and_link(program, source, archive, *options):
    subprocess.run(
        ["musl-gcc", "-static", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", *options, source, archive,
         "-o", program], check=True)  # fmt: skip
    return program


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The library as docs/writer.md says to compile it for musl."""
    folder = tmp_path_factory.mktemp("musl")
    (folder / "libwriter").symlink_to(SOURCE / "libwriter")
    document = (SOURCE / "docs/writer.md").read_text()
    recipe = re.search(r"^```sh file=musl.sh\n(.*?)^```", document, re.MULTILINE | re.DOTALL).group(1)
    subprocess.run(["sh", "-e", "-c", recipe], check=True, cwd=folder)
    return folder / "libringside.a"


def test_the_library_for_musl_asks_for_nothing_new(archive):
    undefined = {fields[-1] for fields in nm("-u", archive) if not fields[-1].endswith(".o:")}
    defined = {fields[-1] for fields in nm("--defined-only", archive)}
    assert undefined - defined - TOOLCHAIN <= ALLOWED


def test_a_static_program_records(archive, tmp_path):
    check_recorder(compile_and_link(tmp_path / "recorder", RECORDER, archive))


@sanitized
def test_a_static_program_records_with_the_archive_that_was_built_for_glibc(tmp_path):
    check_recorder(compile_and_link(tmp_path / "recorder", RECORDER, ARCHIVE))


@pytest.fixture(scope="module")
def vcpu_jail(archive, tmp_path_factory):
    if platform.machine() != "x86_64":
        pytest.skip("the filter in vcpu_jail.c is that of x86-64")
    return compile_and_link(tmp_path_factory.mktemp("jail") / "vcpu_jail", VCPU_JAIL, archive, *KERNEL_HEADERS)


def test_vcpu_threads_attach_and_record_a_hundred_million_times_behind_their_filter(vcpu_jail):
    with segment_folder() as folder:
        done = subprocess.run([vcpu_jail, folder], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        by_tick, by_clock = done.stdout.split()
        for segment in by_tick, by_clock:
            how, values = values_of(segment)
            assert how == ("closed", "over")
            last = {"delay": (ROUNDS - 1) % 8, "depth": (ROUNDS - 1) % 8}
            assert values == {"exits_total": 2 * ROUNDS, "faults_total": ROUNDS, "seconds_total": 0.5 * ROUNDS, **last,
                              "latency": ROUNDS}  # fmt: skip


def test_the_filter_ends_vcpu_threads_that_make_one_system_call_more(vcpu_jail):
    with segment_folder() as folder:
        done = subprocess.run([vcpu_jail, folder, "slip"], capture_output=True, text=True)
        assert done.returncode == -signal.SIGSYS
