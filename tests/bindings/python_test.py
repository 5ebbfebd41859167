"""The Python binding as pip installs it: what it records, as ringsidectl reads it, and what it promises."""

import contextlib
import errno
import gc
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
PACKAGE = SOURCE_DIR / "libwriter/bindings/python"
sys.path[:0] = [str(SOURCE_DIR / "tests/support"), str(PACKAGE)]
import offline_venv  # noqa: E402
from ringsidectl import BUILD_DIR, TIMEOUT_S, ok_json  # noqa: E402

ENVIRONMENT = BUILD_DIR / "python"
sys.path[:0] = [str(offline_venv.install(ENVIRONMENT))]
import ringside  # noqa: E402
from ringside import Buckets, Column, Error, Kind, Metric, Schema, Segment, Tier  # noqa: E402

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
    with tempfile.TemporaryDirectory(dir="/var/tmp") as disk, raises(errno.EMEDIUMTYPE, disk, "tmpfs"):
        Segment.create(SCHEMA, vm_id="vm-7", directory=disk)
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


# --- Threads, signals, fork ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def switching_all_the_time():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def run_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_may_share_any_handle(segment):
    counter, delay = segment.counter("requests_total", "vda", "read"), segment.gauge("delay_seconds", "rx")
    size = segment.histogram("size_bytes")
    now = iter(range(BEGIN, BEGIN + 1000 * S, S // 100))

    def work():
        for i in range(20_000):
            if i % 100 == 0:
                segment.tick(next(now))  # windows turn meanwhile, and time goes back a little
            counter.add(3)
            delay.record(1)
            size.record(1)

    with switching_all_the_time():
        run_threads(4, work)
    segment.close()
    points = {point["metric"]: point for point in dump(segment.path, tier="5m")["points"]}
    assert points["requests_total"]["value"] == 4 * 20_000 * 3
    assert points["delay_seconds"]["count"] == points["delay_seconds"]["sum"] == 4 * 20_000
    assert points["size_bytes"]["count"] == points["size_bytes"]["buckets"][0] == 4 * 20_000


def test_a_segment_may_be_closed_while_threads_record(memory):
    segment = Segment.create(SCHEMA, vm_id="vm-7", directory=memory)
    counter, size = segment.counter("requests_total", "vda", "read"), segment.histogram("size_bytes")
    recorded = threading.Event()

    def work():
        while counter:
            counter.add()
            size.record(5)
            recorded.set()
        size.record(5)

    with switching_all_the_time():
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert recorded.wait(TIMEOUT_S)
        segment.close(0, "in the middle")
        for thread in threads:
            thread.join()
    assert newest(segment.path, "requests_total")["value"] > 0
    assert header(segment.path)["close_text"] == "in the middle"


def test_a_signal_handler_may_record_into_the_same_handle(segment):
    delay, handled = segment.gauge("delay_seconds", "rx"), 0

    def handler(*_):
        nonlocal handled
        handled += 1
        delay.record(2)

    usual = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        mine = 0
        while handled < 50:
            delay.record(1)
            mine += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
    segment.close()
    point = newest(segment.path, "delay_seconds")
    assert (point["count"], point["sum"]) == (mine + handled, mine + 2 * handled)


def test_a_forked_child_cannot_touch_the_segment(segment):
    counter, delay = segment.counter("requests_total", "vda", "read"), segment.gauge("delay_seconds", "rx")
    counter.add(1)
    before = Path(segment.path).read_bytes()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(Exception):
            with segment:  # closes it, for the child
                segment.tick(BEGIN + 100 * S)
                for _ in range(1000):
                    counter.add(1000)
                    delay.record(1000)
            status = 0
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Path(segment.path).read_bytes() == before
    assert header(segment.path)["state"] == "attached"
    counter.add(1)
    segment.close()
    assert newest(segment.path, "requests_total")["value"] == 2


def record_as_a_child(counter):
    counter.add(1000)


def test_a_child_of_multiprocessing_cannot_touch_the_segment(segment):
    counter = segment.counter("requests_total", "vda", "read")
    counter.add(1)
    child = multiprocessing.get_context("fork").Process(target=record_as_a_child, args=(counter,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert header(segment.path)["state"] == "attached"
    for one in (counter, segment):  # as `spawn` would have to
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(one)
    segment.close()
    assert newest(segment.path, "requests_total")["value"] == 1


ORPHAN = """
import os, signal, sys, ringside
schema = ringside.Schema("s", [ringside.Metric("a_total", ringside.Kind.COUNTER)])
segment = ringside.Segment.create(schema, vm_id="vm-7", directory=sys.argv[1])
counter = segment.counter("a_total")
counter.add(3)
child = os.fork()
if child == 0:
    counter.add(1000)
    os.close(1)
    os.close(2)
    signal.pause()
print(child, segment.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_lives_on_does_not_make_a_dead_process_look_alive(memory):
    out, _ = python("-c", ORPHAN, memory, code=-signal.SIGKILL)
    child, path = out.split()
    try:
        head = header(path)
        assert (head["state"], head["life"], head["exit_cause"]) == ("attached", "dead", "killed")
        assert newest(path, "a_total")["value"] == 3
    finally:
        os.kill(int(child), signal.SIGKILL)


# --- The package ---------------------------------------------------------------------------------------------------------


def test_the_package_is_what_the_library_is():
    header_text = (SOURCE_DIR / "libwriter/include/ringside/ringside.h").read_text()
    version = ".".join(re.search(rf"RSIDE_VERSION_{part} (\d+)", header_text)[1] for part in ("MAJOR", "MINOR", "PATCH"))
    installed = Path(ringside.__file__).parent
    assert (installed.parent / f"ringside-{version}.dist-info").is_dir()
    assert (installed / "py.typed").exists() and (installed / "_native.pyi").exists()
    (native,) = installed.glob("_native*.so")
    exported = subprocess.run(["nm", "-D", "--defined-only", native], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in exported.splitlines()] == ["PyInit__native"]  # another copy stays another
    needed = subprocess.run(["readelf", "-dW", native], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", needed) == ["libc.so.6"]


def test_outside_of_the_tree_the_build_says_what_to_do(tmp_path):
    package = tmp_path / "a/b/python"
    shutil.copytree(PACKAGE, package, ignore=offline_venv.LEFT_OUT)
    done = offline_venv.pip_install(ENVIRONMENT, package, "--target", tmp_path / "out")
    assert done.returncode != 0
    assert "build the binding inside the source tree of Ringside, or install a wheel" in done.stdout


def mypy(*arguments):
    """What `mypy --strict` says, with the installed module before its eyes."""
    command = ["/usr/bin/mypy", "--strict", "--cache-dir", BUILD_DIR / "mypy", "--python-executable", offline_venv.python_of(ENVIRONMENT)]
    return offline_venv.run(*command, *arguments).stdout


def test_the_types_hold():
    said = mypy(PACKAGE / "ringside", PACKAGE / "examples/bridge.py", PACKAGE / "conformance/driver.py", SOURCE_DIR / "bench/bindings/python_bench.py")
    assert "Success: no issues found" in said, said


def test_the_stub_is_what_the_extension_module_has():
    program = f"import sys; sys.path.insert(0, {str(offline_venv.install(ENVIRONMENT))!r}); from mypy.stubtest import main; sys.exit(main())"
    done = offline_venv.run(offline_venv.SYSTEM_PYTHON, "-c", program, "ringside._native")
    assert done.returncode == 0, done.stdout


def test_a_slip_in_a_program_is_a_type_error():
    slips = ["ringside.Gauge().add(1)", "ringside.Counter().add(1.5)", "ringside.Segment().counter(1)",
             "ringside.Segment.create(ringside.Schema('s', []))", "ringside.Metric('a', 1)"]  # fmt: skip
    said = mypy("-c", "\n".join(["import ringside", *slips]))
    assert re.findall(r"^<string>:(\d+): error", said, re.MULTILINE) == ["2", "3", "4", "5", "6"], said


def test_the_example_records_what_it_reads(memory):
    out, err = python("-W", "error", PACKAGE / "examples/bridge.py", memory, "0.2")
    assert err == ""
    points = {(point["metric"], *point["labels"].values()): point for point in dump(out.strip())["points"]}
    assert points["host_context_switches_total",]["value"] < 10**9
    assert points["host_processes_running",]["last"] >= 1
    assert points["bridge_read_seconds",]["count"] >= 1 and points["bridge_read_seconds",]["sum"] > 0
    head = header(out.strip())
    assert (head["component"], head["state"], head["close_code"]) == ("proc_stat", "closed", 0)


def test_the_example_goes_on_without_a_segment_folder(memory):
    out, err = python(PACKAGE / "examples/bridge.py", memory / "missing", "0.2")
    assert out == "" and "no metrics:" in err and "does not exist" in err


def test_the_readme_runs(memory):
    """Its snippets one after the other, as one program; the second one inside the block of the first."""
    first, second = re.findall(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names = {"directory": str(memory)}
    exec(first + "".join(f"    {line}" for line in second.splitlines(keepends=True)), names)  # noqa: S102
    assert names["segment"].closed and not names["packets"]  # registered twice: the second time is refused
    points = {point["metric"]: point for point in dump(names["segment"].path)["points"]}
    assert points["router_packets_total"]["value"] == 3 and points["router_queue_depth"]["last"] == 17
    assert points["router_forward_seconds"]["sum"] == 0.000120
