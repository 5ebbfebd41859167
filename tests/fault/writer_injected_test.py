"""Every call to the kernel that set-up and close make is refused in turn, by strace: at the real boundary, whatever stands
between the library and it. writer_set_up_test.cpp does the same to the calls of the C library, with a finer comb.

The program runs to its end and records nothing; it says what was wrong, holds what it held before, and leaves no file or,
where one was laid out for it, leaves that as it was."""

import errno
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

BUILD = Path(os.environ["RINGSIDE_BUILD_DIR"])
PROGRAM = BUILD / "tests/support/set_up_once"
SEGMENT_VALUES = BUILD / "tests/support/segment_values"
RECORDED = {"counter": 10, "shared": 10, "f64": 10.0, "gauge": 1.0, "level": 1.0, "histogram": 10}

pytestmark = pytest.mark.skipif(
    os.environ["RINGSIDE_SANITIZE"] != "none", reason="the sanitizer's own system calls and mappings are in the way"
)

# How each call may fail; EPERM is also what a seccomp filter that does not kill may answer.
ERRORS = {
    "openat": ["EPERM", "EACCES", "EMFILE", "ENOMEM", "EINTR"],
    "newfstatat": ["EPERM", "ENOMEM"],
    "fstat": ["EPERM", "ENOMEM"],
    "fstatfs": ["EPERM", "ENOSYS"],
    "getrandom": ["EPERM", "ENOSYS", "EINTR"],
    "prlimit64": ["EPERM", "ENOSYS"],
    "fallocate": ["EPERM", "ENOSPC", "EDQUOT", "EINTR", "EOPNOTSUPP"],
    "mmap": ["EPERM", "ENOMEM"],
    "munmap": ["EPERM", "ENOMEM"],
    "read": ["EPERM", "EIO", "EINTR"],
    "close": ["EPERM", "EIO", "EINTR"],
    "fchmod": ["EPERM", "EROFS"],
    "fchown": ["EPERM", "EDQUOT"],
    "fcntl": ["EPERM", "ENOLCK"],
    "madvise": ["EPERM", "ENOMEM"],
    "renameat2": ["EPERM", "ENOSYS", "EEXIST"],
}
NEVER_FAIL = {"getpid", "geteuid"}

OPERATIONS = [("create", 3), ("create", 0), ("provision", 3), ("attach", 3), ("attach", 0), ("attach_fd", 0)]


def is_survived(call, line, error):
    """Whether set-up gets over it: for lack of need, by another try, or because the C library knows another way."""
    if call in ("read", "close", "munmap") or "boot_id" in line:
        return True
    return error == "EINTR" or (call, error) == ("fallocate", "EOPNOTSUPP")


class World:
    """A folder, with a segment in it where the operation is to attach."""

    def __init__(self, operation, flags):
        self.folder = tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm")
        self.place = self.folder.name
        if operation.startswith("attach"):
            subprocess.run([PROGRAM, "provision", self.place, "0"], check=True, capture_output=True)
            self.place = str(self.files()[0])
        self.command = [PROGRAM, operation, self.place, str(flags)]
        self.before = self.contents()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def files(self):
        return list(Path(self.folder.name).iterdir())

    def contents(self):
        return {file: file.read_bytes() for file in self.files()}

    def run(self, *options):
        """(code, text, what the process held before and after); the trace is in `trace`."""
        with tempfile.NamedTemporaryFile("r", prefix="ringside-test-") as log:
            done = subprocess.run(["strace", "-f", "-o", log.name, *options, *self.command], capture_output=True, text=True)
            self.trace = log.read().splitlines()
        assert done.returncode == 0, f"the VM died: {done.returncode} {done.stderr}"
        before, outcome, after = re.fullmatch(
            r"== before\n(.*)== outcome\n(.*)\n== after\n(.*)", done.stdout, re.DOTALL).groups()  # fmt: skip
        code, same_code, text = outcome.split(" ", 2)
        assert code == same_code or (code == "0" and text == "")
        return int(code), text, holdings(before), holdings(after)


def holdings(text):
    """Without what grows by itself."""
    return [line for line in text.splitlines() if not line.endswith(("[stack]", "[heap]"))]


def calls_of(operation, flags):
    """(call, its number among those of this name, its line) of all that set-up and close ask the kernel for."""
    with World(operation, flags) as world:
        code, text, before, after = world.run()
        assert (code, text, before) == (0, "", after)
        seen, inside, calls = {}, False, []
        for line in world.trace:
            call = line.split(" ", 1)[1].lstrip().split("(")[0]
            seen[call] = seen.get(call, 0) + 1
            if marked := re.search(r'write\(2, "(BEGIN|END|CLOSE|CLOSED)\\n"', line):
                inside = marked[1] in ("BEGIN", "CLOSE")
            elif inside:
                calls.append((call, seen[call], line))
    return calls


def check_values(segment):
    out = subprocess.run([SEGMENT_VALUES, segment], check=True, capture_output=True, text=True).stdout
    for metric, value in RECORDED.items():
        assert re.search(rf'"metric":"{metric}","value":{value}[,}}]', out), out
    assert '"cause":"closed"' in out


@pytest.mark.parametrize("operation,flags", OPERATIONS)
def test_set_up_gets_over_each_refusal_or_leaves_nothing(operation, flags):
    calls = calls_of(operation, flags)
    assert len(calls) >= 5
    for call, number, line in calls:
        if call in NEVER_FAIL:
            continue
        assert call in ERRORS, f"set-up makes a call that this test does not know: {line}"
        for error in ERRORS[call]:
            with World(operation, flags) as world:
                where = f"{error} in place of: {line}"
                code, text, before, after = world.run(f"--inject={call}:error={error}:when={number}")
                assert any("(INJECTED)" in line for line in world.trace), where
                if is_survived(call, line, error):
                    assert (code, text) == (0, ""), where
                    (segment,) = world.files()
                    if operation != "provision":
                        check_values(segment)
                else:
                    assert code in (-getattr(errno, error), -errno.ENOMEM if call == "mmap" else None), f"{where}: {text}"
                    assert re.search(r"errno \d+|no memory|no room", text), f"{where}: {text}"
                    assert world.contents() == world.before, where
                # What strace refuses does not happen, so that a descriptor or mapping it holds on to is its own doing.
                if call not in ("close", "munmap"):
                    assert after == before, where


@pytest.mark.parametrize(
    "operation,expected",
    [
        ("attach", ["openat", "newfstatat|fstat", "mmap", "mmap", "close", "munmap", "munmap"]),
        ("attach_fd", ["newfstatat|fstat", "mmap", "mmap", "munmap", "munmap"]),
    ],
)
def test_attach_without_flags_makes_the_calls_in_the_documents(operation, expected):
    calls = calls_of(operation, 0)
    assert re.fullmatch(" ".join(f"({call})" for call in expected), " ".join(call for call, _, _ in calls))
    maps = [line for call, _, line in calls if call == "mmap"]
    assert "PROT_READ|PROT_WRITE, MAP_SHARED, " in maps[0]
    assert "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, " in maps[1]
