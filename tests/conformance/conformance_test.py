"""Each driver performs each file of operations, and leaves the bytes that are expected of it: README.md.

With RINGSIDE_CONFORMANCE_RENEW=1 the expected texts are written anew, from what the first driver leaves, if the oracle
agrees with it.
"""

import difflib
import math
import os
import re
import subprocess
import sys
import tempfile
from decimal import Decimal, getcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from ringsidectl import BUILD_DIR, TIMEOUT_S, ok, ok_json  # noqa: E402
from segment_text import masked, render  # noqa: E402

HERE = Path(__file__).resolve().parent
OPERATIONS = sorted((HERE / "operations").glob("*.txt"))
DRIVERS = {name: command for name, *command in (line.split("\t") for line in (BUILD_DIR / "tests/conformance/drivers").read_text().splitlines())}
ORACLE = BUILD_DIR / "tests/conformance/conformance_oracle"
RENEW = os.environ.get("RINGSIDE_CONFORMANCE_RENEW") == "1"

each_driver = pytest.mark.parametrize("driver", DRIVERS)
each_file = pytest.mark.parametrize("operations", OPERATIONS, ids=lambda path: path.stem)


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield Path(directory)


def schema_of(operations):
    return re.search(r"^schema (\S+)$", operations.read_text(), re.MULTILINE)[1]


def provision(memory, schema):
    toml = HERE / "schemas" / f"{schema}.toml"
    return Path(ok("provision", "--vm-id", "conformance", "--directory", memory, "--schema", toml).strip())


def run(command):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)


def perform(driver, operations, memory):
    """The path of a segment that the driver wrote."""
    path = provision(memory, schema_of(operations))
    done = run([*DRIVERS[driver], path, operations])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path


@each_driver
@each_file
def test_a_driver_leaves_the_expected_bytes(driver, operations, memory):
    path = perform(driver, operations, memory)
    assert ok_json("segment", "verify", path)["files"][0]["valid"]
    found = render(masked(path.read_bytes()))
    expected = HERE / "expected" / operations.name
    if RENEW and driver == next(iter(DRIVERS)):
        agreed = run([ORACLE, path, operations])
        assert (agreed.returncode, agreed.stdout, agreed.stderr) == (0, "", "")
        expected.write_text(found)
    difference = difflib.unified_diff(expected.read_text().splitlines(), found.splitlines(), "expected", driver, n=0, lineterm="")
    assert "\n".join(difference) == ""


@each_file
def test_the_oracle_expects_the_same(operations, memory):
    path = perform(next(iter(DRIVERS)), operations, memory)
    done = run([ORACLE, path, operations])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_oracle_sees_what_is_wrong(memory):
    operations = HERE / "operations/turns.txt"
    path = perform(next(iter(DRIVERS)), operations, memory)
    other = memory / "other.txt"
    for line, instead in (("record delay 0x1.4p+2", "record delay 0x1.8p+2"), ("add faults 100\n", "add faults 99\n"),
                          ("set memory 0x1p+5", "set memory 0x1p+6"), ("record size 0x1p+3", "record size 0x1p+4")):  # fmt: skip
        assert line in operations.read_text()
        other.write_text(operations.read_text().replace(line, instead))
        assert run([ORACLE, path, other]).returncode == 1, line


def test_every_language_has_a_driver():
    bindings = {readme.parent.name for readme in (HERE.parents[1] / "libwriter/bindings").glob("*/README.md")}
    # tests/bindings/meson.build says why.
    left_out = {"go"} if os.environ.get("RINGSIDE_SANITIZE", "none") != "none" else set()
    assert set(DRIVERS) == {"c", "cpp"} | bindings - left_out


def test_every_file_has_its_expected_text():
    assert [path.name for path in OPERATIONS] == sorted(path.name for path in (HERE / "expected").iterdir())
    assert {schema_of(path) for path in OPERATIONS} == {path.stem for path in (HERE / "schemas").iterdir()}


