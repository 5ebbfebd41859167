"""The Python binding, installed for the tests, and what they share."""

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
PACKAGE = SOURCE_DIR / "libwriter/bindings/python"
sys.path[:0] = [str(SOURCE_DIR / "tests/support"), str(PACKAGE)]
import offline_venv  # noqa: E402
from ringsidectl import BUILD_DIR, TIMEOUT_S, ok_json  # noqa: E402

ENVIRONMENT = BUILD_DIR / "python"
SITE_PACKAGES = offline_venv.install(ENVIRONMENT)
sys.path[:0] = [str(SITE_PACKAGES)]
from ringside import Buckets, Error, Kind, Metric, Schema, Segment, Tier  # noqa: E402

S = 10**9
BEGIN = 1_700_000_090 * S

SCHEMA = Schema(
    name="everything",
    version=3,
    tiers=[Tier(1, 8), Tier(10, 6), Tier(300, 4)],
    metrics=[
        Metric("requests_total", Kind.COUNTER, labels=["device", "op"], max_series=3, help="Requests that ended."),
        Metric("busy_seconds_total", Kind.COUNTER_F64, unit="seconds"),
        Metric("faults_total", Kind.COUNTER, shared=True),
        Metric("delay_seconds", Kind.GAUGE, labels=["queue"], max_series=2, unit="seconds"),
        Metric("memory_bytes", Kind.LEVEL, unit="bytes"),
        Metric("size_bytes", Kind.HISTOGRAM, unit="bytes", buckets=Buckets(scale=0, lowest=2, highest=64)),
        Metric("build_info", Kind.INFO, labels=["version"]),
    ],
)


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture
def segment(memory):
    with Segment.create(SCHEMA, vm_id="vm-7", directory=memory, tick=True) as made:
        made.tick(BEGIN)
        yield made


def dump(path, selector="{}", tier="1s"):
    return ok_json("segment", "dump", path, "--series", selector, "--tier", tier)


def header(path):
    return ok_json("segment", "dump", path)["header"]


def newest(path, metric):
    return dump(path, metric)["points"][-1]


def python(*arguments, code=0):
    """What a program printed that runs in the environment, and on stderr."""
    done = subprocess.run(
        [str(word) for word in (offline_venv.python_of(ENVIRONMENT), *arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == code, done
    return done.stdout, done.stderr


@contextlib.contextmanager
def raises(number, *texts):
    """The block must raise Error with this errno, and with each of these in its text."""
    with pytest.raises(Error) as caught:
        yield
    error = caught.value
    assert errno.errorcode[error.errno] == errno.errorcode[number], error
    assert str(error) == error.text
    for text in texts:
        assert text in error.text
