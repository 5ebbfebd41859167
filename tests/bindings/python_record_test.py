"""What the Python binding records, as ringsidectl reads it; how a segment ends; what is said when something is wrong."""

import contextlib
import errno
import gc
import os
import re
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from python_binding import BEGIN, SCHEMA, S, dump, header, memory, newest, ok_json, raises, segment  # noqa: E402, F401: fixtures

import ringside  # noqa: E402: python_binding has installed it
from ringside import Buckets, Column, Error, Kind, Metric, Schema, Segment, Tier  # noqa: E402


# --- What is recorded ----------------------------------------------------------------------------------------------------


def test_each_kind_leaves_what_it_recorded(segment):
    reads = segment.counter("requests_total", "vda", "read")
    writes = segment.counter("requests_total", "vda", "write €")
    busy = segment.counter_f64("busy_seconds_total")
    faults = segment.shared_counter("faults_total")
    delay = segment.gauge("delay_seconds", "rx")
    memory_bytes = segment.level("memory_bytes")
    size = segment.histogram("size_bytes")
    segment.info("build_info", "1.2.3")
    reads.add()
    reads.add(2**63)
    writes.baseline(1000)
    writes.total(1007)
    busy.add(0.5)
    busy.baseline(10)
    busy.total(10.25)
    faults.add()
    faults.add(4)
    for value in (1.5, -2, True):
        delay.record(value)
    memory_bytes.set(100)
    for value in (0, 3, 64, 65):
        size.record(value)
    segment.tick(BEGIN + S // 2)
    memory_bytes.set(300)
    segment.tick(BEGIN + S)
    reads.add(0)
    path = segment.path
    segment.close(-3, "done — really")

    document = dump(path)
    points = {(point["metric"], *point["labels"].values()): point for point in reversed(document["points"])}
    assert points["requests_total", "vda", "read"]["value"] == 2**63 + 1
    assert points["requests_total", "vda", "write €"]["value"] == 7
    assert points["busy_seconds_total",]["value"] == 0.75
    assert points["faults_total",]["value"] == 5
    gauge = points["delay_seconds", "rx"]
    assert [gauge[name] for name in ("count", "sum", "min", "max", "last")] == [3, 0.5, -2, 1.5, 1]
    level = points["memory_bytes",]
    assert [level[name] for name in ("count", "sum", "min", "max", "last")] == [S, 200, 100, 300, 300]
    histogram = points["size_bytes",]
    assert (histogram["count"], histogram["sum"], histogram["buckets"]) == (4, 132, [1, 0, 1, 0, 0, 0, 1])
    assert ("build_info", {"version": "1.2.3"}) in [(one["metric"], one["labels"]) for one in document["series"]]
    head = document["header"]
    assert (head["vm_id"], head["state"], head["close_code"], head["close_text"]) == ("vm-7", "closed", -3, "done — really")
    assert (head["rejected_samples"], head["refused_series"]) == (0, 0)


def test_the_clock_is_the_real_one_unless_it_ticks(memory):
    with Segment.create(SCHEMA, vm_id="vm-7", directory=memory) as segment:
        segment.tick(BEGIN)  # no effect
        segment.counter("requests_total", "vda", "read").add()
        path = segment.path
    head = header(path)
    end_ns = newest(path, "requests_total")["end_ns"]
    assert head["created_ns"] // S * S <= end_ns <= head["closed_ns"] + 2 * S


def test_a_schema_says_what_the_segment_takes(segment):
    assert SCHEMA.segment_bytes == segment.size_bytes == os.stat(segment.path).st_size
    document = ok_json("segment", "dump", segment.path)
    assert (document["schema"]["name"], document["schema"]["version"]) == ("everything", 3)
    assert [(metric["metric"], metric["kind"]) for metric in document["metrics"]] == [
        (metric.name, metric.kind.name.lower()) for metric in SCHEMA.metrics
    ]
    assert [(tier.resolution_s, tier.slots) for tier in ringside.DEFAULT_TIERS] == [(1, 300), (10, 360), (300, 288)]
    lean = Schema("lean", SCHEMA.metrics, tiers=[Tier(1, 800, Column.MAX | Column.VALUE)])
    assert 0 < lean.segment_bytes < Schema("fat", SCHEMA.metrics, tiers=[Tier(1, 800)]).segment_bytes
    with pytest.raises(AttributeError):
        SCHEMA.name = "other"  # segments have been laid out with it


def test_provisioned_segments_are_attached_to(memory):
    path = Segment.provision(SCHEMA, vm_id="vm-8", component="disk", directory=memory, mode=0o600)
    assert (header(path)["state"], os.stat(path).st_mode & 0o777) == ("provisioned", 0o600)
    with Segment.attach(path, SCHEMA, tick=True) as segment:
        assert (segment.path, segment.vm_id) == (path, "vm-8")
        segment.counter("requests_total", "vda", "read").add(5)
    assert header(path)["writer_pid"] == os.getpid()

    path = Segment.provision(SCHEMA, vm_id="vm-8", directory=memory)
    fd = os.open(path, os.O_RDWR)
    with Segment.attach(fd, fork_guard=False, lock=False) as segment:
        os.close(fd)
        assert segment.path == ""
        segment.counter("requests_total", "vda", "read").add(5)
    assert (newest(path, "requests_total")["value"], header(path)["writer_pid"]) == (5, 0)

    path = Segment.provision(SCHEMA, vm_id="vm-8", directory=memory)
    with open(path, "r+b") as file, Segment.attach(file) as segment:
        segment.counter("requests_total", "vda", "read").add(5)
    assert newest(path, "requests_total")["value"] == 5


def test_a_number_is_taken_whole_or_not_at_all(memory):
    path = Segment.provision(SCHEMA, vm_id="vm-8", directory=memory)
    with open(path, "r+b") as file:
        for wrong, error in ((file.fileno() + 2**32, OverflowError), (-1, ValueError), (1.5, TypeError)):
            with pytest.raises(error):
                Segment.attach(wrong)
    assert header(path)["state"] == "provisioned"
    for wrong in (dict(owner=12345 + 2**32), dict(owner=2**32 - 1), dict(owner=-2), dict(group=12345 + 2**32), dict(group=-(2**32)),
                  dict(mode=0o640 + 2**32), dict(mode=-1)):  # fmt: skip
        with pytest.raises(OverflowError):
            Segment.provision(SCHEMA, vm_id="vm-8", directory=memory, **wrong)
    assert [entry.name for entry in memory.iterdir()] == [Path(path).name]


# --- How a segment ends --------------------------------------------------------------------------------------------------


def closed_by(memory, raised):
    """What stands in the header when the block is left by this exception."""
    try:
        with Segment.create(SCHEMA, vm_id="vm-7", directory=memory) as segment:
            path = segment.path
            raise raised
    except BaseException as error:
        assert error is raised
    head = header(path)
    assert head["state"] == "closed" and segment.closed
    return head["close_code"], head["close_text"]


def test_a_block_that_ends_closes_as_planned(memory):
    with Segment.create(SCHEMA, vm_id="vm-7", directory=memory) as segment:
        assert not segment.closed
    assert segment.closed and segment.size_bytes == 0
    assert (header(segment.path)["close_code"], header(segment.path)["close_text"]) == (0, "")


@pytest.mark.parametrize("code", [None, 0])
def test_an_exit_as_planned_is_no_failure(memory, code):
    assert closed_by(memory, SystemExit(code)) == (0, "")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (ValueError("no such port"), "ValueError: no such port"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit: 3"),
        (OSError(errno.EIO, "Ein-/Ausgabefehler"), "OSError: [Errno 5] Ein-/Ausgabefehler"),
        (ValueError("a\0b \udcff"), "ValueError: a b ?"),
        (ValueError("é" * 100), "ValueError: " + "é" * 57),
    ],
)
def test_an_exception_that_leaves_the_block_is_the_reason(memory, raised, text):
    assert closed_by(memory, raised) == (ringside.EXCEPTION_CODE, text)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("it has no words")