def test_every_operation_of_the_readme_is_performed_somewhere():
    section = (HERE / "README.md").read_text().partition("## The operations\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([a-z]\w*)[ `]", row)}
    performed = {line.split()[0] for path in OPERATIONS for line in path.read_text().splitlines() if line.split("#")[0].split()}
    assert documented == performed


# --- What must come out, by hand -----------------------------------------------------------------------------------------


def points(path, selector, tier):
    """The windows of one series, by their end in seconds; the one that was open when the segment was closed is "open"."""
    document = ok_json("segment", "dump", path, "--series", selector, "--tier", tier)
    return {point["end_ns"] / 1e9 if point is not document["points"][-1] else "open": point for point in document["points"]}


def columns(point, *names):
    return tuple(point[name] for name in names)


SUMMARY = ("count", "sum", "min", "max", "last")


@each_driver
def test_by_hand_one_window(driver, memory):
    path = perform(driver, HERE / "operations/one_window.txt", memory)
    for tier in ("1s", "10s", "5m"):
        delay = points(path, "delay_seconds", tier)
        assert list(delay) == ["open"]
        assert columns(delay["open"], *SUMMARY) == (4, 0.5 - 1.5 + 4 + 0.25, -1.5, 4, 0.25)
        assert points(path, 'requests_total{op="read"}', tier)["open"]["value"] == 0  # 42 and 2^64 - 42
        assert points(path, 'requests_total{op="write"}', tier)["open"]["value"] == 5
        assert points(path, "faults_total", tier)["open"]["value"] == 10
        assert points(path, "busy_seconds_total", tier)["open"]["value"] == 3.125
        size = points(path, "size_bytes", tier)["open"]
        assert columns(size, "count", "sum") == (4, 3 + 32 + 3 + 72)
        # Two buckets a doubling from 1 on: 3 is in (2^1.5, 2^2], 32 in (2^4.5, 2^5], 72 in none.
        assert [(i, n) for i, n in enumerate(size["buckets"]) if n] == [(5, 2), (11, 1)]
    # Held from 0.25 s to 0.75 s, then half of it to the close, a nanosecond before 1 s.
    level = points(path, "memory_bytes", "1s")["open"]
    assert columns(level, "count", "min", "max", "last") == (749_999_999, 2**19, 2**20, 2**19)
    assert level["sum"] == pytest.approx(2**20 * 0.5 + 2**19 * 0.249999999, rel=1e-15)


@each_driver
def test_by_hand_turns(driver, memory):
    path = perform(driver, HERE / "operations/turns.txt", memory)
    seconds = points(path, "delay_seconds", "1s")
    assert list(seconds) == [1700000095.0, 1700000100.0, 1700000101.0, "open"]
    assert columns(seconds[1700000100.0], *SUMMARY) == (1, 64, 64, 64, 64)
    assert columns(seconds[1700000101.0], *SUMMARY) == (2, -63, -64, 1, 1)
    tens = points(path, "delay_seconds", "10s")
    assert columns(tens[1700000090.0], *SUMMARY) == (4, 2.5, -2, 2, 2)
    minutes = points(path, "delay_seconds", "5m")
    assert columns(minutes[1700000100.0], *SUMMARY) == (10, 2.5 + 4 + 5 + 6 + 0.0625 + 0.125 + 64, -2, 64, 64)
    assert columns(minutes["open"], *SUMMARY) == (3, -62, -64, 1, 1)
    reads = points(path, "requests_total", "5m")
    assert [reads[end]["value"] for end in (1700000100.0, "open")] == [1114, 11116]
    # 8 from 88.5 s, 16 from 89 s, 4 from 90 s, 32 from 90.5 s, 64 from 92.25 s, 2 from 94.75 s, 128 for the last 1/64 s.
    held = 8 * 0.5 + 16 * 1 + 4 * 0.5 + 32 * 1.75 + 64 * 2.5 + 2 * 5.234375 + 128 / 64
    level = points(path, "memory_bytes", "5m")[1700000100.0]
    assert columns(level, *SUMMARY) == (11_500_000_000, held, 2, 128, 128)


