"""Programs that link the library as a stranger's VMM does, and what their segments then hold."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
BUILD = Path(os.environ["RINGSIDE_BUILD_DIR"])
INCLUDE = SOURCE / "libwriter/include"
ARCHIVE = BUILD / "libwriter/libringside.a"
SEGMENT_VALUES = BUILD / "tests/support/segment_values"
RECORDER = SOURCE / "tests/abi/recorder.c"
RECORDED = {"a_total": 1, "b_total": 2, "c_total": 3.5, "d": 4.5, "e": 5.5, "f": 1}

sanitized = pytest.mark.skipif(
    os.environ["RINGSIDE_SANITIZE"] != "none", reason="the library wants a sanitizer's runtime"
)


@contextlib.contextmanager
def segment_folder():
    folder = tempfile.mkdtemp(prefix="ringside-test-", dir="/dev/shm")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def values_of(segment):
    """(how it ended, {metric: value}) of a closed segment, as the agent reads it."""
    out = subprocess.run([SEGMENT_VALUES, segment], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    read = json.loads(out.stdout)
    return (read["cause"], read["close_text"]), {one["metric"]: one.get("value") for one in read["series"]}


def check_recorder(program, environment=None):
    """Runs recorder.c, linked in whatever way, and reads back what it recorded."""
    with segment_folder() as folder:
        done = subprocess.run([program, folder], capture_output=True, text=True, env={**os.environ, **(environment or {})})
        assert (done.returncode, done.stderr) == (0, "")
        assert values_of(done.stdout.strip()) == (("closed", "done"), RECORDED)