def test_an_exception_without_words_is_named(memory):
    assert closed_by(memory, Mute()) == (ringside.EXCEPTION_CODE, "Mute")


def test_a_close_in_the_block_has_the_last_word(memory):
    with contextlib.suppress(ValueError), Segment.create(SCHEMA, vm_id="vm-7", directory=memory) as segment:
        segment.close(7, "first")
        segment.close(8, "second")
        raise ValueError
    assert (header(segment.path)["close_code"], header(segment.path)["close_text"]) == (7, "first")


def test_handles_of_a_closed_segment_record_nothing(segment):
    counter = segment.counter("requests_total", "vda", "read")
    everything = [segment.counter_f64("busy_seconds_total").add, segment.gauge("delay_seconds", "rx").record,
                  segment.level("memory_bytes").set, segment.histogram("size_bytes").record]  # fmt: skip
    assert counter
    counter.add(3)
    path = segment.path
    segment.close()
    before = Path(path).read_bytes()
    counter.add(1000)
    counter.total(1000)
    counter.baseline(1000)
    for record in everything:
        record(1)
    segment.tick(BEGIN + S)
    assert not counter and Path(path).read_bytes() == before


def test_a_handle_keeps_its_segment_open(memory):
    counter = Segment.create(SCHEMA, vm_id="vm-7", directory=memory).counter("requests_total", "vda", "read")
    gc.collect()
    assert counter
    (path,) = memory.iterdir()
    with pytest.warns(ResourceWarning, match=re.escape(f"segment {path} was not closed")):
        del counter
        gc.collect()
    assert (header(path)["close_code"], header(path)["close_text"]) == (0, "dropped without a close")