def bound(index, scale):
    """2^(index / 2^scale), rounded to the nearest double."""
    getcontext().prec = 60
    return float(Decimal(2) ** (Decimal(index) / Decimal(2) ** scale))


@each_driver
@pytest.mark.parametrize("name,scale", [("coarse", -4), ("doubling", 0), ("middle", 3), ("fine", 8)])
def test_by_hand_histogram_edges(driver, name, scale, memory):
    """Every bound in the schema's range is tried, with its neighbours, and each falls where arithmetic of 60 digits says."""
    operations = HERE / f"operations/histogram_edges_{name}.txt"
    path = perform(driver, operations, memory)
    metric = next(m for m in ok_json("segment", "dump", path)["metrics"] if m["metric"] == name)
    first, count = metric["bucket_first"], metric["bucket_count"]
    bounds = [bound(first - 1 + i, scale) for i in range(count + 1)]
    values = [float.fromhex(line.split()[2]) for line in operations.read_text().splitlines() if line.startswith("record")]
    tried = {near for one in bounds if 0 < one < math.inf for near in (math.nextafter(one, 0), one, math.nextafter(one, math.inf))}
    assert tried - {0, math.inf} <= set(values)
    expected = [0] * (count + 1)
    for value in values:
        fitting = [i for i, upper in enumerate(bounds) if value <= upper]
        if fitting:
            expected[fitting[0]] += 1
    newest = points(path, name, "1s")["open"]
    assert newest["buckets"] == expected
    assert newest["count"] == len(values)


# --- What is wrong with a file ends a driver -----------------------------------------------------------------------------

HEAD = "schema one_tier\nclock tick\ntick 1700000090000000000\ncounter c requests_total\ngauge g delay_seconds\n"
# What stands on line 6, and the word that the message has to name.
SLIPS = {
    "unknown operation": ("frobnicate c 1", "frobnicate"),
    "operation in capitals": ("ADD c 1", "ADD"),
    "unknown handle": ("add d 1", "d"),
    "handle of another kind": ("add g 1", "g"),
    "handle given twice": ("gauge c delay_seconds", "c"),
    "word too few": ("add c", "add"),
    "word too many": ("add c 1 2", "add"),
    "negative count": ("add c -1", "-1"),
    "count over 64 bits": ("add c 18446744073709551616", "18446744073709551616"),
    "count with a tail": ("add c 1x", "1x"),
    "double that is none": ("record g one", "one"),
    "double with a tail": ("record g 0x1p+0x", "0x1p+0x"),
    "tick without a time": ("tick", "tick"),
    "other clock": ("clock coarse", "coarse"),
}


def fails(driver, path, operations):
    done = run([*DRIVERS[driver], path, operations])
    assert done.returncode > 0 and done.stdout == "", done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@each_driver
@pytest.mark.parametrize("slip", SLIPS)
def test_a_driver_refuses(driver, slip, memory):
    line, word = SLIPS[slip]
    operations = memory / "slip.txt"
    operations.write_text(f"{HEAD}{line}\nclose 0\n")
    message = fails(driver, provision(memory, "one_tier"), operations)
    assert f"{operations}:6:" in message and word in message.partition(":6:")[2]


@each_driver
def test_a_driver_refuses_a_file_without_an_end_and_one_that_goes_on(driver, memory):
    operations = memory / "slip.txt"
    for text in (HEAD, HEAD + "close 0\nadd c 1\n", HEAD + "close 0\nadd c 1\nclose 0\n", HEAD + "close 2147483648\n"):
        operations.write_text(text)
        assert str(operations) in fails(driver, provision(memory, "one_tier"), operations)
    assert str(memory / "none.txt") in fails(driver, provision(memory, "one_tier"), memory / "none.txt")


@each_driver
def test_a_driver_refuses_a_segment_that_is_taken(driver, memory):
    operations = HERE / "operations/one_tier.txt"
    path = perform(driver, operations, memory)
    assert "writer is or was attached" in fails(driver, path, operations)
