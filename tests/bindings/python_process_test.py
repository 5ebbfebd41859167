"""The Python binding among threads, signals and forked children."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from python_binding import BEGIN, SCHEMA, TIMEOUT_S, S, dump, header, memory, newest, python, segment  # noqa: E402, F401

from ringside import Segment  # noqa: E402: python_binding has installed it


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