def test_a_segment_that_holds_its_own_handles_is_collected(memory):
    segment = Segment.create(SCHEMA, vm_id="vm-7", directory=memory)
    segment.mine = segment.counter("requests_total", "vda", "read")
    path = segment.path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del segment
        gc.collect()
    assert header(path)["state"] == "closed"


def test_nothing_is_left_behind_in_the_process(memory):
    def held():
        return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count(str(memory))

    before = held()
    for i in range(50):
        with Segment.create(SCHEMA, vm_id=f"vm-{i}", directory=memory) as segment:
            segment.counter("requests_total", "vda", "read").add()
            with pytest.raises(Error):
                Segment.attach(segment.path)
    assert held() == before


# --- Errors --------------------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_schema_is_said(memory):
    counter = Metric("a_total", Kind.COUNTER)
    for metrics, texts in [
        ([Metric("no-name", Kind.COUNTER)], ["no-name"]),
        ([counter, counter], ["a_total"]),
        ([], []),
        ([Metric("h", Kind.HISTOGRAM)], ["h"]),
        ([Metric("g", Kind.GAUGE, shared=True)], ["g"]),
        ([Metric("c_total", Kind.COUNTER, labels=["9"])], ["c_total"]),
    ]:
        schema = Schema("s", metrics)
        with raises(errno.EINVAL, *texts):
            schema.check()
        with raises(errno.EINVAL, *texts):
            schema.segment_bytes
        with raises(errno.EINVAL, *texts):
            Segment.create(schema, vm_id="vm-7", directory=memory)
    with raises(errno.E2BIG, "65536"):
        Schema("s", [Metric(f"{name}_total", Kind.COUNTER, labels=["x"], max_series=40_000) for name in "ab"]).check()
    Schema("s", [counter]).check()
    for wrong in (dict(max_series=2**32 + 1), dict(max_series=-1), dict(buckets=Buckets(300, 1, 2))):
        with pytest.raises(OverflowError):
            Schema("s", [Metric("a_total", Kind.COUNTER, **wrong)]).check()
    with pytest.raises(TypeError):
        Schema("s", [Metric("a_total", Kind.COUNTER, labels=[7])]).check()
    with pytest.raises(ValueError):
        Schema("s", [Metric("a\0b", Kind.COUNTER)]).check()
    assert list(memory.iterdir()) == []


def test_what_is_wrong_with_set_up_is_said(memory):
    missing = memory / "missing"
    with raises(errno.ENOENT, str(missing), "does not exist"):
        Segment.create(SCHEMA, vm_id="vm-7", directory=missing)
    with raises(errno.EINVAL, "vm 7"):
        Segment.create(SCHEMA, vm_id="vm 7", directory=memory)
    with raises(errno.EINVAL, "Disk"):
        Segment.provision(SCHEMA, vm_id="vm-7", component="Disk", directory=memory)
    with raises(errno.ENOENT, "cannot create a segment in /proc"):
        Segment.create(SCHEMA, vm_id="vm-7", directory="/proc")
    with raises(errno.ENOENT, str(missing)):
        Segment.attach(missing)
    with raises(errno.EBADF, "descriptor 1000"):
        Segment.attach(1000)
    path = Segment.provision(SCHEMA, vm_id="vm-7", directory=memory)
    with raises(errno.ESTALE, "another schema"):
        Segment.attach(path, Schema("other", SCHEMA.metrics))
    with Segment.attach(path) as segment:
        with raises(errno.EBUSY, "is or was attached", path):
            Segment.attach(path)
        with raises(errno.EBUSY, "has a segment already"):
            segment._attach(path, None, True, 0)
    assert [entry.name for entry in memory.iterdir()] == [Path(path).name]


def test_what_is_wrong_with_a_registration_is_said(segment):
    segment.counter("requests_total", "vda", "read")
    with raises(errno.EEXIST, "requests_total", "already"):
        segment.counter("requests_total", "vda", "read")
    with raises(errno.ENOENT, "nothing_total", "everything"):
        segment.counter("nothing_total")
    with raises(errno.EINVAL, "delay_seconds", "another kind"):
        segment.level("delay_seconds", "rx")
    with raises(errno.EINVAL, "requests_total", "2 labels, 1 values"):
        segment.counter("requests_total", "vda")
    with raises(errno.EINVAL, "requests_total", "2 labels, 17 values"):
        segment.counter("requests_total", *"abcdefghijklmnopqrstuvwxyz")
    with raises(errno.EINVAL, "build_info"):
        segment.info("build_info", "x" * 256)
    segment.gauge("delay_seconds", "rx")
    segment.gauge("delay_seconds", "tx")
    with raises(errno.ENOSPC, "delay_seconds", "raise max_series"):
        segment.gauge("delay_seconds", "more")
    faults = segment.shared_counter("faults_total")
    again = segment.shared_counter("faults_total")  # the same series
    faults.add(1)
    again.add(2)
    assert header(segment.path)["refused_series"] == 7
    for wrong, error in (((), TypeError), ((7,), TypeError), (("requests_total", "vda", 7), TypeError),
                         (("requests_total", "vda", "a\0b"), ValueError), (("requests_total", "vda", "\udcff"), ValueError)):  # fmt: skip
        with pytest.raises(error):
            segment.counter(*wrong)
    segment.close()
    assert newest(segment.path, "faults_total")["value"] == 3
    for closed in (segment, Segment()):
        with raises(errno.EBADF, "not open"):
            closed.counter("requests_total", "vda", "write")
        with raises(errno.EBADF, "not open"):
            closed.info("build_info", "1")


def test_what_is_no_number_is_an_error_and_what_cannot_be_recorded_is_counted(segment):
    counter = segment.counter("requests_total", "vda", "read")
    busy, delay = segment.counter_f64("busy_seconds_total"), segment.gauge("delay_seconds", "rx")
    memory_bytes, size = segment.level("memory_bytes"), segment.histogram("size_bytes")
    before = Path(segment.path).read_bytes()
    for call, wrong, error in [
        (counter.add, 1.5, TypeError), (counter.add, "1", TypeError), (counter.add, None, TypeError),
        (counter.add, -1, OverflowError), (counter.add, 2**64, OverflowError), (counter.total, -1, OverflowError),
        (delay.record, "1", TypeError), (memory_bytes.set, None, TypeError), (size.record, 10**400, OverflowError),
    ]:  # fmt: skip
        with pytest.raises(error):
            call(wrong)
    with pytest.raises(TypeError):
        counter.add(1, 2)
    with pytest.raises(TypeError):
        ringside.Counter(segment)
    assert Path(segment.path).read_bytes() == before
    for call in (busy.add, busy.total, delay.record, memory_bytes.set, size.record):
        call(float("nan"))
        call(float("inf"))
    busy.add(-1)
    size.record(-1)
    assert header(segment.path)["rejected_samples"] == 12


def test_an_empty_handle_records_nothing():
    for kind in (ringside.Counter, ringside.SharedCounter):
        assert not kind() and kind().add() is None
    ringside.Counter().total(1)
    ringside.CounterF64().add(1)
    ringside.Gauge().record(1)
    ringside.Level().set(1)
    ringside.Histogram().record(1)
